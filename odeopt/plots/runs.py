"""Runs against time, and optimizers together with their flows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from odeopt.analysis.comparison import Comparison
from odeopt.analysis.follow import Following
from odeopt.plots import style
from odeopt.plots.landscapes import landscape, path
from odeopt.problems import Problem
from odeopt.simulation.trajectory import Trajectory
from odeopt.util.check import Array
from odeopt.util.plotted import draws

DOTS = 60  # number of iterates that can be told apart


@draws(Trajectory)
def trajectory(run: Trajectory, ax: Any = None, **line: Any) -> list[Any]:
    """Loss against t, one line per member, logarithmic if all losses are positive; returns the Line2D artists."""
    ax = style.axes(ax)
    loss = run.loss.reshape(len(run), -1)
    t = run.times.reshape(len(run), -1)
    lines = ax.plot(t, loss, **{"color": style.colour(run.name), "label": run.name, **line})
    for extra in lines[1:]:
        extra.set_label("_member")
    finite = loss[np.isfinite(loss)]
    if ax.get_yscale() == "linear" and len(ax.lines) == len(lines) and np.all(finite > 0):
        ax.set_yscale("log")
    ax.set(xlabel="time t", ylabel="loss L")
    return list(lines)


@draws(Comparison)
def comparison(cmp: Comparison, ax: Any = None, **window: Any) -> list[Any]:
    """Iterates as dots, their flow as a line, gradient flow dashed; returns these Line2D artists, in this order.

    For d = 2 they are drawn in the plane over contours, in the window `xlim`, `ylim`; otherwise as loss against time.
    The title states the distance between iterates and flow.
    """
    ax = style.axes(ax)
    plain = cmp.gradient_flow if cmp.problem.dim == 2 else _on_the_clock_of(cmp)
    lines = [(plain, "gradient flow", style.GRADIENT_FLOW), (cmp.flow, "its flow", style.FLOW)]
    artists = _dots_over(lines, cmp, cmp.optimizer.name, ax, window)
    if cmp.problem.dim != 2:
        ax.set_xlabel(f"time t ({_clock(cmp)})")
    ax.set_title(finding(cmp), fontsize="medium")
    return artists


@draws(Following)
def following(result: Following, ax: Any = None, **window: Any) -> list[Any]:
    """Iterates as dots, their modified flow as a line, as in `comparison`; returns these Line2D artists, in order.

    The title states the distance between them and the largest |mu - 1|, in red if that exceeds 1.
    """
    ax = style.axes(ax)
    name, order, least = result.modified.map.name, result.modified.order, result.max_indicator
    lines = [(result.flow, f"modified flow, K = {order}", style.FLOW)]
    artists = _dots_over(lines, result, name, ax, window)
    if least > 1:
        title, colour = f"{style.label(name)}: |μ − 1| = {least:.2f} is beyond 1: no ODE to follow", style.VERMILLION
    else:
        close = f"to {style.sci(result.max_error)}" if result.success else "ended early"
        title = f"{style.label(name)}: ODE of order {order} {close}, |μ − 1| ≤ {least:.2f}"
        colour = style.INK
    ax.set_title(title, fontsize="medium", color=colour)
    return artists


def _dots_over(lines: list[Any], pair: Any, name: str, ax: Any, window: dict[str, Any]) -> list[Any]:
    """The iterates of a pair as dots over the lines (run, label, look).

    Returns the artists of the iterates, then those of the lines in reverse order.
    """
    every = max(1, len(pair.iterates) // DOTS)
    dots = {"linestyle": "none", "marker": "o", "markersize": 2.6, "markevery": every, "zorder": 3}
    which = f"{style.label(name)}, every {every} steps" if every > 1 else style.label(name)
    if pair.problem.dim == 2 and isinstance(pair.problem, Problem):  # loaded results may have its description only
        landscape(pair.problem, ax, around=_seen(pair), **window)
    draw = path if pair.problem.dim == 2 else trajectory
    drawn = [draw(run, ax, label=label, **look) for run, label, look in lines]
    iterates = draw(pair.iterates, ax, label=which, color=style.colour(name), **dots)
    ax.legend(loc="best")
    return [artist for artists in (iterates, *reversed(drawn)) for artist in artists]


def finding(cmp: Comparison) -> str:
    """The title of a comparison, such as "Adam follows its flow to 1.1e-4 over 300 steps"."""
    steps, name = len(cmp.error) - 1, style.label(cmp.optimizer.name)
    if not cmp.iterates.success:
        return f"{name} stops after {steps} steps: {cmp.iterates.status.name}"
    if not cmp.success:
        return f"{name}: a flow ended after {steps} of its steps"
    if np.max(cmp.max_error) > np.ptp(cmp.flow.theta, axis=0).max():
        return f"{name} leaves its flow within {steps} steps"
    return f"{name} follows its flow to {style.sci(float(np.max(cmp.max_error)))} over {steps} steps"


def _seen(cmp: Any) -> Array:
    """The points that the window contains: the flow, and the iterates that are not far away from it."""
    flow, iterates = cmp.flow.theta.reshape(-1, 2), cmp.iterates.theta.reshape(-1, 2)
    near = np.abs(iterates - flow.mean(axis=0)).max(axis=-1) < 5 * np.ptp(flow, axis=0).max()
    return np.concatenate([flow, iterates[near]])


def _clock(cmp: Comparison) -> str:
    """The unit of time for the label of the axis: lr-time, or the time of the flow with its step h."""
    same = np.allclose(np.asarray(cmp.optimizer.lr_time), np.asarray(cmp.optimizer.h))
    return "lr-time" if same else f"of the flow, h = {style.sci(float(np.mean(cmp.optimizer.h)))}"


def _on_the_clock_of(cmp: Comparison) -> Trajectory:
    """Gradient flow at the times of the iterates, both after the same number of steps."""
    return replace(cmp.gradient_flow, t=cmp.iterates.t[: len(cmp.gradient_flow)])
