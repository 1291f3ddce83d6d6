"""Averaged paths at the edge of stability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.edge.comparison_result import EdgeComparison
from odeopt.edge.result import CentralFlow
from odeopt.plots import style
from odeopt.util.check import Array
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
def edge_comparison(result: EdgeComparison, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """Distance from the filtered iterates, mean loss and sharpness of each model against t; returns these artists.

    Without axes there are three panels, (a) `distances`, (b) `mean_losses` and (c) `sharpness_on_path`; axes that are
    given show the distances alone.  The title states which model is nearest since the perturbation.
    """
    if ax is not None:
        artists = distances(result, style.axes(ax), **line)
        ax.legend()
        ax.set_title(nearest(result), fontsize="medium")
        return artists
    with style.context():  # three panels have no room for the larger letters of other styles
        figure, panels = style.panels(3)
        drawings = (distances, mean_losses, sharpness_on_path)
        artists = [artist for draw, one in zip(drawings, panels, strict=True) for artist in draw(result, one, **line)]
        style.letters(panels)
        figure.legend(handles=artists[: len(result.models) + 1], loc="outside lower center", ncols=len(LOOKS) + 1)
        style.headline(figure, nearest(result))
    return artists


def distances(result: EdgeComparison, ax: Axes, **line: Any) -> list[Artist]:
    """|model - filtered iterates|, then a tenth of the way of the iterates dotted; a cross where a model exceeds it.

    A cross stands at the end of a model that ends early; see `EdgeComparison.lost`.
    """
    artists: list[Artist] = []
    crosses: list[Artist] = []
    lost = result.lost
    for name, d in result.distance.items():
        look = {**LOOKS[name], "label": name, **line}
        artists += ax.plot(result.t[: len(d)], d, **look)
        at = np.flatnonzero(result.t[: len(d)] <= lost[name])[-1:] if np.isfinite(lost[name]) else np.zeros(0, int)
        crosses += ax.plot(result.t[at], d[at], linestyle="", marker="X", markersize=6, color=look.get("color"))
    artists += ax.plot(
        result.t, result.tenth, color=style.INK, linestyle=":", linewidth=0.8, label="a tenth of the way"
    )
    artists += [*crosses, *_perturbation(result, ax)]
    ax.set(xlabel="time t", ylabel="distance", yscale="log", title="from the filtered iterates")
    return artists


def mean_losses(result: EdgeComparison, ax: Axes, **line: Any) -> list[Artist]:
    """The loss averaged from the perturbation on, of each model, measured, and that of each step in grey."""
    first = max(result.perturbed, -1) + 1
    artists: list[Artist] = []
    for name, u in result.mean_loss.items():
        artists += ax.plot(result.t[first : len(u)], _running_mean(u[first:]), **{**LOOKS[name], "label": name, **line})
    measured, t = result.loss[first:], result.t[first:]
    artists += ax.plot(t, _running_mean(measured), color=style.INK, linewidth=2.2, zorder=1, label="measured")
    artists += ax.plot(t, measured, color=style.GREY, linewidth=0.5, alpha=0.6, zorder=0, label="each step")
    if np.all(measured > 0):
        ax.set_yscale("log")
    ax.set(xlabel="time t", ylabel="mean loss", title="mean loss, measured in black")
    return artists


def sharpness_on_path(result: EdgeComparison, ax: Axes, **line: Any) -> list[Artist]:
    """Sharpness over the optimizer's limit on the central flow; the number of oscillating directions in the title."""
    artists: list[Artist] = [
        *ax.plot(result.t, result.sharpness, **{**LOOKS["central flow"], "label": "central flow", **line})
    ]
    artists += [ax.axhline(1.0, color=style.INK, linestyle=":", linewidth=0.8), *_perturbation(result, ax)]
    most = int(result.oscillating.max(initial=0))
    ax.set(xlabel="time t", ylabel="sharpness / limit", title=f"{most} oscillating direction{'s' * (most != 1)}")
    return artists


def nearest(result: EdgeComparison) -> str:
    """Which model is nearest to the filtered iterates since the perturbation, by the median, in words."""
    first = max(result.perturbed, 0)
    full = [name for name, u in result.models.items() if len(u) == len(result.t) > first]
    medians = {name: result.median_distance[name] for name in full}
    name = style.label(result.name)
    if result.perturbed < 0:
        return f"{name}: {'beyond the edge, where no oscillation holds it' if result.beyond else 'never at its edge'}"
    if not medians:
        return f"{name}: no model goes to the end"
    best = min(medians, key=lambda model: medians[model])
    if best == "own flow" or "own flow" not in medians:
        return f"{name}: {best} is nearest"
    times = np.divide(medians["own flow"], medians[best])
    return f"{name}: {best} is nearest, {times:.2g} times as near as the own flow"


def _running_mean(u: Array) -> Array:
    return np.cumsum(u) / np.arange(1, len(u) + 1)


def _perturbation(result: EdgeComparison, ax: Axes) -> list[Artist]:
    """The time of the perturbation as a vertical line, if there was one."""
    if result.perturbed < 1 or not len(result.t):
        return []
    at = result.t[min(result.perturbed, len(result.t)) - 1]
    return [ax.axvline(at, color=style.GREY, linestyle="--", linewidth=0.7, label="perturbed")]


def finding(flow: CentralFlow) -> str:
    """When the edge is reached, in words."""
    at = np.flatnonzero(flow.oscillating)
    if not len(at):
        return "never at its edge"
    most = int(flow.oscillating.max())
    return f"at its edge from t = {flow.t[at[0]]:.3g}, in {most} direction{'s' if most > 1 else ''}"
