"""DPhi: the derivative of one step with respect to the state, theta and memory.

Its determinant is the factor by which a step changes volumes of states.  The flow of the heavy ball shrinks them at the
constant rate damping d, whatever the loss, and momentum, whose kicks and drifts are shears, does so exactly: beta^d.
[Conformal symplectic: McLachlan and Perlmutter 2001; Franca, Sulam, Robinson and Vidal 2020.]  Adam's step, too, is a
contraction of the memory after which theta moves by the memory alone: (beta1 beta2)^(d + 1), its two clocks counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.core.state import State, pack, unpack
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.one_step import Increment, OneStep, as_optimizer, of_optimizer
from odeopt.problems import Problem
from odeopt.problems.differences import derivative_along, sizes, typical
from odeopt.problems.initial_point import single_point
from odeopt.util import check
from odeopt.util.check import Array


def step_jacobian(
    opt: Optimizer | OneStep, problem: Problem, theta: Any = None, t: float = 0.0, **memory: Any
) -> Array:
    """DPhi (n, n) at theta (d,), the problem's by default, and this memory (zero by default), for the step from t.

    Rows and columns are theta and then the memory in the order of the flow's variables, n numbers in all.  By
    differences: entries are right to about 1e-11.

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
    """D(Phi - I) at y by differences of the increments Phi(y) - y, which keep their digits.

    Each number moves by a small part of its own size, or of the size of its variable: squares must stay positive.  A
    variable that is 0 has the size that one step gives it.
    """
    at = pack(y)
    scales = [typical(u) if u.any() else typical(step) for u, step in zip(y, d(t, y), strict=True)]
    size = pack(tuple(sizes(u, scale) for u, scale in zip(y, scales, strict=True)))

    def column(axis: Array, s: float) -> Array:
        return derivative_along(lambda x: pack(d(t, unpack(x, y))), at, s * axis, 1) / s

    return np.array([column(axis, s) for axis, s in zip(np.eye(len(at)), size, strict=True)]).T
