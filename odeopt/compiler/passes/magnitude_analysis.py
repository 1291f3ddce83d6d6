"""How large can a step's numbers become?  |a + b| <= |a| + |b|, |a b| = |a| |b|, |a/b| <= |a| / min |b|.

[Interval arithmetic, of magnitudes]  From bounds on what a step reads, before it is made: if all are finite, so is it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import inf, sqrt
from typing import Any

from odeopt.compiler.ir import Node
from odeopt.compiler.step_program import Program
from odeopt.core.operations import OPERATIONS


def bounds(program: Program, constants: Sequence[float], sizes: Sequence[float]) -> tuple[list[float], float]:
    """Bounds on each output of a program of one coordinate, and on all that is computed on the way to them.

    constants: their numbers;   sizes: bounds on the inputs;   both in the order of the program
    The program must be sound: what it divides by is a sum, a root or a maximum of numbers that are not below 0.
    """
    known = dict(zip((node.index for node in program.constants), map(abs, constants), strict=True))
    known |= {node.index: size for node, size in zip(chain(*program.state), sizes, strict=True)}
    most = lambda a: known[a.index] if isinstance(a, Node) else abs(a)

    def least(a: Any) -> float:
        """A bound from below on what may be divided by."""
        if not isinstance(a, Node) or not a.varies:
            return most(a)
        if a.op == "add":
            return sum(map(least, a.args))
        if a.op == "sqrt":
            return sqrt(least(a.args[0]))
        if a.op == "multiply" and not all(isinstance(x, Node) and x.varies for x in a.args):
            return least(a.args[0]) * least(a.args[1])
        return max(map(least, a.args)) if a.op == "maximum" else 0.0

    for node in program.body:
        args = [*map(most, node.args)]
        bound = OPERATIONS[node.op].bound
        if bound is not None:
            known[node.index] = bound(*args)
        elif node.op == "divide":
            below = least(node.args[1])
            known[node.index] = args[0] / below if below else inf
        else:  # a root
            known[node.index] = sqrt(args[0])
    return [*map(most, chain(*program.outputs))], max(known.values(), default=0.0)
