"""The default atol: a problem in other units takes the same steps, and every member keeps its own error."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt.solvers.initial_value import initial_value
from odeopt.solvers.tolerances import sizes, tolerances

GF = oo.flows.gradient_flow()
SCALES = [2.0**-100, 2.0**-36, 2.0**36, 2.0**100]  # 1e-30 to 1e30, exact in binary
METHODS = ["auto", "DOP853", "RK45", "LSODA", "Radau", "BDF", pytest.param("Rodas5P", marks=pytest.mark.numba)]


def bowl(c=1.0, theta0=(1.0, -0.5)):
    """L = c^2 (|u|^4/4 + u_0 u_1 + u_1^2), u = theta/c: theta = c u(t) whatever c."""

    def loss(theta):
        u = theta / c
        return c**2 * ((u**4).sum(-1) / 4 + u[..., 0] * u[..., 1] + u[..., 1] ** 2)

    def grad(theta):
        u, v = theta[..., 0] / c, theta[..., 1] / c
        return c * np.stack([u**3 + v, v**3 + u + 2 * v], -1)

    return oo.Problem(loss, grad, theta0=c * np.asarray(theta0), batched=True)


# Flows in units in which theta is c times as large, and time h(c) times as long.
FLOWS = {
    "gradient flow": (lambda c: GF, lambda c: 1.0),
    "heavy ball": (lambda c: oo.flows.heavy_ball(0.5), lambda c: 1.0),
    "in lr-time": (lambda c: oo.flows.averaged_gradient(0.1), lambda c: 1.0),
    "friction 3/t": (lambda c: oo.flows.su_boyd_candes(), lambda c: 1.0),
    "rmsprop": (lambda c: oo.flows.rmsprop(0.5 * c, 0.0), lambda c: c),
    "adagrad": (lambda c: oo.flows.adagrad(1e-3 * c**2), lambda c: c**2),
    "adam": (lambda c: oo.flows.adam(0.2 * c, 1.0 * c, 1e-3 * c), lambda c: c),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "friction 3/t" else ()) for name in FLOWS]
)
def test_units_do_not_matter(name, method):
    flow, time = FLOWS[name]
    if method == "Rodas5P":
        pytest.importorskip("numba")
        if name not in ("gradient flow", "heavy ball"):
            pytest.skip("a kernel of each kind is enough")
    times = np.linspace(0, 1, 4)
    settings = dict(method=method, rtol=1e-9)
    unit = oo.solve(flow(1.0), bowl(), times * time(1.0), **settings).check()
    for c in SCALES:
        run = oo.solve(flow(c), bowl(c), times * time(c), **settings).check()
        np.testing.assert_allclose(run.theta / c, unit.theta, rtol=1e-8, atol=1e-9)
        assert abs(run.ngev - unit.ngev) <= 0.1 * unit.ngev


@pytest.mark.parametrize("c", [1e-30, 1e-11, 1.0, 1e11, 1e30])
@pytest.mark.parametrize("method", METHODS)
def test_against_the_closed_form(method, c):
    """theta = c e^-t: at c = 1e-11 an absolute atol of 1e-12 left an error of a few percent, called DONE."""
    if method == "Rodas5P":
        pytest.importorskip("numba")
    problem = oo.Problem(lambda x: (x**2).sum(-1) / 2, lambda x: 1.0 * x, theta0=[c, 2 * c], batched=True)
    run = oo.solve(GF, problem, [0.0, 1.0, 5.0], method=method).check()
    np.testing.assert_allclose(
        run.theta, np.exp(-run.t)[:, None] * problem.theta0, rtol=1e-7 if method == "BDF" else 1e-8
    )


MANY = np.geomspace(1e-30, 1e30, 13)


def bowls():
    """A bowl in units of its own for each member."""
    c = MANY

    def grad(theta):
        u, v = theta[..., 0] / c, theta[..., 1] / c
        return np.stack([c * (u**3 + v), c * (v**3 + u + 2 * v)], -1)

    return oo.Problem(lambda x: c**2 * (x**4).sum(-1), grad, theta0=c[:, None] * [1.0, -0.5], batched=True)


@pytest.mark.parametrize(
    ("method", "backend"),
    [("DOP853", "numpy"), ("RK45", "columns"), ("Radau", "numpy"), ("LSODA", "numpy"), ("LSODA", "columns"),
     pytest.param("DOP853", "numba", marks=pytest.mark.numba),
     pytest.param("Rodas5P", "numba", marks=pytest.mark.numba)],
)  # fmt: skip
@pytest.mark.parametrize("flow", [GF, oo.flows.heavy_ball(0.5)], ids=lambda flow: flow.name)
def test_members_of_very_different_size(flow, method, backend):
    if backend == "numba":
        pytest.importorskip("numba")
    truth = oo.solve(flow, bowl(), [0.0, 1.0], method="DOP853", rtol=1e-12).check()
    run = oo.solve(flow, bowls(), [0.0, 1.0], method=method, backend=backend).check()
    np.testing.assert_allclose(run.final / MANY[:, None], np.broadcast_to(truth.final, (13, 2)), rtol=1e-7)


def started(flow, problem, t=1.0):
    return initial_value(flow, problem, np.array([0.0, t]), flow.start(problem.theta0))


def test_sizes_of_variables():
    """theta by itself; a memory by its movement in the first hundredth of the run, or until it has decayed."""
    grad, starts = lambda x: 3.0 * x, [[2.0, -4.0], [0.0, 2e-9]]
    problem = oo.Problem(lambda x: 1.5 * (x**2).sum(-1), grad, theta0=starts, batched=True)
    for flow, moved in [
        (oo.flows.heavy_ball(0.0), 0.01 * 12),  # g T/100
        (oo.flows.heavy_ball(1000.0), 12 / 1000),  # until friction holds it
        (oo.flows.averaged_gradient(1e-4), 12.0),  # until it is g
    ]:
        equation = started(flow, problem)
        theta, memory = sizes(equation, equation.slope())
        np.testing.assert_array_equal(theta[:, 0], [4.0, 2e-9])
        np.testing.assert_allclose(memory[:, 0], moved * theta[:, 0] / 4, rtol=1e-5)
    equation = started(oo.flows.rmsprop(1e-3, 1.0), problem.at([2.0, -4.0]))
    np.testing.assert_allclose(sizes(equation, equation.slope())[1], 144, rtol=1e-3)  # g^2
    still = started(GF, problem.at([0.0, 0.0]))
    np.testing.assert_array_equal(sizes(still, still.slope()), [[1.0]])


def test_an_atol_that_is_given_is_absolute():
    equation = started(GF, bowl(1e-3))
    assert tolerances(equation, equation.slope(), 1e-6, 1e-4, "DOP853", False)[1].tolist() == [1e-4, 1e-4]
    assert tolerances(equation, equation.slope(), 1e-6, None, "DOP853", False)[1] == pytest.approx(
        np.full(2, 1e-11), rel=1e-14
    )


def test_a_start_at_zero_has_the_size_of_its_movement():
    """theta' = -rate (theta - c) from 0, stiff or not: not 1, nor what the first slope alone would make of it."""
    for c in (1e-20, 1.0, 1e20):
        for rate in (1.0, 1e6):
            problem = oo.Problem(lambda x: x.sum(-1), lambda x, r=rate, c=c: r * (x - c), theta0=[0.0], batched=True)
            run = oo.solve(GF, problem, [0.0, 1.0]).check()
            np.testing.assert_allclose(run.final, c * -np.expm1(-rate), rtol=1e-8)


def test_no_atol_where_the_state_is_zero():
    with pytest.raises(ValueError, match=r"atol must be positive where the state is 0 at the start, got 0\.0"):
        oo.solve(oo.flows.heavy_ball(1.0), bowl(), 1.0, atol=0.0)
    oo.solve(GF, bowl(), 1.0, atol=0.0).check()


@pytest.mark.parametrize("c", [1e-6, 1e-5, 1e-3])
def test_a_singular_start_hands_over_before_theta_has_moved_far(c):
    """RMSprop from G = 0 moves theta by sqrt(t) whatever its size: a handover at a fixed time is too late for a small
    theta."""
    problem, times = bowl(c), np.array([0.0, 0.1 * c, c])
    tight = oo.solve(oo.flows.rmsprop(0.5 * c, 0.0), problem, times, rtol=1e-12).check()
    long = oo.solve(oo.flows.rmsprop(0.5 * c, 0.0), problem, np.array([*times, 3.0]), method="LSODA")
    np.testing.assert_allclose(long.theta[1:3] / c, tight.theta[1:3] / c, rtol=1e-7)
