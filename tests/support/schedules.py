"""One schedule of every kind, with its values where it bends; for the frameworks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

import odeopt as oo
from odeopt import schedules

EVERY = [
    schedules.constant(0.3),
    schedules.step(30, 0.5),
    schedules.exponential(0.99),
    schedules.inverse_time(20),
    schedules.inverse_sqrt(20),
    schedules.linear(50, 0.2),
    schedules.polynomial(50, 1.5, 0.2),
    schedules.cosine(50, 0.2),
    schedules.one_minus_sqrt(50, 0.2),
    schedules.one_cycle(80, 20.5, 0.1, 0.2),
    schedules.table([0.2, 1.0, 0.9, 0.1]),
    schedules.table([0.7]),
    schedules.sequence(schedules.step(5), 10, schedules.exponential(0.99)),
    schedules.hold(10, schedules.one_minus_sqrt(20)),
    schedules.warm_up(10, schedules.wsd(90, 30)).stretched(1.5),
    schedules.restarts(schedules.linear(7, 0.2), 7, 2),
    schedules.restarts(schedules.cosine(7, 0.2), 7, 1.5),
    schedules.restarts(schedules.cosine(7, 0.2), 7),
]


@lru_cache(maxsize=2)
def annealed(law="multi-power"):
    """A forecast from losses that are not quite those of the law."""
    k = np.arange(40)
    curves = [(s, 2 + 1 / np.sqrt(1 + k) + 0.1 * s(k) + 0.01 * np.sin(k)) for s in (EVERY[5], EVERY[0])]
    return oo.loss_forecast(curves, lr=[0.1, 0.05], law=law)
