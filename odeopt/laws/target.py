"""The target of a first passage: the set level >= 0 of a function on the grid; its edge may lie between centres."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.laws.flux import Flux, sides
from odeopt.laws.grid import Grid
from odeopt.util import check
from odeopt.util.check import Array


def level_of(target: Any, grid: Grid) -> Array:
    """The level at the centres, >= 0 in the target.  True and False become 1 and -1, with the edge on a face."""
    points = grid.points
    if callable(target):
        raw = np.asarray(target(points))
        level = np.where(raw, 1.0, -1.0) if raw.dtype == bool else check.numbers_of("target", raw)
    else:
        lo, hi = _interval(target, grid)
        level = np.minimum(points[..., 0] - lo, hi - points[..., 0])
    if level.shape != grid.cells or np.isnan(level).any():
        raise ValueError(f"target must give one number, or True or False, per cell {grid.cells}, got {level.shape}")
    if np.all(level >= 0) or np.all(level < 0):
        raise ValueError(f"target must hold some of the centres but not all, got {np.count_nonzero(level >= 0)}")
    return level


def leaks(level: Array, fluxes: tuple[Flux, ...], widths: tuple[float, ...]) -> Array:
    """The rate from each cell outside into the target.

    It is the flux of Scharfetter & Gummel to p = 0 at the edge, at the distance f h.  f comes from linear interpolation
    of the level, so the mean times are of second order.                                 [cf. Gibou et al. 2002]
    """
    total = np.zeros_like(level)
    for axis, (flux, h) in enumerate(zip(fluxes, widths, strict=True)):
        low, high = sides(level, axis)
        crossed = (low < 0) != (high < 0)
        up, down = flux.speeds(h * _distance(low, high))
        below, above = sides(total, axis)
        below += np.where(crossed & (low < 0), up / h, 0.0)
        above += np.where(crossed & (high < 0), down / h, 0.0)
    return total


def _distance(low: Array, high: Array) -> Array:
    """f in (0, 1], the distance of the edge from the outer centre, in cell widths; 1 if there is no edge between."""
    outer, inner = np.minimum(low, high), np.maximum(low, high)
    crossed = (outer < 0) & (inner >= 0)
    return np.where(crossed, outer / np.where(crossed, outer - inner, 1.0), 1.0)


def _interval(target: Any, grid: Grid) -> tuple[float, float]:
    ends = check.numbers_of("target", target)
    if grid.dim != 1 or ends.shape != (2,) or not ends[0] <= ends[1]:
        raise ValueError(f"target must be a function of theta, or (lo, hi) in one dimension, got {target!r}")
    return float(ends[0]), float(ends[1])
