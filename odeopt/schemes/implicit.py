"""d = known + gamma h f(t + h, y + d): schemes whose increment d solves an equation, by SciPy's root finders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.flow import Flow
from odeopt.schemes.base import Memory, StepFailure, Stepper, no_memory, refuse_projections
from odeopt.state import Grad, State, pack, plus, unpack, weighted

DENSE = 60  # up to this many unknowns MINPACK's dense hybrid method is faster than Newton-Krylov
ACCEPTED = 1e-10  # relative residual of an accepted solution; the solver itself aims at 1e-14


def solve_increment(residual: Callable[[State], State], guess: State) -> State:
    """The root of `residual` near `guess`, or StepFailure."""
    from scipy.optimize import root

    def flat(d: Array) -> Array:
        return pack(residual(unpack(d, guess)))

    x0 = pack(guess)
    if not np.all(np.isfinite(x0)):
        raise StepFailure("the slope is not finite")
    if x0.size <= DENSE:
        found = root(flat, x0, method="hybr", options={"xtol": 1e-14})
    else:
        found = root(flat, x0, method="krylov", options={"fatol": 1e-13 * (1 + np.abs(x0).max()), "maxiter": 200})
    if not np.abs(found.fun).max() <= ACCEPTED * (1 + np.abs(found.x).max()):
        raise StepFailure("the implicit equation was not solved; a smaller step may help")
    return unpack(found.x, guess)


@dataclass(frozen=True)
class Theta:
    """d = h [(1 - weight) f(t, y) + weight f(t + h, y + d)].          [Hairer and Wanner II, (IV.2)]

    weight = 1 is implicit Euler, on gradient flow the proximal point method; weight = 1/2 the trapezoid.

    >>> trapezoid.order, implicit_euler.order
    (2, 1)
    """

    weight: float

    def __post_init__(self) -> None:
        if not 0 < check.scalar("weight", check.finite("weight", self.weight)) <= 1:
            raise ValueError(f"weight must be in (0, 1], got {self.weight!r}")

    @property
    def name(self) -> str:
        return {1.0: "implicit Euler", 0.5: "trapezoid"}.get(self.weight, f"theta method {self.weight:g}")

    @property
    def order(self) -> int:
        return 2 if self.weight == 0.5 else 1

    def bind(self, flow: Flow, grad: Grad) -> Stepper:
        refuse_projections(self.name, flow)
        f, weight = flow.rhs(grad), self.weight

        def step(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
            slope = f(t, y)

            def residual(d: State) -> State:
                mean = weighted(h, (1 - weight, weight), (slope, f(t + h, plus(y, d))))
                return tuple(u - v for u, v in zip(d, mean, strict=True))

            increment = solve_increment(residual, weighted(h, (1.0,), (slope,)))
            return plus(y, increment), increment, memory

        return Stepper(no_memory, step)


@dataclass(frozen=True)
class BDF2:
    """d = d_previous/3 + (2/3) h f(t + h, y + d), started by the trapezoid.   [Hairer, Norsett, Wanner I, III.1]"""

    name: str = "BDF2"
    order: int = 2

    def bind(self, flow: Flow, grad: Grad) -> Stepper:
        refuse_projections(self.name, flow)
        f, start = flow.rhs(grad), trapezoid.bind(flow, grad)

        def step(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
            if not memory:
                y, increment, _ = start.step(t, y, (), h)
                return y, increment, (increment,)
            (previous,) = memory

            def residual(d: State) -> State:
                slope = f(t + h, plus(y, d))
                return tuple(u - p / 3 - 2 / 3 * h * s for u, p, s in zip(d, previous, slope, strict=True))

            increment = solve_increment(residual, previous)
            return plus(y, increment), increment, (increment,)

        return Stepper(no_memory, step)


implicit_euler = Theta(1.0)
trapezoid = Theta(0.5)
bdf2 = BDF2()
