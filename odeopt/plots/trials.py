"""Tuned optimizers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from odeopt.plots import style
from odeopt.trials.result import Bench
from odeopt.util.plotted import draws

MARKERS = "osD^v<>ph*"


@draws(Bench)
@style.windowed
def bench(result: Bench, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """The tuned loss of each optimizer over the least one of the problem, with its interval: a marker for each problem.

    Filled markers may be the best of their problem.  Optimizers stand from best (top) to worst by their mean rank; a
    loss that is not finite is left out.  Returns one Line2D for each optimizer and problem.
    """
    ax = style.axes(ax)
    losses = np.array([found.loss for found in result.standings])
    order = np.argsort(losses.argsort(axis=1).argsort(axis=1).mean(axis=0), kind="stable")
    artists: list[Artist] = []
    for p, found in enumerate(result.standings):
        unit, offset = found.loss[found.leader], 0.5 * (p + 0.5) / len(result.problems) - 0.25
        for y, i in enumerate(order):
            ends = [found.low[i] / unit, found.loss[i] / unit, found.high[i] / unit]
            fill = "full" if found.may_win[i] else "none"
            look = {"color": style.colour(result.names[i]), "marker": MARKERS[p % len(MARKERS)], "fillstyle": fill}
            artists += ax.plot(ends, [y + offset] * 3, **{"markersize": 5, "markevery": [1], **look, **line})
    ax.set(xlabel="tuned loss / that of the best", ylabel="optimizer", xscale="log")
    ax.set_yticks(range(len(order)), [style.label(result.names[i]) for i in order])
    ax.set_ylim(len(order) - 0.5, -0.5)
    if len(result.problems) > 1:
        marks = [Line2D([], [], color=style.INK, marker=MARKERS[p % len(MARKERS)]) for p in range(len(result.problems))]
        ax.legend(marks, result.problems)
    return artists
