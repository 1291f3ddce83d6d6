"""What a sweep says: a map over two names, the best values along one, the best cell with its uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.analysis.stability import stability_limit
from odeopt.sweeps.cells import Cell
from odeopt.sweeps.work import taken
from odeopt.util.check import Array
from odeopt.util.plotted import plotted

LEVEL = 0.95  # of the intervals
SPLIT = 4  # seeds from which on some choose and the others measure


@dataclass(frozen=True, eq=False)
class HeatMap:
    """The median of `value` over seeds and all other names, (y, x); NaN where half of the runs or more have failed.

    x, y:   the values of the two names, in order
    limit:  (y,), the x at which a mode of the given sharpness becomes unstable; empty if no sharpness was given
    """

    names: tuple[str, str, str]  # of x, y and the value
    x: tuple[Any, ...]
    y: tuple[Any, ...]
    value: Array = field(repr=False)
    limit: Array = field(repr=False)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Colours for the value, grey where runs failed, and the stability limit as a line; returns the artists."""
        return plotted(self, ax=ax, **options)


@dataclass(frozen=True, eq=False)
class Marginal:
    """Along one name: the least (or largest) and the median over all other names of the medians over seeds."""

    names: tuple[str, str]  # of x and the value
    x: tuple[Any, ...]
    best: Array
    median: Array

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Both against x; returns the lines."""
        return plotted(self, ax=ax, **options)


@dataclass(frozen=True)
class Best:
    """The best cell, and the median of its value over seeds with an interval from `low` to `high`.

    With four seeds or more, half of them choose the cell and the others give value and interval.  With fewer all do
    both, and the value is too good: it is the least of many.  The interval holds the median in 95 % of cases from six
    measuring seeds on, 12 in all; with two to five in 50, 75, 88 and 94 %, and with one it is NaN.
    """

    cell: Cell
    name: str
    value: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        cell = ", ".join(
            f"{name} = {x:.4g}" if isinstance(x, float) else f"{name} = {x}" for name, x in self.cell.items()
        )
        return f"{cell}: {self.name} {self.value:.4g} [{self.low:.4g}, {self.high:.4g}] over {self.seeds} seeds"


def stable(make: Callable[..., Any], cell: Cell, x: str) -> float:
    """The largest stable lr lambda of the optimizer of a cell; ValueError if x is not its lr."""
    opt = make(**taken(make, cell))
    lr = getattr(opt.recipe, "settings", {}).get("lr", cell[x])
    if lr != cell[x]:
        raise ValueError(f"x must be the lr of make, to draw its stability limit, got {x!r} = {cell[x]} for lr = {lr}")
    return float(stability_limit(opt))


def median(values: Array, axis: Any) -> Array:
    """The median of the runs that did not fail (NaN), NaN where half of them or more did."""
    from warnings import catch_warnings, simplefilter

    with catch_warnings():
        simplefilter("ignore", RuntimeWarning)  # of slices without a number
        found: Array = np.nanmedian(values, axis=axis)
    return np.where(np.isnan(values).mean(axis=axis) < 0.5, found, np.nan)


def best_of(values: Array, sign: int) -> tuple[int, Array]:
    """The index of the best cell by the values (cells, seeds), least for sign = 1, and the values that measure it."""
    seeds = values.shape[1]
    chooses, measures = (values[:, ::2], values[:, 1::2]) if seeds >= SPLIT else (values, values)
    score = np.where(np.isnan(values).any(axis=1), np.inf, sign * np.median(chooses, axis=1))
    return int(score.argmin()), measures[int(score.argmin())]


def interval(values: Array) -> tuple[float, float]:
    """Two of the values (seeds,) with the median of all seeds between them in 95 % of cases or more.

    x_(j) and x_(n + 1 - j) fail to hold it with probability 2 P(Bin(n, 1/2) < j), whatever the distribution [Thompson
    1936].  Fewer than six values cannot reach 95 %: their least and largest hold it in 1 - 2^(1 - n) of cases.
    """
    from scipy.special import bdtr

    n, ordered = len(values), np.sort(values)
    if n < 2:
        return np.nan, np.nan
    outside = int(np.count_nonzero(bdtr(np.arange(n), n, 0.5) <= (1 - LEVEL) / 2))
    j = max(outside, 1)
    return float(ordered[j - 1]), float(ordered[n - j])
