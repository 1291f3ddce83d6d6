"""All that a formula may call besides + - * / **; every backend supplies these same names.

NumPy's ufuncs also accept the symbols of `odeopt.symbols`, which is how a flow prints its own equations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import abs, exp, expm1, log, log1p, maximum, minimum, sign, sqrt, tanh

from odeopt.symbols import Symbol, symbol

__all__ = [
    "abs",
    "called",
    "exp",
    "expm1",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "norm",
    "ratio",
    "sign",
    "sqrt",
    "tanh",
    "total",
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


def called(name: str, value: Any) -> Any:
    """value; on symbols its name, for what is too long to print where it stands.

    >>> called("rho", 2.0)
    2.0
    """
    return symbol(name) if isinstance(value, Symbol) else value


def where_positive(x: Any, a: Any, b: Any) -> Any:
    """a where x > 0, else b.

    >>> where_positive(np.array([2.0, -1.0]), 1.0, 0.0)
    array([1., 0.])
    """
    return x.where_positive(a, b) if isinstance(x, Symbol) else np.where(x > 0, a, b)


def total(x: Any) -> Any:
    """The sum over the last axis, which is kept: one number per member, shape (..., 1).

    >>> total(np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([[7.],
           [1.]])
    """
    return x.total() if isinstance(x, Symbol) else np.sum(x, axis=-1, keepdims=True)


def norm(x: Any) -> Any:
    """|x| over the last axis, which is kept: one number per member, shape (..., 1).

    >>> norm(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[5.],
           [0.]])
    """
    return x.norm() if isinstance(x, Symbol) else np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
