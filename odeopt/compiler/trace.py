"""Arrays that trace: a function of NumPy arrays that runs on them builds its graph, entry by entry.

They follow NumPy's rules, which stand in `odeopt.compiler.entries` and `odeopt.compiler.numpy_functions`.  Functions
and keywords that are missing there, and branches on values, raise `Untraceable`.

>>> theta = traced(Graph(), "state", 0, 2)
>>> (theta**2 + theta[..., :1])[1].item()
add(#3, #0)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from odeopt.compiler import entries
from odeopt.compiler.entries import FLOAT, Entries, entries_of, objects
from odeopt.compiler.ir import Graph, Node, Untraceable
from odeopt.compiler.numpy_functions import FUNCTIONS
from odeopt.core.operations import NUMPY
from odeopt.core.oracle import Oracle


class Traced(Entries, NDArrayOperatorsMixin):
    """Entries with the interface of a NumPy array."""

    __hash__ = None  # type: ignore[assignment]
    __class__ = property(lambda self: np.ndarray)  # for isinstance in a function

    shape = property(lambda self: self.entries.shape)
    ndim = property(lambda self: self.entries.ndim)
    size = property(lambda self: self.entries.size)
    T = property(lambda self: Traced(self.entries.T, self.dtype))
    real = property(lambda self: self)

    def __repr__(self) -> str:
        return f"Traced({self.entries}, {self.dtype})"

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, where: Any) -> Traced:
        return Traced(self.entries[_concrete(where)], self.dtype)

    def __setitem__(self, where: Any, value: Any) -> None:
        self.entries[_concrete(where)] = entries_of(value).safely(self.dtype).entries

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **settings: Any) -> Any:
        """NumPy's protocol (NEP 13)."""
        value = _wrapped(entries.called(ufunc, method, inputs, settings))
        if out is None:
            return value
        (target,) = out
        if not isinstance(target, Traced):
            raise Untraceable(f"it calls numpy.{ufunc.__name__} with out= an array of numbers")
        target[...] = value
        return target

    def __array_function__(self, function: Any, types: Any, arguments: Any, settings: Any) -> Any:
        """NumPy's protocol (NEP 18)."""
        if function not in FUNCTIONS:
            raise Untraceable(f"it calls numpy.{function.__name__}")
        try:
            return _wrapped(FUNCTIONS[function](*arguments, **settings))
        except Untraceable:
            raise
        except TypeError as error:
            raise Untraceable(f"it calls numpy.{function.__name__} with arguments that cannot be traced") from error

    def __getattr__(self, name: str) -> Any:
        """The ufuncs as methods: NumPy computes sqrt of an array of objects [u] as [u.sqrt()]."""
        if name not in NUMPY or name == "where":
            raise AttributeError(name)
        return lambda: NUMPY[name](self)

    def __bool__(self) -> bool:
        raise Untraceable("it branches on a value")

    def __float__(self) -> float:
        raise Untraceable("it needs a number where the step has a symbol")

    __index__ = __complex__ = __int__ = __float__

    def item(self) -> Any:
        """The node or number of an array of one entry."""
        return self.entries.item()

    def astype(self, dtype: Any) -> Traced:
        """A copy with another dtype; raises Untraceable where NumPy would round."""
        return Traced(self.safely(np.dtype(dtype)).entries.copy(), np.dtype(dtype))

    copy = lambda self: Traced(self.entries.copy(), self.dtype)
    conj = lambda self: self
    flatten = lambda self: Traced(self.entries.flatten(), self.dtype)
    ravel = lambda self: Traced(self.entries.ravel(), self.dtype)
    reshape = lambda self, *shape: Traced(self.entries.reshape(*shape), self.dtype)
    transpose = lambda self, *axes: Traced(self.entries.transpose(*axes), self.dtype)
    swapaxes = lambda self, one, other: Traced(self.entries.swapaxes(one, other), self.dtype)
    squeeze = lambda self, axis=None: np.squeeze(self, axis)
    repeat = lambda self, repeats, axis=None: np.repeat(self, repeats, axis)
    sum = lambda self, axis=None, keepdims=False: np.sum(self, axis, keepdims=keepdims)
    prod = lambda self, axis=None, keepdims=False: np.prod(self, axis, keepdims=keepdims)
    mean = lambda self, axis=None, keepdims=False: np.mean(self, axis, keepdims=keepdims)
    max = lambda self, axis=None, keepdims=False: np.max(self, axis, keepdims=keepdims)
    min = lambda self, axis=None, keepdims=False: np.min(self, axis, keepdims=keepdims)
    cumsum = lambda self, axis=None: np.cumsum(self, axis)
    dot = lambda self, other: np.dot(self, other)
    clip = lambda self, low=None, high=None: np.clip(self, low, high)
    any = lambda self, axis=None, keepdims=False: np.any(self, axis, keepdims=keepdims)
    all = lambda self, axis=None, keepdims=False: np.all(self, axis, keepdims=keepdims)


def traced(graph: Graph, kind: str, slot: Any, size: int, varies: bool = True) -> Any:
    """A vector of input nodes of one kind and slot."""
    return Traced(objects([graph.input(kind, slot, i, varies=varies) for i in range(size)]))


def scalar(node: Node) -> Any:
    """One node as an array without axes, for numbers such as the parameters of a flow."""
    return Traced(node)


def as_traced(value: Any) -> Traced:
    """The value of a function as a traced array in float64."""
    return Traced(entries_of(value).safely(FLOAT).entries)


class TracedGradient(Oracle):
    """grad(theta) while a step is traced: its count and its points are those of the step that will run.

    first: the point of the first evaluation
    """

    def __init__(self, function: Callable[[Any], Any], root: Callable[[Any, Any], Any] | None = None) -> None:
        super().__init__()
        self._function, self._root = function, root
        self.first: Any = None

    def evaluate(self, theta: Any) -> Any:
        """The function's value, after a check of its shape."""
        value = self._function(theta)
        if value.shape != theta.shape:
            raise Untraceable(f"its gradient has shape {value.shape}, not {theta.shape}")
        self.first = theta if self.count == 0 else self.first
        return value

    def hvp(self, theta: Any, p: Any) -> Any:
        raise Untraceable("it reads the Hessian")

    def noise(self, theta: Any, xi: Any) -> Any:
        if self._root is None:
            raise Untraceable("it reads noise")
        return as_traced(self._root(theta, xi))

    def variance(self, theta: Any) -> Any:
        raise Untraceable("it reads the variance of the noise")


def on_nodes(function: Callable[[Any], Any]) -> Callable[[Any], Traced]:
    """A function of one vector as a function of traced arrays.  It gets a copy, to which it may write."""
    return lambda theta: as_traced(function(theta.copy()))


def called(graph: Graph) -> Callable[[Any], Any]:
    """A gradient that is not traced: the program calls it."""

    def function(theta: Any) -> Traced:
        values = graph.call(tuple(theta.entries))
        return Traced(objects([graph.entry(values, i) for i in range(len(theta))]))

    return function


def _wrapped(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_wrapped(part) for part in value)
    return Traced(value.entries, value.dtype) if isinstance(value, Entries) else value


def _concrete(where: Any) -> Any:
    if any(isinstance(i, Traced) for i in (where if isinstance(where, tuple) else (where,))):
        raise Untraceable("it indexes an array by a computed value")
    return where
