"""g(theta) + Sigma^(1/2)(theta) xi, xi standard normal: Gaussian noise, additive or state-dependent."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.noise._standard import Normal
from odeopt.noise._streams import normals
from odeopt.noise._student import scale_of
from odeopt.noise.base import noise_of
from odeopt.problems.base import Problem, a_problem
from odeopt.problems.gradient_noise import Coordinates, Covariance
from odeopt.util import check
from odeopt.util.check import Array

SYMMETRY = 1e-12  # relative error that rounding may cause in symmetry and in zero eigenvalues


@dataclass(frozen=True)
class Gaussian:
    """Normal noise with the covariance of `law`, added to the gradient `exact`."""

    exact: Callable[[Array], Array]
    law: Covariance
    width: int
    name: str = "Gaussian noise"
    independent: bool = True

    @property
    def coordinates(self) -> Coordinates | None:
        """The law of each coordinate if Sigma(theta) is diagonal by construction."""
        return Coordinates(self.law.sigma, Normal()) if isinstance(self.law, Diagonal) else None

    def root(self, theta: Array, xi: Array) -> Array:
        return self.law.root(theta, xi)

    def variance(self, theta: Array) -> Array:
        return self.law.variance(theta)

    def covariance(self, theta: Array) -> Array:
        return self.law.covariance(theta)

    def draws(self, rng: np.random.Generator, members: tuple[int, ...]) -> Iterator[Array]:
        return normals(rng, members, self.width)

    def grad(self, theta: Array, draw: Array) -> Array:
        return self.exact(theta) + self.root(theta, draw)


@dataclass(frozen=True)
class Diagonal:
    """Independent noise on each coordinate, of standard deviation sigma(theta), shape (..., d)."""

    sigma: Callable[[Array], Array]

    def root(self, theta: Array, xi: Array) -> Array:
        return self.sigma(theta) * xi

    def variance(self, theta: Array) -> Array:
        return self.sigma(theta) ** 2 * np.ones_like(theta)

    def covariance(self, theta: Array) -> Array:
        return self.variance(theta)[..., None] * np.eye(theta.shape[-1])


@dataclass(frozen=True)
class Full:
    """Noise of covariance factor factor^T, factor(theta) of shape (..., d, d)."""

    factor: Callable[[Array], Array]

    def root(self, theta: Array, xi: Array) -> Array:
        return (self.factor(theta) @ xi[..., None])[..., 0]

    def variance(self, theta: Array) -> Array:
        return np.sum(self.factor(theta) ** 2, axis=-1) * np.ones_like(theta)

    def covariance(self, theta: Array) -> Array:
        factor = self.factor(theta)
        return factor @ np.swapaxes(factor, -1, -2) * np.ones_like(theta)[..., None]


def gaussian(problem: Problem, sigma: Any) -> Problem:
    """The problem with the noisy gradient g + sigma xi; sigma: a number, (d,) numbers, or a function of theta (..., d).

    >>> from odeopt import problems
    >>> gaussian(problems.quadratic(), 0.1)
    Problem quadratic: d = 2, gradient by hand, batched, Gaussian noise
    """
    a_problem(problem)
    return _with(problem, Diagonal(scale_of(problem, sigma)))


def correlated(problem: Problem, covariance: Any) -> Problem:
    """The problem with the noisy gradient g + Sigma^(1/2) xi.

    Sigma is positive semi-definite, (d, d) or a function of theta (..., d, d).

    >>> from odeopt import problems
    >>> correlated(problems.quadratic(), [[1, 1], [1, 1]]).noise.variance(np.zeros(2)).round(12)
    array([1., 1.])
    """
    a_problem(problem)
    if callable(covariance):
        square_root(covariance(problem.theta0), problem.theta0.shape)
        return _with(problem, Full(lambda theta: square_root(covariance(theta), theta.shape)), "correlated ")
    constant = square_root(covariance, (problem.dim,))
    return _with(problem, Full(lambda theta: constant), "correlated ")


def gaussian_like(problem: Problem) -> Problem:
    """The problem with Gaussian noise of the same covariance Sigma(theta) as its present noise.

    >>> from odeopt import noise, problems
    >>> gaussian_like(noise.minibatches(problems.least_squares(), 32))
    Problem least squares: d = 11, gradient by hand, batched, Gaussian noise like minibatches of 32
    """
    law = noise_of(problem)
    return dataclasses.replace(problem, noise=Gaussian(problem.grad, law, law.width, f"Gaussian noise like {law.name}"))


def square_root(covariance: Any, shape: tuple[int, ...]) -> Array:
    """The symmetric S with S S = Sigma for theta of this shape; unlike a Cholesky factor, S is continuous in Sigma."""
    given = check.point("covariance", covariance)
    matrix = check.spread("covariance", given, (*shape, shape[-1]) if given.ndim != 2 else shape[-1:] * 2)
    size = np.abs(matrix).max(initial=np.finfo(float).tiny)
    if np.abs(matrix - np.swapaxes(matrix, -1, -2)).max() > SYMMETRY * size:
        raise ValueError(f"covariance must be symmetric, got {covariance!r}")
    values, vectors = np.linalg.eigh(matrix)
    if values.min() < -SYMMETRY * size:
        raise ValueError(f"covariance must have no negative eigenvalue, got one of {values.min():.3g}")
    return (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)


def _with(problem: Problem, law: Covariance, kind: str = "") -> Problem:
    return dataclasses.replace(problem, noise=Gaussian(problem.grad, law, problem.dim, f"{kind}Gaussian noise".strip()))
