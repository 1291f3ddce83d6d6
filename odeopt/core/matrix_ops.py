"""The operations on parameters that form a row-major matrix: means, Gram matrices, powers, the matrix sign."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.core.norms import norm
from odeopt.core.symbols import Symbol, Symbolic


def matrix(x: Any, shape: tuple[int, int]) -> Any:
    """theta reshaped to a matrix in row-major order: (..., d) to (..., rows, columns)."""
    if shape[0] * shape[1] != x.shape[-1]:
        raise ValueError(f"shape must have {x.shape[-1]} entries like theta, got {shape}")
    return x.reshape(*x.shape[:-1], *shape)


def row_mean(x: Any, shape: tuple[int, int]) -> Any:
    """At each entry of a matrix, the mean of the entry's row.

    >>> row_mean(np.array([1.0, 3.0, 5.0, 5.0]), (2, 2))
    array([2., 2., 5., 5.])
    """
    return x.applied("row_mean") if isinstance(x, Symbolic) else _mean(x, shape, -1)


def column_mean(x: Any, shape: tuple[int, int]) -> Any:
    """At each entry of a matrix, the mean of the entry's column.

    >>> column_mean(np.array([1.0, 3.0, 5.0, 5.0]), (2, 2))
    array([3., 4., 3., 4.])
    """
    return x.applied("column_mean") if isinstance(x, Symbolic) else _mean(x, shape, -2)


def _mean(x: Any, shape: tuple[int, int], axis: int) -> Any:
    X = matrix(x, shape)
    return np.broadcast_to(np.mean(X, axis=axis, keepdims=True), X.shape).reshape(x.shape)


QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan 2024: steep at 0, does not converge near 1


def msign(x: Any, shape: tuple[int, int] | None = None, iterations: int | None = None, eps: Any = 0.0) -> Any:
    """U V^T of the row-major matrix U S V^T, exactly or by a number of Newton-Schulz iterations.

    X <- a X + b X X^T X + c (X X^T)^2 X from X/(|X| + eps).  The classical coefficients (a, b, c) = (3/2, -1/2, 0) are
    explicit Euler with h = 1/2 on X' = X (I - X^T X), the gradient flow of |X^T X - I|^2/4.  Muon's `QUINTIC` trades
    convergence for speed.

    >>> msign(np.array([3.0, 0.0, 0.0, -2.0]), (2, 2))
    array([ 1.,  0.,  0., -1.])
    """
    if isinstance(x, Symbolic):
        return x.applied("msign")
    X = matrix(x, shape or (1, x.shape[-1]))
    if iterations is None:
        U, _, V = np.linalg.svd(X, full_matrices=False)
        return (U @ V).reshape(x.shape)
    tall, (a, b, c) = X.shape[-2] > X.shape[-1], QUINTIC
    X = (x / (norm(x) + eps)).reshape(X.shape)
    X = X.swapaxes(-1, -2) if tall else X
    for _ in range(iterations):
        square = X @ X.swapaxes(-1, -2)
        X = a * X + (b * square + c * square @ square) @ X
    return (X.swapaxes(-1, -2) if tall else X).reshape(x.shape)


def row_gram(x: Any, shape: tuple[int, int]) -> Any:
    """X X^T of a row-major matrix, flattened to shape (..., rows^2).

    >>> row_gram(np.array([1.0, 2.0]), (2, 1))
    array([1., 2., 2., 4.])
    """
    if isinstance(x, Symbolic):
        return x.applied("row_gram")
    X = matrix(x, shape)
    return (X @ X.swapaxes(-1, -2)).reshape(*x.shape[:-1], -1)


def column_gram(x: Any, shape: tuple[int, int]) -> Any:
    """X^T X of a row-major matrix, flattened to shape (..., columns^2).

    >>> column_gram(np.array([1.0, 2.0]), (2, 1))
    array([5.])
    """
    if isinstance(x, Symbolic):
        return x.applied("column_gram")
    X = matrix(x, shape)
    return (X.swapaxes(-1, -2) @ X).reshape(*x.shape[:-1], -1)


def between(L: Any, x: Any, R: Any, shape: tuple[int, int], power: float) -> Any:
    """L^power X R^power for symmetric positive L and R, all flattened in row-major order.

    >>> between(np.array([16.0]), np.array([4.0]), np.array([1.0]), (1, 1), -0.25)
    array([2.])
    """
    if isinstance(x, Symbol):
        return L**power * x * R**power
    if isinstance(x, Symbolic):
        return x.applied("between")
    return (_power(L, shape[0], power) @ matrix(x, shape) @ _power(R, shape[1], power)).reshape(x.shape)


def _power(A: Any, size: int, power: float) -> Any:
    values, vectors = np.linalg.eigh(A.reshape(*A.shape[:-1], size, size))
    return (vectors * values[..., None, :] ** power) @ vectors.swapaxes(-1, -2)
