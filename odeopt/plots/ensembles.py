"""Ensembles: means and bands of observables against time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.ensembles.result import Ensemble
from odeopt.plots import style
from odeopt.util.plotted import draws


@draws(Ensemble)
@style.windowed
def ensemble(run: Ensemble, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """The mean of each observable against t with a band of one standard deviation; returns the Line2D artists."""
    own, ax = ax is None, style.axes(ax)
    artists = []
    for i, name in enumerate(run.observables):
        (drawn,) = ax.plot(run.t, run.mean[:, i], label=name, **line)
        mean, spread = run.mean[:, i], np.sqrt(run.variance[:, i])
        ax.fill_between(run.t, mean - spread, mean + spread, color=drawn.get_color(), alpha=0.2, lw=0)
        artists.append(drawn)
    ax.set(xlabel="time t", ylabel="mean ± standard deviation")
    ax.legend()
    if own:
        ax.set_title(style.label(run.name), fontsize="medium")
    return artists
