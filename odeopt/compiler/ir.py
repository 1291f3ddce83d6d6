"""The intermediate code: a graph of scalar operations, each of which is assigned once.

`odeopt.compiler.trace` builds it while a step runs.  A node is one operation on nodes and numbers; equal operations are
the same node.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core.operations import OPERATIONS, TRUTH

LARGEST = 3000  # nodes of a graph; NumPy's own loops are cheaper beyond it


class Untraceable(TypeError):
    """Raised, with the reason, where a function cannot be traced to scalar operations."""


@dataclass(frozen=True)
class Input:
    """The source of an input node: the entry `index` of the variable, row, parameter or constant `slot`.

    kind: "state", "gradient", "clock", "normal", "parameter", "constant", "time", "step" (h) or "rate"
    """

    kind: str
    slot: Any = 0
    index: int = 0

    def __repr__(self) -> str:
        return f"{self.kind} {self.slot}[{self.index}]"


class Graph:
    """The nodes of one program.  `guards` are conditions that were taken to be false while it was traced."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.guards: list[Node] = []
        self._known: dict[tuple[Any, ...], Node] = {}

    def input(self, kind: str, slot: Any = 0, index: int = 0, *, varies: bool) -> Node:
        """An input node.  varies: whether its value changes from step to step."""
        return self._node("input", (Input(kind, slot, index),), varies)

    def call(self, point: tuple[Any, ...]) -> Node:
        """A call of the gradient, which is not traced, at these coordinates."""
        return self._node("call", point, True)

    def entry(self, values: Node, i: int) -> Node:
        """The i-th coordinate of a called gradient."""
        return self._node("entry", (values, i), True)

    def apply(self, op: str, *args: Any) -> Any:
        """The node of an operation, or the value if all arguments are numbers."""
        args = tuple(a if isinstance(a, Node) else _number(a) for a in args)
        if not any(isinstance(a, Node) for a in args):
            with np.errstate(all="ignore"):
                return OPERATIONS[op].numpy(*args).item()
        if OPERATIONS[op].arithmetic:
            args = tuple(self.apply("where", a, 1.0, 0.0) if isinstance(a, Node) and a.op in TRUTH else a for a in args)
        simple = simplified(self, op, args)
        return self._node(op, args, any(isinstance(a, Node) and a.varies for a in args)) if simple is None else simple

    def _node(self, op: str, args: tuple[Any, ...], varies: bool) -> Node:
        key = (op, *[a.index if isinstance(a, Node) else repr(a) for a in args])
        if key not in self._known:
            if len(self.nodes) >= LARGEST:
                raise Untraceable(f"its step has more than {LARGEST} scalar operations")
            self._known[key] = Node(self, op, args, len(self.nodes), varies)
            self.nodes.append(self._known[key])
        return self._known[key]


class Node:
    """op(args), the index-th operation of its graph.  Python's operators on it add nodes to the graph."""

    __slots__ = ("args", "graph", "index", "op", "varies")

    def __init__(self, graph: Graph, op: str, args: tuple[Any, ...], index: int, varies: bool) -> None:
        self.graph, self.op, self.args, self.index, self.varies = graph, op, args, index, varies

    def __repr__(self) -> str:
        if self.op == "input":
            return repr(self.source)
        return f"{self.op}({', '.join(f'#{a.index}' if isinstance(a, Node) else str(a) for a in self.args)})"

    @property
    def source(self) -> Input:
        """The source of an input node."""
        (source,) = self.args
        return source

    __add__ = lambda self, other: self.graph.apply("add", self, other)
    __radd__ = lambda self, other: self.graph.apply("add", other, self)
    __sub__ = lambda self, other: self.graph.apply("subtract", self, other)
    __rsub__ = lambda self, other: self.graph.apply("subtract", other, self)
    __mul__ = lambda self, other: self.graph.apply("multiply", self, other)
    __rmul__ = lambda self, other: self.graph.apply("multiply", other, self)
    __truediv__ = lambda self, other: self.graph.apply("divide", self, other)
    __rtruediv__ = lambda self, other: self.graph.apply("divide", other, self)
    __pow__ = lambda self, other: self.graph.apply("power", self, other)
    __rpow__ = lambda self, other: self.graph.apply("power", other, self)
    __neg__ = lambda self: self.graph.apply("negative", self)
    __abs__ = lambda self: self.graph.apply("absolute", self)


def simplified(graph: Graph, op: str, args: tuple[Any, ...]) -> Any:
    """A cheaper node with the same value, or None: a for a + 0, a - b for a + (-b), a (1/4) for a/4, a a for a^2."""
    a, b = args[0], args[-1]
    if op == "power" and is_number(b, 2.0):
        return graph.apply("multiply", a, a)
    if op == "power" and not isinstance(b, Node):
        return _power(graph, a, b)
    if op == "add":
        return _sum(graph, a, b)
    if op == "subtract":
        if is_number(b, 0.0):
            return a
        if is_number(a, 0.0):
            return graph.apply("negative", b)
        return graph.apply("add", a, b.args[0]) if is_negative(b) else None
    if op in ("multiply", "divide"):
        if is_number(b, 1.0):
            return a
        if op == "multiply" and is_number(a, 1.0):
            return b
        if is_negative(a) or is_negative(b):
            inside = [x.args[0] if is_negative(x) else x for x in args]
            product = graph.apply(op, *inside)
            return product if is_negative(a) and is_negative(b) else graph.apply("negative", product)
    if op == "divide" and not isinstance(b, Node) and abs(np.frexp(b)[0]) == 0.5 and b * (1 / b) == 1:
        return graph.apply("multiply", a, 1 / b)
    if op == "negative" and is_negative(a):
        return a.args[0]
    return None


def _sum(graph: Graph, a: Any, b: Any) -> Any:
    if is_number(a, 0.0):
        return b
    if is_number(b, 0.0):
        return a
    if is_negative(b):
        return graph.apply("subtract", a, b.args[0])
    return graph.apply("subtract", b, a.args[0]) if is_negative(a) else None


def _power(graph: Graph, base: Any, exponent: float) -> Any:
    if exponent == 0.0:
        return 1.0
    if exponent == 0.5:
        return graph.apply("sqrt", base)
    if exponent == -1.0:
        return graph.apply("divide", 1.0, base)
    if exponent in (1.0, 3.0, 4.0):
        square = graph.apply("multiply", base, base)
        return {1.0: lambda: base, 3.0: lambda: square * base, 4.0: lambda: square * square}[exponent]()
    return None


def is_number(x: Any, value: float) -> bool:
    """Whether x is a number with this value."""
    return not isinstance(x, Node) and x == value


def is_negative(x: Any) -> bool:
    """Whether x is -u."""
    return isinstance(x, Node) and x.op == "negative"


def _number(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if not isinstance(value, float | int | np.floating | np.integer) or isinstance(value, np.longdouble):
        raise Untraceable(f"it meets {type(value).__name__}")
    return float(value)


def needed(outputs: Iterable[Any]) -> list[Node]:
    """All nodes that the outputs depend on, in the order in which they were made."""
    found: dict[int, Node] = {}
    waiting = [node for node in outputs if isinstance(node, Node)]
    while waiting:
        node = waiting.pop()
        if node.index not in found:
            found[node.index] = node
            waiting.extend(a for a in node.args if isinstance(a, Node))
    return [found[index] for index in sorted(found)]
