"""The operations that a formula may use besides + - * / **; every array library supplies the same names.

NumPy's ufuncs also accept the symbols of `odeopt.core.symbols`, so a flow can print its own equations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import abs, exp, expm1, log, log1p, maximum, minimum, sign, sqrt, tanh

from odeopt.core.letters import symbol
from odeopt.core.matrix_ops import between, column_gram, column_mean, msign, row_gram, row_mean
from odeopt.core.norms import norm, norms, rms, total
from odeopt.core.symbols import Symbol, Symbolic

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
