"""A pass that shortens the longest chain of dependent operations, which decides the time of a loop over one path.

If u is computed last, y - c (a - b u) becomes (y - c a) + (c b) u: only a product and a sum remain after u is known.
The numbers are the same to rounding.  If two forms have chains of equal length, the original form stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from odeopt.compiler.ir import Graph, Node, needed
from odeopt.compiler.program import Program

SIGNS = {"add": 1, "subtract": -1}
SUMS = {1: "add", -1: "subtract"}


@lru_cache(maxsize=256)
def shortened(program: Program) -> Program:
    """The program with each sum and product in the form that has the shortest chain."""
    order = needed([*program.results, program.loss])
    if not order:
        return program
    known: dict[int, Any] = {}
    moved, forms = (lambda a: known[a.index] if isinstance(a, Node) else a), Forms(order[0].graph)
    for node in order:
        inner = node.op not in ("input", "call", "entry")
        known[node.index] = forms.first(node.op, *map(moved, node.args)) if inner else node
    outputs = tuple(tuple(map(moved, nodes)) for nodes in program.outputs)
    return replace(program, outputs=outputs, guards=tuple(map(moved, program.guards)), loss=moved(program.loss))


class Forms:
    """The equivalent forms of an operation, and the lengths of their chains."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._waits: dict[int, int] = {}

    def first(self, op: str, *args: Any) -> Any:
        """The form of op(args) with the shortest chain."""
        others = self._sums(op, *args) if op in SIGNS else self._products(*args) if op == "multiply" else ()
        return min((self.graph.apply(op, *args), *others), key=self.wait)

    def wait(self, x: Any) -> int:
        """The number of dependent operations from the state to x; 0 for the state and for constants."""
        if not _varies(x) or x.op == "input":
            return 0
        if x.index not in self._waits:
            self._waits[x.index] = 1 + max(map(self.wait, x.args))
        return self._waits[x.index]

    def _sums(self, op: str, x: Any, y: Any) -> Iterator[Any]:
        """x + c (a + b), with b computed last, as (x + c a) + c b; likewise for the other signs."""
        for rest, term in ((x, y), (y, x)) if op == "add" else ((x, y),):
            for c, inside in self._factors(term) if self.wait(rest) < self.wait(term) else ():
                if _is(inside, *SIGNS) and all(map(_varies, inside.args)):
                    signs = SIGNS[op], SIGNS[op] * SIGNS[inside.op]
                    (s, a), (t, b) = sorted(zip(signs, inside.args, strict=True), key=lambda part: self.wait(part[1]))
                    begun = self.first(SUMS[s], rest, self.first("multiply", c, a))
                    yield self.graph.apply(SUMS[t], begun, self.first("multiply", c, b))

    def _products(self, x: Any, y: Any) -> Iterator[Any]:
        """x (a b), with b computed last, as (x a) b."""
        for u, v in ((x, y), (y, x)):
            for a, b in self._factors(v):
                yield self.graph.apply("multiply", self.first("multiply", u, a), b)

    def _factors(self, x: Any) -> list[list[Any]]:
        """The factors of a product, the one computed last at the end; none if x is no product."""
        return [sorted(x.args, key=self.wait)] if _is(x, "multiply") else []


def _varies(x: Any) -> bool:
    return isinstance(x, Node) and x.varies


def _is(x: Any, *ops: str) -> bool:
    return isinstance(x, Node) and x.op in ops
