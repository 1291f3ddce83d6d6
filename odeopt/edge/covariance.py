"""Sigma = sum_i weight_i u_i u_i^T: the covariance of theta's oscillation, by its principal directions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from odeopt.util.check import Array

NONE = 1e-14  # of the largest weight: one below it is left out


@dataclass(frozen=True, eq=False)
class Covariance:
    """`modes[n]` (d, r_n), orthonormal columns, and `weights[n]` (r_n,), falling, at each record n.

    r_n is the number of directions that oscillate there, 0 before the edge.
    """

    modes: tuple[Array, ...] = field(repr=False)
    weights: tuple[Array, ...]

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def trace(self) -> Array:
        """E |delta theta|^2 at each record (n+1,)."""
        return np.array([w.sum() for w in self.weights])

    def matrix(self, record: int) -> Array:
        """Sigma (d, d) at a record."""
        return (self.modes[record] * self.weights[record]) @ self.modes[record].T

    def __repr__(self) -> str:
        ranks = np.array([len(w) for w in self.weights])
        return (
            f"Covariance at {len(self)} records: up to {ranks.max(initial=0)} directions, "
            f"trace up to {self.trace.max(initial=0.0):.3g}"
        )


def principal(V: Array, X: Array) -> tuple[Array, Array]:
    """The directions (d, r) and weights (r,) of Re(V X V^H), for V (d, k) and X (k, k) >= 0."""
    x, U = np.linalg.eigh(X)
    factor = V @ (U * np.sqrt(np.maximum(x, 0.0)))
    directions, length, _ = np.linalg.svd(np.concatenate([factor.real, factor.imag], axis=1), full_matrices=False)
    used = length**2 > NONE * (length[:1] ** 2).sum()
    return directions[:, used], length[used] ** 2
