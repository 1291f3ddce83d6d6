"""Bounds on all numbers in a step, from bounds on its inputs: |a + b| <= |a| + |b|, |a/b| <= |a| / min |b|.

[Interval arithmetic, of magnitudes]  If the bounds are finite, the step gives finite numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import inf, sqrt
from typing import Any

from odeopt.compiler.ir import Node
from odeopt.compiler.program import Program
from odeopt.core.operations import OPERATIONS


def bounds(program: Program, constants: Sequence[float], sizes: Sequence[float]) -> tuple[list[float], float]:
    """Bounds on each output of a program of one coordinate, and one bound on all intermediate values.

    constants: the values of the program's constants, in its order
    sizes:     bounds on its inputs, in its order
    The program must have passed `sign_analysis.positive_divisors`: its divisors are sums, roots or maxima of
    nonnegative numbers.
    """
    known = dict(zip((node.index for node in program.constants), map(abs, constants), strict=True))
    known |= {node.index: size for node, size in zip(chain(*program.state), sizes, strict=True)}
    most = lambda a: known[a.index] if isinstance(a, Node) else abs(a)

    def least(a: Any) -> float:
        """A lower bound on a divisor."""
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
