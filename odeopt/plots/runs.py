"""Runs against time, and optimizers together with their flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.analysis.comparison import Comparison
from odeopt.analysis.follow import Following
from odeopt.plots import members, style
from odeopt.plots.landscapes import landscape, path
from odeopt.problems import Problem
from odeopt.simulation.trajectory import Trajectory
from odeopt.util.check import Array
from odeopt.util.plotted import draws

DOTS = 60  # number of iterates that can be told apart
SPACING = 0.02  # of dots along a path, as part of the picture
THICKNESS = 2e-3  # of a line, as part of the picture


@draws(Trajectory)
@style.windowed
def trajectory(run: Trajectory, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """Loss against t, one line per member, logarithmic if all losses are positive; returns the Line2D artists.

    Members with steps h of their own are drawn against the number of steps.  The members of a sweep are coloured by
    the hyperparameter that differs; axes of their own have its colour bar.
    """
    own, ax, loss = ax is None, style.axes(ax), run.loss.reshape(len(run), -1)
    opt = run.optimizer if run.t.ndim > 1 else None
    t = run.times.reshape(len(run), -1) if opt is None else members.in_steps(run, opt.h)
    lines = ax.plot(t, loss, **{"color": style.colour(run.name), "label": run.name, **line})
    artists = members.joined(lines, run, line)
    finite = loss[np.isfinite(loss)]
    if ax.get_yscale() == "linear" and len(ax.lines) == len(lines) and np.all(finite > 0):
        ax.set_yscale("log")
    ax.set(xlabel="time t" if opt is None else "steps", ylabel="loss L")
    if own:
        ax.set_title(style.label(run.name), fontsize="medium")
        members.bar(ax, run)
    return artists


@draws(Comparison)
def comparison(cmp: Comparison, ax: Axes | None = None, **window: Any) -> Sequence[Artist]:
    """Iterates as joined dots, their flow as a line, gradient flow dashed; returns these Line2D artists, in this order.

    For d = 2 they are drawn in the plane over contours; otherwise as loss against time, or against steps where members
    have steps of their own.  `xlim` and `ylim` set the window.  The title states the distance between iterates and
    flow.  A gradient flow that their own flow hides is not in the legend.
    """
    own, ax = ax is None, style.axes(ax)
    hidden = _hides(cmp.flow, cmp.gradient_flow)
    labels = ("_hidden", "its flow, gradient flow") if hidden else ("gradient flow", "its flow")
    looks = (style.GRADIENT_FLOW, style.FLOW)
    lines = list(zip((cmp.gradient_flow, cmp.flow), labels, looks, strict=True))
    artists = _dots_over(lines, cmp, cmp.optimizer.name, ax, window)
    ax.set_title(finding(cmp), fontsize="medium")
    if own:
        members.bar(ax, cmp.iterates)
    return artists


@draws(Following)
def following(result: Following, ax: Axes | None = None, **window: Any) -> Sequence[Artist]:
    """Iterates as joined dots, their modified flow as a line, as in `comparison`; returns these Line2D artists.

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


def _dots_over(lines: list[Any], pair: Any, name: str, ax: Axes, window: dict[str, Any]) -> Sequence[Artist]:
    """The iterates of a pair as joined dots over the lines (run, label, look).

    Returns the artists of the iterates, then those of the lines in reverse order.
    """
    every = _every(pair)
    dots = {"linewidth": 0.5, "marker": "o", "markersize": 2.6, "markevery": every, "zorder": 3}
    which = f"{style.label(name)}, every {every} steps" if every > 1 else style.label(name)
    if pair.problem.dim == 2 and isinstance(pair.problem, Problem):  # loaded results may have its description only
        landscape(pair.problem, ax, around=_seen(pair), **window)
    if pair.problem.dim == 2:
        draw, runs, clock = path, [run for run, _, _ in lines], ""
    else:
        draw, runs, clock = trajectory, *_on_one_clock(pair, [run for run, _, _ in lines])
    drawn = [draw(run, ax, label=label, **look) for run, (_, label, look) in zip(runs, lines, strict=True)]
    iterates = draw(pair.iterates, ax, label=which, **dots)
    if clock:
        ax.set_xlabel(clock)
    ax.set(**{name: window[name] for name in ("xlim", "ylim") if name in window})
    ax.legend(loc="best")
    return [artist for artists in (iterates, *reversed(drawn)) for artist in artists]


def _every(pair: Any) -> int:
    """Of how many iterates one has a dot, so that the flow is seen between the dots."""
    dots, theta = float(DOTS), pair.iterates.theta
    if pair.problem.dim == 2:
        picture = np.ptp(_seen(pair), axis=0).max()
        way = np.minimum(np.abs(np.diff(theta, axis=0)).max(axis=-1), picture)  # a longer step leaves the picture
        dots = min(dots, 1 + np.nansum(way, axis=0).max() / (SPACING * picture)) if picture > 0 else 1.0
    return max(1, -int(-len(theta) // dots))


def _hides(flow: Trajectory, plain: Trajectory) -> bool:
    """Whether one curve covers the other in a picture."""
    n = min(len(flow), len(plain))
    apart = np.abs(flow.theta[:n] - plain.theta[:n]).max()
    return len(flow) == len(plain) and bool(apart < THICKNESS * np.ptp(flow.theta, axis=0).max())


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


def _on_one_clock(pair: Any, runs: list[Trajectory]) -> tuple[list[Trajectory], str]:
    """The runs at the times of the iterates after the same numbers of steps, and the label of this axis."""
    run = pair.iterates
    if run.t.ndim > 1:
        steps = members.in_steps(run, run.optimizer.h)
        return [replace(other, t=steps[: len(other)]) for other in runs], "steps"
    return [replace(other, t=run.t[: len(other)]) for other in runs], f"time t ({_clock(run.optimizer)})"


def _clock(opt: Any) -> str:
    """The unit of time for the label of the axis: lr-time, or the time of the flow with its step h."""
    same = np.allclose(np.asarray(opt.lr_time), np.asarray(opt.h))
    return "lr-time" if same else f"of the flow, h = {style.sci(float(np.mean(opt.h)))}"
