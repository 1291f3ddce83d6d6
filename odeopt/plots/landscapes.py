"""The plane of a problem with two parameters: contours of its loss, and paths over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from odeopt.plots import members, style
from odeopt.problems.base import Problem, a_problem
from odeopt.simulation.trajectory import Trajectory, a_run
from odeopt.util import check
from odeopt.util.check import Array

POINTS, LEVELS, MOST_LEVELS = 201, 14, 1000
CONTOURS = "#c9ced6"


def landscape(
    problem: Problem,
    ax: Axes | None = None,
    *,
    xlim: Any = None,
    ylim: Any = None,
    around: Any = None,
    levels: int = LEVELS,
) -> Any:
    """Contours of a loss of two parameters, evenly spaced in log(L - min L); returns the QuadContourSet.

    The window is (xlim, ylim).  By default it contains the points `around` (..., 2), or theta0 and the minimizer.
    """
    if a_problem(problem).dim != 2:
        raise ValueError(f"problem must have 2 parameters for a landscape, got d = {problem.dim}")
    if check.count("levels", levels, 1) > MOST_LEVELS:
        raise ValueError(f"levels must be at most {MOST_LEVELS}, got {levels}")
    x_window, y_window = _window(problem, around)
    x0, x1 = x_window if xlim is None else check.interval("xlim", xlim)
    y0, y1 = y_window if ylim is None else check.interval("ylim", ylim)
    ax = style.axes(ax)
    x, y = np.linspace(x0, x1, POINTS), np.linspace(y0, y1, POINTS)
    with np.errstate(all="ignore"):
        loss = problem.loss(np.stack(np.meshgrid(x, y), axis=-1))
    artist = ax.contour(x, y, loss, _levels(loss, levels), colors=CONTOURS, linewidths=0.6, zorder=0)
    ax.set(xlabel=r"$\theta_1$", ylabel=r"$\theta_2$")
    if problem.minimizer is not None:
        ax.plot(*problem.minimizer, "+", color=style.GREY, markersize=6, zorder=1)
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    return artist


@style.windowed
def path(run: Trajectory, ax: Axes | None = None, **line: Any) -> Sequence[Artist]:
    """theta in the plane of its two coordinates, one line per member; returns the Line2D artists.

    A run with dense output is drawn as a smooth curve, also between its records.
    """
    if a_run(run).theta.shape[-1] != 2:
        raise ValueError(f"run must have 2 parameters for a path, got d = {run.theta.shape[-1]}")
    ax = style.axes(ax)
    theta = _curve(run).reshape(-1, int(np.prod(run.theta.shape[1:-1])), 2)
    lines = ax.plot(theta[..., 0], theta[..., 1], **{"color": style.colour(run.name), "label": run.name, **line})
    if not ax.get_xlabel():
        ax.set(xlabel=r"$\theta_1$", ylabel=r"$\theta_2$")
    return members.joined(lines, run, line)


def _curve(run: Trajectory) -> Array:
    """theta at the records, and with an interpolant also at many times near the start, where flows are fast."""
    if run.sol is None or run.t.ndim > 1:
        return run.theta
    early = run.t[0] + (run.t[-1] - run.t[0]) * np.linspace(0, 1, POINTS) ** 4
    return np.asarray(run.sol(np.union1d(run.t, early)))


def _window(problem: Problem, around: Any) -> Array:
    """[[x0, x1], [y0, y1]] around the points, with a margin of 15 %."""
    known = [problem.theta0] if problem.minimizer is None else [problem.theta0, problem.minimizer]
    points = known if around is None else [check.numbers_of("around", around)]
    if any(p.shape[-1:] != (2,) for p in points):
        raise ValueError(f"around must be points of shape (..., 2), got {check.shown(around)}")
    all_points = np.concatenate([np.reshape(p, (-1, 2)) for p in points])
    all_points = all_points[np.isfinite(all_points).all(axis=-1)]
    if not all_points.size:
        raise ValueError(f"around must hold a finite point, got {check.shown(around)}")
    low, high = all_points.min(axis=0), all_points.max(axis=0)
    margin = 0.15 * np.maximum(high - low, 0.25 * max((high - low).max(), 1e-3))
    return np.stack([low - margin, high + margin], axis=-1)


def _levels(loss: Array, count: int) -> Array:
    """Contour levels from the 2 % to the 98 % quantile of L - min L, with equal ratios."""
    lowest = loss.min()
    first, last = np.quantile(loss - lowest, [0.02, 0.98])
    return lowest + np.geomspace(max(first, 1e-3 * last), last, count)
