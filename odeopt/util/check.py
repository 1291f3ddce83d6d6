"""Argument checks; each error names the argument, its value and what is allowed."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

from odeopt.util.names import hint

Array = np.ndarray[tuple[Any, ...], np.dtype[np.float64]]
Number = float | Array

_NOT_NUMERIC = "numbers (int, float or arrays of them)"


def numbers_of(name: str, value: Any) -> Array:
    """The value as a new float64 array; TypeError for text, bools, complex and ragged values."""
    try:
        raw = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} must be {_NOT_NUMERIC}, got {value!r}") from error
    if raw.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be {_NOT_NUMERIC}, got {value!r}")
    return np.array(raw, dtype=np.float64, order="C")


def _parameter(name: str, value: Any, allowed: Any, text: str) -> Number:
    array = numbers_of(name, value)
    if array.size == 0 or not allowed(array).all():  # NaN fails every comparison
        raise ValueError(f"{name} must be {text}, got {value!r}")
    return float(array) if array.ndim == 0 else array


def finite(name: str, value: Any) -> Number:
    """A finite number, or an array of them (one per member)."""
    return _parameter(name, value, np.isfinite, "finite")


def positive(name: str, value: Any) -> Number:
    """0 < value < inf, a number or an array of them."""
    return _parameter(name, value, lambda a: (a > 0) & np.isfinite(a), "positive and finite")


def rate(name: str, value: Any) -> Number:
    """A learning rate, positive, whose square neither overflows nor underflows."""
    return _parameter(name, value, lambda a: (a >= 1e-100) & (a <= 1e100), "positive, from 1e-100 to 1e100")


def nonnegative(name: str, value: Any) -> Number:
    """0 <= value < inf, a number or an array of them."""
    return _parameter(name, value, lambda a: (a >= 0) & np.isfinite(a), "non-negative and finite")


def fraction(name: str, value: Any) -> Number:
    """0 <= value < 1, a number or an array of them."""
    return _parameter(name, value, lambda a: (a >= 0) & (a < 1), "in [0, 1)")


def scalar(name: str, value: Any) -> float:
    """A single number, whose range has been checked before; ValueError for an array."""
    if np.ndim(value) != 0:
        raise ValueError(f"{name} must be a single number here, got an array of shape {np.shape(value)}")
    return float(value)


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


def count(name: str, value: Any, minimum: int = 0) -> int:
    """An integer >= minimum; bools and floats are refused."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    return int(value)


def counts(name: str, values: Any, minimum: int = 1) -> list[int]:
    """Several integers >= minimum."""
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise TypeError(f"{name} must be several integers, got {values!r}")
    found = [count(name, value, minimum) for value in values]
    if not found:
        raise ValueError(f"{name} must not be empty, got {values!r}")
    return found


def layers(name: str, value: Any) -> tuple[int, ...] | None:
    """The sizes of the layers of theta in order, or None."""
    if value is None:
        return None
    try:
        return tuple(counts(name, value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be None or sizes of 1 and more, got {value!r}") from error


def shape(name: str, value: Any) -> tuple[int, int] | None:
    """(rows, columns) of the matrix that theta stores row by row, or None for a vector."""
    if value is None:
        return None
    try:
        rows, columns = counts(name, value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be None or (rows, columns), got {value!r}") from error
    return rows, columns


def point(name: str, value: Any) -> Array:
    """A new, writable, contiguous float64 array of shape (..., d) with d >= 1 and finite entries."""
    array = numbers_of(name, value)
    if array.ndim == 0:
        raise ValueError(f"{name} must have shape (d,) or (..., d), got the single number {value!r}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {value!r}")
    return array


def switch(name: str, value: Any) -> bool | None:
    """True, False, or None for the default."""
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{name} must be True, False or None, got {value!r}")
    return value


def generator(name: str, value: Any) -> np.random.Generator:
    """A Generator made from None, a seed or a Generator.                               [Scientific Python, SPEC 7]"""
    seed = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 0
    known = isinstance(value, np.random.Generator | np.random.SeedSequence | np.random.BitGenerator)
    if value is not None and not seed and not known:
        raise TypeError(f"{name} must be None, an integer >= 0 or a numpy.random.Generator, got {value!r}")
    return np.random.default_rng(value)


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """One of the allowed names; the error suggests the closest one."""
    names = sorted(allowed)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(names)}, got {value!r}")
    if value not in names:
        raise ValueError(f"{name} must be one of {', '.join(names)}, got {value!r}{hint(value, names)}")
    return value


def distinct(name: str, values: Iterable[str]) -> None:
    """Refuses names that occur twice."""
    names = list(values)
    if twice := sorted({value for value in names if names.count(value) > 1}):
        raise ValueError(f"{name} must be distinct names, got {', '.join(twice)} twice")


def within(name: str, value: Any, least: float, most: float) -> Array:
    """A number, or numbers (n,), in [least, most]."""
    array = numbers_of(name, value)
    if array.ndim > 1 or not np.all((array >= least) & (array <= most)):
        raise ValueError(f"{name} must be a number or (n,) in [{least:g}, {most:g}], got {value!r}")
    return array
