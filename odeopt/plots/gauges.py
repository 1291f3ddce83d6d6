"""Gauges of the edge of stability along a run, against time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.edge.batch_sharpness import BatchSharpness
from odeopt.edge.gauge import EdgeGauge
from odeopt.plots import style
from odeopt.simulation.trajectory import of_members
from odeopt.util.plotted import draws

DOTTED: dict[str, Any] = {"color": style.INK, "linestyle": ":", "linewidth": 0.9}


@draws(EdgeGauge)
@style.windowed
def edge_gauge(gauge: EdgeGauge, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """zeta as a line and zeta_2 dashed, one pair per member, and 1, where the loss stands still, dotted.

    Returns these Line2D artists in this order.
    """
    ax = style.axes(ax)
    n, look = len(gauge.t), {"color": style.colour(gauge.name), **line}
    t = of_members(gauge.t, gauge.zeta.shape).reshape(n, -1)
    artists = ax.plot(t, gauge.zeta.reshape(n, -1), **{"label": "ζ", **look})
    dashes = {"label": "ζ₂, from H", "linestyle": "--", "linewidth": 0.8, **look}
    artists += ax.plot(t, gauge.zeta_2.reshape(n, -1), **dashes)
    for lines in (artists[1 : len(artists) // 2], artists[len(artists) // 2 + 1 :]):
        for extra in lines:
            extra.set_label("_member")
    artists.append(ax.axhline(1.0, **DOTTED))
    ax.set(xlabel="time t", ylabel="edge gauge ζ")
    ax.legend()
    return artists


@draws(BatchSharpness)
@style.windowed
def batch_sharpness(result: BatchSharpness, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """The value with a band of two standard errors, and the optimizer's limits dotted; returns the Line2D artists."""
    ax = style.axes(ax)
    look = {"color": style.colour(result.name), "label": style.label(result.name), **line}
    artists = ax.plot(result.t, result.value, **look)
    low, high = result.value - 2 * result.error, result.value + 2 * result.error
    ax.fill_between(result.t, low, high, color=artists[0].get_color(), alpha=0.2, lw=0)
    artists += [ax.axhline(limit, **DOTTED) for limit in sorted(set(result.limits)) if np.isfinite(limit)]
    ax.set(xlabel="time t", ylabel="batch sharpness")
    return artists
