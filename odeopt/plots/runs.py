"""Runs against time, and an optimizer beside its flow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from odeopt.check import Array
from odeopt.compare import Comparison
from odeopt.plots import style
from odeopt.plots.landscapes import landscape, path
from odeopt.trajectory import Trajectory

DOTS = 60  # as many iterates as can be told apart


def trajectory(run: Trajectory, ax: Any = None, **line: Any) -> list[Any]:
    """Loss against t, a line per member, logarithmic if all losses are positive; returns the Line2D artists."""
    ax = style.axes(ax)
    loss = run.loss.reshape(len(run), -1)
    t = run.t.reshape(len(run), -1)
    lines = ax.plot(t, loss, **{"color": style.colour(run.name), "label": run.name, **line})
    for extra in lines[1:]:
        extra.set_label("_member")
    finite = loss[np.isfinite(loss)]
    if ax.get_yscale() == "linear" and len(ax.lines) == len(lines) and np.all(finite > 0):
        ax.set_yscale("log")
    ax.set(xlabel="time t", ylabel="loss L")
    return list(lines)


def comparison(cmp: Comparison, ax: Any = None, **window: Any) -> list[Any]:
    """Iterates as dots, their flow as a line, gradient flow dashed; returns these Line2D artists, in this order.

    Over the contours in the plane if d = 2 (`xlim`, `ylim`: its window), else the loss against time.  The title says
    how close they are.
    """
    ax = style.axes(ax)
    name, every = cmp.optimizer.name, max(1, len(cmp.iterates) // DOTS)
    dots = {"linestyle": "none", "marker": "o", "markersize": 2.6, "markevery": every, "zorder": 3}
    which = f"{style.label(name)}, every {every} steps" if every > 1 else style.label(name)
    if cmp.problem.dim == 2:
        landscape(cmp.problem, ax, around=_seen(cmp), **window)
        draw, plain_run = path, cmp.gradient_flow
    else:
        draw, plain_run = trajectory, _on_the_clock_of(cmp)
    plain = draw(plain_run, ax, label="gradient flow", **style.GRADIENT_FLOW)
    flow = draw(cmp.flow, ax, label="its flow", **style.FLOW)
    iterates = draw(cmp.iterates, ax, label=which, color=style.colour(name), **dots)
    if draw is trajectory:
        ax.set_xlabel(f"time t ({_clock(cmp)})")
    ax.set_title(finding(cmp), fontsize="medium")
    ax.legend(loc="best")
    return [*iterates, *flow, *plain]


def finding(cmp: Comparison) -> str:
    """Adam follows its flow to 1.1e-4 over 300 steps."""
    steps, name = len(cmp.error) - 1, style.label(cmp.optimizer.name)
    if not cmp.iterates.success:
        return f"{name} stops after {steps} steps: {cmp.iterates.status.name}"
    if not cmp.success:
        return f"{name}: a flow ended after {steps} of its steps"
    if np.max(cmp.max_error) > np.ptp(cmp.flow.theta, axis=0).max():
        return f"{name} leaves its flow within {steps} steps"
    return f"{name} follows its flow to {style.sci(float(np.max(cmp.max_error)))} over {steps} steps"


def _seen(cmp: Comparison) -> Array:
    """What the window holds: the flow, and the iterates but for those that have left it by far."""
    flow, iterates = cmp.flow.theta.reshape(-1, 2), cmp.iterates.theta.reshape(-1, 2)
    near = np.abs(iterates - flow.mean(axis=0)).max(axis=-1) < 5 * np.ptp(flow, axis=0).max()
    return np.concatenate([flow, iterates[near]])


def _clock(cmp: Comparison) -> str:
    """Whether a unit of time is a unit of learning rate."""
    same = np.allclose(np.asarray(cmp.optimizer.lr_time), np.asarray(cmp.optimizer.h))
    return "lr-time" if same else f"of the flow, h = {style.sci(float(np.mean(cmp.optimizer.h)))}"


def _on_the_clock_of(cmp: Comparison) -> Trajectory:
    """Gradient flow with the times of the iterates: both after the same number of steps."""
    return replace(cmp.gradient_flow, t=cmp.iterates.t[: len(cmp.gradient_flow)])
