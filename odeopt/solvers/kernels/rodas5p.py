"""Steinebach's Rodas5P, an L-stable method of order 5 for stiff flows, as a kernel.   [Steinebach 2023, BIT 63, 27]

(1/(gamma h) - J) k_i = f(s + c_i h, y + sum_j a_ij k_j) + sum_j C_ij k_j / h + d_i h f_s,   J = f_y,
y' = y + sum_j a_8j k_j + k_8, and k_8 is the error.  A stage costs one evaluation and one solve, a step one Jacobian.
c and d follow from a = alpha Gamma^-1 and C = 1/gamma - Gamma^-1.   [Hairer & Wanner 1996, IV.7]
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from odeopt.compiler.codegen.numba_cache import JIT
from odeopt.compiler.codegen.statements import block
from odeopt.compiler.ir import Node, is_number
from odeopt.compiler.rhs_program import FieldProgram
from odeopt.solvers.kernels.adaptive_rk import Method, constants, loop, names, right_hand_side, weighted

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

KNOWN = """
def known(x):
    return x if abs(x) < inf else 0.0
"""  # infinite derivatives count as 0, as they would shrink the step without end; the error estimate still holds
FACTORED = """
def factored(W, p):
    for i in range(NUMBER):
        p[i] = i
        for r in range(i + 1, NUMBER):
            if abs(W[r, i]) > abs(W[p[i], i]):
                p[i] = r
        for c in range(i, NUMBER):
            W[i, c], W[p[i], c] = W[p[i], c], W[i, c]
        W[i, i] = 1.0 / W[i, i]
        for r in range(i + 1, NUMBER):
            W[r, i] *= W[i, i]
            for c in range(i + 1, NUMBER):
                W[r, c] -= W[r, i] * W[i, c]
"""  # W = L U in place, with row exchanges p and the reciprocals of the pivots on the diagonal


def coefficients() -> tuple[list[list[float]], list[list[float]], list[float], list[float]]:
    """The coefficients a, C, c and d."""
    lower = lambda rows: np.array([[*row, *[0.0] * (STAGES - len(row))] for row in rows])
    A, C = lower((*ROWS_A, (*ROWS_A[-1], 1.0), (*ROWS_A[-1], 1.0, 1.0))), lower(ROWS_C)
    Gamma = np.linalg.inv(np.eye(STAGES) / GAMMA - C)
    c, d = (np.round(u, 13).tolist() for u in ((A @ Gamma).sum(axis=1), Gamma.sum(axis=1)))
    return A.tolist(), C.tolist(), c, d


@lru_cache(maxsize=256)
def source(program: FieldProgram) -> str | None:
    """Code of the kernel, see `odeopt.solvers.kernels.adaptive_rk.loop`; None if the Jacobian is too long."""
    if program.partials is None:
        return None
    J, constant, (A, C, c, d) = range(len(program.state)), constants(program), coefficients()
    fixed = all(is_number(row[-1], 0.0) for row in program.partials)  # f does not depend on s
    K = [[f"k{stage}_{j}" for j in J] for stage in range(1, STAGES + 1)]
    stages = ["q = 1.0 / d", f"{names('t', J)}, = jacobian(W, q / {GAMMA!r}, s, {names('y', J)}, {constant})"]
    stages.append("factored(W, p)")
    for stage, k in enumerate(K):
        known = [[other[j] for other in K[:stage]] for j in J]
        stages += [f"w_{j} = " + " + ".join([f"y_{j}", weighted(A[stage], known[j])][: stage + 1]) for j in J]
        stages.append(f"{names('b', J)}, = f(s + {c[stage]!r} * d, {names('w', J)}, {constant})")
        if stage:
            stages += [f"b_{j} = b_{j} + q * ({weighted(C[stage], known[j])})" for j in J]
        if not fixed:
            stages += [f"b_{j} = b_{j} + d * {d[stage]!r} * t_{j}" for j in J]
        stages.append(f"{', '.join(k)}, = solved(W, p, {names('b', J)})")
    stages += [f"w_{j} = w_{j} + {K[-1][j]}" for j in J]
    error = "error = sqrt((" + " + ".join(f"({K[-1][j]} / e_{j}) ** 2" for j in J) + f") / {len(J)})"
    room = f"W, p = empty(({len(J)}, {len(J)})), empty({len(J)}, int64)"
    method = Method(stages, STAGES, [error], order=5, growth=6.0, room=[room])
    functions = [KNOWN.strip(), _jacobian(program), *linear_solver(len(J))]
    parts = [right_hand_side(program), *(f"{JIT}\n{text}\n" for text in functions), loop(program, method)]
    return "\n".join(parts)


def _jacobian(program: FieldProgram) -> str:
    """Code of jacobian(W, g, s, state, constants), which returns f_s and sets W to g - J."""
    rows = program.partials
    assert rows is not None
    lines, spelled = block([entry for row in rows for entry in row], {})
    known = lambda entry: f"known({spelled(entry)})" if isinstance(entry, Node) else spelled(entry)
    for a, row in enumerate(rows):
        lines += [f"W[{a}, {b}] = {'g - ' if a == b else '-'}{known(entry)}" for b, entry in enumerate(row[:-1])]
    lines.append(f"return {', '.join(known(row[-1]) for row in rows)},")
    return "\n".join([f"def jacobian(W, g, {', '.join(program.names)}):", *(f"    {line}" for line in lines)])


def linear_solver(n: int) -> tuple[str, str]:
    """Code of factored(W, p), and of solved(W, p, b...), which returns the x of W x = b as a tuple."""
    b, lines = names("b", range(n)), []
    for i in range(n):
        lines += [f"b_{i}, b_{r} = (b_{r}, b_{i}) if p[{i}] == {r} else (b_{i}, b_{r})" for r in range(i + 1, n)]
        lines += [f"b_{r} -= W[{r}, {i}] * b_{i}" for r in range(i + 1, n)]
    for i in reversed(range(n)):
        lines += [f"b_{i} -= W[{i}, {j}] * b_{j}" for j in range(i + 1, n)]
        lines.append(f"b_{i} *= W[{i}, {i}]")
    solved = [f"def solved(W, p, {b}):", *(f"    {line}" for line in lines), f"    return {b},"]
    return FACTORED.strip().replace("NUMBER", str(n)), "\n".join(solved)
