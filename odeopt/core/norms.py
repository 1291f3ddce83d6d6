"""Sums and norms over the last axis of an array, or over the layers that it consists of."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.core.symbols import Symbolic


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
