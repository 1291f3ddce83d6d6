"""What a schedule is worth on convex losses: a bound on the loss of the last iterate, and the best peak rate by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.optimizers.schedules.base import Schedule, checked
from odeopt.util import check
from odeopt.util.check import Array, Number
from odeopt.util.limits import NUMBER, within_memory
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved

HELD = 8 * NUMBER  # bytes per step: the steps, their factors, sums of them


@dataclass(frozen=True, eq=False)
class ScheduleBound(Saved):
    """E[L_T] - L* <= a D^2/lr + b G^2 lr for the peak rate lr, as `schedule_bound` computes it.

    a, b: functions of the schedule and of the number of its steps alone; a falls with the distance that the rates
          cover, b grows with the noise that the last of them keep
    """

    schedule: Schedule
    steps: int
    D: float
    G: float
    a: float
    b: float

    @property
    def lr(self) -> float:
        """(D/G) sqrt(a/b): the peak rate with the least bound."""
        return self.D / self.G * (self.a**0.5 / self.b**0.5)

    @property
    def bound(self) -> float:
        """2 sqrt(a b) D G: the bound at the best peak rate."""
        return 2 * (self.a * self.b) ** 0.5 * self.D * self.G

    def at(self, lr: Number) -> Number:
        """The bound at this peak rate, or at each of several."""
        lr = check.positive("lr", lr)
        return self.a * self.D**2 / lr + self.b * self.G**2 * lr

    def __repr__(self) -> str:
        return f"{self.schedule} over {self.steps} steps: bound {self.bound:.6g} at the best peak rate {self.lr:.5g}"

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The bound against the peak rate; returns the artists."""
        return plotted(self, ax=ax, **options)


def schedule_bound(schedule: Any, steps: int, D: float = 1.0, G: float = 1.0) -> ScheduleBound:
    """E[L_T] - L* <= D^2/(2 sum eta_t) + (G^2/2) sum_t eta_t^2/sum_(u >= min(t+1, T)) eta_u,  eta_t = lr s(t - 1).

    For stochastic gradient descent on a convex L, with t = 1, ..., T = steps, D = |theta_0 - theta*| and
    E|g|^2 <= G^2.  Steps with rate 0 at the end move nothing and are left out.
    [Defazio et al. 2023, "When, why and how much?"; Schaipp et al. 2025, "The surprising agreement between convex
    optimization theory and learning-rate scheduling"]

    schedule: one of odeopt.schedules or a function of the step count, not negative

    >>> from odeopt.optimizers.schedules import constant, linear
    >>> schedule_bound(linear(400), 400)
    linear(steps=400, final=0) over 400 steps: bound 0.10063 at the best peak rate 0.049563
    >>> round(schedule_bound(constant(), 400).bound, 6)
    0.137545
    """
    made, steps = checked("schedule", schedule), check.count("steps", steps, 1)
    within_memory("steps", steps, HELD * steps)
    D, G = (check.scalar(name, check.rate(name, value)) for name, value in (("D", D), ("G", G)))
    s, peak = _moving(made(np.arange(steps, dtype=float)))
    later = np.cumsum(s[::-1])[::-1]  # sum_(u >= t) s_u
    rest = np.append(later[1:], later[-1])  # sum_(u >= min(t+1, T)) s_u
    return ScheduleBound(made, steps, D, G, 1 / (2 * float(later[0])) / peak, peak * (float(np.sum(s**2 / rest)) / 2))


def _moving(s: Array) -> tuple[Array, float]:
    """The factors up to the last positive one, as parts of the largest, and the largest."""
    if not np.isfinite(s).all() or (s < 0).any():
        raise ValueError(f"schedule must be finite and not negative, got factors from {s.min():g} to {s.max():g}")
    if not s.any():
        raise ValueError(f"schedule must be positive in some step, got 0 in all {len(s)}")
    peak = float(s.max())
    parts = s / peak
    return parts[: np.flatnonzero(parts)[-1] + 1], peak
