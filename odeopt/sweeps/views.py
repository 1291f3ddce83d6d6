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
RESAMPLINGS = 2000
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
    """The best cell, and the median of its value over seeds with a 95 % interval from `low` to `high` (bootstrap).

    With four seeds or more, half of them choose the cell and the others give value and interval.  With fewer all do
    both, and the value is too good: it is the least of many.  With one seed the interval is NaN.
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
    """The 95 % interval of the median of values (seeds,), by resampling them; NaN for a single one.   [Efron 1979]"""
    if len(values) < 2:
        return np.nan, np.nan
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLINGS, len(values)))
    low, high = np.quantile(np.median(values[drawn], axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf")
    return float(low), float(high)
