"""Schedules: bounds on the loss against the peak rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.plots import style
from odeopt.transfer.schedule_bound import ScheduleBound
from odeopt.util.plotted import draws

REACH = np.geomspace(1 / 10, 10, 201)  # peak rates, as multiples of the best one


@draws(ScheduleBound)
@style.windowed
def schedule_bound(result: ScheduleBound, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """The bound against the peak rate, from a tenth of the best rate to ten times it, and a dot at the best.

    Returns these two Line2D artists.  Further bounds drawn into the same axes can be compared.
    """
    ax = style.axes(ax)
    lr = result.lr * REACH
    artists = ax.plot(lr, result.at(lr), **{"label": f"{result.schedule}, {result.bound:.4g}", **line})
    artists += ax.plot([result.lr], [result.bound], "o", color=artists[0].get_color())
    ax.set(xlabel="peak rate", ylabel=r"bound on $E[L_T] - L^*$", xscale="log", yscale="log")
    ax.legend(fontsize="x-small")
    return artists
