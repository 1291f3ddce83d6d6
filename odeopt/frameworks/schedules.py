"""Schedules between odeopt and the frameworks: what each of them needs of ours, and how theirs is recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.arrays.protocol import Foreign, Library
from odeopt.optimizers.schedules import Schedule, table
from odeopt.optimizers.schedules.base import checked
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_a_day, within_memory


def named(s: Any) -> Schedule:
    """A schedule of odeopt.schedules; a function of your own cannot be compiled or saved, and is refused."""
    made = checked("s", s)
    if made.own:
        raise ValueError(
            f"s must be a schedule of odeopt.schedules, got {made!r}: give a function of your own directly"
        )
    return made


def rate(name: str, lr: Any) -> float:
    """A single learning rate."""
    return check.scalar(name, check.rate(name, lr))


def table_length(steps: Any) -> int:
    """The number of steps of a table, which must fit into memory."""
    return within_memory("steps", within_a_day("steps", check.count("steps", steps, 1)), 4 * NUMBER * steps)


def factor(s: Schedule, k: Any, library: Library) -> Any:
    """s(k) for a floating-point array k of the library."""
    return s(Foreign(k, library)).value


def untraceable(library: str, where: str, theirs: Any) -> TypeError:
    """The error for a schedule that chooses by the step with Python's `if`, or changes it into a Python number."""
    text = f"a function that {library} can trace, with {where} in place of if"
    return TypeError(f"theirs must be {text}, got {check.shown(theirs)}")


def recorded(rates: Array, lr: float) -> Schedule:
    """The table of the factors rates/lr."""
    if rates.ndim != 1 or not np.isfinite(rates).all() or (rates < 0).any():
        raise ValueError(f"theirs must give rates that are finite and not negative, got {check.shown(rates)}")
    return table(rates / lr)
