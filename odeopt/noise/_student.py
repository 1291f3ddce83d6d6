"""g(theta) + sigma(theta) Z, Z of Student's law: noise with heavy tails."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from odeopt.noise._standard import StudentT
from odeopt.noise._streams import per_member
from odeopt.problems.base import Problem, a_problem
from odeopt.problems.gradient_noise import Coordinates
from odeopt.util import check
from odeopt.util.check import Array


@dataclass(frozen=True)
class Student:
    """sigma(theta) Z added to the gradient `exact`, each coordinate of Z independent of the others."""

    exact: Callable[[Array], Array]
    sigma: Callable[[Array], Array]
    standard: StudentT
    width: int
    independent: bool = True

    @property
    def name(self) -> str:
        return f"Student noise with nu = {self.standard.nu:g}"

    @cached_property
    def coordinates(self) -> Coordinates:
        """The law of each coordinate."""
        return Coordinates(self.sigma, self.standard)

    def root(self, theta: Array, xi: Array) -> Array:
        return self._deviation(theta) * xi

    def variance(self, theta: Array) -> Array:
        return self._deviation(theta) ** 2 * np.ones_like(theta)

    def covariance(self, theta: Array) -> Array:
        return self.variance(theta)[..., None] * np.eye(theta.shape[-1])

    def draws(self, rng: np.random.Generator, members: tuple[int, ...]) -> Iterator[Array]:
        """Z for each step, (*members, d)."""
        nu, width = self.standard.nu, self.width
        return per_member(lambda stream, k: stream.standard_t(nu, (k, width)), rng, members)

    def grad(self, theta: Array, draw: Array) -> Array:
        return self.exact(theta) + self.sigma(theta) * draw

    def _deviation(self, theta: Array) -> Array:
        if np.isinf(self.standard.deviation):
            raise ValueError(f"nu must be above 2 for noise with a covariance, got {self.standard.nu:g}")
        return self.standard.deviation * self.sigma(theta)


def student(problem: Problem, sigma: Any, nu: float) -> Problem:
    """The problem with the noisy gradient g + sigma Z, Z of Student's law with nu degrees of freedom, per coordinate.

    sigma: the scale, a number, (d,) numbers, or a function of theta (..., d).  The standard deviation of the noise is
           sigma sqrt(nu/(nu - 2)), and infinite for nu <= 2, as of Cauchy's law, nu = 1
    nu:    the density decays like |z|^(-nu - 1); as nu grows, the noise becomes that of `gaussian`

    >>> from odeopt import noise, problems
    >>> heavy = student(problems.quadratic(), 0.1, nu=3)
    >>> heavy, noise.covariance(heavy)[0, 0].round(12).tolist()  # 0.1^2 3/(3 - 2)
    (Problem quadratic: d = 2, gradient by hand, batched, Student noise with nu = 3, 0.03)
    """
    a_problem(problem)
    law = StudentT(check.scalar("nu", check.positive("nu", nu)))
    scale = scale_of(problem, sigma)
    return dataclasses.replace(problem, noise=Student(problem.grad, scale, law, problem.dim))


def scale_of(problem: Problem, sigma: Any) -> Callable[[Array], Array]:
    """sigma as a function of theta, checked at theta0."""
    if callable(sigma):
        check.spread("sigma(theta0)", sigma(problem.theta0), problem.theta0.shape)
        return sigma
    constant = check.spread("sigma", check.nonnegative("sigma", sigma), (problem.dim,))
    return lambda theta: constant
