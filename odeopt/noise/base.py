"""The noise of a problem and its covariance."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from odeopt.problems.base import Problem, a_problem, point_of
from odeopt.problems.gradient_noise import GradientNoise
from odeopt.util.check import Array


def noise_of(problem: Any) -> GradientNoise:
    """The noise of the problem's gradient; an error if it has none."""
    a_problem(problem)
    if problem.noise is None:
        raise ValueError(f"problem must have noise, e.g. odeopt.noise.minibatches(problem, 32), got {problem!r}")
    return problem.noise


def covariance(problem: Problem, theta: ArrayLike | None = None) -> Array:
    """Sigma(theta) = E zeta zeta^T of the noisy gradient g + zeta, exact, (..., d, d); theta is theta0 by default.

    >>> from odeopt import noise, problems
    >>> covariance(noise.gaussian(problems.quadratic(), [1, 2])).tolist()
    [[1.0, 0.0], [0.0, 4.0]]
    """
    law = noise_of(problem)
    return law.covariance(problem.theta0 if theta is None else point_of(problem, "theta", theta))
