"""E y_k and Cov y_k of a noisy optimizer on a quadratic, exactly: y_{k+1} = M y_k + c + N xi_k, xi_k standard normal.

Mean and covariance then follow mu <- M mu + c and C <- M C M^T + N N^T.  Along a flow y' = A y + b + B xi they follow
mu' = A mu + b and C' = A C + C A^T + B B^T.                                            [Gardiner 2009, sec. 4.5.6]
M, c, N, A, b and B are determined from the step and the flow themselves, which must be linear in state and noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.flow import Flow
from odeopt.core.flow_type import a_flow
from odeopt.laws.linear_map import linear_map, refuse_time, slope_as_map, step_as_map
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.problems import Problem
from odeopt.problems.initial_point import single_point
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_a_day, within_memory
from odeopt.util.saved import Saved

ROUNDING = 1e-13  # of the fastest rate: a slower decay than that is none


@dataclass(frozen=True, eq=False)
class Moments(Saved):
    """Mean (..., n) and covariance (..., n, n) of the state y, theta first, at the times t (...,), or for t = inf.

    theta_mean and theta_covariance are the parts of theta.  loss is E[L].  temperature is the mean of lambda Var(theta)
    over the d modes, which equals T in equilibrium with thermal noise.
    """

    t: Any
    mean: Array
    covariance: Array
    problem: Problem

    @property
    def theta_mean(self) -> Array:
        return self.mean[..., : self.problem.dim]

    @property
    def theta_covariance(self) -> Array:
        d = self.problem.dim
        return self.covariance[..., :d, :d]

    @property
    def loss(self) -> Any:
        """E[L] = L(E theta) + tr(H Cov theta)/2."""
        return self.problem.loss(self.theta_mean) + self._curved() / 2

    @property
    def temperature(self) -> Any:
        """tr(H Cov theta)/d."""
        return self._curved() / self.problem.dim

    def _curved(self) -> Any:
        d = self.problem.dim
        H = np.stack([self.problem.hvp(np.zeros(d), e) for e in np.eye(d)])
        return np.einsum("ij,...ji->...", H, self.theta_covariance)


def moments(opt: Optimizer, problem: Problem, steps: int = 300, theta0: ArrayLike | None = None) -> Moments:
    """Mean and covariance of the state after 0, 1, ..., `steps` steps from theta0 (d,), shapes (steps+1, ...).

    The noise is that of the flow, or that of the problem's gradient; its covariance must not depend on theta.

    >>> from odeopt import noise, optimizers, problems
    >>> noisy = noise.gaussian(problems.quadratic(eigenvalues=(1.0, 2.0), angle=0), sigma=1.0)
    >>> variance = moments(optimizers.gd(lr=0.1), noisy, 500).covariance[-1, 0, 0]
    >>> round(float(variance), 12), round(0.1 / (2 - 0.1), 12)
    (0.052631578947, 0.052631578947)
    """
    theta0, steps = _single(opt, problem, theta0), within_a_day("steps", check.count("steps", steps))
    size = problem.dim * len(opt.flow.variables)
    within_memory("steps", steps, 2 * NUMBER * steps * size * (size + 1))
    start = opt.initial_state(problem.oracle(), theta0)
    mean, covariance = [np.concatenate(start)], [np.zeros((sum(map(len, start)),) * 2)]
    for k in range(steps):
        M, c, N = linear_map(*step_as_map(opt, problem, start, k * opt.h))
        mean.append(M @ mean[-1] + c)
        covariance.append(M @ covariance[-1] @ M.T + N @ N.T)
    return Moments(np.arange(steps + 1) * opt.h, np.array(mean), np.array(covariance), problem)


def stationary(opt: Optimizer, problem: Problem) -> Moments:
    """The limits of mean and covariance of the iterates, by mu = M mu + c and C = M C M^T + N N^T.

    >>> from odeopt import noise, optimizers, problems
    >>> noisy = noise.gaussian(problems.quadratic(eigenvalues=(1.0, 2.0), angle=0), sigma=1.0)
    >>> round(float(stationary(optimizers.gd(lr=0.1), noisy).covariance[1, 1]), 12), round(0.1 / (2 * (2 - 0.2)), 12)
    (0.027777777778, 0.027777777778)
    """
    from scipy.linalg import solve, solve_discrete_lyapunov

    theta0 = _single(opt, problem, None)
    refuse_time("opt", opt.flow)
    start = opt.initial_state(problem.oracle(), theta0)
    M, c, N = linear_map(*step_as_map(opt, problem, start, 0.0))
    growth = np.abs(np.linalg.eigvals(M)).max()
    if growth >= 1 - ROUNDING:
        raise ValueError(f"{opt.name} has no stationary law here: its step has spectral radius {growth:.6g}")
    mean = solve(np.eye(len(M)) - M, c)
    return Moments(np.inf, mean, solve_discrete_lyapunov(M, N @ N.T), problem)


def flow_moments(flow: Flow, problem: Problem, t: Any, theta0: ArrayLike | None = None) -> Moments:
    """Mean and covariance of the stochastic flow itself at times t (n,), from theta0 (d,) with memory at rest.

    >>> from odeopt import flow, problems, push
    >>> walk = flow("theta", drift=push("theta", lambda grad, theta: -grad(theta), noise=lambda xi: xi))
    >>> bowl = problems.quadratic(eigenvalues=(1.0, 2.0), angle=0)
    >>> round(float(flow_moments(walk, bowl, 0.5).covariance[0, 0]), 12)  # (1 - 1/e)/2
    0.316060279414
    """
    from scipy.linalg import expm

    times, start = np.asarray(check.nonnegative("t", t)), a_flow(flow).start(single_point(problem, "theta0", theta0))
    A, b, B = linear_map(*slope_as_map(flow, problem, start))
    n, y0 = len(A), np.concatenate(start)
    generator = np.block([[A, b[:, None]], [np.zeros((1, n + 1))]])
    mean, covariance = np.empty((*times.shape, n)), np.empty((*times.shape, n, n))
    for i in np.ndindex(times.shape):
        mean[i] = (expm(generator * times[i]) @ np.append(y0, 1.0))[:n]
        covariance[i] = _grown(A, B @ B.T, float(times[i]))
    return Moments(times, mean, covariance, problem)


def flow_stationary(flow: Flow, problem: Problem) -> Moments:
    """Mean and covariance of the stochastic flow in equilibrium, by A mu + b = 0 and A C + C A^T + B B^T = 0.

    >>> import odeopt as oo
    >>> law = flow_stationary(oo.flows.langevin(temperature=0.1), oo.problems.quadratic((1.0, 4.0), angle=0))
    >>> np.diag(law.covariance).round(6)  # T / curvature
    array([0.1  , 0.025])
    """
    from scipy.linalg import solve, solve_continuous_lyapunov

    start = a_flow(flow).start(single_point(problem, "theta0 of the problem", None))
    A, b, B = linear_map(*slope_as_map(flow, problem, start))
    growth = np.linalg.eigvals(A).real.max()
    if growth >= -ROUNDING * np.abs(A).max():
        raise ValueError(f"{flow.name} has no stationary law here: its largest growth rate is {growth:.6g}")
    mean = -solve(A, b)
    return Moments(np.inf, mean, solve_continuous_lyapunov(A, -B @ B.T), problem)


def _grown(A: Array, D: Array, t: float) -> Array:
    """C(t) of C' = A C + C A^T + D from C(0) = 0, by doubling: C(2s) = C(s) + e^(As) C(s) e^(As)^T.

    For a short time s, exp([[-A, D], [0, A^T]] s) = [[., F], [0, e^(A^T s)]] and C = e^(As) F.     [Van Loan 1978]
    """
    from scipy.linalg import expm

    n, doublings = len(A), max(0, int(np.ceil(np.log2(max(float(np.linalg.norm(A)) * t, 1.0)))))
    pair = expm(np.block([[-A, D], [np.zeros((n, n)), A.T]]) * (t / 2**doublings))
    E, C = pair[n:, n:].T, pair[n:, n:].T @ pair[:n, n:]
    for _ in range(doublings):
        C, E = C + E @ C @ E.T, E @ E
    return C


def _single(opt: Optimizer, problem: Problem, theta0: ArrayLike | None) -> Array:
    an_optimizer(opt)
    if opt.members:
        raise ValueError(f"opt must be a single optimizer, got one with members of shape {opt.members}")
    return single_point(problem, "theta0", theta0)
