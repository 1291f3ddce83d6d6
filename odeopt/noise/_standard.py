"""Standardised laws of one random number Z: their distribution functions, and how far a sign follows Z."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from odeopt.util.check import Array


@dataclass(frozen=True)
class Normal:
    """Z standard normal.

    >>> float(Normal().cdf(np.array(0.0))), float(Normal().response(np.array(0.0)).round(6))
    (0.5, 0.797885)
    """

    deviation: float = 1.0

    def cdf(self, x: Array) -> Array:
        """P(Z < x)."""
        from scipy.special import ndtr

        return np.asarray(ndtr(x))

    def response(self, x: Array) -> Array:
        """E[Z sign(x + Z)] = 2 phi(x)."""
        return np.sqrt(2 / np.pi) * np.exp(-(np.asarray(x) ** 2) / 2)


@dataclass(frozen=True)
class StudentT:
    """Z of Student's law with nu > 0 degrees of freedom: P(|Z| > x) decays like x^-nu, Var Z = nu/(nu - 2) if nu > 2.

    >>> float(StudentT(1.0).cdf(np.array(1.0)).round(12))  # Cauchy's
    0.75
    """

    nu: float

    @property
    def deviation(self) -> float:
        """The standard deviation of Z; infinite for nu <= 2."""
        return math.sqrt(self.nu / (self.nu - 2)) if self.nu > 2 else math.inf

    def cdf(self, x: Array) -> Array:
        """P(Z < x)."""
        from scipy.special import stdtr

        return np.asarray(stdtr(self.nu, x))

    def response(self, x: Array) -> Array:
        """E[Z sign(x + Z)]/deviation = 2 f(x) (nu + x^2)/(nu - 1)/deviation with the density f; 0 for nu <= 2."""
        if self.nu <= 2:
            return np.zeros_like(x, dtype=float)
        from scipy.special import beta

        peak = 1 / (math.sqrt(self.nu) * beta(0.5, self.nu / 2))
        falling = np.exp((1 - self.nu) / 2 * np.log1p(np.asarray(x) ** 2 / self.nu))
        return 2 * self.nu / (self.nu - 1) * peak * falling / self.deviation
