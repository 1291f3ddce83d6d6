"""g(theta) + sigma(theta) xi, xi standard normal: Gaussian noise, additive or state-dependent."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.noise.streams import normals
from odeopt.problems import Problem


@dataclass(frozen=True)
class Gaussian:
    """Independent normal noise of standard deviation sigma(theta), shape (..., d), on each coordinate."""

    exact: Callable[[Array], Array]
    sigma: Callable[[Array], Array]
    width: int
    name: str = "Gaussian noise"

    def root(self, theta: Array, xi: Array) -> Array:
        return self.sigma(theta) * xi

    def variance(self, theta: Array) -> Array:
        return self.sigma(theta) ** 2 * np.ones_like(theta)

    def draws(self, rng: np.random.Generator, members: tuple[int, ...]) -> Iterator[Array]:
        return normals(rng, members, self.width)

    def grad(self, theta: Array, draw: Array) -> Array:
        return self.exact(theta) + self.root(theta, draw)


def gaussian(problem: Problem, sigma: Any) -> Problem:
    """The problem with the noisy gradient g + sigma xi: a number, (d,) numbers, or a function of theta (..., d).

    >>> from odeopt import problems
    >>> gaussian(problems.quadratic(), 0.1)
    Problem quadratic: d = 2, gradient by hand, batched, Gaussian noise
    """
    if callable(sigma):
        value = np.asarray(sigma(problem.theta0))
        check.spread("sigma(theta0)", value, problem.theta0.shape)
        return dataclasses.replace(problem, noise=Gaussian(problem.grad, sigma, problem.dim))
    constant = check.spread("sigma", check.nonnegative("sigma", sigma), (problem.dim,))
    return dataclasses.replace(problem, noise=Gaussian(problem.grad, lambda theta: constant, problem.dim))
