"""Real data, from the scikit-learn package or from the user.  Nothing is downloaded."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from odeopt.util import check
from odeopt.util.check import Array


def sklearn_datasets() -> ModuleType:
    """sklearn.datasets, imported on first use."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError("this problem's data come with scikit-learn: install odeopt-toolkit[data]") from error
    return datasets


def design(data: Any, features: int | None, named: tuple[str, ...]) -> tuple[Array, Array]:
    """(X, y): X (n, d) and y (n,), checked; only the first `features` columns of X are kept.

    Data given by name have columns of mean 0 and variance 1 (constant columns are 0) and a last column of ones.
    Arrays (X, y) are used unchanged.
    """
    if isinstance(data, str):
        X, y = getattr(sklearn_datasets(), f"load_{check.choice('data', data, named)}")(return_X_y=True)
        X = np.column_stack([standardised(X), np.ones(len(X))])
    else:
        X, y = _arrays(data, named)
    if features is None:
        return X, y
    features = check.count("features", features, minimum=1)
    if features > X.shape[1]:
        raise ValueError(f"features must be at most {X.shape[1]}, the columns of the data, got {features}")
    return np.ascontiguousarray(X[:, :features]), y


def standardised(X: Array) -> Array:
    """(X - mean) / standard deviation, column by column."""
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)


def _arrays(data: Any, named: tuple[str, ...]) -> tuple[Array, Array]:
    if not isinstance(data, tuple) or len(data) != 2:
        raise TypeError(f"data must be (X, y) or one of {', '.join(named)}, got {data!r}")
    X, y = (check.point(f"data {name}", array) for name, array in zip("Xy", data, strict=True))
    if X.ndim != 2:
        raise ValueError(f"data X must have shape (n, d), got {X.shape}")
    if y.shape != X.shape[:1]:
        raise ValueError(f"data y must have shape {X.shape[:1]}, one entry for each row of X, got {y.shape}")
    return X, y


def signs(y: Array) -> Array:
    """The labels {0, 1} or {-1, 1}, converted to -1 and 1."""
    labels = set(np.unique(y))
    if not (labels <= {-1, 1} or labels <= {0, 1}):
        raise ValueError(f"data y must hold the labels 0 and 1, or -1 and 1, got {np.unique(y)[:5]}")
    return np.where(y > 0, 1.0, -1.0)


def rows_of(data: Any) -> tuple[Array, ...]:
    """The arrays (n, ...) of a tuple (x, y, ...), checked to be finite and of one length."""
    if not isinstance(data, tuple) or not data:
        raise TypeError(f"data must be a tuple of arrays (n, ...), e.g. (x, y), got {data!r}")
    try:
        arrays = tuple(np.asarray(a) for a in data)
    except (ValueError, TypeError, RuntimeError) as error:  # RuntimeError: a tensor that requires gradients
        raise TypeError(f"data must be arrays of numbers: {error}") from error
    for i, a in enumerate(arrays):
        if a.dtype.kind not in "iufb" or np.ma.is_masked(data[i]):
            kind = "a masked array" if np.ma.is_masked(data[i]) else a.dtype
            raise TypeError(f"data[{i}] must be an array of numbers without a mask, got {kind}")
        if a.ndim == 0 or len(a) == 0 or len(a) != len(arrays[0] if arrays[0].ndim else ()):
            shapes = [a.shape for a in arrays]
            raise ValueError(f"data must be arrays (n, ...) of one length n >= 1, got shapes {shapes}")
        if not np.isfinite(a).all():
            raise ValueError(f"data[{i}] must be finite, got {a[~np.isfinite(a)][0]}")
    return arrays
