"""Compares a gradient by hand with a numerical derivative of the loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odeopt.util.check import Array
from odeopt.util.saved import Saved

SMALL = 1e-3  # entries below this part of the largest, in units of the loss, have errors relative to that part


@dataclass(frozen=True, eq=False)
class GradientCheck(Saved):
    """error_j = |g_j - n_j| / max(|g_j|, |n_j|, 1e-3 max_k |n_k s_k|/s_j),   g by hand, n by `method`, both (..., d).

    size: s (d,), the usual sizes of theta, which make entries comparable
    """

    analytic: Array
    numeric: Array
    size: Array
    method: str

    @property
    def error(self) -> Array:
        """The relative error of every entry, NaN where the gradient is not finite."""
        g, n = np.abs(self.analytic), np.abs(self.numeric)
        largest = np.max(n * self.size, axis=-1, keepdims=True) / self.size
        scale = np.maximum(np.maximum(g, n), SMALL * largest)
        return np.abs(self.analytic - self.numeric) / np.where(scale == 0, 1, scale)

    @property
    def max_error(self) -> float:
        """The largest relative error."""
        return float(np.max(self.error))

    @property
    def worst(self) -> int:
        """The coordinate of the largest relative error."""
        return int(self._where[-1])

    @property
    def _where(self) -> tuple[np.intp, ...]:
        return np.unravel_index(np.argmax(self.error), self.error.shape)

    def __repr__(self) -> str:
        return (
            f"worst coordinate {self.worst}: gradient {self.analytic[self._where]:.6g}, "
            f"numerical {self.numeric[self._where]:.6g} ({self.method}), relative error {self.max_error:.1e}"
        )
