"""The point from which a run on a problem starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.problems.base import Problem
from odeopt.util import check
from odeopt.util.check import Array


def initial_point(members: tuple[int, ...], problem: Problem, theta0: Any) -> Array:
    """theta0, checked against the problem and broadcast over the members."""
    if not isinstance(problem, Problem):
        raise TypeError(f"problem must be a Problem, e.g. odeopt.problems.quadratic(), got {problem!r}")
    theta0 = check.point("theta0", problem.theta0 if theta0 is None else theta0)
    if theta0.shape[-1] != problem.dim:
        raise ValueError(f"theta0 must have last axis {problem.dim} like the problem, got shape {theta0.shape}")
    if not members:
        return theta0
    try:
        shape = np.broadcast_shapes((*members, 1), theta0.shape)
    except ValueError as error:
        raise ValueError(f"theta0 of shape {theta0.shape} does not broadcast over members {members}") from error
    return np.broadcast_to(theta0, shape).copy()
