"""The operations that a formula may use besides + - * / **; every array library supplies the same names.

NumPy's ufuncs also accept the symbols of `odeopt.core.symbols`, so a flow can print its own equations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import abs, exp, expm1, log, log1p, maximum, minimum, sign, sqrt, tanh

from odeopt.core.symbols import Symbol, Symbolic, symbol

__all__ = [
    "abs",
    "between",
    "called",
    "column_gram",
    "column_mean",
    "exp",
    "expm1",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "msign",
    "norm",
    "norms",
    "ratio",
    "rms",
    "row_gram",
    "row_mean",
    "sign",
    "sqrt",
    "tanh",
    "total",
    "where_positive",
]


def ratio(a: Any, b: Any, limit: Callable[[], Any]) -> Any:
    """a/b, and the given limit where b = 0.  Adam's m and c, for example, both vanish at t = 0.

    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]), lambda: 7.0)
    array([0.5, 7. ])
    """
    zero = np.equal(b, 0)
    if not np.any(zero):
        return a / b
    return np.where(zero, limit(), a / np.where(zero, 1.0, b))


def called(name: str, value: Any) -> Any:
    """value; on symbols only the name is printed, because the expression is too long to print in place.

    >>> called("rho", 2.0)
    2.0
    """
    return symbol(name) if isinstance(value, Symbol) else value


def where_positive(x: Any, a: Any, b: Any) -> Any:
    """a where x > 0, else b.

    >>> where_positive(np.array([2.0, -1.0]), 1.0, 0.0)
    array([1., 0.])
    """
    return x.where_positive(a, b) if isinstance(x, Symbolic) else np.where(x > 0, a, b)


def total(x: Any) -> Any:
    """The sum over the last axis: one number per member, shape (..., 1).

    >>> total(np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([[7.],
           [1.]])
    """
    return x.total() if isinstance(x, Symbolic) else np.sum(x, axis=-1, keepdims=True)


def norm(x: Any) -> Any:
    """|x| over the last axis: one number per member, shape (..., 1).

    >>> norm(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[5.],
           [0.]])
    """
    return x.norm() if isinstance(x, Symbolic) else np.sqrt(np.sum(x * x, axis=-1, keepdims=True))


def norms(x: Any, layers: tuple[int, ...] | None = None) -> Any:
    """At each coordinate, |x| of its layer.  `layers` lists consecutive layer sizes; None means a single layer.

    >>> norms(np.array([3.0, 4.0, 0.0, 2.0]), (2, 2))
    array([5., 5., 2., 2.])
    """
    if isinstance(x, Symbolic):
        return x.norm("" if layers is None else "layer")
    if layers is None:
        return norm(x)
    if sum(layers) != x.shape[-1]:
        raise ValueError(f"layers must have sizes that sum to {x.shape[-1]} like theta, got {layers}")
    squares = np.add.reduceat(x * x, np.cumsum((0, *layers[:-1])), axis=-1)
    return np.repeat(np.sqrt(squares), layers, axis=-1)


def rms(x: Any) -> Any:
    """|x|/sqrt(d), shape (..., 1).

    >>> rms(np.array([3.0, 4.0, 0.0, 0.0]))
    array([2.5])
    """
    return x.applied("rms") if isinstance(x, Symbolic) else np.sqrt(np.mean(x * x, axis=-1, keepdims=True))


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
