"""A pass that multiplies shared factors once a step instead of once per coordinate: c (a x) = (c a) x.

x/c becomes (1/c) x, sqrt(c x) becomes sqrt(c) sqrt(x) and c x + a becomes c (x + a/c), which brings factors together:
one division and one root remain of Adam's formula.  The sum u + (v - u) becomes v.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from odeopt.compiler.ir import Graph, Node, is_number
from odeopt.compiler.passes.sign_analysis import arrival
from odeopt.compiler.program import Program, varying

Scaled = tuple[Any, Any]  # (c, x) for c x, with a constant c


def folded(program: Program, positive: Iterable[Any]) -> Program:
    """The same step, to rounding, with fewer operations.  positive: constants that are known to be above 0."""
    folding = Folding(program.h.graph, {node.index for node in positive})
    for node in varying(program.results):
        if node.op not in ("call", "entry"):
            folding.known[node.index] = folding.scaled(node)
    return replace(
        program,
        outputs=tuple(tuple(map(folding.whole, nodes)) for nodes in program.outputs),
        guards=tuple(map(folding.whole, program.guards)),
    )


class Folding:
    """The new operations so far, each as a constant times another operation."""

    def __init__(self, graph: Graph, positive: set[int]) -> None:
        self.graph, self.known, self._positive = graph, dict[int, Scaled](), positive

    def scaled(self, node: Node) -> Scaled:
        """An operation as (c, x), c x."""
        apply, args = self.graph.apply, node.args
        if node.op == "add" and (end := arrival(node)) is not None:
            return self._split(end)
        parts = [self._split(a) for a in args]
        if node.op in ("multiply", "divide"):
            (a, x), (b, y) = parts
            return apply(node.op, a, b), apply(node.op, x, y)
        if node.op == "sqrt" and self._above_0(parts[0][0]):
            return tuple(apply("sqrt", part) for part in parts[0])
        if node.op in ("add", "subtract"):
            for (c, x), constant, place in zip(parts, args[::-1], (0, 1), strict=True):
                if not _varies(constant) and not is_number(c, 1.0) and self._above_0(c):
                    other = apply("divide", constant, c)
                    return c, apply(node.op, *((x, other) if place == 0 else (other, x)))
        return 1.0, apply(node.op, *map(self.whole, args))

    def whole(self, value: Any) -> Any:
        """c x."""
        c, x = self._split(value)
        return x if is_number(c, 1.0) else self.graph.apply("multiply", c, x)

    def _split(self, value: Any) -> Scaled:
        if not _varies(value):
            return value, 1.0
        return self.known.get(value.index, (1.0, value))

    def _above_0(self, c: Any) -> bool:
        """Whether a constant is above 0: a known one, or a product, quotient or root of known ones."""
        if not isinstance(c, Node):
            return c > 0
        made = c.op in ("multiply", "divide", "sqrt") and all(map(self._above_0, c.args))
        return made or c.index in self._positive


def _varies(value: Any) -> bool:
    return isinstance(value, Node) and value.varies
