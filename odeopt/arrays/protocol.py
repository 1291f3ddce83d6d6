"""Wrappers that let NumPy's functions work on arrays of torch and JAX, so that formulas and schemes run unchanged.

They implement NumPy's protocols __array_ufunc__ (NEP 13) and __array_function__ (NEP 18).  NumPy's own arrays are never
wrapped.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from odeopt.core.operations import OPERATIONS, TRUTH

OPERATORS: dict[str, Callable[..., Any]] = {
    **{name: row.operator for name, row in OPERATIONS.items() if row.operator is not None},
    "matmul": operator.matmul,
}  # Python's operators, by the name of NumPy's ufunc; every library has them
CALLED = tuple(name for name in OPERATIONS if name not in OPERATORS)  # the elementary operations that have no operator


@dataclass(frozen=True)
class Library:
    """A library: its counterparts of NumPy's functions by name, and two functions of its own.

    array(x, like):              x as an array of the library, with the dtype and device of `like`
    choose(index, alternatives): the result of the index-th function; the index may be unknown while JAX compiles
    """

    name: str
    functions: Mapping[str, Callable[..., Any]]
    array: Callable[[Any, Any], Any]
    choose: Callable[[Any, list[Callable[[], Any]]], Any] = lambda index, alternatives: alternatives[int(index)]()

    def call(self, name: str, like: Any, *arguments: Any, **settings: Any) -> Any:
        """The wrapped result of the library's counterpart of NumPy's function `name`."""
        function = OPERATORS.get(name) or self.functions.get(name)
        if function is None:
            raise TypeError(f"{name} of NumPy has no counterpart here for {self.name}: use the names in odeopt.ops")
        if name == "where":  # its alternatives may both be numbers
            arguments = (arguments[0], *(self.array(x, like) if np.isscalar(x) else x for x in arguments[1:]))
        result = function(*[self.own(x, like) for x in arguments], **settings)
        return Foreign(result, self, like) if name in TRUTH else self.foreign(result)

    def own(self, x: Any, like: Any) -> Any:
        """An argument as the library takes it; constants get the precision of the array `like`."""
        if isinstance(x, Foreign):
            return x.value
        if isinstance(x, list):
            return [self.own(part, like) for part in x]
        if isinstance(x, np.ndarray | np.generic):
            return x.item() if x.size == 1 else self.array(x, like)
        return x

    def foreign(self, result: Any) -> Any:
        """The wrapped result: one array, or the tuple that linear algebra returns."""
        return tuple(Foreign(r, self) for r in result) if isinstance(result, tuple) else Foreign(result, self)


class Foreign(NDArrayOperatorsMixin):
    """A wrapped array of a library.

    value: the array itself;  like: an array with the precision that constants get
    """

    def __init__(self, value: Any, library: Library, like: Any = None) -> None:
        self.value, self.library = value, library
        self.like = value if like is None else like  # that of the compared arrays, for a comparison

    shape = property(lambda self: tuple(self.value.shape))
    ndim = property(lambda self: self.value.ndim)
    dtype = property(lambda self: self.value.dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        """Ufuncs such as sqrt, maximum and +, and sums over layers."""
        if method == "reduceat" and ufunc is np.add:
            return self.layer_sums(inputs[1])
        if method != "__call__" or settings:
            raise TypeError(f"{ufunc.__name__}.{method} has no counterpart here for {self.library.name}")
        return self.library.call(ufunc.__name__, self.like, *inputs)

    def __array_function__(self, function: Any, types: Any, arguments: Any, settings: Any) -> Any:
        """Other functions, such as where, sum and svd."""
        return self.library.call(function.__name__, self.like, *arguments, **settings)

    def layer_sums(self, starts: Any) -> Any:
        """np.add.reduceat over the last axis: one sum per layer."""
        ends = [*starts[1:], self.shape[-1]]
        pieces: list[Any] = [self[..., a:b] for a, b in zip(starts, ends, strict=True)]
        return np.concatenate([np.sum(piece, axis=-1, keepdims=True) for piece in pieces], axis=-1)

    def __getitem__(self, where: Any) -> Foreign:
        return Foreign(self.value[where], self.library)

    def __bool__(self) -> bool:
        return bool(self.value)

    def reshape(self, *shape: int) -> Foreign:
        return Foreign(self.value.reshape(shape if isinstance(shape[0], int) else shape[0]), self.library)

    def swapaxes(self, one: int, other: int) -> Foreign:
        return Foreign(self.value.swapaxes(one, other), self.library)


def foreign(tree: Any, library: Library) -> Any:
    """An array, or a tuple of them at any depth, wrapped."""
    return tuple(foreign(part, library) for part in tree) if isinstance(tree, tuple) else Foreign(tree, library)


def plain(tree: Any, like: Foreign) -> Any:
    """The inverse of `foreign`; all arrays get the dtype of `like`: a step never changes the dtype of a state."""
    if isinstance(tree, tuple):
        return tuple(plain(part, like) for part in tree)
    value = tree.value if isinstance(tree, Foreign) else np.asarray(tree)
    return like.library.array(value, like.value)
