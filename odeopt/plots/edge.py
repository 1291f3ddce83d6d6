"""Averaged paths at the edge of stability."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.edge.result import CentralFlow
from odeopt.plots import style
from odeopt.util.plotted import draws


@draws(CentralFlow)
@style.windowed
def central_flow(flow: CentralFlow, ax: Any = None, **line: Any) -> list[Any]:
    """The loss on the path as a line and the predicted mean loss dashed, against t; returns these two artists.

    The title states when the optimizer reaches its edge, and in how many directions it oscillates there.
    """
    ax = style.axes(ax)
    look = {"color": style.colour(flow.name), **line}
    artists = [
        *ax.plot(flow.t, flow.loss, **{"label": "on the central flow", **look}),
        *ax.plot(flow.t, flow.mean_loss, **{**look, "linestyle": "--", "label": "predicted mean"}),
    ]
    if np.all(flow.loss > 0):
        ax.set_yscale("log")
    ax.set(xlabel="time t", ylabel="loss L")
    ax.legend()
    ax.set_title(f"{style.label(flow.name)}: {finding(flow)}", fontsize="medium")
    return artists


def finding(flow: CentralFlow) -> str:
    """When the edge is reached, in words."""
    at = np.flatnonzero(flow.oscillating)
    if not len(at):
        return "never at its edge"
    most = int(flow.oscillating.max())
    return f"at its edge from t = {flow.t[at[0]]:.3g}, in {most} direction{'s' if most > 1 else ''}"
