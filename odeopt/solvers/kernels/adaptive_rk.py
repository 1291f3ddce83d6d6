"""The loop of an adaptive Runge-Kutta or Rosenbrock method as a kernel: each member has its own steps.

Steps end exactly at the records.  The first step and the step control are SciPy's.  The compiled kernels are kept by
`odeopt.compiler.codegen.numba_cache`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from odeopt.compiler.codegen.numba_cache import JIT
from odeopt.compiler.codegen.statements import block, indented, name_of
from odeopt.compiler.rhs_program import FieldProgram

REACHED, TOO_MANY, TOO_SMALL = 1, -5, -4  # flags of a member; 0 while it is running

LOOP = """
{jit}
def loop(first, last, chunk, most, targets, rows, Y, S, H, at, count, flag, C, rtol, atol):
{room}
    for m in range(first, last):
        if flag[m] != 0:
            continue
        s, h, i, n, rejected = S[m], H[m], at[m], count[m], False
        stop = n + chunk
{load}
        {k0}, = f(s, {y}, {c})
        n += 1
        if h == 0.0:
{scales_at_start}
            size, speed = sqrt({size}), sqrt({speed})
            h = 1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed
        while i < len(targets) and (n < stop or rejected):
            if n + {evaluations} > most:
                flag[m] = {TOO_MANY}
                break
            ends = s + 1.01 * h >= targets[i]
            d = targets[i] - s if ends else h
{stages}
            n += {evaluations}
{scales}
{error}
            if error < 1.0:
                factor = {growth} if error == 0.0 else min({growth}, 0.9 * error ** {power})
                factor = min(1.0, factor) if rejected else factor
                h = max(h, d * factor) if ends and factor >= 1.0 else d * factor
                s = targets[i] if ends else s + d
                rejected = False
                {y} = {w}
{accepted}
                if ends:
{record}
                    i += 1
            else:
                h = d * (max(0.2, 0.9 * error ** {power}) if error < inf else 0.2)
                rejected = True
                if s + 0.1 * h == s:
                    flag[m] = {TOO_SMALL}
                    break
        S[m], H[m], at[m], count[m] = s, h, i, n
{store}
        if i == len(targets):
            flag[m] = {REACHED}
    return 0
"""


@dataclass(frozen=True)
class Method:
    """The lines of code of one method's step by d from (s, y_0, ...) to w_0, ...

    The lines may use k0_0, ..., which is f at the start of the step, and e_0, ..., which are the error bounds.

    stages:      compute w, in `evaluations` calls of f
    error:       computes `error`, which is below 1 in an accepted step; `order` is its order in d
    growth:      largest factor between two steps
    room:        allocates work space, once per call of the loop
    accepted:    follows an accepted step
    """

    stages: Sequence[str]
    evaluations: int
    error: Sequence[str]
    order: int
    growth: float
    room: Sequence[str] = ()
    accepted: Sequence[str] = ()


def loop(program: FieldProgram, method: Method) -> str:
    """Code of loop(first, last, chunk, most, targets, rows, Y, S, H, at, count, flag, C, rtol, atol).

    A call advances the members first..last-1 by about `chunk` evaluations each, at most `most` in all, towards the
    targets (N,) in s.  It writes states to rows (N, M, n).  Y (M, n), S, H (0 if not yet known), at, count and flag
    (M,) hold the progress of the members.  C has shape (constants, M), atol (M, n).
    """
    J = range(len(program.state))
    text = LOOP.format(
        jit=JIT, TOO_MANY=TOO_MANY, TOO_SMALL=TOO_SMALL, REACHED=REACHED, growth=method.growth, power=-1 / method.order,
        evaluations=method.evaluations, c=constants(program), y=names("y", J), w=names("w", J), k0=names("k0", J),
        room=_in(1, method.room), stages=_in(3, method.stages), error=_in(3, method.error),
        load=_in(2, [f"y_{j}, a_{j} = Y[m, {j}], atol[m, {j}]" for j in J],
                 [f"{name_of(node)} = C[{i}, m]" for i, node in enumerate(program.constants)]),
        scales_at_start=_in(3, [f"e_{j} = a_{j} + rtol * abs(y_{j})" for j in J]),
        size=" + ".join(f"(y_{j} / e_{j}) ** 2" for j in J), speed=" + ".join(f"(k0_{j} / e_{j}) ** 2" for j in J),
        scales=_in(3, [f"e_{j} = a_{j} + rtol * max(abs(y_{j}), abs(w_{j}))" for j in J]),
        accepted=_in(4, method.accepted), record=_in(5, [f"rows[i, m, {j}] = y_{j}" for j in J]),
        store=_in(2, [f"Y[m, {j}] = y_{j}" for j in J]),
    )  # fmt: skip
    return text.strip()


def right_hand_side(program: FieldProgram) -> str:
    """Code of f(s, state, constants), which returns a tuple."""
    lines, spelled = block(list(program.slopes), {})
    found = ", ".join(map(spelled, program.slopes))
    return "\n".join(
        [f"def f({', '.join(program.names)}):", *(f"    {x}" for x in lines), f"    return ({found},)", ""]
    )


def constants(program: FieldProgram) -> str:
    """The last arguments of f."""
    return ", ".join(name_of(node) for node in program.constants)


def names(letter: str, J: Iterable[int]) -> str:
    """y_0, y_1, ..."""
    return ", ".join(f"{letter}_{j}" for j in J)


def weighted(weights: Iterable[float], terms: Iterable[str]) -> str:
    """a k0_0 + b k1_0 + ..., without terms of weight 0."""
    return " + ".join(f"{float(w)!r} * {term}" for w, term in zip(weights, terms, strict=False) if w)


def _in(depth: int, *groups: Sequence[str]) -> str:
    return "\n".join(indented([line for lines in groups for line in lines], depth))
