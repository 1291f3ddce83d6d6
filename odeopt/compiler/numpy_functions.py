"""NumPy's functions that can be traced, each with the arguments that it accepts; all others are refused.

Functions that move entries are NumPy's own, called on arrays of objects.  Functions that compute are made of ufuncs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from odeopt.compiler.entries import (
    BOOL,
    FLOAT,
    Entries,
    accumulated,
    elementwise,
    entries_of,
    objects,
    product,
    reduced,
)
from odeopt.compiler.ir import Node, Untraceable

MOVES = (
    *(np.reshape, np.ravel, np.transpose, np.swapaxes, np.moveaxis, np.expand_dims, np.squeeze, np.flip, np.roll),
    *(np.repeat, np.tile, np.broadcast_to, np.diagonal, np.diag, np.take, np.delete, np.copy, np.fliplr, np.flipud),
)  # functions of one array
JOINS = np.concatenate, np.stack, np.vstack, np.hstack, np.column_stack  # functions of several arrays
PARTS = np.split, np.array_split, np.hsplit  # functions that return several arrays


def _moved(function: Callable[..., Any], x: Any, *places: Any, **named: Any) -> Entries:
    u = entries_of(x)
    return Entries(function(u.entries, *places, **named), u.dtype)


def _joined(function: Callable[..., Any], parts: Any, *axis: Any, **named: Any) -> Entries:
    if not named.keys() <= {"axis"}:
        raise TypeError(f"{function.__name__} with {', '.join(named)}")
    given = [entries_of(x) for x in parts]
    kind = np.result_type(*(u.kind for u in given))
    return Entries(function([u.safely(kind).entries for u in given], *axis, **named), kind)


def _parts(function: Callable[..., Any], x: Any, *places: Any, **named: Any) -> list[Entries]:
    u = entries_of(x)
    return [Entries(part, u.dtype) for part in function(u.entries, *places, **named)]


def _together(*arrays: Any) -> tuple[Entries, ...]:
    given = [entries_of(x) for x in arrays]
    spread = np.broadcast_arrays(*(u.entries for u in given))
    return tuple(Entries(u, old.dtype) for u, old in zip(spread, given, strict=True))


def _where(condition: Any, a: Any, b: Any) -> Entries:
    c, *ends = (entries_of(x) for x in (condition, a, b))
    kind = np.result_type(*(u.kind for u in ends))
    c, a, b = (c.cast(BOOL), *(u.safely(kind) for u in ends))
    if kind == BOOL:
        unless = elementwise(np.logical_and, elementwise(np.logical_not, c), b)
        return elementwise(np.logical_or, elementwise(np.logical_and, c, a), unless)
    choose = lambda c, a, b: c.graph.apply("where", c, a, b) if isinstance(c, Node) else a if c else b
    return Entries(np.frompyfunc(choose, 3, 1)(c.entries, a.entries, b.entries), kind)


def _any(condition: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """False, while the entries become guards: a program is left in a step in which one of them is true."""
    if axis is not None or keepdims:
        return reduced(np.logical_or, condition, axis, keepdims)
    for entry in entries_of(condition).cast(BOOL).entries.ravel():
        if isinstance(entry, Node):
            entry.graph.guards.append(entry)
        elif entry:
            return True
    return False


def _all(condition: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if axis is None and not keepdims:
        raise Untraceable("it branches on a value")
    return reduced(np.logical_and, condition, axis, keepdims)


def _mean(a: Any, axis: Any = None, keepdims: bool = False) -> Entries:
    u = entries_of(a).safely(FLOAT)
    total = reduced(np.add, u, axis, keepdims)
    return elementwise(np.divide, total, u.entries.size / total.entries.size)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Entries:
    if ord not in (None, 2) or (axis is None and np.ndim(x) != 1) or np.ndim(axis):
        raise Untraceable(f"it calls numpy.linalg.norm with ord={ord!r}, axis={axis!r}")
    return elementwise(np.sqrt, reduced(np.add, elementwise(np.square, x), axis, keepdims))


def _clip(a: Any, a_min: Any = None, a_max: Any = None) -> Entries:
    u = a if a_min is None else elementwise(np.maximum, a, a_min)
    return entries_of(u if a_max is None else elementwise(np.minimum, u, a_max))


def _filled(value: float, x: Any, dtype: Any = None) -> Entries:
    """zeros_like, ones_like, full_like, empty_like: an array of numbers, to which a function may assign nodes."""
    u = entries_of(x)
    kind = u.dtype if dtype is None else np.dtype(dtype)
    if kind != FLOAT:
        raise Untraceable(f"it makes an array of {kind}")
    return Entries(np.full(u.entries.shape, value, dtype=object))


def _einsum(indices: Any) -> Callable[..., Any]:
    def einsum(*factors: Any) -> Any:
        return objects(np.einsum(indices, *factors))

    return einsum


def _reducing(ufunc: np.ufunc) -> Callable[..., Entries]:
    return lambda a, axis=None, keepdims=False: reduced(ufunc, a, axis, keepdims)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{f: partial(_moved, f) for f in MOVES},
    **{f: partial(_joined, f) for f in JOINS},
    **{f: partial(_parts, f) for f in PARTS},
    **{f: _reducing(ufunc) for f, ufunc in ((np.sum, np.add), (np.prod, np.multiply), (np.max, np.maximum))},
    **{f: _reducing(ufunc) for f, ufunc in ((np.min, np.minimum), (np.amax, np.maximum), (np.amin, np.minimum))},
    **{f: partial(product, f) for f in (np.dot, np.inner, np.outer, np.vdot)},
    np.einsum: lambda indices, *factors: product(_einsum(indices), *factors),
    np.broadcast_arrays: _together,
    np.where: _where,
    np.any: _any,
    np.all: _all,
    np.mean: _mean,
    np.linalg.norm: _norm,
    np.clip: _clip,
    np.cumsum: lambda a, axis=None: accumulated(np.add, a if axis is not None else np.ravel(a), axis or 0),
    np.zeros_like: partial(_filled, 0.0),
    np.ones_like: partial(_filled, 1.0),
    np.empty_like: partial(_filled, np.nan),
    np.full_like: lambda a, fill_value, dtype=None: _filled(float(fill_value), a, dtype),
    np.shape: lambda a: np.shape(entries_of(a).entries),
    np.ndim: lambda a: np.ndim(entries_of(a).entries),
    np.size: lambda a: np.size(entries_of(a).entries),
    np.real: entries_of,
}
