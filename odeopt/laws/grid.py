"""A box of one or two dimensions, cut into equal cells.  A density is an array over the cells, (n,) or (n, m)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import within_memory

BYTES = 100  # of one cell: its rates in the generator, and the values of drift and diffusion


@dataclass(frozen=True)
class Grid:
    """`cells` equal cells along each axis of `box` = ((lo, hi), ...).

    >>> make_grid((0, 1), 4).centres[0]
    array([0.125, 0.375, 0.625, 0.875])
    """

    box: tuple[tuple[float, float], ...]
    cells: tuple[int, ...]

    @property
    def dim(self) -> int:
        """d, 1 or 2."""
        return len(self.cells)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of a density, counted from the end, as axes of times may precede them."""
        return tuple(range(-self.dim, 0))

    @property
    def widths(self) -> tuple[float, ...]:
        """h, the width of a cell along each axis."""
        return tuple((hi - lo) / n for (lo, hi), n in zip(self.box, self.cells, strict=True))

    @property
    def volume(self) -> float:
        """The volume of one cell."""
        return float(np.prod(self.widths))

    @property
    def edges(self) -> tuple[Array, ...]:
        """Walls and faces along each axis, (n + 1,)."""
        return tuple(np.linspace(lo, hi, n + 1) for (lo, hi), n in zip(self.box, self.cells, strict=True))

    @property
    def centres(self) -> tuple[Array, ...]:
        """The middles of the cells along each axis, (n,)."""
        return tuple((e[1:] + e[:-1]) / 2 for e in self.edges)

    @property
    def points(self) -> Array:
        """theta at the middle of every cell, (*cells, d)."""
        return np.stack(np.meshgrid(*self.centres, indexing="ij"), axis=-1)

    def faces(self, axis: int) -> Array:
        """theta at the middle of every face between neighbouring cells along this axis."""
        places = list(self.centres)
        places[axis] = self.edges[axis][1:-1]
        return np.stack(np.meshgrid(*places, indexing="ij"), axis=-1)

    def values(self, name: str, f: Any, points: Array) -> Array:
        """f(theta), or the constant f, at these points; it must be finite, one number per component of theta."""
        return _finite(name, f(points) if callable(f) else f, points.shape)

    def loss(self, loss: Callable[[Array], Any]) -> Array:
        """loss(theta) at the centres; it must be finite, one number per cell."""
        return _finite("loss", loss(self.points), self.cells)

    def density(self, name: str, value: Any) -> Array:
        """The value as one or several densities (..., *cells), which must be finite and non-negative."""
        p = np.asarray(check.nonnegative(name, value))
        if p.shape[-self.dim :] != self.cells:
            raise ValueError(f"{name} must be a density of shape {self.cells}, one value for each cell, got {p.shape}")
        return p

    def delta(self, name: str, theta: Any) -> Array:
        """The density of a point, spread over the cells around it with linear weights, which keep its mean."""
        point = np.atleast_1d(check.numbers_of(name, theta))
        if point.shape != (self.dim,):
            raise ValueError(f"{name} must be one theta of shape ({self.dim},), got shape {point.shape}")
        p = np.zeros(self.cells)
        for corner in itertools.product(*map(_neighbours, [name] * self.dim, point, self.centres)):
            p[tuple(int(i) for i, _ in corner)] += np.prod([weight for _, weight in corner])
        return p / self.volume


def make_grid(box: Any, cells: Any) -> Grid:
    """A grid of box = ((lo, hi), ...), or (lo, hi) in one dimension, with cells one number or one per axis."""
    sides = np.atleast_2d(check.numbers_of("box", box))
    if sides.ndim != 2 or sides.shape[1] != 2:
        raise ValueError(f"box must be ((lo, hi), ...), one pair per dimension, got {box!r}")
    if len(sides) > 2:
        raise ValueError(f"box must have 1 or 2 dimensions, got {len(sides)}: a grid in more dimensions is too large")
    if not (np.isfinite(sides).all() and np.all(sides[:, 0] < sides[:, 1])):
        raise ValueError(f"box must be finite and increasing, lo < hi, got {box!r}")
    sizes = check.counts("cells", cells if np.ndim(cells) else [cells] * len(sides), minimum=3)
    if len(sizes) != len(sides):
        raise ValueError(f"cells must be one number or one for each of {len(sides)} dimensions, got {cells!r}")
    within_memory("cells", math.prod(sizes), BYTES * math.prod(sizes))
    return Grid(tuple((float(lo), float(hi)) for lo, hi in sides), tuple(sizes))


def _neighbours(name: str, x: float, centres: Array) -> list[tuple[int, float]]:
    """The cells on both sides of x and their linear weights."""
    if not centres[0] <= x <= centres[-1]:
        raise ValueError(
            f"{name} must lie between the outermost centres {centres[0]:.6g} and {centres[-1]:.6g}, got {x}"
        )
    i = min(int(np.searchsorted(centres, x, side="right")) - 1, len(centres) - 2)
    weight = (x - centres[i]) / (centres[i + 1] - centres[i])
    return [(i, 1 - weight), (i + 1, weight)]


def _finite(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    found = check.numbers_of(name, value)
    try:
        found = np.broadcast_to(found, shape)
    except ValueError as error:
        raise ValueError(f"{name} must broadcast to shape {shape} on the grid, got {found.shape}") from error
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite on the grid, got {found.size - np.isfinite(found).sum()} nan or inf")
    return found
