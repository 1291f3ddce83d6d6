"""Data as arrays (n, ...) of one length: numbers in float64, labels in int64."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.check import Array


def data_rows(data: Any) -> tuple[Array, ...]:
    """The arrays of a tuple (X, y), checked and copied.

    >>> [a.dtype.name for a in data_rows(([[1.0], [2.0]], [0, 1]))]
    ['float64', 'int64']
    """
    if not isinstance(data, tuple) or not data:
        raise TypeError(f"data must be a tuple (X, y) of arrays (n, ...), got {data!r}")
    arrays = tuple(np.asarray(a) for a in data)
    for i, a in enumerate(arrays):
        if a.dtype.kind not in "iufb":
            raise TypeError(f"data[{i}] must be an array of numbers, got {a.dtype}")
        if a.ndim == 0 or len(a) == 0 or a.shape[0] != arrays[0].shape[0]:
            raise ValueError(
                f"data must be arrays (n, ...) of one length n >= 1, got shapes {[a.shape for a in arrays]}"
            )
        if not np.isfinite(a).all():
            raise ValueError(f"data[{i}] must be finite, got {a[~np.isfinite(a)][0]}")
    return tuple(a.astype({"f": np.float64, "b": np.bool_}.get(a.dtype.kind, np.int64)) for a in arrays)
