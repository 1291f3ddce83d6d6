"""Phi(y) - y and D(Phi - I)(y), with its transpose, of the step that `simulate` runs, at states packed into vectors.

The step's own operations are recorded as it runs, and H p products of the problem stand for the derivative of its
gradient.  A step that cannot be recorded is differentiated by differences of its increments, all columns at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.analysis.jacobian import increment_jacobian
from odeopt.arrays.tape import Derivative, Link, Tape, Taped
from odeopt.core.state import State, pack, unpack
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import of_optimizer
from odeopt.problems import Problem
from odeopt.problems.derivatives import BY_DIFFERENCES, COARSE, EPS
from odeopt.problems.differences import sizes, typical
from odeopt.problems.oracle import EvaluationError, Gradient, is_proven
from odeopt.schemes.implicit import BDF2, Theta
from odeopt.schemes.lookahead import innermost
from odeopt.util.check import Array

Product = Callable[[Array], Array]

TURN = np.pi / 4  # where multipliers leave the unit circle at -1
LARGEST = 600  # numbers of a state whose step must be differentiated by differences
AGREE = 1e-9  # relative: how far a recorded step may be from the step itself


@dataclass(frozen=True, eq=False)
class Parts:
    """D v = F v + G (H (Q v)) for a step whose coordinates meet in the Hessian only, and that reads one gradient.

    F (m, m, d), G (m, d) and Q (m, d) act on each coordinate of the m variables of the length of theta; the clocks,
    which do not depend on them, are left out.   hessian: H p for rows p;  where: the slices of these variables
    """

    F: Array
    G: Array
    Q: Array
    hessian: Product
    where: tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Linearised:
    """A step near a state: `increment` (n,), and the products D p and D^T q with D = DPhi - I, for rows (k, size).

    parts: what D consists of, if it is known
    turn:  the least angle a step by which a pair of multipliers must turn to be averaged; the flow follows slower ones
    """

    increment: Array
    product: Product
    transposed: Product
    size: int
    parts: Parts | None = None
    turn: float = TURN


def theta_sizes(theta: Array, start: Array) -> Array:
    """The size of each number of theta (d,): at least its rms, and a tenth of the usual size at the start."""
    return np.maximum(sizes(theta, typical(start)), np.sqrt(np.mean(theta * theta)))


class Hessian:
    """H(theta) p for rows p (k, d), counted in `count`; after the first, an exception becomes an EvaluationError."""

    def __init__(self, problem: Problem) -> None:
        self._hvp, self.count = problem.hvp, 0

    def __call__(self, theta: Array, p: Array) -> Array:
        rows = np.atleast_2d(p)
        if not len(rows):
            return np.zeros(rows.shape)
        try:
            found = np.asarray(self._hvp(np.broadcast_to(theta, rows.shape), rows), dtype=np.float64)
        except Exception as error:
            if self.count == 0 and not is_proven():
                error.add_note(f"raised by hvp(theta, p) at theta of shape {rows.shape}")
                raise
            raise EvaluationError(f"hvp raised {type(error).__name__}: {error}") from error
        self.count += len(rows)
        return found.reshape(np.shape(p))


class _Slope:
    """The gradient on recorded arrays: its derivative is H, which is symmetric."""

    def __init__(self, grad: Gradient, hessian: Hessian) -> None:
        self._grad, self._hessian = grad, hessian
        self._last: tuple[Any, Any] = (None, None)
        self.calls: list[tuple[Taped, Taped, Product]] = []  # each point with its gradient and H p there

    def __call__(self, theta: Any) -> Any:
        if not isinstance(theta, Taped):
            return self._grad(theta)
        if theta is not self._last[0]:
            point = theta.value
            H: Product = lambda p: self._hessian(point, p)
            self._last = theta, theta.tape.record(self._grad(point), Link(theta.index, H, H))
            self.calls.append((theta, self._last[1], H))
        return self._last[1]


class StepMap:
    """The step of an optimizer on a problem as a map of vectors (n,); `at(t, y)` linearises it.

    rounding: the relative error of its products, which sets the steps of differences of them
    means:    how it is differentiated, in words
    """

    def __init__(self, opt: Optimizer, problem: Problem, grad: Gradient, y: State) -> None:
        step = of_optimizer(opt)
        self.like, self.h, self._grad = y, step.h, grad
        self.hessian = Hessian(problem)
        self._slope = _Slope(grad, self.hessian)
        self._plain, self._taped = step.increment(grad), step.increment(self._slope)
        implicit = isinstance(innermost(opt.scheme), Theta | BDF2)
        reason = "it solves an equation" if implicit else self._refusal(y)
        self._recorded = not reason
        exact = self._recorded and not problem.hvp_source.startswith(BY_DIFFERENCES)
        self.rounding = EPS if exact else COARSE
        self._squares = {*(opt.flow.variables.index(name) for name in opt.flow.preconditioner.split())}
        self.means = "its operations, recorded" if self._recorded else f"differences of increments ({reason})"
        if reason and self.size > LARGEST:
            raise ValueError(
                f"opt must have a step that can be recorded, or a state of at most {LARGEST} numbers, "
                f"got {self.size} numbers, and {reason}"
            )

    @property
    def size(self) -> int:
        """n, the numbers of a state."""
        return sum(u.size for u in self.like)

    def at(self, t: float, y: Array) -> Linearised:
        """The step from the time t near the state y (n,)."""
        state = unpack(y, self.like)
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
            self._parts(made, state),
        )

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

    def _record(self, t: float, state: State) -> Derivative:
        tape = Tape()
        self._slope.calls.clear()
        inputs = tuple(tape.record(u) for u in state)
        outputs = tuple(
            np.broadcast_to(v, u.shape) if not isinstance(v, Taped) else v
            for u, v in zip(state, self._taped(t, inputs), strict=True)  # type: ignore[arg-type]
        )
        return Derivative(tape, inputs, outputs)

    def _parts(self, made: Derivative, state: State) -> Parts | None:
        """The parts of a recorded step; None if its coordinates meet elsewhere."""
        d, ends = state[0].size, np.cumsum([u.size for u in state])
        long = [i for i, u in enumerate(state) if u.size == d]
        if len(self._slope.calls) != 1 or d == 1:
            return None
        point, slope, hessian = self._slope.calls[0]
        looked = Derivative(made.tape, made.inputs, (*made.outputs, point))
        still = {slope.index: np.zeros(d)}
        none = tuple(np.zeros(u.size) for u in state)
        moved = [looked.push(tuple(np.ones(d) if j == i else z for j, z in enumerate(none)), still) for i in long]
        by_slope = looked.push(none, {slope.index: np.ones(d)})
        F = np.array([[rows[i] for rows in moved] for i in long])
        parts = Parts(
            F,
            np.array([by_slope[i] for i in long]),
            np.array([rows[-1] for rows in moved]),
            hessian,
            tuple(slice(int(ends[i]) - d, int(ends[i])) for i in long),
        )
        r = np.random.default_rng(0).standard_normal((len(long) + 1, d))
        generic = looked.push(
            tuple(r[long.index(i)] if i in long else z for i, z in enumerate(none)), {slope.index: r[-1]}
        )
        alone = dict(zip(long, np.sum(F * r[:-1], axis=1) + parts.G * r[-1], strict=True))
        apart = [np.abs(u - alone.get(i, 0.0)).max() - AGREE * np.abs(u).max() for i, u in enumerate(generic[:-1])]
        clocks = [np.abs(u).max() for i, u in enumerate(generic[:-1]) if i not in long]
        return parts if max([*apart, *clocks]) <= 0 else None

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
        apart = np.abs(found - pack(own))
        return (
            ""
            if np.all(apart <= AGREE * np.abs(pack(own)) + AGREE * np.abs(found))
            else "it moves otherwise when recorded"
        )
