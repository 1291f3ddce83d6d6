"""A traced right-hand side and its Jacobian as SciPy's solvers call them: on floats, or on NumPy's columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from odeopt.backends.field import FieldProgram, Traced
from odeopt.backends.floats import HELPERS, RAISED
from odeopt.backends.nodes import UFUNCS, Node, needed
from odeopt.backends.source import block
from odeopt.check import Array
from odeopt.initial_value import Function, from_diagonals


def on_floats(made: Traced, plain: Function) -> tuple[Function, Function | None]:
    """For one member: Python's floats.  Where these raise NumPy goes on; where a guard is true, the flow itself."""
    _, diagonals = stacked(made, 1, plain)
    n = len(made.program.state)
    slow = diagonals and (lambda s, vector: from_diagonals(diagonals(s, vector), 1, n)[0])
    return _compiled(_float_source(made.program))(plain, slow, *made.values)


@lru_cache(maxsize=256)
def _float_source(program: FieldProgram) -> str:
    arguments = ", ".join(node.args[0] for node in program.constants)
    entries = f"({', '.join(node.args[0] for node in program.state)},) = z.tolist()"
    lines, spelled = block([*program.slopes, *program.guards], {})
    lines += [f"if {spelled(guard)}: return plain(s, z)" for guard in program.guards]
    made = _function("rhs", [entries, *lines, f"return [{', '.join(map(spelled, program.slopes))}]"], "plain(s, z)")
    if program.jacobian is not None:
        lines, spelled = block([node for row in program.jacobian for node in row], {})
        rows = ", ".join(f"[{', '.join(map(spelled, row))}]" for row in program.jacobian)
        made += _function("jac", [entries, *lines, f"return [{rows}]"], "slow(s, z)")
    found = "rhs, jac" if program.jacobian is not None else "rhs, None"
    return "\n".join([f"def make(plain, slow, {arguments}):", *(f"    {line}" for line in made), f"    return {found}"])


def _function(name: str, body: Sequence[str], otherwise: str) -> list[str]:
    guarded = ["try:", *(f"    {line}" for line in body), "except RAISED:", f"    return {otherwise}"]
    return [f"def {name}(s, z):", *(f"    {line}" for line in guarded)]


@lru_cache(maxsize=64)
def _compiled(text: str) -> Callable[..., tuple[Function, Function | None]]:
    room = {**HELPERS, "RAISED": RAISED}
    exec(compile(text, "<flow on floats>", "exec"), room)
    return room["make"]


def stacked(made: Traced, number: int, plain: Function) -> tuple[Function, Function | None]:
    """For many members: NumPy on the columns of (M, n); the Jacobian as its 2n - 1 diagonals."""
    program, n = made.program, len(made.program.state)
    rows = program.jacobian
    diagonals = [] if rows is None else [(n - 1 + a - b, b, rows[a][b]) for a in range(n) for b in range(n)]
    slopes, entries = needed([*program.slopes, *program.guards]), needed(node for *_, node in diagonals)

    def f(s: float, vector: Array) -> Array:
        out = np.empty((number, n))
        value = _values(program, slopes, s, vector.reshape(number, n), made.values)
        if any(np.any(value(guard)) for guard in program.guards):
            return plain(s, vector)
        for i, node in enumerate(program.slopes):
            out[:, i] = value(node)
        return out.ravel()

    def jacobian(s: float, vector: Array) -> Array:
        out = np.zeros((2 * n - 1, number, n))
        value = _values(program, entries, s, vector.reshape(number, n), made.values)
        for d, j, node in diagonals:
            out[d, :, j] = value(node)
        return np.nan_to_num(out.reshape(2 * n - 1, -1), copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    return f, None if rows is None else jacobian


def _values(
    program: FieldProgram, order: Sequence[Node], s: float, columns: Array, constants: Sequence[Any]
) -> Callable[[Any], Any]:
    """The value of each node, NumPy's way."""
    inputs = dict(zip(program.names, (s, *np.ascontiguousarray(columns.T), *constants), strict=True))
    known: dict[int, Any] = {}
    value = lambda a: known[a.index] if isinstance(a, Node) else a
    for node in order:
        known[node.index] = inputs[node.args[0]] if node.op == "input" else UFUNCS[node.op](*map(value, node.args))
    return value
