"""The step that `simulate` runs as a map of vectors, with its first and second derivatives.

The step's own operations are recorded as it runs, and H p products of the problem stand for the derivative of its
gradient.  A step that cannot be recorded is differentiated by differences of its increments, all columns at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from odeopt.analysis.jacobian import increment_jacobian
from odeopt.arrays.tape import Derivative, Tape, Taped
from odeopt.core.state import State, pack, unpack
from odeopt.edge.step.hessian import Hessian, Slope
from odeopt.edge.step.linearised import Linearised
from odeopt.edge.step.parts import AGREE, parts_of
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import of_optimizer
from odeopt.problems import Problem
from odeopt.problems.derivatives import COARSE
from odeopt.problems.differences import sizes, typical
from odeopt.problems.oracle import EvaluationError, Gradient
from odeopt.schemes.implicit import BDF2, Theta
from odeopt.schemes.lookahead import innermost
from odeopt.util.check import Array

Curved = Callable[[Array], tuple[Array, Array]]

LARGEST = 600  # numbers of a state whose step must be differentiated by differences


def theta_sizes(theta: Array, start: Array) -> Array:
    """The size of each number of theta (d,): at least its rms, and a tenth of the usual size at the start."""
    return np.maximum(sizes(theta, typical(start)), np.sqrt(np.mean(theta * theta)))


class StepMap:
    """The step of an optimizer on a problem as a map of vectors (n,); `at(t, y)` linearises it.

    rounding: the relative error of its products, which sets the steps of differences of them
    means:    how it is differentiated, in words
    """

    def __init__(self, opt: Optimizer, problem: Problem, grad: Gradient, y: State) -> None:
        step = of_optimizer(opt)
        self.like, self.h = y, step.h
        self.hessian = Hessian(problem)
        self._slope = Slope(grad, self.hessian)
        self._plain, self._taped = step.increment(grad), step.increment(self._slope)
        self._latest: tuple[Array | None, State] = (None, y)
        self._squares = {*(opt.flow.variables.index(name) for name in opt.flow.preconditioner.split())}
        implicit = isinstance(innermost(opt.scheme), Theta | BDF2)
        reason = "it solves an equation" if implicit else self._refusal(y)
        if reason and self.size > LARGEST:
            raise ValueError(
                f"opt must have a step that can be recorded, or a state of at most {LARGEST} numbers, "
                f"got {self.size} numbers, and {reason}"
            )
        self._recorded = not reason
        self._bends = self._recorded and self.hessian.third and self._can_bend(y)
        self.rounding = self.hessian.rounding if self._recorded else COARSE
        twice = "twice" if self._bends else "once; second derivatives by differences"
        self.means = f"its operations, recorded {twice}" if self._recorded else f"differences of increments ({reason})"

    @property
    def size(self) -> int:
        """n, the numbers of a state."""
        return sum(u.size for u in self.like)

    def at(self, t: float, y: Array) -> Linearised:
        """The step from the time t near the state y (n,)."""
        state = self._state(y)
        if not self._recorded:
            D = increment_jacobian(self._plain, state, t)
            return Linearised(pack(self._plain(t, state)), lambda p: p @ D.T, lambda q: q @ D, self.size)
        made = self._record(t, state)
        increment = pack(tuple(u.value if isinstance(u, Taped) else np.asarray(u) for u in made.outputs))
        return Linearised(
            increment,
            lambda p: np.concatenate(made.push(unpack(p, self.like)), axis=-1),
            lambda q: np.concatenate(made.pull(unpack(q, self.like)), axis=-1),
            self.size,
            partial(parts_of, made, self._slope.calls, state),
        )

    def curved(self, t: float, y: Array, right: Array, left: Array) -> Curved | None:
        """p (n,) -> D^2 Phi[p, right_i] and left_j D^2 Phi[p, .], exactly; None where D^3 L is not known."""
        return self._curved(t, self._state(y), right, left) if self._bends else None

    def _curved(self, t: float, state: State, right: Array, left: Array) -> Curved:
        """D right and D^T left are recorded as functions of y, and differentiated."""
        tape = Tape()
        inputs = tuple(tape.record(u) for u in state)
        made = self._record(t, inputs)  # type: ignore[arg-type]
        forward, backward = made.push(unpack(right, self.like)), made.pull(unpack(left, self.like))
        both = Derivative(tape, inputs, (*forward, *backward))

        def along(p: Array) -> tuple[Array, Array]:
            moved = both.push(unpack(p, self.like))
            return np.concatenate(moved[: len(state)], axis=-1), np.concatenate(moved[len(state) :], axis=-1)

        return along

    def sizes(self, y: Array) -> Array:
        """The size of each number of y (n,): of theta at least that at the start, of squares each its own.

        It is infinite for other memory, which tends to 0 with the gradient and moves with theta.
        """
        state = unpack(y, self.like)
        squares = (sizes(u) if i in self._squares else np.full(u.shape, np.inf) for i, u in enumerate(state[1:], 1))
        return pack((theta_sizes(state[0], self.like[0]), *squares))

    def increment(self, t: float, y: Array) -> Array:
        """Phi(y) - y."""
        return pack(self._plain(t, unpack(y, self.like)))

    def _state(self, y: Array) -> State:
        """The same arrays for the same y, at which the gradient is then known."""
        if self._latest[0] is not y:
            self._latest = y, unpack(y, self.like)
        return self._latest[1]

    def _record(self, t: float, state: State) -> Derivative:
        tape = Tape()
        self._slope.calls = []
        inputs = tuple(tape.record(u) for u in state)
        outputs = tuple(
            v if isinstance(v, Taped) else np.broadcast_to(v, u.shape)
            for u, v in zip(state, self._taped(t, inputs), strict=True)  # type: ignore[arg-type]
        )
        return Derivative(tape, inputs, outputs)

    def _refusal(self, y: State) -> str:
        """Why the step cannot be recorded; "" if it can."""
        own = self._plain(0.0, y)
        try:
            made = self._record(0.0, y).outputs
        except EvaluationError:
            raise
        except Exception as error:  # whatever a formula or a user's function raises on recorded arrays
            return f"it raises {type(error).__name__} on recorded arrays: {error}"
        found = pack(tuple(u.value if isinstance(u, Taped) else np.asarray(u) for u in made))
        with np.errstate(invalid="ignore"):
            apart = ~(np.abs(found - pack(own)) <= AGREE * np.abs(pack(own)) + AGREE * np.abs(found))
        finite = np.isfinite(found) | np.isfinite(pack(own))  # a path that begins beyond the finite numbers ends there
        return "it moves otherwise when recorded" if np.any(apart & finite) else ""

    def _can_bend(self, y: State) -> bool:
        """Whether the second derivative can be recorded, and the library has D^3 L."""
        row = np.ones((1, self.size))
        try:
            self._curved(0.0, y, row, row)(row[0])
        except Exception:  # whatever a formula or a library raises; differences then do without
            return False
        return True
