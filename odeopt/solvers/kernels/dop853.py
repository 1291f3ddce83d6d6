"""Dormand & Prince's method of order 8 as a kernel, with SciPy's coefficients and error estimate.

[Hairer et al. 1993, II.5]
"""

from __future__ import annotations

from functools import lru_cache

from odeopt.compiler.rhs_program import FieldProgram
from odeopt.solvers.kernels.adaptive_rk import Method, constants, loop, names, right_hand_side, weighted

STAGES = 12


@lru_cache(maxsize=256)
def source(program: FieldProgram) -> str:
    """Code of the kernel, see `odeopt.solvers.kernels.adaptive_rk.loop`."""
    from scipy.integrate import DOP853

    J, c = range(len(program.state)), constants(program)
    K = [[f"k{stage}_{j}" for j in J] for stage in range(STAGES + 1)]
    combined = lambda weights, j: weighted(weights, [k[j] for k in K])
    stages = []
    for stage in range(1, STAGES):
        known, last = DOP853.A[stage, : stage - 1], float(DOP853.A[stage, stage - 1])
        begun = [f"y_{j} + d * ({combined(known, j)})" if known.any() else f"y_{j}" for j in J]
        points = ", ".join(f"({begun[j]}) + (d * {last!r}) * {K[stage - 1][j]}" for j in J)  # newest last
        stages.append(f"{', '.join(K[stage])}, = f(s + {float(DOP853.C[stage])!r} * d, {points}, {c})")
    stages += [f"w_{j} = y_{j} + d * ({combined(DOP853.B, j)})" for j in J]
    stages.append(f"{', '.join(K[STAGES])}, = f(s + d, {names('w', J)}, {c})")
    squares = lambda E: " + ".join(f"(({combined(E, j)}) / e_{j}) ** 2" for j in J)
    error = [
        f"fifth, third = {squares(DOP853.E5)}, {squares(DOP853.E3)}",
        f"error = d * fifth / sqrt((fifth + 0.01 * third) * {len(J)}) if fifth > 0.0 else fifth",
    ]
    carried = f"{', '.join(K[0])}, = {', '.join(K[STAGES])},"
    method = Method(stages, STAGES, error, order=8, growth=10.0, accepted=[carried])
    return right_hand_side(program) + "\n" + loop(program, method)
