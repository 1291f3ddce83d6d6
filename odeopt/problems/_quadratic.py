"""L = 1/2 theta^T A theta, whose gradient flow is known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.problems.base import Problem
from odeopt.problems.members import Function
from odeopt.util import check
from odeopt.util.check import Array


def quadratic(eigenvalues: Any = (1, 20), angle: float = 0.5, theta0: ArrayLike | None = None) -> Problem:
    """L = 1/2 theta^T A theta,  A = Q diag(eigenvalues) Q^T,  theta(t) = exp(-A t) theta0.            [Polyak 1964]

    Q turns each pair of neighbouring axes by `angle` (radians), one pair after another; angle = 0 leaves A diagonal.
    A negative eigenvalue makes theta = 0 a saddle, and there is no minimizer.

    >>> problem = quadratic(eigenvalues=(1, 20), angle=0)
    >>> problem.grad(problem.theta0)
    array([ 1., 20.])
    """
    values = check.finite("eigenvalues", eigenvalues)
    if np.ndim(values) != 1:
        raise ValueError(f"eigenvalues must be a sequence of d numbers, got {eigenvalues!r}")
    values, d = np.asarray(values), np.size(values)
    basis = givens_rotation(d, check.scalar("angle", check.finite("angle", angle)))
    A = (basis * values) @ basis.T

    problem = Problem(
        loss=lambda theta: 0.5 * np.sum(theta * (theta @ A), axis=-1),
        grad=lambda theta: theta @ A,
        hvp=lambda theta, p: np.broadcast_arrays(theta, p)[1] @ A,
        theta0=np.ones(d),
        minimizer=np.zeros(d) if np.all(values >= 0) else None,
        flow_solution=linear_flow(values, basis, centre=np.zeros(d)),
        name="quadratic",
        batched=True,
    )
    return problem if theta0 is None else problem.at(theta0)


def givens_rotation(d: int, angle: float) -> Array:
    """Q = G_1 ... G_{d-1}, G_k turns axes k and k+1 by `angle`.             [Golub & Van Loan 2013, sec. 5.1.8]"""
    Q = np.eye(d)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for k in range(d - 1):
        Q[:, k : k + 2] = Q[:, k : k + 2] @ turn
    return Q


def linear_flow(eigenvalues: Array, basis: Array, centre: Array) -> Function:
    """theta(t) = c + Q exp(-t diag(eigenvalues)) Q^T (theta0 - c) solves theta' = -A (theta - c)."""

    def solution(t: Any, theta0: ArrayLike) -> Array:
        t, theta0 = np.asarray(t, dtype=np.float64), np.asarray(theta0, dtype=np.float64)
        decay = np.exp(-np.multiply.outer(t, eigenvalues))
        decay = decay.reshape(*t.shape, *(1,) * (theta0.ndim - 1), eigenvalues.size)  # t first, then the members
        return centre + (decay * ((theta0 - centre) @ basis)) @ basis.T

    return solution
