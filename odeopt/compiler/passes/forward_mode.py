"""Forward differentiation of a program: d(op)/d(arguments), one line per operation, on nodes as on numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from odeopt.compiler.ir import Node, is_number, needed

Partials = Callable[..., tuple[Any, ...]]  # (graph, value, *arguments) -> the partial derivatives


PARTIALS: dict[str, Partials] = {
    "add": lambda g, v, a, b: (1.0, 1.0),
    "subtract": lambda g, v, a, b: (1.0, -1.0),
    "multiply": lambda g, v, a, b: (b, a),
    "divide": lambda g, v, a, b: (1.0 / b, -v / b),
    "power": lambda g, v, a, b: (b * a ** (b - 1.0), v * g.apply("log", a)),
    "negative": lambda g, v, a: (-1.0,),
    "absolute": lambda g, v, a: (g.apply("sign", a),),
    "sqrt": lambda g, v, a: (0.5 / v,),
    "exp": lambda g, v, a: (v,),
    "expm1": lambda g, v, a: (v + 1.0,),
    "log": lambda g, v, a: (1.0 / a,),
    "log1p": lambda g, v, a: (1.0 / (1.0 + a),),
    "tanh": lambda g, v, a: (1.0 - v * v,),
    "sin": lambda g, v, a: (g.apply("cos", a),),
    "cos": lambda g, v, a: (-g.apply("sin", a),),
}
CHOSEN: dict[str, Callable[..., Any]] = {
    "maximum": lambda g, a, b: g.apply("greater_equal", a, b),
    "minimum": lambda g, a, b: g.apply("less_equal", a, b),
    "where": lambda g, c, a, b: c,
}  # true where it is the first of the last two arguments; all other operations are constant between their jumps


def jacobian(outputs: Sequence[Any], inputs: Sequence[Node]) -> tuple[tuple[Any, ...], ...]:
    """d outputs / d inputs, a row per output: nodes and numbers.

    >>> from odeopt.compiler.ir import Graph
    >>> graph = Graph()
    >>> x, y = (graph.input("state", i, varies=True) for i in (0, 1))
    >>> jacobian([x * x + y], [x, y])
    ((add(#0, #0), 1.0),)
    """
    order = needed(outputs)
    columns = [_tangents(order, x) for x in inputs]
    return tuple(tuple(_tangent(column, out) for column in columns) for out in outputs)


def _tangents(order: Sequence[Node], x: Node) -> dict[int, Any]:
    """d node / dx of all nodes that depend on x."""
    tangents: dict[int, Any] = {x.index: 1.0}
    for node in order:
        if any(isinstance(a, Node) and a.index in tangents for a in node.args):
            if node.op in PARTIALS:
                tangents[node.index] = _chain(node, tangents)
            elif node.op in CHOSEN:
                condition = CHOSEN[node.op](node.graph, *node.args)
                either = [_tangent(tangents, a) for a in node.args[-2:]]
                tangents[node.index] = node.graph.apply("where", condition, *either)
    return tangents


def _chain(node: Node, tangents: dict[int, Any]) -> Any:
    """sum_i d(op)/d(arg_i) d(arg_i)/dx."""
    total: Any = 0.0
    moving = [(i, _tangent(tangents, a)) for i, a in enumerate(node.args)]
    for i, tangent in ((i, tangent) for i, tangent in moving if not is_number(tangent, 0.0)):
        partial = PARTIALS[node.op](node.graph, node, *node.args)[i]
        total = node.graph.apply("add", total, node.graph.apply("multiply", partial, tangent))
    return total


def _tangent(tangents: dict[int, Any], value: Any) -> Any:
    return tangents.get(value.index, 0.0) if isinstance(value, Node) else 0.0
