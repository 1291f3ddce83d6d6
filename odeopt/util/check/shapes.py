"""Whole numbers, and the shapes of arrays."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

from odeopt.util.check.values import Array, Number, finite, is_masked, numbers_of, shown


def integer(name: str, value: Any) -> int:
    """An integer; bools and floats are refused."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {shown(value)}")
    return int(value)


def count(name: str, value: Any, minimum: int = 0) -> int:
    """An integer >= minimum; bools and floats are refused."""
    found = integer(name, value)
    if found < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {shown(value)}")
    return found


def counts(name: str, values: Any, minimum: int = 1) -> list[int]:
    """Several integers >= minimum."""
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise TypeError(f"{name} must be several integers, got {shown(values)}")
    found = [count(name, value, minimum) for value in values]
    if not found:
        raise ValueError(f"{name} must not be empty, got {shown(values)}")
    return found


def members(name: str, value: Any) -> tuple[int, ...]:
    """The shape of an ensemble, such as (3, 2); () for a single run."""
    if not isinstance(value, tuple | list):
        raise TypeError(f"{name} must be a shape such as (), (3,) or (3, 2), got {shown(value)}")
    return tuple(count(name, number, 1) for number in value)


def layers(name: str, value: Any) -> tuple[int, ...] | None:
    """The sizes of the layers of theta in order, or None."""
    if value is None:
        return None
    try:
        return tuple(counts(name, value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be None or sizes of 1 and more, got {shown(value)}") from error


def shape(name: str, value: Any) -> tuple[int, int] | None:
    """(rows, columns) of the matrix that theta stores row by row, or None for a vector."""
    if value is None:
        return None
    try:
        rows, columns = counts(name, value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be None or (rows, columns), got {shown(value)}") from error
    return rows, columns


def together(**values: Number) -> tuple[int, ...]:
    """The shape of the ensemble to which these arguments broadcast."""
    try:
        return np.broadcast_shapes(*[np.shape(value) for value in values.values()])
    except ValueError as error:
        shapes = ", ".join(str(np.shape(value)) for value in values.values())
        raise ValueError(f"{', '.join(values)} must broadcast against each other, got shapes {shapes}") from error


def spread(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """Finite numbers, broadcast to this shape, as a new array."""
    array = np.asarray(finite(name, value))
    try:
        return np.broadcast_to(array, shape).astype(np.float64)
    except ValueError as error:
        raise ValueError(f"{name} must broadcast to shape {shape}, got shape {array.shape}") from error


def point(name: str, value: Any) -> Array:
    """A new, writable, contiguous float64 array of shape (..., d) with d >= 1 and finite entries."""
    array = numbers_of(name, value)
    if array.ndim == 0:
        raise ValueError(f"{name} must have shape (d,) or (..., d), got the single number {shown(value)}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {shown(value)}")
    return array


def indices(name: str, value: Any, number: int) -> Any:
    """An array of integers from 0 to number - 1."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or is_masked(value):
        raise TypeError(f"{name} must hold integers, got {shown(value)}")
    if array.size and not (array.min() >= 0 and array.max() < number):
        raise ValueError(f"{name} must hold integers from 0 to {number - 1}, got {shown(value)}")
    return array
