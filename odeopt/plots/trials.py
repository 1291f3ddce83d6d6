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
    loss that is not finite is left out.  Where losses may be 0 or less, ratios say nothing, and differences from the
    least loss are drawn.  Returns one Line2D for each optimizer and problem.
    """
    ax = style.axes(ax)
    losses = np.array([found.loss for found in result.standings])
    order = np.argsort(losses.argsort(axis=1).argsort(axis=1).mean(axis=0), kind="stable")
    positive = all(found.low.min() > 0 for found in result.standings)
    beside = np.divide if positive else np.subtract
    artists: list[Artist] = []
    for p, found in enumerate(result.standings):
        best, offset = found.loss[found.leader], 0.5 * (p + 0.5) / len(result.problems) - 0.25
        for y, i in enumerate(order):
            with np.errstate(invalid="ignore"):  # inf beside inf
                ends = [beside(u[i], best) for u in (found.low, found.loss, found.high)]
            fill = "full" if found.may_win[i] else "none"
            look = {"color": style.colour(result.names[i]), "marker": MARKERS[p % len(MARKERS)], "fillstyle": fill}
            artists += ax.plot(ends, [y + offset] * 3, **{"markersize": 5, "markevery": [1], **look, **line})
    ax.set(ylabel="optimizer", xlabel=f"tuned loss {'/' if positive else '−'} that of the best")
    ax.set_xscale("log" if positive else "linear")
    ax.set_yticks(range(len(order)), [style.label(result.names[i]) for i in order])
    ax.set_ylim(len(order) - 0.5, -0.5)
    if len(result.problems) > 1:
        marks = [Line2D([], [], color=style.INK, marker=MARKERS[p % len(MARKERS)]) for p in range(len(result.problems))]
        ax.legend(marks, result.problems)
    return artists
