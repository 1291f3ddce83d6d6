"""A C + C A^T + B B^T = 0 at rest: the stationary covariance of y' = F(y) + B(y) xi, linearised where F vanishes.

[van Kampen 2007, ch. X; Gardiner 2009, sec. 6.2]  For noise so weak that F is linear as far as y spreads.  So the mean
sign of a noisy gradient, whose slope at 0 is 2 f(0)/sigma, gives signSGD the variance lr sigma/(4 f(0) lambda), and
Adam has (lr/2) Sigma^(1/2) H^-1, whatever its memory.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.flow import Flow
from odeopt.core.flow_type import a_flow
from odeopt.core.state import State
from odeopt.laws.linear_map import Map, slope_as_map
from odeopt.laws.moments import ROUNDING, Moments
from odeopt.optimizers.starts import settled
from odeopt.problems import Problem
from odeopt.problems.base import a_problem
from odeopt.problems.differences import RoughGradient, derivative_along
from odeopt.problems.initial_point import single_point
from odeopt.util.check import Array

REST = 1e-9  # of the size of the slopes nearby: F below it counts as 0


def linear_noise(flow: Flow, problem: Problem, theta0: ArrayLike | None = None) -> Moments:
    """Mean y* and covariance of the stochastic flow near a point of rest F(y*) = 0, for weak noise.

    theta0: (d,), where the search for the point of rest starts; by default the minimiser of the problem if it knows
            one, else its theta0.  The memory starts settled

    On a linear flow this is `flow_stationary`.  Raises ValueError if no point of rest is found, or if the flow
    is unstable there or has a kink, as the sign of a memory.

    >>> import odeopt as oo
    >>> noisy = oo.noise.gaussian(oo.problems.quadratic(eigenvalues=(1.0, 4.0), angle=0), sigma=2.0)
    >>> law = linear_noise(oo.sde(oo.optimizers.signsgd(lr=0.01)), noisy)
    >>> np.diag(law.covariance).round(6), (np.sqrt(np.pi / 8) * 0.01 * 2.0 / np.array([1.0, 4.0])).round(6)
    (array([0.012533, 0.003133]), array([0.012533, 0.003133]))
    """
    from scipy.linalg import solve_continuous_lyapunov

    if not a_flow(flow).noisy:
        raise ValueError(f"flow must have noise, e.g. odeopt.sde(opt), {flow.name} has none")
    known = theta0 if theta0 is not None else a_problem(problem).minimizer
    start = single_point(problem, "theta0", known)
    y = settled(flow, problem.oracle(), start, 0.0) if flow.ages else flow.start(start)
    image, _, w, name = slope_as_map(flow, problem, y)
    rest = _rest(image, y, w, name)
    A = _jacobian(image, rest, w, name)
    growth = np.linalg.eigvals(A).real.max()
    if growth >= -ROUNDING * np.abs(A).max():
        raise ValueError(f"{flow.name} has no stationary law here: its largest growth rate is {growth:.6g}")
    B = (image(np.tile(rest, (w, 1)), np.eye(w)) - image(rest[None], np.zeros((1, w)))).T
    return Moments(np.inf, rest, solve_continuous_lyapunov(A, -B @ B.T), problem)


def _rest(image: Map, y: State, w: int, name: str) -> Array:
    """y* with F(y*) = 0, near y."""
    from scipy.optimize import root

    still = np.zeros((1, w))
    start = np.concatenate(y)
    found = root(lambda x: image(x[None], still)[0], start, tol=1e-14)
    size = np.abs(_jacobian(image, found.x, w, name)) @ np.maximum(np.abs(found.x), np.abs(start) + 1.0)
    if not np.all(np.abs(image(found.x[None], still)[0]) <= REST * size):
        raise ValueError(f"theta0 must be near a point of rest of {name}, none was found from {y[0]!r}")
    return np.asarray(found.x)


def _jacobian(image: Map, y: Array, w: int, name: str) -> Array:
    """A = DF(y)."""
    still = np.zeros((1, w))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RoughGradient)
        try:
            columns = [derivative_along(lambda x: image(x[None], still)[0], y, axis, 1) for axis in np.eye(len(y))]
        except RoughGradient as kink:
            raise ValueError(f"{name} must be smooth at its point of rest to be linearised: {kink}") from kink
    return np.array(columns).T
