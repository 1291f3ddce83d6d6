"""A program as a loop on Python's floats: faster than NumPy for a few coordinates, without a compiler.

Python raises an exception where NumPy gives inf or NaN.  The loop then ends, and the caller goes on with the step
itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from odeopt.compiler.codegen.statements import name_of, step_lines, time_lines
from odeopt.compiler.program import Program
from odeopt.core.operations import OPERATIONS, RAISED
from odeopt.problems.oracle import EvaluationError
from odeopt.util.check import Array

# the functions and constants that the text of a loop names
HELPERS: dict[str, Any] = {
    **{name: row.real for name, row in OPERATIONS.items() if not row.code},
    "isfinite": math.isfinite,
    "nan": math.nan,
    "inf": math.inf,
}


@lru_cache(maxsize=256)
def source(program: Program, strided: bool) -> str:
    """The text of loop(n, every, k, append, call, state..., constants...): it appends n rows, `every` steps apart."""
    state = [name_of(node) for nodes in program.state for node in nodes]
    constants = [f"c{i}" for i in range(len(program.constants))]
    step = [*time_lines(program), *step_lines(program, leave="return")]
    inner = ["for _ in range(every):", *(f"    {line}" for line in step)] if strided else step
    # a called gradient never gets a point that is not finite
    check = [f"if not isfinite({' + '.join(state)}): return"] if program.calls else []
    body = [*inner, *check, f"append(({', '.join(state)},))"]
    return "\n".join(
        [
            f"def loop({', '.join(['n', 'every', 'k', 'append', 'call', *state, *constants])}):",
            "    for _ in range(n):",
            *(f"        {line}" for line in body),
        ]
    )


@lru_cache(maxsize=64)
def compiled(text: str) -> Callable[..., None]:
    """The function that the text defines."""
    room = dict(HELPERS)
    exec(compile(text, "<step on floats>", "exec"), room)
    return room["loop"]


def rows_on_floats(
    program: Program, k: int, constants: Sequence[float], state: Sequence[float], n: int, every: int, grad: Any = None
) -> tuple[Array, BaseException | None]:
    """Up to n rows of the state, which end at a guard or before a row that is not finite; and the caught exception."""
    found: list[tuple[float, ...]] = []
    error: BaseException | None = None
    try:
        compiled(source(program, every > 1))(n, every, k, found.append, grad, *state, *constants)
    except RAISED:
        pass
    except (KeyboardInterrupt, EvaluationError) as caught:
        error = caught
    width = len(state)
    table = np.fromiter(chain.from_iterable(found), float, len(found) * width).reshape(-1, width)
    return table[: np.count_nonzero(np.isfinite(table.sum(axis=1)))], error
