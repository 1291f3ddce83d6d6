"""Averaged paths at the edge of stability."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.edge.result import CentralFlow, EdgeComparison
from odeopt.plots import style
from odeopt.util.plotted import draws

LOOKS: dict[str, dict[str, Any]] = {
    "own flow": {"color": style.GREY},
    "central flow": {"color": style.BLUE},
    "central, order 2": {"color": style.GREEN},
    "published": {"color": style.SKY, "linestyle": "--"},  # for gradient descent it lies on the central flow
    "rod flow": {"color": style.VERMILLION},
}


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


@draws(EdgeComparison)
@style.windowed
def edge_comparison(result: EdgeComparison, ax: Any = None, **line: Any) -> list[Any]:
    """The distance of each model from the filtered iterates against t, logarithmic; returns these artists.

    A dotted line says when the iterates were perturbed.  The title states by how much the central flow is nearer than
    the optimizer's own flow.
    """
    ax = style.axes(ax)
    artists = [
        *(
            ax.plot(result.t[: len(d)], d, **{**LOOKS[name], "label": name, **line})[0]
            for name, d in result.distance.items()
        )
    ]
    if result.perturbed > 0:
        artists.append(ax.axvline(result.t[result.perturbed - 1], color=style.GREY, linestyle=":", label="perturbed"))
    ax.set_yscale("log")
    ax.set(xlabel="time t", ylabel="distance from the filtered iterates")
    ax.legend()
    medians = {name: float(np.median(d)) for name, d in result.distance.items() if len(d)}
    said = "no distance of central and own flow"
    if {"own flow", "central flow"} <= medians.keys():
        said = f"central flow {np.divide(medians['own flow'], medians['central flow']):.2g} times as near as its own"
    ax.set_title(f"{style.label(result.name)}: {said}", fontsize="medium")
    return artists


def finding(flow: CentralFlow) -> str:
    """When the edge is reached, in words."""
    at = np.flatnonzero(flow.oscillating)
    if not len(at):
        return "never at its edge"
    most = int(flow.oscillating.max())
    return f"at its edge from t = {flow.t[at[0]]:.3g}, in {most} direction{'s' if most > 1 else ''}"
