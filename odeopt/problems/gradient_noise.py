"""g(theta) + zeta, E zeta = 0, Cov zeta = Sigma(theta): the protocol of the noise of a gradient."""

from __future__ import annotations

from collections.abc import Iterator
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
