"""The same step with shorter chains: a loop over one path waits for its longest, whatever else is done meanwhile.

y - c (a - b u) is (y - c a) + (c b) u, where u comes last: nothing is left to do then but to multiply and add.
The numbers are the same to rounding; where two forms wait as long, the one that was written down stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from odeopt.compiler.ir import Graph, Node, needed
from odeopt.compiler.step_program import Program

SIGNS = {"add": 1, "subtract": -1}
SUMS = {1: "add", -1: "subtract"}


@lru_cache(maxsize=256)
def early(program: Program) -> Program:
    """The program with each sum and product in the form whose result is there first."""
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
    """The forms of an operation, and how many operations stand between the state and a node."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._waits: dict[int, int] = {}

    def first(self, op: str, *args: Any) -> Any:
        """Of all forms of op(args) that whose result is there first."""
        others = self._sums(op, *args) if op in SIGNS else self._products(*args) if op == "multiply" else ()
        return min((self.graph.apply(op, *args), *others), key=self.wait)

    def wait(self, x: Any) -> int:
        """0 for a state and for what does not vary."""
        if not _varies(x) or x.op == "input":
            return 0
        if x.index not in self._waits:
            self._waits[x.index] = 1 + max(map(self.wait, x.args))
        return self._waits[x.index]

    def _sums(self, op: str, x: Any, y: Any) -> Iterator[Any]:
        """x + c (a + b), b being the last to come, as (x + c a) + c b, and so for the other signs."""
        for rest, term in ((x, y), (y, x)) if op == "add" else ((x, y),):
            for c, inside in self._factors(term) if self.wait(rest) < self.wait(term) else ():
                if _is(inside, *SIGNS) and all(map(_varies, inside.args)):
                    signs = SIGNS[op], SIGNS[op] * SIGNS[inside.op]
                    (s, a), (t, b) = sorted(zip(signs, inside.args, strict=True), key=lambda part: self.wait(part[1]))
                    begun = self.first(SUMS[s], rest, self.first("multiply", c, a))
                    yield self.graph.apply(SUMS[t], begun, self.first("multiply", c, b))

    def _products(self, x: Any, y: Any) -> Iterator[Any]:
        """x (a b), b being the last to come, as (x a) b."""
        for u, v in ((x, y), (y, x)):
            for a, b in self._factors(v):
                yield self.graph.apply("multiply", self.first("multiply", u, a), b)

    def _factors(self, x: Any) -> list[list[Any]]:
        """Of a product, the last to come last; of nothing else."""
        return [sorted(x.args, key=self.wait)] if _is(x, "multiply") else []


def _varies(x: Any) -> bool:
    return isinstance(x, Node) and x.varies


def _is(x: Any, *ops: str) -> bool:
    return isinstance(x, Node) and x.op in ops
