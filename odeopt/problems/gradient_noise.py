"""g(theta) + zeta, E zeta = 0, Cov zeta = Sigma(theta): the protocol of the noise of a gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from odeopt.util.check import Array


class Covariance(Protocol):
    """Sigma(theta), the covariance of a gradient's noise."""

    def root(self, theta: Array, xi: Array) -> Array:
        """Sigma^(1/2)(theta) xi, shape (..., d), for xi (..., width)."""

    def variance(self, theta: Array) -> Array:
        """The diagonal of Sigma(theta), shape (..., d)."""

    def covariance(self, theta: Array) -> Array:
        """Sigma(theta), shape (..., d, d)."""


@runtime_checkable
class GradientNoise(Covariance, Protocol):
    """The noise of a problem's gradient; `odeopt.noise` makes problems that have it."""

    @property
    def name(self) -> str:
        """The name as printed."""

    @property
    def width(self) -> int:
        """The number of standard normals that one Gaussian noise vector of this covariance needs."""

    @property
    def independent(self) -> bool:
        """Whether the draws of different steps are independent, as a stochastic differential equation assumes."""

    def draws(self, rng: np.random.Generator, members: tuple[int, ...]) -> Iterator[Any]:
        """The random numbers of each step for all members, step by step: indices of a batch, normals, ..."""

    def grad(self, theta: Array, draw: Any) -> Array:
        """The noisy gradient (..., d) of one draw."""


class Standard(Protocol):
    """The law of one standardised random number Z with a density that is even."""

    def cdf(self, x: Array) -> Array:
        """P(Z < x)."""

    def response(self, x: Array) -> Array:
        """E[Z sign(x + Z)] over the standard deviation of Z; 0 where that is infinite."""


@dataclass(frozen=True)
class Coordinates:
    """zeta_i = scale_i(theta) Z_i: independent coordinates, whose Z_i all have the law `standard`."""

    scale: Callable[[Array], Array]
    standard: Standard

    def mean_sign(self, a: Array, b: Array) -> Array:
        """E sign(a + b Z) = F(a/|b|) - F(-a/|b|)."""
        x = _ratio(a, b)
        return self.standard.cdf(x) - self.standard.cdf(-x)

    def sign_noise(self, a: Array, b: Array, xi: Array, eta: Array) -> Array:
        """k xi + sqrt(4 F(x) F(-x) - k^2) eta, x = a/|b|: the variance 1 - (E sign)^2 of a sign, and E[Z sign] by k.

        xi are the standard normals that stand for Z, eta those of the rest.
        """
        x = _ratio(a, b)
        k = np.sign(b) * self.standard.response(x)
        rest = 4 * self.standard.cdf(x) * self.standard.cdf(-x) - k**2
        return k * xi + np.sqrt(np.maximum(rest, 0.0)) * eta


@runtime_checkable
class ByCoordinate(Protocol):
    """Noise that may have independent coordinates."""

    @property
    def coordinates(self) -> Coordinates | None:
        """The law of each coordinate; None if they are not independent."""


def coordinates_of(noise: GradientNoise | None) -> Coordinates | None:
    """The law of each coordinate of the noise; None if they are not independent, or their law is not known."""
    return noise.coordinates if isinstance(noise, ByCoordinate) else None


def _ratio(a: Array, b: Array) -> Array:
    """a/|b|; without noise, b = 0, it is infinite with the sign of a, or 0."""
    size = np.abs(b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((size == 0) & (np.asarray(a) == 0), 0.0, a / size)
