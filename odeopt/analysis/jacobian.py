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
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import Increment, of_optimizer
from odeopt.problems import Problem
from odeopt.simulation.simulate import initial_point
from odeopt.util.check import Array

STEP = 6e-6  # balances h^2 of truncation against eps/h of rounding
SMALL = 1e-3  # of the largest entry of a variable: smaller ones are moved as if they were of this size


def step_jacobian(opt: Optimizer, problem: Problem, theta: Any = None, t: float = 0.0, **memory: Any) -> Array:
    """DPhi (n, n) at theta (d,), the problem's by default, and this memory (zero by default), for the step from t.

    Rows and columns are theta and then the memory in the order of the flow's variables, n numbers in all.  By central
    differences: entries are right to about 1e-9.

    >>> from odeopt import optimizers, problems
    >>> opt = optimizers.momentum(lr=0.1, beta=0.8)
    >>> DPhi = step_jacobian(opt, problems.rosenbrock(), theta=(0.5, 2.0), m=(1.0, 3.0))
    >>> DPhi.shape, round(float(np.linalg.det(DPhi)), 6)  # 0.8^2
    ((4, 4), 0.64)
    """
    if not isinstance(opt, Optimizer):
        raise TypeError(f"opt must be an Optimizer, e.g. odeopt.optimizers.adam(), got {opt!r}")
    if opt.members:
        raise ValueError(f"opt must be a single optimizer, got members of shape {opt.members}")
    theta = initial_point((), problem, theta)
    if theta.ndim != 1:
        raise ValueError(f"theta must have shape ({problem.dim},), got {theta.shape}")
    y = opt.flow.start(theta, **memory)
    increments = increment_jacobian(of_optimizer(opt).increment(problem.oracle()), y, t)
    return np.eye(len(increments)) + increments


def increment_jacobian(d: Increment, y: State, t: Any = 0.0) -> Array:
    """D(Phi - I) at y by central differences, from the increments Phi(y) - y, which keep their digits.

    Their width is that of each variable: squares must stay positive.
    """
    flat = pack(y)
    size = pack(tuple(np.maximum(np.abs(u), SMALL * (np.abs(u).max() or 1.0)) for u in y))
    columns = []
    for i, h in enumerate(STEP * size):
        e = np.zeros_like(flat)
        e[i] = h
        ahead, behind = (pack(d(t, unpack(flat + sign * e, y))) for sign in (1, -1))
        columns.append((ahead - behind) / (2 * h))
    return np.array(columns).T
