"""What errors show, and numbers in a range: one number, or an array of them."""

from __future__ import annotations

import numbers
import sys
from typing import Any

import numpy as np

Array = np.ndarray[tuple[Any, ...], np.dtype[np.float64]]
Number = float | Array
LONGEST = 300  # characters of a value in an error
_NUMERIC = "numbers (int, float or arrays of them)"


def shown(value: Any) -> str:
    """The value as errors print it: its repr, cut where it is long."""
    try:
        text = repr(value)
    except Exception:  # of a foreign class
        return f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def is_masked(value: Any) -> bool:
    """Whether entries are masked.  No array is before somebody has imported numpy.ma, which takes as long as a run."""
    return "numpy.ma" in sys.modules and bool(np.ma.is_masked(value))


def numbers_of(name: str, value: Any) -> Array:
    """The value as a new float64 array; TypeError for text, bools, complex, masked and ragged values."""
    parts = value if isinstance(value, list | tuple) else (value,)
    if any(is_masked(part) for part in parts):
        raise TypeError(f"{name} must be {_NUMERIC} without a mask, got {shown(value)}: use .filled() or .compressed()")
    try:
        raw = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # RuntimeError: a tensor that requires gradients
        raise TypeError(f"{name} must be {_NUMERIC}, got {shown(value)}: {error}") from error
    if raw.dtype.kind == "O" and raw.size and all(_is_number(x) for x in raw.flat):
        return _of_objects(name, value, raw)
    if raw.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be {_NUMERIC}, got {shown(value)}")
    return np.array(raw, dtype=np.float64, order="C")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _of_objects(name: str, value: Any, raw: Any) -> Array:
    """Integers beyond 64 bits and fractions, as float64."""
    try:
        return raw.astype(np.float64)
    except OverflowError as error:
        raise ValueError(f"{name} must be at most {np.finfo(np.float64).max:.3g}, got {shown(value)}") from error


def _parameter(name: str, value: Any, allowed: Any, text: str) -> Number:
    array = numbers_of(name, value)
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got {shown(value)}")
    if not allowed(array).all():  # NaN fails every comparison
        raise ValueError(f"{name} must be {text}, got {shown(value)}")
    return float(array) if array.ndim == 0 else array


def finite(name: str, value: Any) -> Number:
    """A finite number, or an array of them (one per member)."""
    return _parameter(name, value, np.isfinite, "finite")


def complex_numbers(name: str, value: Any) -> Any:
    """Finite real or complex numbers, as an array."""
    text = "numbers (real or complex), unmasked"
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise TypeError(f"{name} must be {text}, got {shown(value)}: {error}") from error
    if array.dtype.kind not in "iufcO" or is_masked(value):
        raise TypeError(f"{name} must be {text}, got {shown(value)}")
    if array.dtype.kind != "c":
        return np.asarray(finite(name, value))
    if not array.size or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {shown(value)}")
    return array


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


def within(name: str, value: Any, least: float, most: float) -> Array:
    """A number, or numbers (n,), in [least, most]."""
    array = numbers_of(name, value)
    if array.ndim > 1 or not np.all((array >= least) & (array <= most)):
        raise ValueError(f"{name} must be a number or (n,) in [{least:g}, {most:g}], got {shown(value)}")
    return array


def number_within(name: str, value: Any, least: float, most: float) -> float:
    """A single number in [least, most]."""
    array = numbers_of(name, value)
    if array.ndim or not least <= array <= most:
        raise ValueError(f"{name} must be a number in [{least:g}, {most:g}], got {shown(value)}")
    return float(array)


def interval(name: str, value: Any) -> tuple[float, float]:
    """(low, high), finite and increasing."""
    array = numbers_of(name, value)
    if array.shape != (2,) or not np.all(np.isfinite(array)) or not array[0] < array[1]:
        raise ValueError(f"{name} must be (low, high), finite and increasing, got {shown(value)}")
    return float(array[0]), float(array[1])


def scalar(name: str, value: Any) -> float:
    """A single number, whose range has been checked before; ValueError for an array."""
    if np.ndim(value) != 0:
        raise ValueError(f"{name} must be a single number here, got an array of shape {np.shape(value)}")
    return float(value)
