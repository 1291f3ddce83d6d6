"""y + c (x - y) as (y - c y) + c x: the first term does not wait for the gradient in x, which is what a loop waits for.

The same number of operations where one multiplies and adds, and rounded no worse: y - c y is rounded once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from odeopt.backends.nodes import Node, needed
from odeopt.backends.program import Program


@lru_cache(maxsize=256)
def early(program: Program) -> Program:
    """The program whose relaxations wait less for their targets."""
    known: dict[int, Any] = {}
    moved = lambda a: known[a.index] if isinstance(a, Node) else a
    for node in needed([*program.results, program.loss]):
        inner = node.op not in ("input", "call", "entry")
        known[node.index] = _rebuilt(node, tuple(map(moved, node.args))) if inner else node
    outputs = tuple(tuple(map(moved, nodes)) for nodes in program.outputs)
    return replace(program, outputs=outputs, guards=tuple(map(moved, program.guards)), loss=moved(program.loss))


def _rebuilt(node: Node, args: tuple[Any, ...]) -> Any:
    relaxation = _relaxation(node.op, *args)
    return node.graph.apply(node.op, *args) if relaxation is None else relaxation


def _relaxation(op: str, y: Any, product: Any = None, *_: Any) -> Any:
    """y +- c (x - y) in its other form; None where this is something else."""
    if op not in ("add", "subtract") or not _is(y, "input") or not _is(product, "multiply"):
        return None
    for c, distance in (product.args, product.args[::-1]):
        if _is(distance, "subtract") and distance.args[1] is y:
            apply = y.graph.apply
            kept = apply("subtract" if op == "add" else "add", y, apply("multiply", c, y))
            return apply(op, kept, apply("multiply", c, distance.args[0]))
    return None


def _is(x: Any, op: str) -> bool:
    return isinstance(x, Node) and x.op == op
