"""Errors against step lengths and against gradient evaluations, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from odeopt.analysis.convergence import Convergence, WorkPrecision
from odeopt.plots import style
from odeopt.util.plotted import draws

TICKS = 6


@draws(Convergence)
@style.windowed
def convergence(result: Convergence, ax: Axes | None = None) -> Sequence[Artist]:
    """Error against step length with the fitted slope; returns [points, line], both Line2D."""
    ax = style.axes(ax)
    colour, marker = style.scheme_style(result.scheme)
    (points,) = ax.loglog(result.h, result.error, marker, color=colour, markersize=4, label=result.scheme)
    centre = np.exp(np.mean(np.log(result.error) - result.order * np.log(result.h)))
    slope = f"slope {result.order:.2f}"
    (line,) = ax.loglog(result.h, centre * result.h**result.order, color=colour, linewidth=0.9, label=slope)
    _few_ticks(ax.xaxis, result.h)
    ax.set(xlabel="step h", ylabel=r"error  max $|\theta_n-\theta(t_n)|$")
    ax.set_title(f"{result.scheme} has order {result.order:.2f} on {result.flow}", fontsize="medium")
    ax.legend()
    return [points, line]


@draws(WorkPrecision)
@style.windowed
def work_precision(result: WorkPrecision, ax: Axes | None = None) -> Sequence[Artist]:
    """Error against gradient evaluations, one line per scheme; returns the Line2D artists in the order of the schemes.

    A cross on the upper edge marks a run that diverged.
    """
    ax = style.axes(ax)
    lines = []
    for name, error in result.error.items():
        colour, marker = style.scheme_style(name)
        shown = np.isfinite(error)
        cost = result.gradients[name]
        (line,) = ax.loglog(cost[shown], error[shown], "-", marker=marker, color=colour, markersize=4, label=name)
        ax.plot(cost[~shown], np.full(np.sum(~shown), 0.98), "x", color=colour, markersize=4,
                transform=ax.get_xaxis_transform(), label="_diverged")  # fmt: skip
        lines.append(line)
    ax.set(xlabel="gradient evaluations", ylabel="error of θ at the end")
    ax.set_title(f"{result.flow} on {result.problem}", fontsize="medium")
    ax.legend()
    return lines


def _few_ticks(axis: Any, values: Any) -> None:
    """Ticks at the values themselves, at most TICKS of them; those of decades would run into each other."""
    shown = values[:: -(-len(values) // TICKS)]
    axis.set_ticks(shown, labels=[f"{value:.2g}" for value in shown])
    axis.set_minor_formatter(NullFormatter())
