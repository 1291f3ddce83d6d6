"""The point from which a run on a problem starts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.problems.base import Problem, a_problem, point_of
from odeopt.util.check import Array


def initial_point(members: tuple[int, ...], problem: Problem, theta0: ArrayLike | None) -> Array:
    """theta0, by default the problem's, checked against the problem and broadcast over the members."""
    theta0 = point_of(a_problem(problem), "theta0", problem.theta0 if theta0 is None else theta0)
    if not members:
        return theta0
    try:
        shape = np.broadcast_shapes((*members, 1), theta0.shape)
    except ValueError as error:
        raise ValueError(f"theta0 of shape {theta0.shape} does not broadcast over members {members}") from error
    return np.broadcast_to(theta0, shape).copy()


def single_point(problem: Problem, name: str, theta: Any) -> Array:
    """The argument `name`, by default theta0, as one vector (d,) of parameters of the problem."""
    point = point_of(a_problem(problem), name, problem.theta0 if theta is None else theta)
    if point.ndim != 1:
        raise ValueError(f"{name} must have shape ({problem.dim},), got {point.shape}")
    return point
