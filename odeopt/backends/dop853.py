"""Dormand & Prince's method of order 8 as a kernel, each member with steps of its own.   [Hairer et al. 1993, II.5]

Coefficients are SciPy's, and so is the rule for the next step; a record is the end of a step, not an interpolant.
Kernels are kept as those of `odeopt.backends.numba` are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from odeopt.backends.field import FieldProgram
from odeopt.backends.source import block

WIDEST = 10  # numbers in a member's state, which lie in registers
STAGES = 12
REACHED, TOO_MANY, TOO_SMALL = 1, -5, -4  # what becomes of a member; 0 while it is on its way

LOOP = """
@njit(error_model="numpy", fastmath={{"contract"}}, nogil=True, cache=CACHE)
def loop(first, last, chunk, most, targets, rows, Y, S, H, at, count, flag, C, rtol, atol):
    for m in range(first, last):
        if flag[m] != 0:
            continue
        s, h, i, n, rejected = S[m], H[m], at[m], count[m], False
        stop = n + chunk
{load}
        {k0} = f(s, {y}, {c})
        n += 1
        if h == 0.0:
{scales_at_start}
            size, speed = sqrt({size}), sqrt({speed})
            h = 1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed
        while i < len(targets) and (n < stop or rejected):
            if n + {STAGES} > most:
                flag[m] = {TOO_MANY}
                break
            ends = s + 1.01 * h >= targets[i]
            d = targets[i] - s if ends else h
{stages}
            n += {STAGES}
{errors}
            fifth, third = {fifth}, {third}
            error = d * fifth / sqrt((fifth + 0.01 * third) * {N}) if fifth > 0.0 else fifth
            if error < 1.0:
                factor = 10.0 if error == 0.0 else min(10.0, 0.9 * error ** -0.125)
                factor = min(1.0, factor) if rejected else factor
                h = max(h, d * factor) if ends and factor >= 1.0 else d * factor
                s = targets[i] if ends else s + d
                rejected = False
                {y} = {new}
                {k0} = {k12}
                if ends:
{record}
                    i += 1
            else:
                h = d * (max(0.2, 0.9 * error ** -0.125) if error < inf else 0.2)
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


@lru_cache(maxsize=256)
def source(program: FieldProgram) -> str:
    """loop(first, last, chunk, most, targets, rows, Y, S, H, at, count, flag, C, rtol, atol): members first..last-1.

    Each takes about `chunk` evaluations towards targets (N,) in s, `most` in all, and writes rows (N, M, n).  Y (M, n),
    S, H (0: not yet known), at, count and flag (M,) are where it stands; C (constants, M); atol (n,).
    """
    from scipy.integrate import DOP853

    n, J = len(program.state), range(len(program.state))
    K = [[f"k{stage}_{j}" for j in J] for stage in range(STAGES + 1)]
    names = lambda letter: ", ".join(f"{letter}_{j}" for j in J) + ","
    c = ", ".join(node.args[0] for node in program.constants)
    weighted = lambda weights, j: _sum(weights, [k[j] for k in K])
    stages = []
    for stage in range(1, STAGES):
        known, last = DOP853.A[stage, : stage - 1], float(DOP853.A[stage, stage - 1])
        begun = [f"y_{j} + d * ({weighted(known, j)})" if known.any() else f"y_{j}" for j in J]
        points = ", ".join(f"({begun[j]}) + (d * {last!r}) * {K[stage - 1][j]}" for j in J)  # which comes last
        stages.append(f"{', '.join(K[stage])}, = f(s + {float(DOP853.C[stage])!r} * d, {points}, {c})")
    stages += [f"w_{j} = y_{j} + d * ({weighted(DOP853.B, j)})" for j in J]
    stages.append(f"{', '.join(K[STAGES])}, = f(s + d, {names('w')} {c})")
    scale = [f"e_{j} = a_{j} + rtol * max(abs(y_{j}), abs(w_{j}))" for j in J]
    squares = lambda E: " + ".join(f"(({weighted(E, j)}) / e_{j}) ** 2" for j in J)
    text = LOOP.format(
        N=n, STAGES=STAGES, TOO_MANY=TOO_MANY, TOO_SMALL=TOO_SMALL, REACHED=REACHED, c=c,
        y=names("y").rstrip(","), new=names("w").rstrip(","), k0=", ".join(K[0]) + ",", k12=", ".join(K[STAGES]) + ",",
        load=_in(2, [f"y_{j}, a_{j} = Y[m, {j}], atol[{j}]" for j in J],
                 [f"{node.args[0]} = C[{i}, m]" for i, node in enumerate(program.constants)]),
        scales_at_start=_in(3, [f"e_{j} = a_{j} + rtol * abs(y_{j})" for j in J]),
        size=" + ".join(f"(y_{j} / e_{j}) ** 2" for j in J), speed=" + ".join(f"(k0_{j} / e_{j}) ** 2" for j in J),
        stages=_in(3, stages), errors=_in(3, scale), fifth=squares(DOP853.E5), third=squares(DOP853.E3),
        record=_in(5, [f"rows[i, m, {j}] = y_{j}" for j in J]), store=_in(2, [f"Y[m, {j}] = y_{j}" for j in J]),
    )  # fmt: skip
    return _right_hand_side(program) + "\n" + text.strip()


def _right_hand_side(program: FieldProgram) -> str:
    """f(s, state, constants), a tuple."""
    lines, spelled = block(list(program.slopes), {})
    found = ", ".join(map(spelled, program.slopes))
    return "\n".join(
        [f"def f({', '.join(program.names)}):", *(f"    {x}" for x in lines), f"    return ({found},)", ""]
    )


def _sum(weights: Sequence[float], names: Iterable[str]) -> str:
    return " + ".join(f"{float(w)!r} * {name}" for w, name in zip(weights, names, strict=False) if w)


def _in(depth: int, *groups: list[str]) -> str:
    return "\n".join("    " * depth + line for lines in groups for line in lines)
