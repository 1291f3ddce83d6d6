"""u' = -rate u + N(y): the relaxations are integrated exactly, and N is approximated by a polynomial in time.

d = h phi_1(-z) f(y) with z = rate h.  Order 2 adds a correction from N at the end of the step.
[Cox and Matthews 2002, eqs. 4 and 22]
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np

from odeopt.core.flow import Flow, Relax
from odeopt.core.formula import reads
from odeopt.core.state import Grad, State, plus
from odeopt.schemes.base import Memory, Step, refuse_projections
from odeopt.util import check


def phi1(z: Any) -> Any:
    """(e^z - 1)/z, or 1 at z = 0."""
    safe = np.where(z == 0, 1.0, z)
    return np.where(z == 0, 1.0, np.expm1(safe) / safe)


def phi2(z: Any) -> Any:
    """(e^z - 1 - z)/z^2, evaluated by its series near 0, where the quotient suffers cancellation.

    >>> float(phi2(0.0)), round(float(phi2(1.0) - (np.e - 2)), 15)
    (0.5, 0.0)
    """
    safe = np.where(np.abs(z) < 0.5, 1.0, z)
    series = sum(np.asarray(z) ** k / factorial(k + 2) for k in range(15))
    return np.where(np.abs(z) < 0.5, series, (np.expm1(safe) - safe) / safe**2)


@dataclass(frozen=True)
class Exponential:
    """Exponential Euler (order 1) or the exponential Heun scheme ETD2RK (order 2)."""

    name: str
    order: int

    def __post_init__(self) -> None:
        check.label("name", self.name)
        if check.count("order", self.order, 1) > 2:
            raise ValueError(f"order must be 1 or 2, got {self.order}")

    def bind(self, flow: Flow, grad: Grad) -> Step:
        refuse_projections(self.name, flow)
        f, rates = flow.rhs(grad), _rates(self.name, flow, grad)

        def step(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
            slope = f(t, y)
            increment = tuple(h * phi1(-r * h) * k for r, k in zip(rates, slope, strict=True))
            if self.order == 2:
                change = zip(f(t + h, plus(y, increment)), slope, rates, increment, strict=True)
                rest = [new - old + r * d for new, old, r, d in change]  # N at the end minus N at the start
                increment = tuple(d + h * phi2(-r * h) * n for d, r, n in zip(increment, rates, rest, strict=True))
            return plus(y, increment), increment, memory

        return step


def _rates(name: str, flow: Flow, grad: Grad) -> list[Any]:
    """The total relaxation rate of each variable.  Raises if a rate is not constant or if there is no relaxation."""
    relaxations = [part for part in flow.terms() if isinstance(part, Relax)]
    if not relaxations:
        raise ValueError(
            f"{name} needs a relaxation, {flow.name} has none: it would be {'Heun' if '2' in name else 'Euler'}"
        )
    rates: list[Any] = [0.0] * len(flow.variables)
    for part in relaxations:
        if state := [read for read in reads(part.rate) if read not in flow.params]:
            raise ValueError(
                f"{name} needs constant rates, the rate of {part.slot!r} in {flow.name} reads {', '.join(state)}"
            )
        rates[flow.variables.index(part.slot)] += flow.placed(part.rate)(0.0, grad, (0.0,) * len(flow.variables))
    return rates


exponential_euler = Exponential("exponential Euler", 1)
etd2rk = Exponential("ETD2RK", 2)
