"""Convex functions on which a method converges as slowly as it can."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.problems.base import Problem
from odeopt.util import check
from odeopt.util.check import Array


def huber(slope: float = 1.0, smoothness: float = 1.0, theta0: ArrayLike = 1.0) -> Problem:
    """L = smoothness x^2/2 where smoothness |x| <= slope, else slope |x| - slope^2/(2 smoothness).     [Huber 1964]

    theta = (x,).  A parabola that continues as a straight line.  With the slope of `odeopt.analysis.worst_slope`, no
    smooth convex function is slower for gradient descent.

    >>> huber(slope=0.5).grad(np.array([[0.25], [2.0]])).ravel()
    array([0.25, 0.5 ])
    """
    c = check.scalar("slope", check.positive("slope", slope))
    S = check.scalar("smoothness", check.positive("smoothness", smoothness))
    start = check.point("theta0", np.atleast_1d(check.finite("theta0", theta0)))

    if start.shape[-1] != 1:
        raise ValueError(f"theta0 must be a number or have last axis 1, got shape {start.shape}")

    def inside(theta: Any) -> Any:
        return S * np.abs(np.real(theta)) <= c

    def loss(theta: Array) -> Array:
        line = c * np.sign(np.real(theta)) * theta - c**2 / (2 * S)
        return np.where(inside(theta), S * theta**2 / 2, line)[..., 0]

    def grad(theta: Array) -> Array:
        return np.where(inside(theta), S * theta, c * np.sign(np.real(theta)))

    def hvp(theta: Array, p: Array) -> Array:
        return np.where(inside(theta), S, 0.0) * p

    return Problem(loss, grad, hvp=hvp, theta0=start, minimizer=(0.0,), name="huber", batched=True)
