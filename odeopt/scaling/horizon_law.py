"""A longer or shorter run: its schedule stretched, and the factor of its peak rate."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

from odeopt.optimizers.schedules import Schedule, warm_up
from odeopt.scaling.factor import Factor
from odeopt.scaling.schedule_bound import schedule_bound

USUAL, MOST = 1000, 100_000  # steps of a run of which no length is known; steps at which bounds are computed
ENDING = ("linear", "polynomial", "cosine", "one_minus_sqrt", "one_cycle")  # schedules that are constant from k = steps


def length(schedule: Schedule) -> float | None:
    """The steps after which the schedule is constant; None if it never is, or if that is not known.

    >>> from odeopt import schedules
    >>> length(schedules.warm_up(10, schedules.wsd(100, 20))), length(schedules.exponential(0.9))
    (109.0, None)
    """
    inner = _inner_length(schedule.name, schedule.settings)
    return None if inner is None else inner / schedule.stretch


def _inner_length(name: str, settings: Mapping[str, Any]) -> float | None:
    if name in ENDING:
        return float(settings["steps"])
    if name in ("hold", "sequence", "warm_up") and (rest := length(settings["then"])) is not None:
        return settings["steps"] - (name == "warm_up") + rest
    return None


def lengthened(schedule: Schedule, horizon: float) -> Schedule:
    """The schedule over `horizon` times as many steps; a warm-up keeps its steps, as it prepares the same memory.

    >>> from odeopt import schedules
    >>> long = lengthened(schedules.warm_up(10, schedules.linear(91)), 4)
    >>> length(long), long([0, 4, 9]).tolist()
    (400.0, [0.1, 0.5, 1.0])
    """
    if schedule.name != "warm_up" or horizon == 1:
        return schedule.stretched(1 / horizon)
    steps = max(1, round(schedule.settings["steps"] / schedule.stretch))
    after = schedule.settings["then"].stretched(schedule.stretch)
    rest, whole = length(after), length(schedule)
    if rest is None or whole is None:
        return warm_up(steps, after.stretched(1 / horizon))
    wanted = horizon * whole - (steps - 1)
    if wanted < 1:  # the new run is shorter than the warm-up
        return schedule.stretched(1 / horizon)
    return warm_up(steps, after.stretched(rest / wanted))


def horizon_factor(schedule: Schedule, horizon: float) -> Factor:
    """The geometric mean of two factors of the peak rate: that of the bound, about 1/sqrt(horizon), and 1.

    The bound is the worst convex case, in which noise limits the rate; where curvature limits it, the rate stays.
    Language models lie between: horizon^-0.32 [Bjorck et al. 2025].
    """
    found = bound_factor(schedule, horizon)
    return Factor(sqrt(found), min(found, 1.0), max(found, 1.0))


def bound_factor(schedule: Schedule, horizon: float, steps: float | None = None) -> float:
    """The best peak rate over horizon * steps, over that over `steps`, by `schedule_bound`.

    steps: None for the length of the schedule, or 1000 steps where it has none

    >>> from odeopt import schedules
    >>> round(bound_factor(schedules.linear(400), 4), 2)
    0.5
    """
    if horizon == 1:
        return 1.0
    found = steps or length(schedule) or USUAL
    shrunk = max(1.0, found * max(1.0, horizon) / MOST)  # the bound depends on the shape, hardly on the number of steps
    old, new = (max(2, round(n / shrunk)) for n in (found, found * horizon))
    longer = lengthened(schedule.stretched(shrunk), new / old)
    return schedule_bound(longer, new).lr / schedule_bound(schedule.stretched(shrunk), old).lr
