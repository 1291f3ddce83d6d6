"""t = t0 + T s^p: physical time as a function of the solver variable s in [0, 1].

p is 1 for regular flows.  A flow with a singular start is smooth in t^(1/p); p = 2 for RMSprop and Adagrad.
Each member may have its own T; all members share s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.util import check
from odeopt.util.check import Array

POINTS = 201  # number of records if only the end is given


@dataclass(frozen=True, eq=False)
class Clock:
    """The map for a number T, or for T of shape (..., 1) with one value per member."""

    t0: float
    T: Any
    power: int = 1

    def time(self, s: Any) -> Any:
        """t(s)."""
        return self.t0 + self.T * s**self.power

    def speed(self, s: Any) -> Any:
        """dt/ds."""
        return self.T * self.power * s ** (self.power - 1)

    def s_of(self, t: Any) -> Any:
        """s(t), the inverse map, for a single number T."""
        return np.clip((np.asarray(t) - self.t0) / self.T, 0, None) ** (1 / self.power)


def record_times(t: Any) -> Array:
    """Increasing finite times (n+1,) or (n+1, ...) from an end or a grid; the grids of members are proportional."""
    array = check.numbers_of("t", t)
    if array.size == 0:
        raise ValueError(f"t must not be empty, got {check.shown(t)}")
    if array.ndim == 0:
        return np.linspace(0.0, check.scalar("t", check.positive("t", float(array))), POINTS)
    with np.errstate(over="ignore"):
        span = array[-1] - array[0]
    rising = len(array) >= 2 and np.isfinite(span).all() and np.isfinite(array).all()
    if not rising or not (array[1:] > array[:-1]).all():
        raise ValueError(f"t must be an end > 0, or at least two increasing finite times, got {t!r}")
    if array.ndim > 1:
        share = (array - array[0]) / (array[-1] - array[0])
        if np.any(array[0] != array[0].flat[0]) or np.ptp(share.reshape(len(array), -1), axis=1).max() > 1e-12:
            raise ValueError(f"t of shape {array.shape} must be the same times for all members up to a factor")
    return array


def clock_of(times: Array, power: int) -> tuple[Clock, Array]:
    """The time map for these record times, and the values of s at the records."""
    T, t0 = times[-1] - times[0], float(times[0].flat[0])
    first = times.reshape(len(times), -1)[:, 0]
    s = ((first - first[0]) / (first[-1] - first[0])) ** (1 / power)
    if not (s[1:] > s[:-1]).all():
        raise ValueError(
            f"t must be times that differ in double precision after subtraction of t[0] = {t0:g}, got {times!r}"
        )
    return Clock(t0, float(T) if T.ndim == 0 else T[..., None], power), s
