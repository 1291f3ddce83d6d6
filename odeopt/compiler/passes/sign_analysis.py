"""A proof that a step keeps finite numbers finite: its divisors are above 0 and its roots are of nonnegative numbers.

The signs follow from rules for each operation.  Those of the memory follow by induction over the steps, from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

from odeopt.compiler.ir import Input, Node, Untraceable, needed
from odeopt.compiler.program import Program
from odeopt.core.operations import OPERATIONS, RAISED, REAL


def positive_divisors(program: Program, known: Mapping[Input, Any]) -> tuple[Any, ...]:
    """The constants that must be above 0 in each step for the proof; raises Untraceable if a step might divide by 0.

    known: the values of inputs that are the same in all steps
    """
    values, states = _values(program, known), list(chain(*program.state))
    signs = Signs({node.index for node in states[2:]}, values)  # not theta, not the gradient
    while lost := {
        old.index
        for old, new in zip(states, chain(*program.outputs), strict=True)
        if old.index in signs.memory and not signs.nonnegative(new)
    }:
        signs = Signs(signs.memory - lost, values)
    for node in program.body:
        fine = {"divide": lambda n: signs.positive(n.args[1]), "sqrt": lambda n: signs.nonnegative(n.args[0])}
        if OPERATIONS[node.op].bound is None and not fine.get(node.op, lambda n: False)(node):
            raise Untraceable(f"its {node.op} may have arguments without a finite value")
    return tuple(signs.assumed.values())


def _values(program: Program, known: Mapping[Input, Any]) -> dict[int, float]:
    """The values of the constants that follow from these inputs."""
    values: dict[int, float] = {}
    for node in needed(program.constants):
        args = [values.get(a.index) if isinstance(a, Node) else a for a in node.args]
        if node.op == "input" and node.source in known:
            values[node.index] = known[node.source]
        elif node.op != "input" and None not in args:
            with suppress(*RAISED):
                values[node.index] = REAL[node.op](*args)
    return values


def arrival(x: Node) -> Any:
    """v if x is u + (v - u); None for any other sum."""
    u, way = x.args
    return way.args[0] if isinstance(way, Node) and way.op == "subtract" and way.args[1] is u else None


class Signs:
    """The signs of nodes, if the memory with these indices is nonnegative.

    values: the values of known constants
    """

    def __init__(self, memory: set[int], values: Mapping[int, float]) -> None:
        self.memory, self.values = memory, values
        self.assumed: dict[Any, Any] = {}  # constants assumed above 0; each step checks their values

    def positive(self, x: Any) -> bool:
        """x > 0."""
        if not isinstance(x, Node):
            return x > 0
        if x.index in self.values:
            return self.values[x.index] > 0
        if not x.varies:
            self.assumed[x.index] = x
            return True
        if x.op == "add":
            return any(self.positive(a) and self.nonnegative(b) for a, b in (x.args, x.args[::-1]))
        if x.op == "maximum":
            return any(map(self.positive, x.args))
        return x.op == "sqrt" and self.positive(x.args[0])

    def nonnegative(self, x: Any) -> bool:
        """x >= 0."""
        if not isinstance(x, Node):
            return x >= 0
        if x.index in self.values:
            return self.values[x.index] >= 0
        if not x.varies:
            return self.positive(x)
        if x.index in self.memory or x.op in ("sqrt", "absolute"):
            return True
        if x.op == "multiply":
            a, b = x.args
            return a is b or (self.nonnegative(a) and self.nonnegative(b))
        if x.op == "maximum":
            return any(map(self.nonnegative, x.args))
        if x.op == "add" and (end := arrival(x)) is not None:
            return self.nonnegative(end)  # v - u >= -u holds after rounding, too
        if x.op in ("add", "divide", "minimum", "where"):
            return all(map(self.nonnegative, x.args[-2:]))
        return self._mean(x)

    def _mean(self, x: Node) -> bool:
        """Whether x is u - c (v - u), as `relax` gives it, with -1 <= c <= 0 and nonnegative u and v."""
        if x.op != "subtract" or not isinstance(x.args[1], Node) or x.args[1].op != "multiply":
            return False
        u, (c, distance) = x.args[0], x.args[1].args
        towards = isinstance(distance, Node) and distance.op == "subtract" and distance.args[1] is u
        if not towards or not isinstance(c, Node) or c.varies:
            return False
        if c.index in self.values:
            return -1 <= self.values[c.index] <= 0 and all(map(self.nonnegative, (u, distance.args[0])))
        self.assumed[-c.index - 1] = c.graph.apply("negative", c)
        self.assumed[(c.index, 1)] = c.graph.apply("add", c, 1.0 + 2**-52)
        return self.nonnegative(u) and self.nonnegative(distance.args[0])
