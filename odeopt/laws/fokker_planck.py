"""p_t = -div(a p) + sum_k d^2(D_k p)/dx_k^2 on a grid: the density of d theta = a dt + sqrt(2 D) dW (Ito).

Langevin's equation d theta = -grad L dt + sqrt(2 T) dW has temperature T and stationary density exp(-L/T)/Z.  With
the noise written as sigma dW, T = sigma^2/2 and the density is exp(-2 L/sigma^2)/Z.

The method is finite volumes with zero flux at the walls: mass is conserved and densities stay non-negative.  Errors are
O(h^2) in the width of the cells, but O(h) if a coordinate has no noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from odeopt.laws import markov
from odeopt.laws.flux import Flux, ito_flux, sides
from odeopt.laws.grid import Grid, make_grid
from odeopt.laws.target import leaks, level_of
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved


@dataclass(frozen=True, eq=False)
class FokkerPlanck(Saved):
    """The equation on its grid, made by `fokker_planck`, `langevin` or `kramers`.

    A density is an array over the cells: probability per length or area.
    """

    grid: Grid
    fluxes: tuple[Flux, ...] = field(repr=False)

    @cached_property
    def generator(self) -> Any:
        """Q of p' = Q p, sparse (cells, cells), non-negative off the diagonal, with columns that sum to 0."""
        from scipy.sparse import coo_array, diags_array

        index, entries = np.arange(np.prod(self.grid.cells)).reshape(self.grid.cells), []
        for axis, (flux, h) in enumerate(zip(self.fluxes, self.grid.widths, strict=True)):
            (low, high), (up, down) = sides(index, axis), flux.speeds(h)
            entries += [(up / h, high, low), (down / h, low, high)]
        rates, to, start = (np.concatenate([e.ravel() for e in column]) for column in zip(*entries, strict=True))
        Q = coo_array((rates, (to, start)), shape=(index.size, index.size)).tocsr()
        return (Q - diags_array(Q.sum(axis=0))).tocsr()

    def stationary(self) -> Array:
        """The density with Q p = 0; ValueError if the box has several parts that paths never leave.

        >>> well = fokker_planck(drift=lambda x: -x, diffusion=0.5, box=(-5, 5), cells=100)
        >>> print(well.mean(lambda x: x[..., 0] ** 2, well.stationary()).round(6))
        0.5
        """
        return markov.stationary(self.generator).reshape(self.grid.cells) / self.grid.volume

    def evolve(self, start: Any, times: Any) -> Array:
        """The densities (..., *cells) at non-decreasing times (...), from a density or a point theta.

        The result is exact in time up to rounding, non-negative, and conserves mass.  It takes t r products with the
        generator, where r is the largest rate of leaving a cell, about 2 sum_k D_k/h_k^2 if noise dominates.
        """
        t = np.asarray(check.nonnegative("times", times))
        if t.ndim > 1 or np.any(np.diff(np.atleast_1d(t)) < 0):
            raise ValueError(f"times must be a number, or numbers that do not decrease, got {times!r}")
        p, found = self._start(start).ravel(), []
        for step in np.diff(np.atleast_1d(t), prepend=0.0):
            p = markov.evolved(self.generator, p, float(step))
            found.append(p)
        return np.reshape(found, (*t.shape, *self.grid.cells))

    def mean_first_passage(self, target: Any) -> Array:
        """u(theta), the mean time to reach the target: Q^T u = -1 outside, u = 0 inside; an array over the cells.

        `target` is a smooth function of theta that is >= 0 inside, with its edge located between the centres; or a
        function that is True inside, with its edge on faces; or in one dimension an interval (lo, hi), maybe infinite.
        """
        level = level_of(target, self.grid)
        outside = np.flatnonzero(level.ravel() < 0)
        leak = leaks(level, self.fluxes, self.grid.widths).ravel()[outside]
        u = np.zeros(level.size)
        u[outside] = markov.hitting_times(self.generator[outside][:, outside], leak)
        return u.reshape(level.shape)

    def mean(self, f: Callable[[Array], Any], density: Any) -> Array:
        """E[f(theta)] = sum_i f(theta_i) p_i vol_i;  f: theta (*cells, d) -> (*cells) or (*cells, ...).

        The mean of truth values is the probability that they are true.
        """
        p = self.grid.density("density", density)
        found = np.asarray(check.function("f", f, "theta")(self.grid.points))
        values = check.numbers_of("f(theta)", found.astype(float) if found.dtype == bool else found)
        if values.shape[: self.grid.dim] != self.grid.cells:
            raise ValueError(f"f(theta) must have shape {self.grid.cells} or (*cells, ...), got {values.shape}")
        return np.tensordot(p, values, axes=self.grid.dim) * self.grid.volume

    def covariance(self, density: Any) -> Array:
        """E[(theta - m)(theta - m)^T], (..., d, d)."""
        m = self.mean(lambda theta: theta, density)
        second = self.mean(lambda theta: theta[..., :, None] * theta[..., None, :], density)
        return second - m[..., :, None] * m[..., None, :]

    def at(self, values: Any, theta: Any) -> float:
        """The value at a point of an array over the cells, such as first-passage times, by linear interpolation."""
        known = check.numbers_of("values", values)
        if known.shape != self.grid.cells:
            raise ValueError(f"values must have shape {self.grid.cells}, one for each cell, got {known.shape}")
        return float(np.vdot(known, self.grid.delta("theta", theta)) * self.grid.volume)

    def flux(self, density: Any) -> tuple[Array, ...]:
        """J at the inner faces of each axis: probability per time, and per length of face in two dimensions."""
        p, found = self.grid.density("density", density), []
        for axis, flux, h in zip(self.grid.axes, self.fluxes, self.grid.widths, strict=True):
            (low, high), (up, down) = sides(p, axis), flux.speeds(h)
            found.append(up * low - down * high)
        return tuple(found)

    def __repr__(self) -> str:
        box = " x ".join(f"[{lo:g}, {hi:g}]" for lo, hi in self.grid.box)
        return f"FokkerPlanck on {box}, {' x '.join(map(str, self.grid.cells))} cells"

    def plot(self, density: Any = None, ax: Any = None, **options: Any) -> Any:
        """Draws a density, by default the stationary one, as a line or as shades; returns the artists."""
        return plotted(self, self.stationary() if density is None else density, ax=ax, **options)

    def _start(self, start: Any) -> Array:
        if np.shape(start) in ((), (self.grid.dim,)):
            return self.grid.delta("start", start)
        p = self.grid.density("start", start)
        if p.shape != self.grid.cells:
            raise ValueError(f"start must be one density {self.grid.cells} or one theta, got shape {p.shape}")
        return p


def fokker_planck(drift: Any, diffusion: Any, box: Any, cells: Any) -> FokkerPlanck:
    """p_t = -div(a p) + sum_k d^2(D_k p)/dx_k^2 for a drift a and a diffusion D, functions of theta or constants.

    theta, a and D have shape (..., d), d = 1 or 2.  D is half the squared noise amplitude of each coordinate; it may
    depend on theta and may be 0.  `box` is ((lo, hi), ...), or (lo, hi) for d = 1; `cells` is their number along each
    axis, 3 or more.

    >>> fokker_planck(lambda x: -x, lambda x: 0.1 * (1 + x**2), box=(-3, 3), cells=60)
    FokkerPlanck on [-3, 3], 60 cells
    """
    grid = make_grid(box, cells)
    D = grid.values("diffusion", diffusion, grid.points)
    if np.any(D < 0):
        raise ValueError(f"diffusion must be non-negative, got {D.min():g} on the grid")
    fluxes = []
    for axis, h in enumerate(grid.widths):
        a = grid.values("drift", drift, grid.faces(axis))
        fluxes.append(ito_flux(a[..., axis], D[..., axis], axis, h))
    return FokkerPlanck(grid, tuple(fluxes))
