"""Schedules: bounds on the loss against the peak rate, and forecasts of the loss."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.plots import style
from odeopt.scaling.loss_forecast import LossForecast, LossPrediction
from odeopt.scaling.schedule_bound import ScheduleBound
from odeopt.util.plotted import draws

WIDTH = 60  # characters of a line in a legend
REACH = np.geomspace(1 / 10, 10, 201)  # peak rates, as multiples of the best one


@draws(ScheduleBound)
@style.windowed
def schedule_bound(result: ScheduleBound, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """The bound against the peak rate, from a tenth of the best rate to ten times it, and a dot at the best.

    Returns these two Line2D artists.  Further bounds drawn into the same axes can be compared.
    """
    ax = style.axes(ax)
    lr = result.lr * REACH
    artists = ax.plot(
        lr, result.at(lr), **{"label": textwrap.fill(f"{result.schedule}, {result.bound:.4g}", WIDTH), **line}
    )
    artists += ax.plot([result.lr], [result.bound], "o", color=artists[0].get_color())
    ax.set(xlabel="peak rate", ylabel=r"bound on $E[L_T] - L^*$", xscale="log", yscale="log")
    ax.legend(fontsize="x-small")
    return artists


@draws(LossForecast)
@style.windowed
def loss_forecast(result: LossForecast, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """Recorded losses as dots and the law as a line, one pair for each curve, in this order; returns these artists."""
    ax = style.axes(ax)
    artists: list[Artist] = []
    for i, (at, losses, residuals) in enumerate(zip(result.records, result.losses, result.residuals, strict=True)):
        dots = ax.plot(at + 1, losses, ".", markersize=2, label=f"curve {i}")
        artists += [*dots, *ax.plot(at + 1, losses - residuals, **{"color": dots[0].get_color(), **line})]
    ax.set(xlabel="steps", ylabel="loss")
    ax.legend()
    return artists


@draws(LossPrediction)
@style.windowed
def loss_prediction(result: LossPrediction, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """The predicted loss as a line, and its interval as a band; returns these two artists."""
    ax = style.axes(ax)
    artists = ax.plot(result.at + 1, result.loss, **{"label": textwrap.fill(str(result.schedule), WIDTH), **line})
    band = ax.fill_between(result.at + 1, result.low, result.high, color=artists[0].get_color(), alpha=0.2, lw=0)
    ax.set(xlabel="steps", ylabel="loss")
    ax.legend(fontsize="x-small")
    return [*artists, band]
