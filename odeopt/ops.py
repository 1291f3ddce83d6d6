"""All that a formula may call besides + - * / **; every backend supplies these same names.

NumPy's ufuncs also accept the symbols of `odeopt.symbols`, which is how a flow prints its own equations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import abs, exp, expm1, log, log1p, maximum, minimum, sign, sqrt, tanh

from odeopt.symbols import Symbol

__all__ = [
    "abs",
    "exp",
    "expm1",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "norm",
    "norms",
    "ratio",
    "sign",
    "sqrt",
    "tanh",
    "where_positive",
]


def ratio(a: Any, b: Any, limit: Callable[[], Any]) -> Any:
    """a/b, and its limit where b = 0 (both vanish at a singular start, as Adam's m and c do at t = 0).

    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]), lambda: 7.0)
    array([0.5, 7. ])
    """
    zero = np.equal(b, 0)
    if not np.any(zero):
        return a / b
    return np.where(zero, limit(), a / np.where(zero, 1.0, b))


def where_positive(x: Any, a: Any, b: Any) -> Any:
    """a where x > 0, else b.

    >>> where_positive(np.array([2.0, -1.0]), 1.0, 0.0)
    array([1., 0.])
    """
    return x.where_positive(a, b) if isinstance(x, Symbol) else np.where(x > 0, a, b)


def norm(x: Any) -> Any:
    """|x| over the last axis, which is kept: one number per member, shape (..., 1).

    >>> norm(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[5.],
           [0.]])
    """
    return x.norm() if isinstance(x, Symbol) else np.sqrt(np.sum(x * x, axis=-1, keepdims=True))


def norms(x: Any, layers: tuple[int, ...] | None = None) -> Any:
    """|x| of the layer at each of its coordinates, for layers of these sizes one after the other; None: |x| of all.

    >>> norms(np.array([3.0, 4.0, 0.0, 2.0]), (2, 2))
    array([5., 5., 2., 2.])
    """
    if isinstance(x, Symbol):
        return x.norm("" if layers is None else "layer")
    if layers is None:
        return norm(x)
    if sum(layers) != x.shape[-1]:
        raise ValueError(f"layers must have sizes that sum to {x.shape[-1]} like theta, got {layers}")
    squares = np.add.reduceat(x * x, np.cumsum((0, *layers[:-1])), axis=-1)
    return np.repeat(np.sqrt(squares), layers, axis=-1)
