"""How fast `solve` is, and how exact, beside SciPy, diffrax and numbalsoda (those that are installed).

Printed with the times: the largest error over all records and members against a reference at rtol = 1e-13.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from rounds import main
from scipy.integrate import odeint, solve_ivp

import odeopt as oo
from odeopt.solvers import stiffness_groups

X0, T, B, RTOL, ATOL = (-1.5, 2.0), 10.0, 100.0, 1e-9, 1e-12
TIMES, ENDS, MANY = np.linspace(0, T, 101), np.array([0.0, T]), np.linspace(20, 200, 1000)
SCALES, RATES = np.geomspace(1, 1e6, 1000), np.geomspace(1, 1e4, 1000)  # members of very different time scales
STIFF = np.geomspace(1, 1e4, 100)  # eigenvalues of the quadratic

Case = tuple[Callable[[], object], int, str]  # what is timed, one solve or all, and its error
FLOW = oo.flows.gradient_flow()


def slopes(z: np.ndarray, b: object) -> np.ndarray:
    """-grad L of members (..., 2)."""
    x, y = z[..., 0], z[..., 1]
    r = y - x * x
    return np.stack((2 * (1 - x) + 4 * b * x * r, -2 * b * r), axis=-1)


def one(t: float, z: np.ndarray) -> np.ndarray:
    x, y = z
    r = y - x * x
    return np.array([2 * (1 - x) + 4 * B * x * r, -2 * B * r])


def jacobian(t: float, z: np.ndarray) -> np.ndarray:
    x, y = z
    return np.array([[-2 + 4 * B * (y - 3 * x * x), 4 * B * x], [4 * B * x, -2 * B]])


def stacked(t: float, z: np.ndarray) -> np.ndarray:
    return slopes(z.reshape(-1, 2), MANY).ravel()


def exact_path() -> np.ndarray:
    """Every record the end of a step, none interpolated."""
    rows = [np.array(X0)]
    for a, b in pairwise(TIMES):
        rows.append(solve_ivp(one, (a, b), rows[-1], method="DOP853", rtol=1e-13, atol=1e-15).y[:, -1])
    return np.array(rows)


def exact_ends() -> np.ndarray:
    z0 = np.tile(X0, len(MANY))
    return solve_ivp(stacked, ENDS, z0, method="DOP853", t_eval=ENDS, rtol=1e-13, atol=1e-15).y[:, -1].reshape(-1, 2)


def timed(run: Callable[[], np.ndarray], exact: np.ndarray) -> Case:
    """Its largest error, relative to 1 + |exact|."""
    error = np.abs(np.asarray(run()) - exact) / (1 + np.abs(exact).max(axis=-1, keepdims=True))
    return run, 1, f"{error.max():.1e}"


def scipy_one() -> Case:
    return timed(lambda: solve_ivp(one, ENDS, X0, "LSODA", t_eval=TIMES, rtol=RTOL, atol=ATOL).y.T, exact_path())


def odeint_one() -> Case:
    arguments = dict(Dfun=jacobian, tfirst=True, rtol=RTOL, atol=ATOL, mxstep=1_000_000)
    return timed(lambda: odeint(one, X0, TIMES, **arguments), exact_path())


def our_one(backend: str) -> Case:
    problem = oo.problems.rosenbrock()
    arguments = dict(rtol=RTOL, atol=ATOL, backend=backend)
    return timed(lambda: oo.solve(FLOW, problem, TIMES, X0, **arguments).check().theta, exact_path())


def diffrax_solver(name: str, many: bool) -> Callable[[], np.ndarray]:
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    records = jnp.asarray(ENDS if many else TIMES)

    def field(t, z, b):
        r = z[1] - z[0] * z[0]
        return jnp.stack([2 * (1 - z[0]) + 4 * b * z[0] * r, -2 * b * r])

    def solution(b):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field), getattr(diffrax, name)(), 0.0, T, None, jnp.array(X0), args=b, max_steps=2_000_000,
            saveat=diffrax.SaveAt(ts=records), stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=ATOL),
        ).ys  # fmt: skip

    if many:
        go, numbers = jax.jit(jax.vmap(solution)), jnp.asarray(MANY)
        return lambda: np.asarray(go(numbers))[:, -1]
    go = jax.jit(solution)
    return lambda: np.asarray(go(B))


def numbalsoda_solver(many: bool, rtol: float) -> Callable[[], np.ndarray]:
    import numba
    import numbalsoda

    @numba.cfunc(numbalsoda.lsoda_sig)
    def field(t, u, du, p):
        r = u[1] - u[0] * u[0]
        du[0] = 2 * (1 - u[0]) + 4 * p[0] * u[0] * r
        du[1] = -2 * p[0] * r

    address, lsoda, start, ends, atol = field.address, numbalsoda.lsoda, np.array(X0), ENDS, rtol * ATOL / RTOL

    @numba.njit(parallel=True)
    def all_of(b):
        found = np.empty((len(b), 2))
        for i in numba.prange(len(b)):
            found[i] = lsoda(address, start.copy(), ends, b[i : i + 1].copy(), rtol, atol, 1_000_000)[0][1]
        return found

    data = np.array([B])
    return (lambda: all_of(MANY)) if many else (lambda: lsoda(address, start, TIMES, data, rtol, atol, 1_000_000)[0])


def scipy_many() -> Case:
    z0, arguments = np.tile(X0, len(MANY)), dict(t_eval=ENDS, rtol=RTOL, atol=ATOL, lband=1, uband=1)
    return timed(lambda: solve_ivp(stacked, ENDS, z0, "LSODA", **arguments).y[:, -1].reshape(-1, 2), exact_ends())


def members(b: np.ndarray) -> oo.Problem:
    """Rosenbrock's function with a b of each member."""
    return oo.Problem(
        lambda z: (1 - z[..., 0]) ** 2 + b * (z[..., 1] - z[..., 0] ** 2) ** 2,
        lambda z: np.stack(
            (
                -2 * (1 - z[..., 0]) - 4 * b * z[..., 0] * (z[..., 1] - z[..., 0] ** 2),
                2 * b * (z[..., 1] - z[..., 0] ** 2),
            ),
            axis=-1,
        ),
        theta0=np.tile(X0, (len(b), 1)),
        batched=True,
    )


def our_many(backend: str) -> Case:
    problem, arguments = members(MANY), dict(rtol=RTOL, atol=ATOL, backend=backend)
    return timed(lambda: oo.solve(FLOW, problem, ENDS, **arguments).check().final, exact_ends())


def wells(b: np.ndarray) -> oo.Problem:
    """Double wells with rates of their own, from near the maximum."""
    return oo.Problem(
        lambda x: b * ((x**2 - 1) ** 2).sum(-1) / 4,
        lambda x: b[..., None] * (x**3 - x),
        theta0=np.full((len(b), 1), 0.1),
        batched=True,
    )


def exact_wells(b: np.ndarray, t: float) -> np.ndarray:
    """x^2 / (1 - x^2) grows as exp(2 b t)."""
    return 1 / np.sqrt(1 + np.exp(-2 * b * t) * (1 - 0.1**2) / 0.1**2)


def our_wells(backend: str) -> Case:
    problem, arguments = wells(RATES), dict(rtol=RTOL, atol=ATOL, backend=backend)
    return timed(lambda: oo.solve(FLOW, problem, ENDS, **arguments).check().final[:, 0], exact_wells(RATES, ENDS[1]))


def our_scales(backend: str) -> Case:
    """With the error of the ten that SciPy solves alone."""
    problem, arguments = members(SCALES), dict(rtol=RTOL, atol=ATOL, backend=backend)
    run = lambda: oo.solve(FLOW, problem, ENDS, **arguments).check().final
    some = slice(None, None, len(SCALES) // 10)
    alone = [solve_ivp(lambda t, z, b=b: slopes(z, b), ENDS, X0, "Radau", rtol=1e-11, atol=1e-13) for b in SCALES[some]]
    error = np.abs(run()[some] - [solution.y[:, -1] for solution in alone]).max()
    return run, 1, f"{error:.1e}"


def at_once(case: Callable[[str], Case]) -> Case:
    """The same without groups of like stiffness."""
    stiffness_groups.LEAST = 10**9
    return case("columns")


def quadratic() -> tuple[oo.Problem, np.ndarray, np.ndarray]:
    problem, t = oo.problems.quadratic(STIFF), np.linspace(0, 1, 101)
    return problem, t, problem.flow_solution(t, problem.theta0)


def scipy_quadratic() -> Case:
    problem, t, exact = quadratic()
    arguments = dict(t_eval=t, rtol=RTOL, atol=ATOL)
    return timed(
        lambda: solve_ivp(lambda t, z: -problem.grad(z), t[[0, -1]], problem.theta0, "LSODA", **arguments).y.T, exact
    )


def eigh_quadratic() -> Case:
    problem, t, exact = quadratic()
    A = problem.grad(np.eye(problem.dim))

    def run() -> np.ndarray:
        values, Q = np.linalg.eigh(A)
        return (np.exp(-np.outer(t, values)) * (problem.theta0 @ Q)) @ Q.T

    return timed(run, exact)


def our_quadratic() -> Case:
    problem, t, exact = quadratic()
    return timed(lambda: oo.solve(FLOW, problem, t, rtol=RTOL, atol=ATOL).check().theta, exact)


JOBS: dict[str, dict[str, Callable[[], Case]]] = {
    "one solve, Rosenbrock": {
        "SciPy LSODA": scipy_one,
        "SciPy odeint, Jacobian": odeint_one,
        "diffrax Dopri8": lambda: timed(diffrax_solver("Dopri8", False), exact_path()),
        "numbalsoda": lambda: timed(numbalsoda_solver(False, RTOL), exact_path()),
        "numbalsoda, rtol 1e-12": lambda: timed(numbalsoda_solver(False, 1e-12), exact_path()),
        "odeopt floats": lambda: our_one("floats"),
        "odeopt numba": lambda: our_one("numba"),
    },
    "1000 solves, Rosenbrock": {
        "SciPy LSODA, stacked": scipy_many,
        "diffrax Tsit5, vmap": lambda: timed(diffrax_solver("Tsit5", True), exact_ends()),
        "numbalsoda": lambda: timed(numbalsoda_solver(True, RTOL), exact_ends()),
        "odeopt columns": lambda: our_many("columns"),
        "odeopt numba": lambda: our_many("numba"),
    },
    **{
        job: {
            "odeopt columns": partial(case, "columns"),
            "odeopt columns, all at once": partial(at_once, case),
            "odeopt numba": partial(case, "numba"),
        }
        for job, case in (
            ("1000 solves, b from 1 to 1e6", our_scales),
            ("1000 double wells, rates 1 to 1e4", our_wells),
        )
    },
    "a quadratic, d = 100": {
        "SciPy LSODA": scipy_quadratic,
        "eigh, exponentials": eigh_quadratic,
        "odeopt": our_quadratic,
    },
}
PEERS = ("diffrax Dopri8", "diffrax Tsit5, vmap", "numbalsoda", "eigh, exponentials")


if __name__ == "__main__":
    main(__file__, JOBS, unit=("ms", 1e3), bases=PEERS)
