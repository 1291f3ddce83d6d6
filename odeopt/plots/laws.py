"""Densities of noisy flows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.laws import FokkerPlanck
from odeopt.plots import style
from odeopt.util.check import Array
from odeopt.util.plotted import draws

SHADES = np.linspace(0.02, 1, 15)  # fractions of the largest density; smaller values stay white


@draws(FokkerPlanck)
@style.windowed
def density(law: FokkerPlanck, p: Array, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """A line for each density (..., n) of one coordinate, or shades of a density (n, m); returns the artists.

    Axes of their own have a colour bar of the shades.
    """
    p = law.grid.density("p", p)
    if law.grid.dim == 2 and p.ndim != 2:
        raise ValueError(f"p must be one density {law.grid.cells} in the plane, got shape {p.shape}")
    own, ax = ax is None, style.axes(ax)
    if law.grid.dim == 1:
        (x,) = law.grid.centres
        ax.set(xlabel=r"$\theta$", ylabel="density")
        return list(ax.plot(x, p.reshape(-1, x.size).T, **line))
    ax.set(xlabel=r"$\theta_1$", ylabel=r"$\theta_2$")
    shades = ax.contourf(*law.grid.centres, p.T / p.max(), levels=SHADES, cmap="cividis_r")
    if own:
        style.bar(ax, shades, "density over its maximum")
    return [shades]
