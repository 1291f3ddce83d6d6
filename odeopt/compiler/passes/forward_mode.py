"""Forward differentiation of a program, by the partial derivatives of `odeopt.core.operations`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from odeopt.compiler.ir import Node, is_number, needed
from odeopt.core.operations import OPERATIONS


def jacobian(outputs: Sequence[Any], inputs: Sequence[Node]) -> tuple[tuple[Any, ...], ...]:
    """d outputs / d inputs as nodes and numbers, one row per output.

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
    """d node / dx, by the index of the node, for all nodes that depend on x."""
    tangents: dict[int, Any] = {x.index: 1.0}
    for node in order:
        if any(isinstance(a, Node) and a.index in tangents for a in node.args):
            row = OPERATIONS[node.op]
            if row.partials is not None:
                tangents[node.index] = _chain(node, row.partials, tangents)
            elif row.chooses is not None:
                condition = row.chooses(node.graph.apply, *node.args)
                either = [_tangent(tangents, a) for a in node.args[-2:]]
                tangents[node.index] = node.graph.apply("where", condition, *either)
    return tangents  # the other operations are constant between their jumps


def _chain(node: Node, partials: Callable[..., tuple[Any, ...]], tangents: dict[int, Any]) -> Any:
    """sum_i d(op)/d(arg_i) d(arg_i)/dx."""
    total: Any = 0.0
    moving = [(i, _tangent(tangents, a)) for i, a in enumerate(node.args)]
    for i, tangent in ((i, tangent) for i, tangent in moving if not is_number(tangent, 0.0)):
        partial = partials(node.graph.apply, node, *node.args)[i]
        total = node.graph.apply("add", total, node.graph.apply("multiply", partial, tangent))
    return total


def _tangent(tangents: dict[int, Any], value: Any) -> Any:
    return tangents.get(value.index, 0.0) if isinstance(value, Node) else 0.0
