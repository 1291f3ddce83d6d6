"""Data in the types that a network reads: numbers in float64, labels in int64."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.problems.data import rows_of
from odeopt.util.check import Array

KEPT = {"f": np.float64, "i": np.int64, "u": np.int64, "b": np.bool_}


def data_rows(data: Any) -> tuple[Array, ...]:
    """Copies of the arrays of a tuple (X, y).

    >>> [a.dtype.name for a in data_rows(([[1.0], [2.0]], [0, 1]))]
    ['float64', 'int64']
    """
    return tuple(a.astype(KEPT[a.dtype.kind]) for a in rows_of(data))
