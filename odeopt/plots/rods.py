"""Rod flows: the loss between consecutive iterates and its mean over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.edge.rod_result import RodFlow
from odeopt.plots import style
from odeopt.util.plotted import draws


@draws(RodFlow)
@style.windowed
def rod_flow(flow: RodFlow, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """The mean loss over the rods as a line and the loss in their middle dashed, against t; returns these artists."""
    ax = style.axes(ax)
    look = {"color": style.colour(flow.name), **line}
    artists = ax.plot(flow.t, flow.mean_loss, **{"label": "mean over the rods", **look})
    artists += ax.plot(flow.t, flow.loss, **{"label": "in the middle", "linestyle": "--", "linewidth": 0.8, **look})
    if np.all(flow.loss > 0) and np.all(flow.mean_loss > 0):
        ax.set_yscale("log")
    ax.set(xlabel="time t", ylabel="loss L")
    ax.legend()
    return artists
