"""The Fokker-Planck equation of a stochastic flow, with drift and diffusion from the flow itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.core.flow import Flow
from odeopt.core.flow_type import a_flow
from odeopt.laws.fokker_planck import FokkerPlanck, fokker_planck
from odeopt.laws.linear_map import slope_as_map
from odeopt.problems.base import Problem, a_problem
from odeopt.problems.initial_point import single_point
from odeopt.util.check import Array


def density_of(flow: Flow, problem: Problem, box: Any, cells: Any) -> FokkerPlanck:
    """p_t = -div(a p) + sum_k d^2(D_k p)/dy_k^2 for y' = a(y) + B(y) xi, D_k = sum_j B_kj^2/2.

    The state y, theta and memory together, must have one or two numbers, with uncorrelated noise.  `box` and `cells`
    are as in `fokker_planck`.  Where theta has no noise, as in Kramers' equation, the error is O(h).

    >>> from odeopt import flow, problems, push
    >>> walk = flow("theta", move=push("theta", lambda grad, theta: -grad(theta), noise=lambda xi: 0.5 * xi))
    >>> density_of(walk, problems.double_well(), box=(-2, 2), cells=50)
    FokkerPlanck on [-2, 2], 50 cells
    """
    a_flow(flow), a_problem(problem)
    start = single_point(problem, "theta0 of the problem", None)
    image, size, width, name = slope_as_map(flow, problem, flow.start(start))

    if not flow.noisy:
        raise ValueError(f"flow must have noise, e.g. odeopt.flows.langevin(temperature=1.0), {flow.name} has none")

    def drift(y: Array) -> Array:
        rows = y.reshape(-1, size)
        return image(rows, np.zeros((len(rows), width))).reshape(y.shape)

    def diffusion(y: Array) -> Array:
        rows, still = y.reshape(-1, size), drift(y).reshape(-1, size)
        B = np.stack([image(rows, np.tile(e, (len(rows), 1))) - still for e in np.eye(width)], axis=-1)
        D = B @ B.swapaxes(-1, -2) / 2
        own = np.einsum("...kk->...k", D)
        if np.any(np.abs(D - own[..., None] * np.eye(size)) > 1e-12 * np.max(own, initial=0.0)):
            raise ValueError(f"the noise of {name} must not correlate the coordinates of its state")
        return own.reshape(y.shape)

    return fokker_planck(drift, diffusion, box, cells)
