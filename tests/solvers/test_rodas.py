"""Rodas5P in a kernel: its order, its stability, its solves, and `solve` by it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg
from test_solve import FAULTS, scalar
from test_solve_backends import GF, alone, rows

import odeopt as oo
from odeopt import Status, ops
from odeopt.analysis.convergence import slope as fitted_order
from odeopt.compiler.codegen import numba_cache as kernels
from odeopt.compiler.rhs_program import traced_field
from odeopt.core.state import pack
from odeopt.solvers import compiled
from odeopt.solvers.ending import Reason
from odeopt.solvers.initial_value import initial_value
from odeopt.solvers.kernels import rodas5p
from odeopt.solvers.strategy import Asked, Why, plan

WELL = oo.Problem(lambda x: (x**2).sum(-1) / 2, lambda x: 1.0 * x, theta0=[1.0], batched=True)


def relaxing(z):
    """Van der Pol's oscillator, stiff but at its start, as -grad."""
    y, v = z[..., 0], z[..., 1]
    return np.stack([-v, y - 1000 * (1 - y**2) * v], -1)


RELAXING = oo.Problem(lambda z: (z**2).sum(-1), relaxing, theta0=[1.0, 1.0], batched=True)


def forced(rate):
    """y' = -rate (y - e^-t) - e^-t, whose solution from 1 is e^-t.   [Prothero and Robinson 1974]"""
    pull = lambda t, theta, rate: -rate * (theta - ops.exp(-t)) - ops.exp(-t)
    return oo.flow("theta", dict(rate=rate), drift=oo.push("theta", pull))


def with_steps(flow, problem, end, n):
    """The end after n equal steps: tolerances hold always."""
    equation = initial_value(flow, problem, np.linspace(0, end, n + 1), flow.start(problem.theta0))
    made = traced_field(flow, problem, equation.clock, equation.sizes, ())
    y, done = pack(equation.y)[None].copy(), np.empty((n, 1, pack(equation.y).size))
    where = np.zeros(1), np.full(1, 2.0), *(np.zeros(1, dtype=np.int64) for _ in range(3))
    values = np.array(made.values)[:, None]
    loop = kernels.compiled(rodas5p.source(made.program))
    loop(0, 1, 10**9, 10**9, equation.s[1:], done, y, *where, values, 1e9, np.ones(y.shape))
    assert where[3] == 8 * n + 1
    return y[0]


def test_coefficients_are_those_that_are_published():
    """c and d follow from a and C; the matrix of weights sums up as orders 1 and 2 want it."""
    A, C, c, d = (np.array(u) for u in rodas5p.coefficients())
    np.testing.assert_allclose(c, [0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716,
                                   0.4288403609558664, 1, 1, 1], atol=1e-13)  # fmt: skip
    np.testing.assert_allclose(d, [0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734,
                                   2.325825639765069, 0, 0, 0], atol=1e-13)  # fmt: skip
    Gamma = np.linalg.inv(np.eye(8) / rodas5p.GAMMA - C)
    b = Gamma.T @ (A[-1] + np.eye(8)[-1])
    beta = A @ Gamma + Gamma
    assert b.sum() == pytest.approx(1, abs=1e-13)
    assert b @ beta.sum(axis=1) == pytest.approx(1 / 2, abs=1e-13)
    assert b @ c**2 == pytest.approx(1 / 3, abs=1e-12)


@pytest.mark.parametrize("n", range(1, 8))
def test_linear_systems(n):
    """Rows change places whenever a pivot is not the largest."""
    room: dict = {}
    exec("\n\n".join(rodas5p.linear_solver(n)), room)
    rng = np.random.default_rng(n)
    for _ in range(20):
        W, b, p = rng.normal(size=(n, n)), rng.normal(size=n), np.zeros(n, dtype=int)
        W[np.diag_indices(n)] *= 1e-6
        exact = np.linalg.solve(W, b)
        room["factored"](W, p)
        np.testing.assert_allclose(room["solved"](W, p, *b), exact, rtol=1e-9 if n > 1 else 1e-14)


@pytest.mark.numba
@pytest.mark.parametrize("kind", ["autonomous", "forced"])
def test_order(kind):
    pytest.importorskip("numba")
    steps = np.array([20, 28, 40, 56])
    if kind == "autonomous":
        steps, (flow, problem, end) = 4 * steps, (GF, oo.problems.rosenbrock(b=1).at([0.5, 1.7]), 1.0)
        exact = alone(GF, problem, [0.0, end]).final
    else:
        flow, problem, end, exact = forced(2.0), WELL, 2.0, [np.exp(-2.0)]
    errors = np.array([np.abs(with_steps(flow, problem, end, n) - exact).max() for n in steps])
    assert fitted_order(1 / steps, errors) == pytest.approx(5, abs=0.1)


def by_hand(f, J, y, targets, rtol, atol):
    """The method and its control in a few lines, for f without s: the ends, and the evaluations."""
    A, C, _, _ = (np.array(u) for u in rodas5p.coefficients())
    s, ends, evaluations, rejected = 0.0, [], 1, False
    scale = atol + rtol * np.abs(y)
    h = 0.01 * np.linalg.norm(y / scale) / np.linalg.norm(f(y) / scale)
    for target in targets:
        while s < target:
            last = s + 1.01 * h >= target
            d = target - s if last else h
            W, K = np.eye(len(y)) / (rodas5p.GAMMA * d) - J(y), []
            for a, c in zip(A, C, strict=True):
                point = y + sum(x * k for x, k in zip(a, K, strict=False))
                K.append(np.linalg.solve(W, f(point) + sum(x * k for x, k in zip(c, K, strict=False)) / d))
            new, evaluations = point + K[-1], evaluations + 8
            error = np.sqrt(np.mean((K[-1] / (atol + rtol * np.maximum(np.abs(y), np.abs(new)))) ** 2))
            factor = 0.9 * error**-0.2
            if error < 1:
                factor = min(1.0 if rejected else 6.0, factor)
                h = max(h, d * factor) if last and factor >= 1 else d * factor
                s, y, rejected = target if last else s + d, new, False
            else:
                h, rejected = d * max(0.2, factor), True
        ends.append(y)
    return np.array(ends), evaluations


@pytest.mark.numba
@pytest.mark.parametrize("rtol", [1e-2, 1e-6])
def test_the_kernel_is_the_method_and_its_control(rtol):
    """Step for step: a tolerance, a norm or a power that is another shows in the number of evaluations."""
    pytest.importorskip("numba")
    problem, t, settings = oo.problems.rosenbrock(b=50), np.linspace(0, 10, 9), dict(rtol=rtol, atol=rtol / 1000)
    run = oo.solve(GF, problem, t, method="Rodas5P", **settings).check()
    T = 10.0  # s = t/T
    J = lambda y: -T * np.stack([problem.hvp(y, e) for e in np.eye(2)], axis=-1)
    ends, evaluations = by_hand(lambda y: -T * problem.grad(y), J, problem.theta0, t[1:] / T, **settings)
    assert run.message.startswith(
        f"Rodas5P, {evaluations} evaluations of the right-hand side, {evaluations // 8} of its Jacobian"
    )
    np.testing.assert_allclose(run.theta[1:], ends, rtol=1e-9)


@pytest.mark.numba
def test_stiffness_does_not_limit_the_step():
    """Ten steps of any size relative to the decay: what is fast is gone, what is slow is there."""
    pytest.importorskip("numba")
    for rate in (1e2, 1e5, 1e9):
        assert with_steps(forced(rate), WELL, 1.0, 10)[0] == pytest.approx(np.exp(-1.0), rel=1e-5)
    run = oo.solve(forced(1e9), WELL, [0.0, 1.0], [3.0], method="Rodas5P", rtol=1e-9).check()
    assert run.final[0] == pytest.approx(np.exp(-1.0), rel=1e-8)
    assert run.ngev < 10_000


@pytest.mark.numba
def test_rows_change_places_where_pivots_are_small():
    """Fast rotations: 1/(gamma h) is small beside the rest of its column."""
    pytest.importorskip("numba")
    problem, flow = oo.problems.quadratic((1.0, 1e6)), oo.flows.heavy_ball(0.5)
    M = np.block([[np.zeros((2, 2)), np.eye(2)], [-problem.grad(np.eye(2)), -0.5 * np.eye(2)]])
    exact = linalg.expm(M * 0.02) @ np.concatenate([problem.theta0, np.zeros(2)])
    run = oo.solve(flow, problem, [0.0, 0.02], method="Rodas5P", rtol=1e-9).check()
    np.testing.assert_allclose(run.final, exact[:2], atol=1e-8)
    np.testing.assert_allclose(run.state["v"][-1], exact[2:], atol=1e-5)


@pytest.mark.numba
def test_a_clock_that_is_not_uniform():
    """From its singular start RMSprop is solved in sqrt(t), so f depends on s."""
    pytest.importorskip("numba")
    flow, problem = oo.flows.rmsprop(1.0, eps=1e-3), oo.problems.rosenbrock(b=3)
    runs = [oo.solve(flow, problem, 1.0, method=method, rtol=1e-9) for method in ("Rodas5P", "DOP853")]
    np.testing.assert_allclose(runs[0].check().theta, runs[1].check().theta, atol=1e-7)


@pytest.mark.numba
def test_each_member_has_its_own_steps(monkeypatch):
    pytest.importorskip("numba")
    b, t = np.array([1.0, 100.0, 1e4, 1e5]), np.linspace(0, 3, 7)
    run = oo.solve(GF, rows(b), t, rtol=1e-9, backend="numba").check()
    assert run.message.startswith("Rodas5P")
    assert "on average" in run.message
    assert "of its Jacobian" in run.message
    for i, value in enumerate(b):
        truth = oo.solve(GF, oo.problems.rosenbrock(b=value), t, method="Radau", rtol=1e-11, atol=1e-13).check()
        np.testing.assert_allclose(run.theta[:, i], truth.theta, atol=5e-7)  # errors of 1e-9 in each of 1000 steps
    monkeypatch.setattr(compiled, "LOOK", 1000)  # many short pieces
    pieces = oo.solve(GF, rows(b), t, rtol=1e-9, backend="numba").check()
    np.testing.assert_array_equal(pieces.theta, run.theta)
    few = oo.solve(GF, rows(b), t, method="Rodas5P", rtol=1e-9, max_evaluations=6000, backend="numba")
    assert few.status is Status.TOO_MANY_EVALUATIONS
    assert few.ngev <= 6000
    np.testing.assert_array_equal(few.theta, run.theta[: len(few)])
    assert 1 < len(few) < len(t)


@pytest.mark.numba
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_end_with_a_status(fault):
    pytest.importorskip("numba")
    slope, end, status = FAULTS[fault]
    run = oo.solve(GF, scalar(slope), end, method="Rodas5P", max_evaluations=20_000)
    assert np.isfinite(run.theta).all()
    if fault == "very stiff":  # which for this method is none
        status = Status.DONE
    assert run.status is status if isinstance(status, Status) else run.status < 0


@pytest.mark.numba
def test_auto_leaves_what_is_stiff_to_it():
    pytest.importorskip("numba")
    stiff = oo.solve(GF, oo.problems.rosenbrock(), 10.0, backend="numba").check()
    assert stiff.message.startswith("Rodas5P")
    assert stiff.message.endswith("(auto: so stiff that DOP853 needs about 4e+04)")
    turned = oo.solve(GF, RELAXING, np.linspace(0, 3000, 7), backend="numba").check()
    assert turned.message.startswith("Rodas5P")
    assert turned.message.endswith("(auto: DOP853 needs more than 100000)")
    assert oo.solve(GF, oo.problems.rosenbrock(b=1), 1.0, backend="numba").message.startswith("DOP853")
    stiffer = oo.solve(GF, oo.problems.rosenbrock(b=1e6), [0.0, 10.0], rtol=1e-9, backend="numba").check()
    assert stiffer.message.startswith("LSODA")


@pytest.mark.numba
@pytest.mark.parametrize("rate", [1.0, 1e6])
def test_a_derivative_that_is_infinite_does_not_hold_it_up(rate):
    """sqrt(x) from 0: to take infinity for the rate would keep x at 0, with an error of 0."""
    pytest.importorskip("numba")
    problem = oo.Problem(lambda x: 0 * x.sum(-1), lambda x: rate * (x - np.sqrt(x) - 1), theta0=[0.0], batched=True)
    run = oo.solve(GF, problem, [0.0, 1.0], method="Rodas5P").check()
    truth = oo.solve(GF, problem, [0.0, 1.0], method="Radau", rtol=1e-12, atol=1e-14, backend="numpy").check()
    np.testing.assert_allclose(run.final, truth.final, rtol=1e-8)


@pytest.mark.numba
def test_times_at_which_the_slope_changes_without_bound():
    """f_s is infinite at t = 0, and left out there."""
    pytest.importorskip("numba")
    pull = lambda t, theta, rate: -rate * (theta - ops.sqrt(t))
    flow = oo.flow("theta", dict(rate=1e5), drift=oo.push("theta", pull))
    run = oo.solve(flow, WELL, 1.0, backend="numba").check()
    assert run.message.startswith("Rodas5P")
    assert run.final[0] == pytest.approx(1 - 0.5e-5, abs=1e-8)


def planned(flow, problem, end, backend="floats", budget=500_000):
    """The methods of a plan, and what it says of them."""
    asked = Asked("auto", 1e-10, None, budget, False, None, backend)
    equation = initial_value(flow, problem, np.array([0.0, end]), flow.start(problem.theta0))
    return plan(equation, compiled.functions_of(equation, backend, None)[0], asked)


def test_a_plan_is_data():
    """Which method follows which, for what reasons to stop, and with how many evaluations."""
    mild, implicit = planned(GF, oo.problems.rosenbrock(b=1), 1.0)
    assert (mild.method, mild.why, mild.budget, mild.hands_over) == ("DOP853", Why.MILD, 20_000, {Reason.BUDGET})
    assert (implicit.method, implicit.why, implicit.evaluations) == ("LSODA", Why.EXHAUSTED, 20_000)
    assert not implicit.hands_over
    (stiff,) = planned(GF, oo.problems.rosenbrock(), 10.0)
    assert (stiff.method, stiff.why) == ("LSODA", Why.STIFF)
    first, again, last = planned(oo.flows.heavy_ball(0.1), oo.problems.quadratic((1, 1e3)), 200.0)
    assert first.why is again.why is Why.OSCILLATES
    assert (again.budget, again.after, last.method) == (500_000, 20_000 / 500_000, "LSODA")


@pytest.mark.numba
def test_a_plan_with_kernels():
    pytest.importorskip("numba")
    first, second, third = planned(GF, oo.problems.rosenbrock(b=1), 1.0, "numba")
    assert [first.method, second.method, third.method] == ["DOP853", "Rodas5P", "LSODA"]
    assert first.budget == 100_000
    assert second.hands_over == {Reason.BUDGET, Reason.STEP_FAILED}


@pytest.mark.numba
@pytest.mark.parametrize(
    ("flow", "arguments", "reason"),
    [
        (GF, dict(backend="floats"), "runs only in a kernel: backend is 'floats'"),
        (GF, dict(backend="numpy"), "runs only in a kernel: backend is 'numpy'"),
        (GF, dict(dense_output=True), r"\(with dense_output\) must be one of BDF"),
        (oo.flows.su_boyd_candes(), dict(), "in a kernel: it branches on a value"),
        (oo.optimizers.adam().flow, dict(), "in a kernel: its formulas branch on their values"),
        (GF, dict(theta0=np.zeros(12)), "in a kernel: a member has 12 numbers, more than 10"),
    ],
)
def test_without_a_kernel_it_is_refused(flow, arguments, reason):
    pytest.importorskip("numba")
    problem = oo.problems.quadratic(np.ones(12)) if "theta0" in arguments else oo.problems.rosenbrock()
    with pytest.raises(ValueError, match=f"^method .*{reason}"):
        oo.solve(flow, problem, 1.0, method="Rodas5P", **arguments)


def test_compare_needs_interpolants():
    with pytest.raises(ValueError, match=r"method \(with dense_output\) must be one of"):
        oo.compare(oo.optimizers.gd(1e-3), oo.problems.rosenbrock(), 10, method="Rodas5P")
