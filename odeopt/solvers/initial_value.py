"""dy/ds = f(s, y) from s = begin to s = 1: a flow on a problem in the form that the solvers take."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from odeopt.core.flow import Field, Flow, Onset, Relax
from odeopt.core.state import State, pack, unpack
from odeopt.core.time_map import Clock, clock_of
from odeopt.problems import Problem
from odeopt.problems.oracle import Gradient
from odeopt.util.check import Array

ONSET = 1e-6  # latest s at which the expansion after a singular start hands over to the solver
MOVED = 1e-6  # largest relative movement of theta before the handover

Function = Callable[[float, Array], Any]


@dataclass(frozen=True, eq=False)
class InitialValue:
    """The equation in flat vectors; `s` holds the values at which states are recorded."""

    flow: Field
    problem: Problem
    grad: Gradient
    times: Array
    s: Array
    clock: Clock
    at_rest: State  # at times[0]
    begin: float
    y: State  # at s = begin

    @property
    def members(self) -> tuple[int, ...]:
        """The shape of the ensemble; () for a single run."""
        return self.y[0].shape[:-1]

    @property
    def sizes(self) -> list[int]:
        """How many numbers each variable of one member has."""
        return [u.shape[-1] for u in self.y]

    @property
    def number(self) -> int:
        """The number of members."""
        return math.prod(self.members)

    @property
    def fading(self) -> bool:
        """Whether a rate falls from infinity at t = 0, as friction 3/t does."""
        parts = self.flow.terms() if isinstance(self.flow, Flow) else []
        return any(isinstance(part, Relax) and part.limit is not None for part in parts)

    def slope(self) -> Function:
        """f, evaluated by NumPy."""
        rhs, clock, like = self.flow.rhs(self.grad), self.clock, self.y

        def f(s: float, vector: Array) -> Array:
            slopes, speed = rhs(clock.time(s), unpack(np.array(vector), like)), clock.speed(s)
            return pack(tuple(np.broadcast_to(speed * k, u.shape) for k, u in zip(slopes, like, strict=True)))

        return f


@dataclass(frozen=True, eq=False)
class Functions:
    """The functions that a solver calls for one equation with M members of n numbers each.

    f, jacobian: the right-hand side and its Jacobian: (n, n) for one member, the diagonals (2n - 1, M n) for many
    gradients:   gradients of the problem in each evaluation of f that nobody else counts
    means:       how f is evaluated, as a Trajectory reports it
    kernel:      kernel(method, named) returns a solver for the whole run, of the kind in `scipy_solvers`, or None and
                 the reason; without `named` a kernel that does not pay is None too
    part:        part(members) returns the functions for these members alone, where that costs less; else None
    refused:     refused() replaces `means` if f was abandoned during the run; else ""
    """

    f: Function
    jacobian: Function | None = None
    gradients: int = 0
    means: str = "numpy"
    kernel: Callable[[str, bool], tuple[Any, str]] = lambda method, named: (None, "there is none")
    part: Callable[[Any], Functions] | None = None
    refused: Callable[[], str] = lambda: ""


def initial_value(flow: Field, problem: Problem, times: Array, y: State) -> InitialValue:
    """The equation from y at times[0], or from the expansion shortly after times[0] if the start is singular."""
    onset = _singular_start(flow, times[0], y)
    clock, s = clock_of(times, onset.power if onset else 1)
    return _begun(flow, problem, times, s, clock, onset, y)


def in_time(flow: Field, problem: Problem, t0: float, y: State) -> InitialValue:
    """The equation with s = t; `begin` is t0, or the time at which the expansion after a singular start hands over."""
    onset = _singular_start(flow, np.asarray(t0), y)
    power = onset.power if onset else 1
    made = _begun(flow, problem, np.array([t0]), np.empty(0), Clock(0.0, 1.0, power), onset, y)
    return replace(made, clock=Clock(0.0, 1.0), begin=made.begin**power if onset else t0)


def _begun(
    flow: Field, problem: Problem, times: Array, s: Array, clock: Clock, onset: Onset | None, y: State
) -> InitialValue:
    grad, begin, at_rest = problem.oracle(), 0.0, y
    if onset:
        begin, y = _handover(onset, flow, grad, y, clock)
    return InitialValue(flow, problem, grad, times, s, clock, at_rest, begin, y)


def _handover(onset: Onset, flow: Field, grad: Gradient, y: State, clock: Clock) -> tuple[float, State]:
    """s and the state shortly after a singular start.  theta moves in proportion to s there, at most by MOVED."""
    after = lambda s: _after(onset, flow, grad, y, clock.time(s))
    state = after(ONSET)
    size, moved = (np.abs(u).max(axis=-1) for u in (y[0], state[0] - y[0]))
    far = float(np.max(np.divide(moved, size, out=np.zeros_like(size), where=size > 0)))
    if not far > MOVED:
        return ONSET, state
    sooner = ONSET * MOVED / far
    return sooner, after(sooner)


def _singular_start(flow: Field, t0: Array, y: State) -> Onset | None:
    """The onset of a flow that starts at rest at t = 0; None if it has none or starts otherwise."""
    at_rest = not np.any(t0) and not any(u.any() for u in y[1:])
    return flow.onset if isinstance(flow, Flow) and at_rest else None


def _after(onset: Onset, flow: Field, grad: Gradient, y: State, t: Any) -> State:
    """The state a short time t after a singular start."""
    assert isinstance(flow, Flow)
    state = flow.placed(onset.state)(t, grad, y)
    return tuple(np.broadcast_to(u, v.shape).copy() for u, v in zip(state, y, strict=True))


def from_diagonals(band: Any, number: int, n: int) -> Array:
    """The blocks (M, n, n) of a block-diagonal matrix from its diagonals (2n - 1, M n), in LSODA's band storage."""
    rows = np.reshape(band, (2 * n - 1, number, n))
    return np.stack([np.stack([rows[n - 1 + a - b, :, b] for b in range(n)], -1) for a in range(n)], -2)
