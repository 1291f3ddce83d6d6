"""The effects of memory that remain as lr -> 0 at fixed beta: a shift of the start, and a slow rate of descent.

The shift is measured by running the step on a constant gradient; the rate follows from the step's matrix M(z).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from odeopt.analysis.linear import step_matrix
from odeopt.core.state import Grad, column, plus
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.optimizers.one_step import of_optimizer
from odeopt.problems.oracle import Gradient
from odeopt.util import check
from odeopt.util.check import Array

SETTLED = 1e-15  # relative change of the increment per step
LONGEST = 50_000  # the most steps of a start-up
ROUNDING = 1e-12
REACH, NODES = 0.1, 12  # interpolation in z: half-width relative to the spectral gap, and number of nodes


def start_shift(opt: Optimizer, grad: Grad, theta0: Array) -> Array:
    """sum_k (d_k - d_infinity) over the steps d_k of theta on the constant gradient g(theta0).

    After the start-up, the iterates behave as if they had started at theta0 plus this shift: for momentum at
    theta0 + h beta/(1 - beta) g0.                                                              [Ghosh et al. 2023]

    >>> from odeopt import optimizers
    >>> start_shift(optimizers.momentum(lr=0.01, beta=0.9), lambda theta: np.ones(1), np.zeros(1)).round(12)
    array([0.9])
    """
    opt, theta0 = an_optimizer(opt), check.point("theta0", theta0)
    check.function("grad", grad, "theta")
    g0 = np.broadcast_to(grad(theta0), theta0.shape)
    constant = Gradient(lambda theta: g0)
    step = of_optimizer(opt).increment(constant)
    y, before = opt.initial_state(constant, theta0.copy()), np.full_like(theta0, np.inf)
    for k in range(LONGEST):
        d = step(k * column(opt.h), y)
        if np.all(np.abs(d[0] - before) <= SETTLED * np.abs(d[0])):
            return y[0] - theta0 - k * d[0]
        y, before = plus(y, d), d[0]
    raise ValueError(f"{opt.name} did not settle on a constant gradient in {LONGEST} steps: it has no memoryless limit")


class SlowRate(NamedTuple):
    """log mu = -lr_time (slope lambda + 2 coefficient lambda^2) + O(lambda^3); the start is shifted by shift g0."""

    slope: float
    coefficient: float
    shift: float


def slow_rate(opt: Optimizer) -> SlowRate:
    """The slow multiplier mu of the step on L = lambda theta^2/2 and the start's shift, for optimizers linear in g.

    M(z) x = mu x is differentiated twice at z = lr lambda = 0, where mu = 1, with x(z) - x(0) orthogonal to the left
    eigenvector.

    >>> from odeopt import optimizers
    >>> [round(number, 10) for number in slow_rate(optimizers.momentum(lr=0.01, beta=0.9))]
    [1.0, 0.475, 0.9]
    """
    matrix = step_matrix(opt, 0.0)
    if opt.flow.preconditioner:
        raise ValueError(f"opt must be linear in the gradient, got {opt.name} with its preconditioner")
    gap = _gap(opt.name, matrix)
    M0, M1, M2 = _derivatives(lambda z: step_matrix(opt, z), REACH * gap)
    right, left = (_fixed(A) for A in (M0, M0.T))
    bordered = np.block([[M0 - np.eye(len(M0)), -right[:, None]], [left[None], np.zeros((1, 1))]])
    *x1, mu1 = np.linalg.solve(bordered, [*(-M1 @ right), 0])
    *_, mu2 = np.linalg.solve(bordered, [*(-M1 @ x1 - M2 @ right), 0])
    lr, time = float(np.asarray(opt.lr)), float(np.asarray(opt.lr_time))
    # a constant gradient 1 adds lr M1 e_theta to a step; `settled` is the memory at which it becomes steady
    push, settled = lr * M1[:, 0], np.zeros(len(M0))
    settled[1:] = np.linalg.solve(np.eye(len(M0) - 1) - M0[1:, 1:], push[1:])
    start = opt.initial_state(Gradient(np.ones_like), np.zeros(1))
    memory = np.array([0.0, *(float(u[0]) for u in start[1:])])
    slope, coefficient = -lr * mu1 / time, -(lr**2) * (mu2 - mu1**2 / 2) / (2 * time)
    return SlowRate(float(slope), float(coefficient), float(left @ (memory - settled)))


def _gap(name: str, M0: Array) -> float:
    """1 - |mu_2| at zero curvature, where mu_1 = 1 must be the only multiplier on the unit circle."""
    distance = np.sort(np.abs(np.linalg.eigvals(M0) - 1))
    size = np.sort(np.abs(np.linalg.eigvals(M0)))[:-1]
    if distance[0] > ROUNDING:
        raise ValueError(f"{name} moves theta where the gradient is 0: it has no memoryless limit")
    gap = 1 - size.max(initial=0.0)
    if gap <= ROUNDING:
        raise ValueError(f"{name} does not forget: without friction it has no memoryless limit")
    return float(gap)


def _fixed(M: Array) -> Array:
    """x with M x = x, x_theta = 1."""
    x = np.ones(len(M))
    x[1:] = np.linalg.solve(np.eye(len(M) - 1) - M[1:, 1:], M[1:, 0])
    return x


def _derivatives(M: Callable[[float], Array], reach: float) -> list[Array]:
    """M(0), M'(0), M''(0)/2 from the interpolating polynomial at Chebyshev nodes: exact for explicit schemes."""
    nodes = np.polynomial.chebyshev.chebpts1(NODES)
    values = np.array([M(reach * x) for x in nodes])
    fitted = np.linalg.solve(np.vander(nodes, increasing=True), values.reshape(NODES, -1)).reshape(values.shape)
    return [fitted[k] / reach**k for k in range(3)]
