"""Arrays of nodes: a step that runs on them writes down its program, coordinate by coordinate.

They are NumPy arrays of objects, so that formulas, schemes and gradients slice, stack, sum and multiply them as usual.

>>> theta = traced(Graph(), "x", 2)
>>> (theta**2 + theta[..., :1])[1]
add(#3, #0)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.compiler.ir import Graph, Node, Untraceable, known


class Traced(np.ndarray):
    """An array of nodes and numbers."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        """NumPy's protocol (NEP 13): entry by entry; sums and products of matrices are NumPy's own."""
        plain = [x.view(np.ndarray) if isinstance(x, Traced) else np.asarray(x) for x in inputs]
        if method == "__call__" and ufunc.signature is None:
            name = known(ufunc)
            value = np.frompyfunc(lambda *entries: _apply(name, entries), len(plain), 1)(*plain)
        else:
            value = getattr(ufunc, method)(*plain, **kwargs)
        if out is None:
            return as_traced(value)
        target = out[0].view(np.ndarray)
        target[...] = value
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's protocol (NEP 18): where and any look into the nodes, other functions only move them."""
        own: Any = {np.where: _where, np.any: _any}.get(function)
        return own(*args, **kwargs) if own else super().__array_function__(function, types, args, kwargs)

    def __bool__(self) -> bool:
        raise Untraceable("it branches on a value")


def traced(graph: Graph, name: str, size: int, varies: bool = True) -> Traced:
    """A vector of inputs name_0, name_1, ...."""
    return as_traced(np.array([graph.input(f"{name}_{i}", varies) for i in range(size)], dtype=object))


def scalar(node: Node) -> Traced:
    """One node as an array without axes, as a parameter of a flow is."""
    return as_traced(node)


def as_traced(value: Any) -> Traced:
    """What NumPy made of nodes, as an array of them."""
    return np.array(value, dtype=object).view(Traced)


class TracedGradient:
    """grad(theta) while a step is traced, remembered for the last theta, as `odeopt.problems.oracle.Gradient` does."""

    def __init__(
        self, function: Callable[[Any], Any], point: Any, value: Any, root: Callable[[Any, Any], Any] | None = None
    ) -> None:
        self._function, self.point, self.value, self._root = function, point, value, root
        self.count: int = 0
        self.first: Any = None

    def __call__(self, theta: Any) -> Any:
        if theta is not self.point:
            self.value, self.point = self._function(theta), theta
            self.first = theta if self.count == 0 else self.first
            self.count += 1
            if self.value.shape != theta.shape:
                raise Untraceable(f"its gradient has shape {self.value.shape}, not {theta.shape}")
        return self.value

    def hvp(self, theta: Any, p: Any) -> Any:
        raise Untraceable("it reads the Hessian")

    def noise(self, theta: Any, xi: Any) -> Any:
        if self._root is None:
            raise Untraceable("it reads noise")
        return as_traced(self._root(theta, xi))

    def variance(self, theta: Any) -> Any:
        raise Untraceable("it reads the variance of the noise")


def on_nodes(function: Callable[[Any], Any]) -> Callable[[Any], Traced]:
    """A function of one vector, which may write to its argument, as one of traced arrays."""
    return lambda theta: as_traced(function(theta.copy()))


def called(graph: Graph) -> Callable[[Any], Any]:
    """A gradient that stays what it is: the program calls it."""

    def function(theta: Any) -> Traced:
        values = graph.call(tuple(np.asarray(theta)))
        return as_traced([graph.entry(values, i) for i in range(len(theta))])

    return function


def _apply(name: str, entries: tuple[Any, ...]) -> Any:
    node = next((x for x in entries if isinstance(x, Node)), None)
    return (node.graph if node is not None else Graph()).apply(name, *entries)


def _where(condition: Any, a: Any, b: Any) -> Traced:
    plain = [np.asarray(x).view(np.ndarray) for x in (condition, a, b)]
    return as_traced(np.frompyfunc(lambda *entries: _apply("where", entries), 3, 1)(*plain))


def _any(condition: Any) -> bool:
    """False, as it is nearly always: the program is left where one of these nodes is true."""
    for entry in np.asarray(condition).view(np.ndarray).ravel():
        if isinstance(entry, Node):
            entry.graph.guards.append(entry)
        elif entry:
            return True
    return False
