"""Losses recorded under known schedules, as laws are fitted to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.optimizers.schedules.base import Schedule, checked
from odeopt.scaling.schedule_law import warm_up_end
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_memory

RECORDS = 200  # of a curve, to which a law is fitted and at which it is predicted
REACH = 1e-12, 1e6  # learning rates
HELD = 8 * NUMBER  # bytes per step


def recorded_curves(curves: Any, lr: Any, parameters: int) -> list[tuple[Array, Array, Array]]:
    """(rates, records, losses) of each curve; in all, more losses than parameters."""
    try:
        pairs = [(schedule, found) for schedule, found in curves]
    except (TypeError, ValueError) as error:
        raise TypeError(f"curves must be pairs (schedule, loss), got {check.shown(curves)}") from error
    if not pairs:
        raise ValueError(f"curves must not be empty, got {check.shown(curves)}")
    peaks = check.spread("lr", check.within("lr", lr, *REACH), (len(pairs),))
    made = [_curve(f"curves[{i}]", *pair, peak) for i, (pair, peak) in enumerate(zip(pairs, peaks, strict=True))]
    if (found := sum(len(losses) for *_, losses in made)) <= parameters:
        raise ValueError(f"curves must have more than {parameters} losses after their warm-ups, got {found}")
    if not any(np.any(np.diff(eta[: records[-1] + 1]) < 0) for eta, records, _ in made):
        raise ValueError("curves must have losses after a fall of the rate: only that shows the noise")
    return made


def _curve(name: str, schedule: Any, found: Any, lr: float) -> tuple[Array, Array, Array]:
    losses = check.numbers_of(name, found)
    if losses.ndim != 1 or np.isinf(losses).any() or (losses <= 0).any():
        raise ValueError(
            f"{name} must have losses (n,) that are positive, NaN where not recorded, got {check.shown(found)}"
        )
    eta = rates_of(name, checked(f"the schedule of {name}", schedule), rated_steps(len(losses)), lr)
    records = np.flatnonzero(np.isfinite(losses[warm_up_end(eta) :])) + warm_up_end(eta)
    if not len(records):
        raise ValueError(f"{name} must have a loss after its warm-up, which ends with step {warm_up_end(eta)}")
    records = records[np.unique(np.linspace(0, len(records) - 1, RECORDS).astype(int))]
    return eta, records, losses[records]


def rates_of(name: str, made: Schedule, steps: int, lr: float) -> Array:
    """lr s(k) of each step, (steps,)."""
    eta = lr * np.asarray(made(np.arange(steps, dtype=float)))
    if not np.isfinite(eta).all() or (eta < 0).any() or not eta[0] > 0:
        raise ValueError(f"{name} must have rates that are finite, not negative and positive at first, got {made!r}")
    return eta


def rate(name: str, lr: Any) -> float:
    """A single learning rate."""
    return check.number_within(name, lr, *REACH)


def rated_steps(steps: Any) -> int:
    """A number of steps of which at least one can follow another."""
    return within_memory("steps", check.count("steps", steps, 2), HELD * steps)
