"""Steinebach's Rodas5P, of order 5, L-stable, in a kernel: for stiff flows.   [Steinebach 2023, BIT 63, table 3]

(1/(gamma h) - J) k_i = f(s + c_i h, y + sum_j a_ij k_j) + sum_j C_ij k_j / h + d_i h f_s,   J = f_y,
y' = y + sum_j a_8j k_j + k_8, and k_8 is the error: a stage costs an evaluation and a solve, a step one Jacobian.
c and d follow from the others, as a = alpha Gamma^-1 and C = 1/gamma - Gamma^-1.   [Hairer & Wanner 1996, IV.7]
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from odeopt.backends.field import FieldProgram
from odeopt.backends.nodes import is_number
from odeopt.backends.source import block
from odeopt.backends.stepping import Method, constants, loop, names, right_hand_side, weighted

STAGES, GAMMA = 8, 0.21193756319429014
ROWS_A = (
    (),
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946),
)
ROWS_C = (
    (),
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
    (30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623,
     -28.087943162872662),
    (37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047, -40.06618937091002,
     -54.66780262877968, -9.48861652309627),
)  # fmt: skip


def coefficients() -> tuple[list[list[float]], list[list[float]], list[float], list[float]]:
    """a, C, c and d."""
    lower = lambda rows: np.array([[*row, *[0.0] * (STAGES - len(row))] for row in rows])
    A, C = lower((*ROWS_A, (*ROWS_A[-1], 1.0), (*ROWS_A[-1], 1.0, 1.0))), lower(ROWS_C)
    Gamma = np.linalg.inv(np.eye(STAGES) / GAMMA - C)
    return A.tolist(), C.tolist(), *(np.round(u, 13).tolist() for u in ((A @ Gamma).sum(axis=1), Gamma.sum(axis=1)))


@lru_cache(maxsize=256)
def source(program: FieldProgram) -> str | None:
    """The kernel: see `odeopt.backends.stepping.loop`; None where the Jacobian is too long to write down."""
    if program.partials is None:
        return None
    J, c, (A, C, at, slope) = range(len(program.state)), constants(program), coefficients()
    fixed = all(is_number(row[-1], 0.0) for row in program.partials)  # f does not depend on s
    K = [[f"k{stage}_{j}" for j in J] for stage in range(1, STAGES + 1)]
    W = ", ".join(f"w_{a}_{b}" for a in J for b in J)
    stages = ["q = 1.0 / d", f"{W}, {names('t', J)}, = jacobian(q / {GAMMA!r}, s, {names('y', J)}, {c})"]
    stages += _factored(len(J))
    for stage, k in enumerate(K):
        known = [[other[j] for other in K[:stage]] for j in J]
        stages += [f"w_{j} = " + " + ".join([f"y_{j}", weighted(A[stage], known[j])][: stage + 1]) for j in J]
        stages.append(f"{names('b', J)}, = f(s + {at[stage]!r} * d, {names('w', J)}, {c})")
        if stage:
            stages += [f"b_{j} = b_{j} + q * ({weighted(C[stage], known[j])})" for j in J]
        if not fixed:
            stages += [f"b_{j} = b_{j} + d * {slope[stage]!r} * t_{j}" for j in J]
        stages += [*_solved(len(J)), *(f"{k[j]} = b_{j}" for j in J)]
    stages += [f"w_{j} = w_{j} + {K[-1][j]}" for j in J]
    error = "error = sqrt((" + " + ".join(f"({K[-1][j]} / e_{j}) ** 2" for j in J) + f") / {len(J)})"
    method = Method(stages, STAGES, [error], order=5, growth=6.0)
    return "\n".join([right_hand_side(program), _jacobian(program), loop(program, method)])


def _jacobian(program: FieldProgram) -> str:
    """jacobian(g, s, state, constants): the rows of g - J, then f_s."""
    rows = program.partials
    assert rows is not None
    lines, spelled = block([entry for row in rows for entry in row], {})
    found = [
        f"{'g - ' if a == b else '-'}{spelled(entry)}" for a, row in enumerate(rows) for b, entry in enumerate(row[:-1])
    ]
    found += [spelled(row[-1]) for row in rows]
    head = '@njit(error_model="numpy", fastmath={"contract"}, nogil=True, cache=CACHE)'
    body = [*lines, f"return ({', '.join(found)},)"]
    return "\n".join([head, f"def jacobian(g, {', '.join(program.names)}):", *(f"    {line}" for line in body), ""])


def _factored(n: int) -> list[str]:
    """W = L U in its place, with the largest pivots; v are the reciprocals of the diagonal of U."""
    lines = []
    for i in range(n):
        for r in range(i + 1, n):
            lines.append(f"p_{i}_{r} = abs(w_{r}_{i}) > abs(w_{i}_{i})")
            lines += [_exchanged(f"w_{i}_{j}", f"w_{r}_{j}", f"p_{i}_{r}") for j in range(i, n)]
        lines.append(f"v_{i} = 1.0 / w_{i}_{i}")
        for r in range(i + 1, n):
            lines.append(f"w_{r}_{i} = w_{r}_{i} * v_{i}")
            lines += [f"w_{r}_{j} = w_{r}_{j} - w_{r}_{i} * w_{i}_{j}" for j in range(i + 1, n)]
    return lines


def _solved(n: int) -> list[str]:
    """b becomes the solution of W x = b."""
    lines = []
    for i in range(n):
        lines += [_exchanged(f"b_{i}", f"b_{r}", f"p_{i}_{r}") for r in range(i + 1, n)]
        lines += [f"b_{r} = b_{r} - w_{r}_{i} * b_{i}" for r in range(i + 1, n)]
    for i in reversed(range(n)):
        known = " + ".join(f"w_{i}_{j} * b_{j}" for j in range(i + 1, n))
        lines.append(f"b_{i} = v_{i} * (b_{i} - ({known}))" if known else f"b_{i} = v_{i} * b_{i}")
    return lines


def _exchanged(a: str, b: str, where: str) -> str:
    return f"{a}, {b} = ({b}, {a}) if {where} else ({a}, {b})"
