"""a + b zeta: the value of a formula whose gradient is random, where zeta is the noise of the gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core.symbols import Symbol


@dataclass(frozen=True)
class Affine:
    """a + b zeta with arrays, numbers or symbols a and b; it may be added to and multiplied by what is not random.

    of_sign: (a, b) -> E sign(a + b zeta) + (what it fluctuates by), again as an Affine

    >>> (3.0 - 2.0 * Affine(np.ones(1), 0.5, lambda a, b: Affine(a, b, None))).b
    -1.0
    """

    __array_ufunc__ = None  # NumPy's arrays leave + - * to this class

    a: Any
    b: Any
    of_sign: Callable[[Any, Any], Affine] | None

    def sign(self, delta: Any) -> Affine:
        """The sign of a + b zeta, which must not be smoothed: delta = 0."""
        if not isinstance(delta, Symbol) and np.any(delta):
            raise ValueError(f"delta must be 0 for the mean of a sign under noise, got {delta!r}")
        if self.of_sign is None:
            raise TypeError("the sign of a sign")
        return self.of_sign(self.a, self.b)

    def _with(self, a: Any, b: Any) -> Affine:
        return Affine(a, b, self.of_sign)

    def __add__(self, other: Any) -> Affine:
        if isinstance(other, Affine):
            return self._with(self.a + other.a, self.b + other.b)
        return self._with(self.a + other, self.b)

    def __radd__(self, other: Any) -> Affine:
        return self._with(other + self.a, self.b)

    def __neg__(self) -> Affine:
        return self._with(-self.a, -self.b)

    def __sub__(self, other: Any) -> Affine:
        if isinstance(other, Affine):
            return self._with(self.a - other.a, self.b - other.b)
        return self._with(self.a - other, self.b)

    def __rsub__(self, other: Any) -> Affine:
        return self._with(other - self.a, -self.b)

    def __mul__(self, other: Any) -> Affine:
        return self._with(self.a * other, self.b * other)

    def __rmul__(self, other: Any) -> Affine:
        return self._with(other * self.a, other * self.b)

    def __truediv__(self, other: Any) -> Affine:
        return self._with(self.a / other, self.b / other)
