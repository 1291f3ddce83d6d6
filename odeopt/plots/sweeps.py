"""Maps and marginals of sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from odeopt.plots import style
from odeopt.sweeps.views import HeatMap, Marginal
from odeopt.util.check import Array
from odeopt.util.plotted import draws

COLOURS = "cividis"
FAILED = "#d0d0d0"
FEW, APART = 6, 0.1  # values with a tick each, and the share of the axis between two of them
DECADES = 100.0  # a positive range wider than this has a logarithmic scale


@draws(HeatMap)
@style.windowed
def heatmap(result: HeatMap, ax: Axes | None = None) -> Sequence[Artist]:
    """Colours for the medians, grey where runs failed, and the stability limit as a line.

    Returns the mesh and, if there is one, the line.  Axes of their own have a colour bar and a legend.
    """
    own, ax = ax is None, style.axes(ax)
    x, y = _placed(ax, "x", result.x), _placed(ax, "y", result.y)
    ax.set_facecolor(FAILED)
    shown = np.ma.masked_invalid(result.value)
    mesh = ax.pcolormesh(_edges(x), _edges(y), shown, cmap=COLOURS, norm=_norm(result.value), rasterized=True)
    artists: list[Artist] = [mesh]
    if result.limit.size:
        inside = np.where((result.limit >= min(x)) & (result.limit <= max(x)), result.limit, np.nan)
        artists += ax.plot(inside, y, color=style.VERMILLION, linewidth=1.6, label="stability limit")
    ax.set(xlabel=result.names[0], ylabel=result.names[1])
    ax.set_xlim(*_edges(x)[[0, -1]])
    ax.set_ylim(*_edges(y)[[0, -1]])
    if own:
        style.bar(ax, mesh, result.names[2])
        if result.limit.size:
            ax.legend()
    return artists


@draws(Marginal)
@style.windowed
def marginal(result: Marginal, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """The best value and the median over all other names, against one name; returns two Line2D."""
    ax = style.axes(ax)
    x = _placed(ax, "x", result.x)
    both = np.concatenate([result.best, result.median])
    artists = ax.plot(x, result.best, **{"color": style.BLUE, "marker": "o", "label": "best of the others", **line})
    artists += ax.plot(
        x, result.median, **{"color": style.GREY, "marker": "s", "label": "median of the others", **line}
    )
    ax.set(xlabel=result.names[0], ylabel=result.names[1])
    if isinstance(_norm(both), LogNorm):
        ax.set_yscale("log")
    ax.legend()
    return artists


def _placed(ax: Axes, axis: str, values: tuple[Any, ...]) -> Array:
    """Where the values of a name stand: themselves if they are numbers, on a logarithmic axis if they are wide."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        numbers = np.array(values, dtype=float)
        if len(numbers) > 2 and numbers.min() > 0 and numbers.max() / numbers.min() >= DECADES:
            ax.set(**{f"{axis}scale": "log"})
        elif len(numbers) <= FEW and np.diff(numbers).min(initial=np.inf) >= APART * np.ptp(numbers):
            ax.set(**{f"{axis}ticks": numbers})  # others than those that were run would say more than is known
        return numbers
    places = np.arange(len(values), dtype=float)
    ax.set(**{f"{axis}ticks": places, f"{axis}ticklabels": [style.label(str(value)) for value in values]})
    return places


def _edges(x: Array) -> Array:
    """The borders of cells about these places, halfway between them; on a logarithmic axis by their logarithms."""
    if len(x) > 2 and x.min() > 0 and x.max() / x.min() >= DECADES:
        return np.exp(_halfway(np.log(x)))
    return _halfway(x)


def _halfway(x: Array) -> Array:
    if len(x) == 1:
        return np.array([x[0] - 0.5, x[0] + 0.5])
    middle = (x[1:] + x[:-1]) / 2
    return np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])


def _norm(values: Array) -> Normalize:
    found = values[np.isfinite(values)]
    if found.size and found.min() > 0 and found.max() / found.min() >= DECADES:
        return LogNorm(found.min(), found.max())
    return Normalize()
