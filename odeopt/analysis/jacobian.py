"""DPhi: the derivative of one step y -> Phi(y) with respect to the state y, which is theta and the memory.

Its determinant is the factor by which a step changes volumes in state space.  The heavy-ball flow contracts volumes at
the rate damping d, whatever the loss.  Momentum does the same exactly, by the factor beta^d, because kicks and drifts
are shears.  [Conformal symplectic: McLachlan and Perlmutter 2001; Franca, Sulam, Robinson and Vidal 2020.]  Adam's step
contracts the memory and then moves theta by the memory alone; with its two clocks, the factor is (beta1 beta2)^(d+1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.state import State, pack, unpack
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.one_step import Increment, OneStep, as_optimizer, of_optimizer
from odeopt.problems import Problem
from odeopt.problems.differences import derivative_along, sizes, typical
from odeopt.problems.initial_point import single_point
from odeopt.util import check
from odeopt.util.check import Array


def step_jacobian(
    opt: Optimizer | OneStep, problem: Problem, theta: ArrayLike | None = None, t: float = 0.0, **memory: Any
) -> Array:
    """DPhi (n, n) of the step at time t, by finite differences; entries are accurate to about 1e-11.

    theta:  shape (d,), the problem's theta0 by default
    memory: values of the other variables by name, zero by default

    Rows and columns are the n numbers of the state: theta, then the memory in the order of the flow's variables.

    >>> from odeopt import optimizers, problems
    >>> opt = optimizers.momentum(lr=0.1, beta=0.8)
    >>> DPhi = step_jacobian(opt, problems.rosenbrock(), theta=(0.5, 2.0), m=(1.0, 3.0))
    >>> DPhi.shape, round(float(np.linalg.det(DPhi)), 6)  # 0.8^2
    ((4, 4), 0.64)
    """
    opt = an_optimizer(as_optimizer(opt))
    if opt.members:
        raise ValueError(f"opt must be a single optimizer, got members of shape {opt.members}")
    theta, t = single_point(problem, "theta", theta), check.scalar("t", check.nonnegative("t", t))
    step = of_optimizer(opt)
    increments = increment_jacobian(step.increment(problem.oracle()), step.start(theta, **memory), t)
    return np.eye(len(increments)) + increments


def increment_jacobian(d: Increment, y: State, t: Any = 0.0) -> Array:
    """D(Phi - I) at y by differences of the increments Phi(y) - y, which do not suffer from cancellation.

    Each number is varied by a small fraction of its own size or of its variable's size, so squares stay positive.  The
    size of a variable that is 0 is its size after one step.
    """
    at = pack(y)
    scales = [typical(u) if u.any() else typical(step) for u, step in zip(y, d(t, y), strict=True)]
    size = pack(tuple(sizes(u, scale) for u, scale in zip(y, scales, strict=True)))

    def column(axis: Array, s: float) -> Array:
        return derivative_along(lambda x: pack(d(t, unpack(x, y))), at, s * axis, 1) / s

    return np.array([column(axis, s) for axis, s in zip(np.eye(len(at)), size, strict=True)]).T
