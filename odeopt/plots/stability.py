"""Stability regions and charts of steps, and sharpness along a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from odeopt.analysis.charts import StabilityChart, StabilityRegion
from odeopt.analysis.sharpness import Sharpness
from odeopt.plots import style
from odeopt.util.check import Array
from odeopt.util.plotted import draws

SHADES = np.linspace(0, 1, 11)  # values of the spectral radius; regions of growth stay white
COLOURS = "cividis"  # dark where the error dies at once
DAMPING: dict[str, Any] = {"colors": style.INK, "linewidths": 0.9, "linestyles": "dashed"}


@draws(StabilityRegion)
@style.windowed
def stability_region(region: StabilityRegion, ax: Axes | None = None) -> Sequence[Artist]:
    """Shades of the spectral radius below 1, and the stability boundary; returns these two contour sets.

    Axes of their own have a colour bar; for yours, `figure.colorbar(artists[0])` draws it.
    """
    own, ax = ax is None, style.axes(ax)
    x, y = region.z.real, region.z.imag
    artists = [_shades(ax, x, y, region.radius), _edge(ax, x, y, region.radius, style.INK)]
    ax.set(xlabel=r"Re lr $\lambda$", ylabel=r"Im lr $\lambda$", aspect="equal")
    ax.set_title(style.label(region.name), fontsize="medium")
    if own:
        style.bar(ax, artists[0], "spectral radius")
    return artists


@draws(StabilityChart)
@style.windowed
def stability_chart(chart: StabilityChart, ax: Axes | None = None) -> Sequence[Artist]:
    """Shades of the spectral radius over (lr lambda, beta), the stability limit, and critical damping dashed.

    Returns the contour set of the shades, the line of the limit, and the contour set of critical damping.  Axes of
    their own have a colour bar and a legend.
    """
    own, ax = ax is None, style.axes(ax)
    shades = _shades(ax, chart.z, chart.beta, chart.radius)
    shown = np.where(np.isfinite(chart.limit), chart.limit, np.nan)
    (limit,) = ax.plot(shown, chart.beta, color=style.colour(chart.name), linewidth=1.8, label="stability limit")
    damping = ax.contour(chart.z, chart.beta, chart.discriminant, levels=[0.0], **DAMPING)
    ax.set(xlabel=r"lr $\lambda$", ylabel=r"$\beta$", xlim=chart.z[[0, -1]], ylim=chart.beta[[0, -1]])
    ax.set_title(style.label(chart.name), fontsize="medium")
    if own:
        style.bar(ax, shades, "spectral radius")
        dashes = Line2D([], [], color=style.INK, linewidth=0.9, linestyle="--", label="critical damping")
        drawn = {limit: np.isfinite(chart.limit).any(), dashes: np.ptp(np.sign(chart.discriminant)) > 0}
        ax.legend(handles=[handle for handle, is_drawn in drawn.items() if is_drawn])
    return [shades, limit, damping]


@draws(Sharpness)
@style.windowed
def sharpness(result: Sharpness, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """Sharpness against time, with its threshold, if there is one, as a dotted line; returns the Line2D artists."""
    ax = style.axes(ax)
    look = {"color": style.colour(result.name), "label": style.label(result.name), **line}
    artists = list(ax.plot(result.t, result.value, **look))
    if np.isfinite(result.threshold).any():
        artists += ax.plot(result.t, result.threshold, color=style.INK, linestyle=":", label="threshold")
    ax.set(xlabel="time t", ylabel="sharpness")
    ax.legend()
    return artists


def _shades(ax: Axes, x: Array, y: Array, radius: Array) -> Any:
    return ax.contourf(x, y, _finite(radius), levels=SHADES, cmap=COLOURS)


def _edge(ax: Axes, x: Array, y: Array, radius: Array, colour: str) -> Any:
    return ax.contour(x, y, _finite(radius), levels=[1.0], colors=colour, linewidths=1.2)


def _finite(radius: Array) -> Array:
    """The radius, limited to 1e6 at the poles of an implicit scheme."""
    return np.minimum(radius, 1e6)
