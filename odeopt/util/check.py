"""Argument checks; each error names the argument, its value and what is allowed."""

from __future__ import annotations

import numbers
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from odeopt.util.names import hint

if TYPE_CHECKING:
    from pathlib import Path

Array = np.ndarray[tuple[Any, ...], np.dtype[np.float64]]
Number = float | Array
# in quotes, because numpy.random is imported late
Seed: TypeAlias = "int | np.integer | np.random.Generator | np.random.SeedSequence | np.random.BitGenerator | None"

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
    if array.size == 0 or not allowed(array).all():  # NaN fails every comparison
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


def instance(name: str, value: Any, kind: Any, text: str) -> Any:
    """The value if it is of this kind; `text` says which one is meant."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {text}, got {shown(value)}")
    return value


def function(name: str, value: Any, of: str) -> Any:
    """A function of what `of` names."""
    if not callable(value):
        raise TypeError(f"{name} must be a function of {of}, got {shown(value)}")
    return value


def label(name: str, value: Any) -> str:
    """Text, for print."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {shown(value)}")
    return value


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def mapping(name: str, value: Any, of: str) -> dict[Any, Any]:
    """A mapping as a new dictionary, empty for None; `of` names keys and values in the error."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must map {of}, got {shown(value)}")
    return dict(value)


def path(name: str, value: Any) -> Path:
    """The path of a file."""
    if not isinstance(value, str | PathLike) or not (text := fspath(value)) or not isinstance(text, str):
        raise TypeError(f"{name} must be the path of a file, a str or pathlib.Path, got {shown(value)}")
    from pathlib import Path  # late, as is_masked is: a run needs no files

    return Path(text)


def switch(name: str, value: Any) -> bool | None:
    """True, False, or None for the default."""
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{name} must be True, False or None, got {shown(value)}")
    return value


def generator(name: str, value: Any) -> np.random.Generator:
    """A Generator made from None, a seed or a Generator.                               [Scientific Python, SPEC 7]"""
    seed = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 0
    known = isinstance(value, np.random.Generator | np.random.SeedSequence | np.random.BitGenerator)
    if value is not None and not seed and not known:
        raise TypeError(f"{name} must be None, an integer >= 0 or a numpy.random.Generator, got {shown(value)}")
    return np.random.default_rng(value)


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """One of the allowed names; the error suggests the closest one."""
    names = sorted(allowed)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(names)}, got {shown(value)}")
    if value not in names:
        raise ValueError(f"{name} must be one of {', '.join(names)}, got {shown(value)}{hint(value, names)}")
    return value


def distinct(name: str, values: Iterable[str]) -> None:
    """Refuses names that occur twice."""
    if twice := sorted(value for value, number in Counter(values).items() if number > 1):
        raise ValueError(f"{name} must be distinct names, got {', '.join(twice)} twice")


def interval(name: str, value: Any) -> tuple[float, float]:
    """(low, high), finite and increasing."""
    array = numbers_of(name, value)
    if array.shape != (2,) or not np.all(np.isfinite(array)) or not array[0] < array[1]:
        raise ValueError(f"{name} must be (low, high), finite and increasing, got {shown(value)}")
    return float(array[0]), float(array[1])


def indices(name: str, value: Any, number: int) -> Any:
    """An array of integers from 0 to number - 1."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or is_masked(value):
        raise TypeError(f"{name} must hold integers, got {shown(value)}")
    if array.size and not (array.min() >= 0 and array.max() < number):
        raise ValueError(f"{name} must hold integers from 0 to {number - 1}, got {shown(value)}")
    return array


def axes(arrays: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Refuses arrays that give one axis two lengths: names["mean"] = "n k".  Empty arrays are left out."""
    lengths: dict[str, int] = {}
    for key, text in names.items():
        array = instance(key, arrays[key], np.ndarray, "an array")
        expected = text.split()
        if array.size == 0:
            continue
        if array.ndim != len(expected):
            raise ValueError(f"{key} must have the axes ({', '.join(expected)}), got shape {array.shape}")
        for axis, length in zip(expected, array.shape, strict=True):
            if lengths.setdefault(axis, length) != length:
                raise ValueError(
                    f"{key} must have {axis} = {lengths[axis]} in ({', '.join(expected)}), got shape {array.shape}"
                )


def within(name: str, value: Any, least: float, most: float) -> Array:
    """A number, or numbers (n,), in [least, most]."""
    array = numbers_of(name, value)
    if array.ndim > 1 or not np.all((array >= least) & (array <= most)):
        raise ValueError(f"{name} must be a number or (n,) in [{least:g}, {most:g}], got {shown(value)}")
    return array
