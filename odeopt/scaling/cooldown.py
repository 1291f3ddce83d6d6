"""The cooldown that a law of the loss likes best."""

from __future__ import annotations

import numpy as np

from odeopt.optimizers.schedules import hold, polynomial, warm_up
from odeopt.optimizers.schedules.base import Schedule
from odeopt.scaling.recorded_losses import rates_of
from odeopt.scaling.schedule_law import ScheduleLaw
from odeopt.util.check import Array

SHARES, POWERS, ENDS = (0.1, 0.3, 0.6, 1.0), (0.2, 0.5, 0.8), (0.1, 0.5)  # where the search begins, each from 0 to 1
SMALLEST = 1e-6  # last rate, as a share of the peak


def best_cooldown(law: ScheduleLaw, p: Array, steps: int, lr: float, warm: int, least: float) -> Schedule:
    """The least loss after all steps, of warm-up, hold and polynomial cooldown to a rate between `least` and lr.

    The share of the cooldown is free, its power is from 1/2 to 4.
    """
    from scipy.optimize import minimize

    last, rest = np.array([steps - 1]), steps - max(warm - 1, 0)  # the last step of a warm-up is the first that follows
    ratio = min(1.0, max(least / lr, SMALLEST))

    def made(u: Array) -> Schedule:
        share, power, end = np.clip(u, 0, 1)
        cooldown = max(1, round(rest * share))
        down = hold(rest - cooldown, polynomial(cooldown, float(0.5 * 8**power), float(ratio ** (1 - end))))
        return warm_up(warm, down) if warm else down

    def end(u: Array) -> float:
        return float(law.loss(p, law.reads(rates_of("schedule", made(u), steps, lr), last))[0])

    grid = np.stack(np.meshgrid(SHARES, POWERS, ENDS), axis=-1).reshape(-1, 3)
    return made(minimize(end, min(grid, key=end), method="Nelder-Mead", bounds=[(0.0, 1.0)] * 3).x)
