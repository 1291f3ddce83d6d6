"""`ivp` and SciPy's own `solve_ivp` as the oracle of every flow, method and backend of `solve`."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support import tables

import odeopt as oo
from odeopt.solvers.guarded import GUARDED
from odeopt.solvers.strategy import METHODS

T0, T1 = 0.25, 0.75
NO_ODE = {
    "amsgrad",
    "amsgrad_hat",
    "amsgrad_corrected",
    "adamax",
    "adamax_outside",
    "rprop",
    "rprop_late",
    "adan",
    "mars",
}
FLOWS = [name for name in tables.ALL_FLOWS if name not in NO_ODE]
NO_KERNEL = {"su_boyd_candes", "adam"}  # formulas that branch on their values


@cache
def case(name):
    """The flow, its problem, and a state in which no variable is at rest."""
    row, rng = tables.ALL_FLOWS[name], np.random.default_rng(0)
    flow, problem = row.flow.quiet(), tables.smooth_problem()
    y = row.start(flow, problem.oracle(), problem.theta0, 0.1) if row.start else flow.start(problem.theta0)
    memory = {u: v + rng.uniform(0.2, 0.4, v.shape) for u, v in zip(flow.memory, y[1:], strict=True)}
    return flow, problem, memory


@cache
def oracle(name):
    """theta at the end, by SciPy alone, from what `ivp` hands out."""
    flow, problem, memory = case(name)
    equation = oo.ivp(flow, problem, t0=T0, memory=memory)
    found = solve_ivp(equation.fun, (equation.t0, T1), equation.y0, "DOP853", rtol=1e-12, atol=1e-14)
    assert found.success
    return equation.unpack(found.y[:, -1])


@pytest.mark.parametrize("name", sorted(NO_ODE))
def test_what_is_no_ordinary_differential_equation(name):
    with pytest.raises(ValueError, match="ivp needs"):
        oo.ivp(tables.ALL_FLOWS[name].flow, tables.smooth_problem())


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_solve_is_solve_ivp(name, method):
    """For every method of every flow, whatever way it takes."""
    flow, problem, memory = case(name)
    settings = dict(rtol=1e-7) if method == "RK23" else dict(rtol=1e-9)
    run = oo.solve(flow, problem, [T0, T1], memory=memory, method=method, **settings).check()
    for variable, exact in oracle(name).items():
        found = run.final if variable == "theta" else run.state[variable][-1]
        np.testing.assert_allclose(found, exact, rtol=1e-4 if method == "RK23" else 1e-6, atol=1e-7)


@pytest.mark.parametrize("name", tables.FLOWS)
@pytest.mark.parametrize("method", METHODS)
def test_members_are_solve_ivp(name, method):
    """An ensemble on columns, among which the last has the oracle's start."""
    flow, problem, memory = case(name)
    starts = problem.theta0 * np.array([[0.5], [1.5], [1.0]])
    run = oo.solve(
        flow, problem, [T0, T1], starts, memory=memory, method=method, rtol=1e-7 if method == "RK23" else 1e-9
    )
    np.testing.assert_allclose(run.check().final[-1], oracle(name)["theta"], rtol=1e-5, atol=1e-6)


@pytest.mark.numba
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(tables.FLOWS.keys() - NO_KERNEL))
@pytest.mark.parametrize("method", ["DOP853", "Rodas5P"])
def test_kernels_are_solve_ivp(name, method):
    pytest.importorskip("numba")
    flow, problem, memory = case(name)
    run = oo.solve(flow, problem, [T0, T1], memory=memory, method=method, rtol=1e-9, backend="numba").check()
    assert run.backend == "numba"
    for variable, exact in oracle(name).items():
        found = run.final if variable == "theta" else run.state[variable][-1]
        np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", GUARDED)
def test_by_hand_with_guards_and_jacobian(method):
    equation = oo.ivp(oo.flows.heavy_ball(1.0), oo.problems.rosenbrock(b=5), [-1.0, 0.5])
    known = dict(jac=equation.jac) if method in ("LSODA", "Radau", "BDF") else {}
    found = solve_ivp(equation.fun, (equation.t0, 2.0), equation.y0, GUARDED[method], rtol=1e-7, atol=1e-10, **known)
    exact = oo.solve(oo.flows.heavy_ball(1.0), oo.problems.rosenbrock(b=5), 2.0, [-1.0, 0.5], rtol=1e-12).check()
    path = equation.unpack(found.y)
    np.testing.assert_allclose(path["theta"][-1], exact.final, atol=1e-4)
    np.testing.assert_allclose(path["v"][-1], exact.state["v"][-1], atol=1e-4)
    assert path["theta"].shape == (len(found.t), 2)


@pytest.mark.parametrize("flow", [oo.flows.rmsprop(0.5, 0.0), oo.flows.adagrad(0.0)], ids=lambda f: f.name)
def test_a_singular_start_is_left_behind(flow):
    """By hand it begins a moment after t = 0, where the expansion ends."""
    problem = tables.smooth_problem()
    equation = oo.ivp(flow, problem)
    assert 0 < equation.t0 < 1e-11
    found = solve_ivp(equation.fun, (equation.t0, 0.1), equation.y0, GUARDED["Radau"], rtol=1e-10, atol=1e-20)
    assert found.success
    np.testing.assert_allclose(equation.unpack(found.y[:, -1])["theta"], oo.solve(flow, problem, 0.1).final, atol=1e-8)


def test_it_prints_what_it_is():
    equation = oo.ivp(oo.flows.heavy_ball(1.0), oo.problems.rosenbrock(b=5), [[1.0, 2.0], [3.0, 4.0]])
    assert equation.names == (
        "theta[0, 0]", "theta[0, 1]", "v[0, 0]", "v[0, 1]", "theta[1, 0]", "theta[1, 1]", "v[1, 0]", "v[1, 1]",
    )  # fmt: skip
    np.testing.assert_array_equal(equation.y0, [1, 2, 0, 0, 3, 4, 0, 0])
    assert "v'     = -grad L(theta) - damping*v" in repr(equation)
    assert equation.jac is None
    np.testing.assert_array_equal(equation.unpack(equation.y0)["theta"], [[1, 2], [3, 4]])
    with pytest.raises(ValueError, match=r"y must have shape \(8,\) or \(8, k\), got \(4,\)"):
        equation.unpack(np.zeros(4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(flow="gradient flow"), "flow must be a Flow"),
        (dict(t0=np.nan), "t0 must be finite, got nan"),
        (dict(t0=[0.0, 1.0]), "t0 must be a single number"),
        (dict(theta0=[1.0]), "theta0 must have last axis 2"),
        (dict(memory=3), "memory must map names to arrays"),
        (dict(flow=oo.optimizers.amsgrad().flow), "ivp needs y' = f"),
    ],
    ids=str,
)
def test_bad_arguments(arguments, message):
    given = dict(flow=oo.flows.gradient_flow(), problem=oo.problems.quadratic()) | arguments
    with pytest.raises((ValueError, TypeError), match=message):
        oo.ivp(**given)


@pytest.mark.jax
@pytest.mark.parametrize("name", ["gradient_flow", "heavy_ball", "averaged_gradient", "rmsprop", "adagrad"])
@pytest.mark.parametrize("shape", [(2,), (3, 2)], ids=["one", "members"])
def test_the_vector_field_of_jax_is_fun(name, shape):
    """Compiled, and differentiated where there is a Jacobian."""
    jax = pytest.importorskip("jax")
    flow, problem, memory = case(name)
    equation = oo.ivp(flow, problem, np.broadcast_to(problem.theta0, shape), t0=T0, memory=memory)
    with jax.enable_x64(True):
        y = jax.numpy.asarray(equation.y0)
        np.testing.assert_allclose(
            jax.jit(equation.vector_field)(T0, y, None), equation.fun(T0, equation.y0), rtol=1e-12
        )
        if equation.jac:
            J = jax.jacobian(lambda y: equation.vector_field(T0, y))(y)
            np.testing.assert_allclose(J, equation.jac(T0, equation.y0), rtol=1e-9, atol=1e-12)


@pytest.mark.jax
def test_a_gradient_of_jax_goes_in_as_it_is():
    jax = pytest.importorskip("jax")
    from odeopt.frameworks.jax import problem as problem_of

    with jax.enable_x64(True):
        problem = problem_of(lambda x: jax.numpy.sum(x**4), jax.numpy.ones(2))
        equation = oo.ivp(oo.flows.heavy_ball(1.0), problem, [[1.0, 2.0], [3.0, 4.0]])
        found = jax.jit(equation.vector_field)(0.0, jax.numpy.asarray(equation.y0))
        np.testing.assert_allclose(found, equation.fun(0.0, equation.y0), rtol=1e-6)


@pytest.mark.jax
def test_diffrax():
    diffrax, jax = pytest.importorskip("diffrax"), pytest.importorskip("jax")
    equation = oo.ivp(oo.flows.heavy_ball(1.0), oo.problems.rosenbrock(b=5), [-1.0, 0.5])
    with jax.enable_x64(True):
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(equation.vector_field), diffrax.Dopri8(), equation.t0, 2.0, None,
            jax.numpy.asarray(equation.y0), stepsize_controller=diffrax.PIDController(rtol=1e-10, atol=1e-12),
        )  # fmt: skip
        exact = oo.solve(oo.flows.heavy_ball(1.0), oo.problems.rosenbrock(b=5), [0.0, 2.0], [-1.0, 0.5]).check()
        np.testing.assert_allclose(equation.unpack(found.ys[-1])["theta"], exact.final, atol=1e-8)


def test_jax_says_what_it_cannot_compile():
    pytest.importorskip("jax")
    equation = oo.ivp(oo.flows.su_boyd_candes(), oo.problems.rosenbrock())
    with pytest.raises(ValueError, match="flow must have formulas that JAX can compile"):
        equation.vector_field(1.0, equation.y0)
