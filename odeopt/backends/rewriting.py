"""The same program in fewer operations, or in an order that waits less; rounded no worse.

y + c (x - y) as (y - c y) + c x: the first term does not wait for the gradient in x, which is what a loop waits for.
It takes the same number of operations where one multiplies and adds, and y - c y is rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from odeopt.backends.nodes import Node, needed
from odeopt.backends.program import Program

Rule = Callable[..., Any]  # (op, arguments) -> another node, or None


@lru_cache(maxsize=256)
def early(program: Program) -> Program:
    """The program whose relaxations wait less for their targets."""
    return _rewritten(program, _relaxation)


@lru_cache(maxsize=256)
def gathered(program: Program) -> Program:
    """The program with c (d x) as (c d) x, where c and d are the same in every step."""
    return _rewritten(program, _scaling)


def _rewritten(program: Program, rule: Rule) -> Program:
    known: dict[int, Any] = {}
    moved = lambda a: known[a.index] if isinstance(a, Node) else a
    for node in needed([*program.results, *program.seen, program.loss]):
        inner = node.op not in ("input", "call", "entry")
        known[node.index] = _rebuilt(node, tuple(map(moved, node.args)), rule) if inner else node
    return replace(
        program,
        outputs=tuple(tuple(map(moved, nodes)) for nodes in program.outputs),
        guards=tuple(map(moved, program.guards)),
        loss=moved(program.loss),
        seen=tuple(map(moved, program.seen)),
    )


def _rebuilt(node: Node, args: tuple[Any, ...], rule: Rule) -> Any:
    other = rule(node.op, *args)
    return node.graph.apply(node.op, *args) if other is None else other


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


def _scaling(op: str, c: Any, product: Any = None, *_: Any) -> Any:
    """(c d) x for c (d x) or (d x) c; None where this is something else."""
    if op != "multiply":
        return None
    for a, b in ((c, product), (product, c)):
        if _varies(a) or not _is(b, "multiply"):
            continue
        for d, x in (b.args, b.args[::-1]):
            if not _varies(d) and _varies(x):
                return b.graph.apply("multiply", b.graph.apply("multiply", a, d), x)
    return None


def _is(x: Any, op: str) -> bool:
    return isinstance(x, Node) and x.op == op


def _varies(x: Any) -> bool:
    return isinstance(x, Node) and x.varies
