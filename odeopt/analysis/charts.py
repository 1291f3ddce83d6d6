"""The multipliers of a step over the complex plane of lr lambda, and over charts of (lr lambda, beta)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odeopt.analysis.linear import as_optimizer, multipliers, spectral_radius
from odeopt.analysis.stability import first_crossing, is_stable
from odeopt.optimizers.base import Optimizer
from odeopt.schemes.base import Scheme
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_memory
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved


@dataclass(frozen=True, eq=False)
class StabilityRegion(Saved):
    """max |multiplier| over the plane of complex z = lr lambda: `z` and `radius` have shape (rows, columns)."""

    name: str
    z: NDArray[np.complex128]
    radius: Array

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Whether all multipliers lie in the closed unit disc, up to rounding."""
        return is_stable(self.radius)

    def __repr__(self) -> str:
        return f"StabilityRegion of {self.name}: {self.stable.mean():.1%} of {self.z.shape} values of lr lambda stable"

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Plots the spectral radius as shades and the boundary as a line, and returns the artists."""
        return plotted(self, ax=ax, **options)


def stability_region(
    opt: Optimizer | Scheme,
    re: tuple[float, float] = (-1.0, 4.0),
    im: tuple[float, float] = (-3.5, 3.5),
    points: int = 201,
    t: float | None = None,
) -> StabilityRegion:
    """max |multiplier| on theta' = -lambda theta for complex z = lr lambda, in the window re x im.

    Stability regions lie in Re z > 0: z is minus the h lambda of books that write y' = lambda y.
    [Hairer and Wanner II, IV.2]  t: the time at which the step is taken, for a flow that reads it.

    >>> from odeopt import schemes
    >>> stability_region(schemes.euler, points=5).stable.any(axis=1).tolist()  # the disc |1 - z| <= 1
    [False, False, True, False, False]
    """
    opt = as_optimizer(opt)
    if opt.members:
        raise ValueError(f"opt must be a single optimizer here, got members {opt.members}")
    number = check.count("points", points, 2)
    size = len(opt.flow.variables)
    within_memory("points", points, 2 * NUMBER * number**2 * size * (size + 3))
    x, y = (np.linspace(*check.interval(name, window), number) for name, window in (("re", re), ("im", im)))
    z = x + 1j * y[:, None]
    return StabilityRegion(opt.name, z, spectral_radius(opt, z, t))


@dataclass(frozen=True, eq=False)
class StabilityChart(Saved):
    """The multipliers over (z, beta), shape (betas, zs, n).  `limit` (betas,) is inf if it lies beyond the chart."""

    name: str
    z: Array
    beta: Array
    multipliers: NDArray[np.complex128]
    limit: Array

    @property
    def radius(self) -> Array:
        """max |multiplier|, shape (betas, zs)."""
        return np.abs(self.multipliers).max(axis=-1)

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Whether all multipliers lie in the closed unit disc, up to rounding."""
        return is_stable(self.radius)

    @property
    def discriminant(self) -> Array:
        """prod (mu_i - mu_j)^2: negative if a pair oscillates, 0 at critical damping, 1 for a single multiplier."""
        pairs = combinations(np.moveaxis(self.multipliers, -1, 0), 2)
        return np.prod([(a - b) ** 2 for a, b in pairs] or [np.ones(self.multipliers.shape[:-1])], axis=0).real

    def __repr__(self) -> str:
        betas, zs = self.radius.shape
        return f"StabilityChart of {self.name}: stable on {self.stable.mean():.1%} of {betas} betas x {zs} lr lambda"

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Plots the spectral radius as shades, the limit and critical damping as lines, and returns the artists."""
        return plotted(self, ax=ax, **options)


def stability_chart(
    make: Callable[[Array], Optimizer], beta: Any = None, z: Any = None, t: float | None = None
) -> StabilityChart:
    """The multipliers of make(beta) at lr lambda = z, for all pairs of the increasing grids beta (m,) and z (n,).

    `make` is called once with all betas and must return their ensemble, as every optimizer of odeopt does.
    Defaults: beta from 0 to 0.995, z from 0.02 to 4, 200 of each.  t: the time from which the step is taken, for a flow
    that reads it, as under a schedule.

    >>> from odeopt import optimizers
    >>> chart = stability_chart(lambda beta: optimizers.momentum(beta=beta), beta=[0.0, 0.5, 0.9])
    >>> chart.radius.shape, chart.limit.round(10).tolist()
    ((3, 200), [2.0, 3.0, 3.8])
    """
    beta = _grid("beta", np.linspace(0, 0.995, 200) if beta is None else beta)
    z = _grid("z", np.linspace(0.02, 4, 200) if z is None else z)
    opt = as_optimizer(check.function("make", make, "all betas, an array")(beta), "make(beta)")
    if opt.members != beta.shape:
        raise ValueError(f"make(beta) must have one member per beta, {beta.shape}, got {opt.members}")
    found = multipliers(opt, z[:, None], t)
    limit = first_crossing(opt, z[:, None], is_stable(np.abs(found).max(axis=-1)), t)
    return StabilityChart(opt.name, z, beta, np.moveaxis(found, 1, 0), limit)


def _grid(name: str, value: Any) -> Array:
    """The grid as an array, checked to hold at least two increasing finite numbers."""
    array = check.point(name, value)
    if array.ndim != 1 or array.size < 2 or not np.all(np.diff(array) > 0):
        raise ValueError(f"{name} must be at least two increasing numbers, got {value!r}")
    return array
