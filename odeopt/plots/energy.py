"""Energies and Lyapunov functions along a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.analysis.energy import Energy
from odeopt.plots import style
from odeopt.util.plotted import draws

LOOKS = ("-", "--", ":", "-.")


@draws(Energy)
@style.windowed
def energy(result: Energy, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """Each quantity over its first value against time, one line per member; returns the Line2D artists.

    The axis is logarithmic if all values are positive.
    """
    own, ax = ax is None, style.axes(ax)
    n = len(result.t)
    t, lines = result.times.reshape(n, -1), []
    for look, (name, value) in zip(LOOKS, result.values.items(), strict=False):
        shown = (value / np.where(value[0] == 0, 1, value[0])).reshape(n, -1)
        label = f"{name} ({result.quantities[name].law})"
        drawn = ax.plot(t, shown, **{"color": style.colour(result.name), "linestyle": look, "label": label, **line})
        for extra in drawn[1:]:
            extra.set_label("_member")
        lines += drawn
    drawn_values = np.concatenate([np.asarray(drawn.get_ydata(), dtype=float) for drawn in lines] or [np.zeros(1)])
    if np.all(drawn_values[np.isfinite(drawn_values)] > 0):
        ax.set_yscale("log")
    ax.set(xlabel="time t", ylabel="quantity over its first value")
    if lines:
        ax.legend()
    if own:
        ax.set_title(style.label(result.name), fontsize="medium")
    return lines
