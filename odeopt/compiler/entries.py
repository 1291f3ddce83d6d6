"""NumPy's ufuncs, entry by entry, on arrays of nodes and numbers.

An array of entries has the dtype of NumPy's array, and each ufunc computes in NumPy's dtype: the sum of truth values is
"or", and integers are not rounded.  Programs have float64, truth values and integers; other dtypes raise `Untraceable`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from typing import Any

import numpy as np

from odeopt.compiler.ir import Graph, Node, Untraceable
from odeopt.core.operations import OPERATIONS

FLOAT, BOOL, INT = np.dtype(np.float64), np.dtype(bool), np.dtype(np.int64)
ON_TRUTHS = {
    **{name: row.truths for name, row in OPERATIONS.items() if row.truths},
    **{"bitwise_or": "logical_or", "bitwise_and": "logical_and", "invert": "logical_not"},
    **{"bitwise_xor": "not_equal", "logical_xor": "not_equal"},
}  # the operation that NumPy performs on truth values, by the name of the ufunc
SPELLED: dict[str, Callable[..., Any]] = {
    "square": lambda a: _apply("multiply", a, a),
    "reciprocal": lambda a: _apply("divide", 1.0, a),
    "positive": lambda a: a,
    "conjugate": lambda a: a,
    "fabs": lambda a: _apply("absolute", a),
}


class Entries:
    """An array of nodes and numbers, and the dtype of NumPy's array: float64, bool or int64."""

    def __init__(self, entries: Any, dtype: Any = FLOAT) -> None:
        self.entries, self.dtype = objects(entries), dtype

    @property
    def kind(self) -> Any:
        """The argument for `numpy.result_type`: the dtype, or a Python number, which takes the dtype of the others."""
        return self.dtype(0) if isinstance(self.dtype, type) else self.dtype

    def cast(self, to: Any) -> Entries:
        """The same entries with another dtype: a truth value becomes 1 or 0, a number becomes `x != 0`."""
        if (self.dtype == BOOL) == (to == BOOL):
            return Entries(self.entries, to)
        change = (lambda u: _apply("not_equal", u, 0.0)) if to == BOOL else (lambda u: _apply("where", u, 1.0, 0.0))
        return Entries(np.frompyfunc(change, 1, 1)(self.entries), to)

    def safely(self, to: Any) -> Entries:
        """The same entries with another dtype; raises Untraceable where NumPy would round."""
        if not np.can_cast(np.result_type(self.kind), to, "safe") or to not in (FLOAT, BOOL, INT):
            raise Untraceable(f"it turns {self.dtype} into {to}")
        return self.cast(to)


def entries_of(x: Any) -> Entries:
    """An array, nested sequence or number as entries; the dtype of a Python number is its type, float or int."""
    if isinstance(x, Entries):
        return x
    if type(x) in (float, int):
        return Entries(x, type(x))
    array = np.asarray(x)
    if array.dtype == object:  # from a list of entries
        parts = [entries_of(u) if isinstance(u, Entries) else Entries(u, np.asarray(u).dtype) for u in array.ravel()]
        kind = np.result_type(*(part.kind for part in parts)) if parts else FLOAT
        return Entries(objects([part.cast(kind).entries.item() for part in parts]).reshape(array.shape), kind)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > FLOAT.itemsize:
        raise Untraceable(f"it meets {array.dtype}")
    return Entries(array.astype(object), array.dtype)


@lru_cache(maxsize=4096)
def loop(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> tuple[str, Any, Any]:
    """NumPy's loop for these dtypes: the operation, the dtype in which it computes, and that of the result."""
    name = ufunc.__name__
    try:
        found = ufunc.resolve_dtypes((*kinds, *(None,) * ufunc.nout))
    except TypeError as error:
        raise Untraceable(f"numpy.{name} refuses {' and '.join(map(str, kinds))}") from error
    inside, outside = set(found[: ufunc.nin]), found[-1]
    if ufunc.nout == 1 and len(inside) == 1 and outside in (FLOAT, BOOL, INT):
        (kind,) = inside
        if kind == BOOL and name in ON_TRUTHS:
            return ON_TRUTHS[name], BOOL, outside
        if kind == FLOAT and name in SPELLED:
            return name, kind, outside
        row = OPERATIONS.get(name)
        if row is not None and (kind == FLOAT or (kind == INT and row.integers)):
            return name, BOOL if _logical(name) else kind, outside
    raise Untraceable(f"it calls numpy.{name}" + ("" if inside == {FLOAT} else f" on {' and '.join(map(str, kinds))}"))


def elementwise(ufunc: np.ufunc, *inputs: Any) -> Entries:
    """A ufunc, entry by entry."""
    given = [entries_of(x) for x in inputs]
    name, inside, outside = loop(ufunc, tuple(u.dtype for u in given))
    if inside == BOOL and _turns_logical(ufunc.__name__) and not any(u.entries.ndim for u in given):
        raise Untraceable("it adds or multiplies single truth values, which Python and NumPy do differently")
    one = SPELLED.get(name) or (lambda *u: _apply(name, *u))
    return Entries(np.frompyfunc(one, len(given), 1)(*(u.cast(inside).entries for u in given)), outside)


def reduced(ufunc: np.ufunc, x: Any, axis: Any = 0, keepdims: bool = False) -> Entries:
    """The reduction of a ufunc over axes, from the first entry to the last."""
    u = _counted(ufunc, entries_of(x))
    shape, d = u.entries.shape, u.entries.ndim
    axes = range(d) if axis is None else [int(i) % d for i in np.atleast_1d(axis)]
    kept = [i for i in range(d) if i not in axes]
    rows = u.entries.transpose(*axes, *kept).reshape(-1, *(shape[i] for i in kept))
    if len(rows) == 0:
        raise Untraceable(f"it calls numpy.{ufunc.__name__}.reduce on an empty array")
    found = reduce(lambda a, b: elementwise(ufunc, a, b), [Entries(row, u.dtype) for row in rows])
    return Entries(found.entries.reshape([n if i in kept else 1 for i, n in enumerate(shape)]) if keepdims else
                   found.entries, found.dtype)  # fmt: skip


def accumulated(ufunc: np.ufunc, x: Any, axis: int = 0) -> Entries:
    """The partial sums or products along an axis."""
    u = _counted(ufunc, entries_of(x))
    parts: list[Entries] = []
    for row in np.moveaxis(u.entries, axis, 0):
        parts.append(elementwise(ufunc, parts[-1], Entries(row, u.dtype)) if parts else Entries(row, u.dtype))
    return Entries(np.stack([part.entries for part in parts], axis), u.dtype)


def in_pieces(ufunc: np.ufunc, x: Any, starts: Any, axis: int = 0) -> Entries:
    """reduceat: the reduction of each piece of an axis, from one start to the next."""
    u = entries_of(x)
    row = np.moveaxis(u.entries, axis, 0)
    pieces = [*zip(starts, [*starts[1:], len(row)], strict=True)]
    if any(a >= b for a, b in pieces):
        raise Untraceable(f"it calls numpy.{ufunc.__name__}.reduceat with pieces that are not in order")
    parts = [reduced(ufunc, Entries(row[a:b], u.dtype)) for a, b in pieces]
    return Entries(np.moveaxis(np.stack([part.entries for part in parts]), 0, axis), parts[0].dtype)


def product(contract: Callable[..., Any], *factors: Any) -> Entries:
    """A product of matrices in float64, contracted by NumPy on arrays of objects."""
    given = [entries_of(x) for x in factors]
    if np.result_type(*(u.kind for u in given)) != FLOAT:
        raise Untraceable(f"it calls numpy.{contract.__name__} in another kind than float64")
    return Entries(contract(*(u.cast(FLOAT).entries for u in given)))


METHODS: dict[str, Callable[..., Entries]] = {"reduce": reduced, "accumulate": accumulated, "reduceat": in_pieces}
REDUCIBLE = {name for name, row in OPERATIONS.items() if row.truths in ("logical_and", "logical_or")}  # associative


def called(ufunc: np.ufunc, method: str, inputs: Sequence[Any], settings: Any) -> Entries:
    """A ufunc or its method, as NumPy's protocol calls it; raises Untraceable if it, or a keyword, is not known."""
    if method == "__call__" and not settings:
        return product(ufunc, *inputs) if ufunc is np.matmul else elementwise(ufunc, *inputs)
    if method in METHODS and ufunc.__name__ in REDUCIBLE and settings.keys() <= {"axis", "keepdims"}:
        return METHODS[method](ufunc, *inputs, **settings)
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    given = f" with {', '.join(f'{key}=' for key in settings)}" if settings else ""
    raise Untraceable(f"it calls numpy.{name}{given}")


def objects(value: Any) -> Any:
    """An array of objects; a node or number becomes an array without axes."""
    if isinstance(value, np.ndarray):
        return value
    found = np.empty(len(value) if isinstance(value, list) else (), dtype=object)
    found[...] = value
    return found


def _counted(ufunc: np.ufunc, u: Entries) -> Entries:
    """The entries that NumPy reduces: integers for sums of truth values, truth values for "and" and "or"."""
    if u.dtype == BOOL and ufunc in (np.add, np.multiply):
        return u.cast(INT)
    return u.cast(BOOL) if _logical(ufunc.__name__) else u


def _logical(name: str) -> bool:
    """Whether an operation takes truth values and gives one: and, or, not."""
    return OPERATIONS[name].truth and OPERATIONS[name].operator is None


def _turns_logical(name: str) -> bool:
    """Whether an operation on numbers is "and" or "or" on truth values: sums, products, extremes."""
    return name in OPERATIONS and OPERATIONS[name].truths not in (None, name)


def _apply(name: str, *entries: Any) -> Any:
    node = next((x for x in entries if isinstance(x, Node)), None)
    return (node.graph if node is not None else Graph()).apply(name, *entries)
