"""d = known + gamma h f(t + h, y + d): schemes whose increment d solves an equation, by SciPy's root finders.

`solve(residual, guess)` finds d.  The analysis of linear problems supplies its own `solve`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State, pack, plus, unpack, weighted
from odeopt.schemes.base import Memory, Step, StepFailure, refuse_projections
from odeopt.util import check
from odeopt.util.check import Array

Solver = Callable[[Callable[[State], State], State], State]

DENSE = 60  # up to this many unknowns MINPACK's dense hybrid method is faster than Newton-Krylov
POWERS = 8  # of h, in symbolic expansions
ACCEPTED = 1e-10  # relative residual of an accepted solution; the solver aims at 1e-14


def solve_increment(residual: Callable[[State], State], guess: State) -> State:
    """The root of `residual` near `guess`, or StepFailure."""
    if not isinstance(guess[0], np.ndarray):
        return substituted(residual, guess)
    from scipy.optimize import root

    def flat(d: Array) -> Array:
        return pack(residual(unpack(d, guess)))

    x0 = pack(guess)
    if not np.all(np.isfinite(x0)):
        raise StepFailure("the slope is not finite")
    scale = np.abs(x0).max()
    if scale == 0:  # a stationary point: the increment 0 solves the equation
        return guess
    if x0.size <= DENSE:
        method, options = "hybr", {"xtol": 1e-14}
    else:
        method, options = "krylov", {"fatol": 1e-13 * scale, "maxiter": 200}
    try:
        found = root(flat, x0, method=method, options=options)
    except (ValueError, np.linalg.LinAlgError) as error:  # NaN inside the linear algebra
        raise StepFailure(f"the implicit equation was not solved: {error}") from error
    if not np.abs(found.fun).max() <= ACCEPTED * max(scale, np.abs(found.x).max()):
        raise StepFailure("the implicit equation was not solved; a smaller step may help")
    return unpack(found.x, guess)


def linear_increment(residual: Callable[[State], State], guess: State) -> State:
    """The root of an affine residual with uncoupled coordinates, real or complex; NaN where there is no root."""
    zero = tuple(0 * u for u in guess)
    at_zero = np.stack(np.broadcast_arrays(*residual(zero)), axis=-1)
    columns = []
    for i in range(len(guess)):
        image = residual((*zero[:i], zero[i] + 1, *zero[i + 1 :]))
        columns.append(np.stack(np.broadcast_arrays(*image), axis=-1) - at_zero)
    A = np.stack(columns, axis=-1)
    A[np.linalg.det(A) == 0] = np.nan
    return tuple(np.moveaxis(np.linalg.solve(A, -at_zero[..., None])[..., 0], -1, 0))


def substituted(residual: Callable[[State], State], guess: State) -> State:
    """The root as a power series in h: each substitution d <- d - residual(d) makes one more power correct."""
    for _ in range(POWERS):
        guess = tuple(d - r for d, r in zip(guess, residual(guess), strict=True))
    return guess


@dataclass(frozen=True)
class Theta:
    """d = h [(1 - weight) f(t, y) + weight f(t + h, y + d)].          [Hairer and Wanner II, (IV.2)]

    weight = 1 is implicit Euler (on gradient flow, the proximal point method); weight = 1/2 is the trapezoidal rule.

    >>> trapezoid.order, implicit_euler.order
    (2, 1)
    """

    weight: float
    solve: Solver = field(default=solve_increment, repr=False)

    def __post_init__(self) -> None:
        if not 0 < check.scalar("weight", check.finite("weight", self.weight)) <= 1:
            raise ValueError(f"weight must be in (0, 1], got {self.weight!r}")
        check.function("solve", self.solve, "a residual and a guess")

    @property
    def name(self) -> str:
        return {1.0: "implicit Euler", 0.5: "trapezoid"}.get(self.weight, f"theta method {self.weight:g}")

    @property
    def order(self) -> int:
        return 2 if self.weight == 0.5 else 1

    def bind(self, flow: Flow, grad: Grad) -> Step:
        refuse_projections(self.name, flow)
        f, weight = flow.rhs(grad), self.weight

        def step(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
            slope = f(t, y)

            def residual(d: State) -> State:
                mean = weighted(h, (1 - weight, weight), (slope, f(t + h, plus(y, d))))
                return tuple(u - v for u, v in zip(d, mean, strict=True))

            increment = self.solve(residual, weighted(h, (1.0,), (slope,)))
            return plus(y, increment), increment, memory

        return step


@dataclass(frozen=True)
class BDF2:
    """d = d_previous/3 + (2/3) h f(t + h, y + d), trapezoidal start.   [Hairer, Norsett, Wanner I, III.1]"""

    name: str = field(default="BDF2", init=False)
    order: int = field(default=2, init=False)
    solve: Solver = field(default=solve_increment, repr=False)

    def __post_init__(self) -> None:
        check.function("solve", self.solve, "a residual and a guess")

    def bind(self, flow: Flow, grad: Grad) -> Step:
        refuse_projections(self.name, flow)
        f, start = flow.rhs(grad), Theta(0.5, self.solve).bind(flow, grad)

        def step(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
            if not memory:
                y, increment, _ = start(t, y, (), h)
                return y, increment, (increment,)
            (previous,) = memory

            def residual(d: State) -> State:
                slope = f(t + h, plus(y, d))
                return tuple(u - p / 3 - 2 / 3 * h * s for u, p, s in zip(d, previous, slope, strict=True))

            increment = self.solve(residual, previous)
            return plus(y, increment), increment, (increment,)

        return step


implicit_euler = Theta(1.0)
trapezoid = Theta(0.5)
bdf2 = BDF2()
