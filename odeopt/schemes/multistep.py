"""y+ = y + h sum_j b_j f_{n-j}: Adams-Bashforth, one gradient per step.       [Hairer, Norsett, Wanner I, (III.1.5)]"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State, plus, weighted
from odeopt.schemes.base import Memory, Step, refuse_projections
from odeopt.schemes.runge_kutta import RungeKutta, heun, rk3
from odeopt.util import check


@dataclass(frozen=True)
class AdamsBashforth:
    """The k-step formula with weights b_0 (newest), b_1, ...; a Runge-Kutta scheme of the same order starts it."""

    name: str
    weights: tuple[float, ...]
    starter: RungeKutta

    def __post_init__(self) -> None:
        check.label("name", self.name)
        weights = check.point("weights", self.weights)
        if weights.ndim != 1:
            raise ValueError(f"weights must have shape (k,), got {weights.shape}")
        object.__setattr__(self, "weights", tuple(weights.tolist()))
        check.instance("starter", self.starter, RungeKutta, "a Runge-Kutta scheme, e.g. odeopt.schemes.heun")
        for m in range(len(self.weights)):  # exact on t^m: sum_j b_j (-j)^m = 1/(m + 1)
            if abs(sum(b * (-j) ** m for j, b in enumerate(self.weights)) - 1 / (m + 1)) > 1e-14:
                raise ValueError(f"weights must be those of Adams-Bashforth of order {m + 1}, got {self.weights!r}")

    @property
    def order(self) -> int:
        return len(self.weights)

    def bind(self, flow: Flow, grad: Grad) -> Step:
        refuse_projections(self.name, flow)
        f, start, weights = flow.rhs(grad), self.starter.bind(flow, grad), self.weights

        def step(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
            slopes = (f(t, y), *memory)[: len(weights)]
            if len(slopes) < len(weights):
                y, increment, _ = start(t, y, (), h)
                return y, increment, slopes
            increment = weighted(h, weights, slopes)
            return plus(y, increment), increment, slopes[:-1]

        return step


ab2 = AdamsBashforth("AB2", (3 / 2, -1 / 2), heun)
ab3 = AdamsBashforth("AB3", (23 / 12, -16 / 12, 5 / 12), rk3)
