"""The largest theta with H x = theta W^-1 x in the span of a few vectors, from inner products alone.

[Parlett 1998, The symmetric eigenvalue problem, sec. 11.3; Saad 2011, Numerical methods for large eigenvalue problems]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odeopt.util.check import Array

DEPENDENT = 1e-6  # relative length of a direction that adds nothing, for inner products in single precision


@dataclass(frozen=True, eq=False)
class Ritz:
    """The largest Ritz value, the coefficients (k,) of its unit vector, and the norm of its residual.

    error: |W H x - value x| in the norm of W^-1.  An eigenvalue lies no further from `value` than that.
    """

    value: float
    s: Array
    error: float


def ritz(mass: Array, stiffness: Array, images: Array) -> Ritz | None:
    """mass X.W^-1 X, stiffness X.H X and images HX.W HX, all (k, k), of vectors X (k, d); None if they are not finite.

    >>> H, X = np.diag([1.0, 5.0, 2.0]), np.eye(3)[:2]
    >>> found = ritz(X @ X.T, X @ H @ X.T, X @ H @ H @ X.T)
    >>> found.value, found.error
    (5.0, 0.0)
    """
    length = np.sqrt(np.diag(mass))
    if not (np.isfinite(mass).all() and np.isfinite(stiffness).all() and np.isfinite(images).all() and length.any()):
        return None
    unit = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    weights, vectors = np.linalg.eigh(mass * np.outer(unit, unit))
    kept = weights > DEPENDENT * weights[-1]
    basis = unit[:, None] * vectors[:, kept] / np.sqrt(weights[kept])
    values, s = np.linalg.eigh(basis.T @ ((stiffness + stiffness.T) / 2) @ basis)
    value, best = float(values[-1]), basis @ s[:, -1]
    return Ritz(value, best, float(np.sqrt(max(0.0, best @ images @ best - value**2))))
