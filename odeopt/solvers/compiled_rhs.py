"""A traced right-hand side and its Jacobian as functions for SciPy's solvers, on floats or on columns of members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from odeopt.compiler.codegen import numpy_blocks
from odeopt.compiler.codegen.float_loop import HELPERS
from odeopt.compiler.codegen.statements import block, name_of
from odeopt.compiler.rhs_program import FieldProgram, Traced
from odeopt.core.operations import RAISED
from odeopt.solvers.initial_value import Function, from_diagonals
from odeopt.util.check import Array


def on_floats(made: Traced, plain: Function) -> tuple[Function, Function | None]:
    """f and its Jacobian for one member, on Python's floats.

    Where floats raise, as in a division by 0, NumPy evaluates instead.  `plain`, the flow itself, takes over where a
    guard of the program is true.
    """

    def slow(s: float, vector: Array) -> Array:
        diagonals = stacked(made, 1, plain)[1]
        assert diagonals is not None
        return from_diagonals(diagonals(s, vector), 1, len(made.program.state))[0]

    return _compiled(_float_source(made.program))(plain, slow, *made.values)


@lru_cache(maxsize=256)
def _float_source(program: FieldProgram) -> str:
    arguments = ", ".join(name_of(node) for node in program.constants)
    entries = f"({', '.join(name_of(node) for node in program.state)},) = z.tolist()"
    lines, spelled = block([*program.slopes, *program.guards], {})
    lines += [f"if {spelled(guard)}: return plain(t, z)" for guard in program.guards]
    made = _function("rhs", [entries, *lines, f"return [{', '.join(map(spelled, program.slopes))}]"], "plain(t, z)")
    if program.jacobian is not None:
        lines, spelled = block([node for row in program.jacobian for node in row], {})
        rows = ", ".join(f"[{', '.join(map(spelled, row))}]" for row in program.jacobian)
        made += _function("jac", [entries, *lines, f"return [{rows}]"], "slow(t, z)")
    found = "rhs, jac" if program.jacobian is not None else "rhs, None"
    return "\n".join([f"def make(plain, slow, {arguments}):", *(f"    {line}" for line in made), f"    return {found}"])


def _function(name: str, body: Sequence[str], otherwise: str) -> list[str]:
    guarded = ["try:", *(f"    {line}" for line in body), "except RAISED:", f"    return {otherwise}"]
    return [f"def {name}(t, z):", *(f"    {line}" for line in guarded)]


@lru_cache(maxsize=64)
def _compiled(text: str) -> Callable[..., tuple[Function, Function | None]]:
    room = {**HELPERS, "RAISED": RAISED}
    exec(compile(text, "<flow on floats>", "exec"), room)
    return room["make"]


def stacked(made: Traced, number: int, plain: Function) -> tuple[Function, Function | None]:
    """f and its Jacobian for many members, on the columns of (M, n); the Jacobian is given by its 2n - 1 diagonals."""
    program, n = made.program, len(made.program.state)
    slopes = _on_columns(program, (*program.slopes, *program.guards), made.values, number)

    def f(s: float, vector: Array) -> Array:
        found, out = slopes(s, vector), np.empty((number, n))
        if any(np.any(guard) for guard in found[n:]):
            return plain(s, vector)
        for i, slope in enumerate(found[:n]):
            out[:, i] = slope
        return out.ravel()

    rows = program.jacobian
    if rows is None:
        return f, None
    diagonals = [(n - 1 + a - b, b) for a in range(n) for b in range(n)]
    entries = _on_columns(program, tuple(chain(*rows)), made.values, number)

    def jacobian(s: float, vector: Array) -> Array:
        out = np.zeros((2 * n - 1, number, n))
        for (d, j), entry in zip(diagonals, entries(s, vector), strict=True):
            out[d, :, j] = entry
        return np.nan_to_num(out.reshape(2 * n - 1, -1), copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    return f, jacobian


def _on_columns(
    program: FieldProgram, results: tuple[Any, ...], constants: Sequence[Any], number: int
) -> Callable[[float, Array], tuple[Any, ...]]:
    """A function of (s, vector) that returns the results, numbers or (M,), in arrays that its next call overwrites."""
    look, numbers, truths = _evaluation(program, results)
    room, truth = np.empty((numbers, number)), np.empty((truths, number), dtype=bool)
    return lambda s, vector: look(room, truth, s, *np.ascontiguousarray(vector.reshape(number, -1).T), *constants)


@lru_cache(maxsize=256)
def _evaluation(program: FieldProgram, results: tuple[Any, ...]) -> tuple[Callable[..., tuple[Any, ...]], int, int]:
    return numpy_blocks.evaluation(program.names, results, {})
