"""Every way to evaluate a flow in `solve` gives the flow's own solution, with the same statuses; closed forms too."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import linalg
from support import tables
from test_solve import FAULTS, scalar

import odeopt as oo
from odeopt import Status
from odeopt.compiler import rhs_program as fields
from odeopt.core.state import pack
from odeopt.solvers import compiled
from odeopt.solvers.compiled_rhs import on_floats, stacked
from odeopt.solvers.initial_value import initial_value

GF = oo.flows.gradient_flow()
CLOSE = dict(rtol=1e-12, atol=1e-14)
NO_PROGRAM = {"muon", "muon_corrected", "shampoo", "su_boyd_candes", "nesterov_k", "sgd_second_order"}
NO_PROGRAM |= {"schedule_free_sgd", "schedule_free_adamw"}  # 1/t branches on the time


def rows(b, b_of=1.0):
    """L = (1 - x)^2 + b (y - x^2)^2 with a b for each member."""

    def grad(theta):
        x, y = theta[..., 0], theta[..., 1]
        return np.stack((-2 * (1 - x) - 4 * b * x * (y - x**2), 2 * b * (y - x**2)), -1)

    loss = lambda theta: (1 - theta[..., 0]) ** 2 + b * (theta[..., 1] - theta[..., 0] ** 2) ** 2
    return oo.Problem(loss, grad, theta0=np.tile([-1.5, 2.0], (len(b), 1)), batched=True)


def alone(flow, problem, t, theta0=None, **memory):
    """The reference: one member, as the flow is, by SciPy's DOP853 near its limit."""
    return oo.solve(flow, problem, t, theta0, method="DOP853", backend="numpy", **CLOSE, **memory).check()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # in branches that are not taken
@pytest.mark.parametrize("name", [n for n in tables.ALL_FLOWS if n not in NO_PROGRAM])
def test_programs_of_all_flows_and_their_jacobians(name):
    """f on floats and on columns is the flow's own, and its Jacobian that of differences."""
    row = tables.ALL_FLOWS[name]
    flow, rng = row.flow.quiet(), np.random.default_rng(0)
    problem = tables.smooth_problem().at(rng.uniform(-1, 1, (3, 2)))
    grad = problem.oracle()
    y = row.start(flow, grad, problem.theta0, 0.1) if row.start else flow.start(problem.theta0)
    y = (y[0], *(u + rng.uniform(0.2, 0.4, u.shape) for u in y[1:]))
    equation = initial_value(flow, problem, np.array([0.3, 1.3]), y)
    made = fields.traced_field(flow, problem, equation.clock, equation.sizes, equation.members)
    n, s, vector = len(made.program.state), 0.2, pack(y)
    plain = equation.slope()
    f, jac = stacked(made, 3, plain)
    expected, found = plain(s, vector), f(s, vector)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    one = fields.traced_field(flow, problem, equation.clock, equation.sizes, ())
    g, one_jac = on_floats(
        one, initial_value(flow, problem.at(problem.theta0[0]), equation.times, tuple(u[0] for u in y)).slope()
    )
    rows = vector.reshape(3, n)
    np.testing.assert_allclose([g(s, u) for u in rows], expected.reshape(3, n), rtol=1e-13, atol=1e-14)
    h = 1e-6
    for u, band in zip(rows, jac(s, vector).reshape(2 * n - 1, 3, n).transpose(1, 0, 2), strict=True):
        J = np.array(one_jac(s, u))
        differences = [np.subtract(g(s, u + h * e), g(s, u - h * e)) / (2 * h) for e in np.eye(n)]
        np.testing.assert_allclose(J, np.transpose(differences), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose([[band[n - 1 + a - b, b] for b in range(n)] for a in range(n)], J, rtol=1e-13)


def test_no_program_is_a_reason_not_an_error():
    """Friction 3/t branches on the time; a Hessian is read; a gradient that counts its calls is no formula."""
    run = oo.solve(oo.flows.su_boyd_candes(), oo.problems.rosenbrock(b=1), 1.0).check()
    assert run.backend.startswith("numpy (")
    calls = []
    counting = oo.Problem(lambda x: (x**4).sum(-1), lambda x: calls.append(1) or 4 * x**3, theta0=[1.0], batched=True)
    assert oo.solve(GF, counting, 1.0).check().backend == "numpy (it reads list, which may change)"
    for backend in ("floats", "numba"):
        with pytest.raises(ValueError, match=f"backend must be 'auto' or 'numpy' .* it reads list.*got '{backend}'"):
            oo.solve(GF, counting, 1.0, backend=backend)
    with pytest.raises(ValueError, match="backend must be one of"):
        oo.solve(GF, counting, 1.0, backend="fortran")


def test_a_gradient_that_changes_is_not_replaced():
    """Its fingerprint is the same at every call, its values are not: the program is left at the first comparison."""
    drift = oo.Problem(lambda x: (x**2).sum(-1), lambda x: 2 * x, theta0=[1.0], batched=True)
    right = oo.solve(GF, drift, 1.0, backend="floats").check()
    np.testing.assert_allclose(right.final, np.exp(-2.0), rtol=1e-9)
    other = oo.Problem(lambda x: (x**2).sum(-1), lambda x: 3 * x, theta0=[1.0], batched=True)
    np.testing.assert_allclose(oo.solve(GF, other, 1.0, backend="floats").check().final, np.exp(-3.0), rtol=1e-9)


MIXED = np.array([0.5, 5.0, 100.0, 1000.0])  # rates from 10 to 2e4: the first is not stiff, the last very
MOMENTS = np.array([0.0, 0.1, 0.4])


@cache
def truth_of_mixed(b):
    return alone(GF, oo.problems.rosenbrock(b=b), MOMENTS)


@pytest.mark.parametrize("backend", ["numpy", "columns", pytest.param("numba", marks=pytest.mark.numba)])
def test_stiff_and_nonstiff_members_together_each_to_its_tolerance(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    run = oo.solve(GF, rows(MIXED), MOMENTS, rtol=1e-10, atol=1e-12, backend=backend).check()
    for i, b in enumerate(MIXED):
        truth = truth_of_mixed(b)
        np.testing.assert_allclose(run.theta[:, i], truth.theta, rtol=5e-9, atol=5e-9)
        np.testing.assert_allclose(run.loss[:, i], truth.loss, rtol=1e-6, atol=1e-8)
    assert run.ngev < 100_000


@pytest.mark.parametrize("method", ["RK45", "DOP853", "LSODA", "Radau", "BDF"])
def test_a_member_among_many_is_as_exact_as_alone(method):
    """SciPy's norms are means over all numbers: 99 members at rest must not hide the error of one."""
    lonely = np.zeros((100, 1))
    lonely[0] = 1.0
    problem = oo.Problem(lambda x: -np.cos(x).sum(-1), lambda x: np.sin(x), theta0=lonely, batched=True)
    flow, t = oo.flows.heavy_ball(0.1), np.array([0.0, 5.0])
    truth = alone(flow, problem.at([1.0]), t).final[0]
    errors = [
        abs(
            oo.solve(
                flow, p, t, method=method, rtol=1e-7, atol=1e-9, backend="columns" if p is problem else "floats"
            ).final.flat[0]
            - truth
        )
        for p in (problem, problem.at([1.0]))
    ]
    assert errors[0] < 1.5 * errors[1] + 1e-9


def test_parameters_and_clocks_of_members():
    """Arrays of parameters, and a clock for each member, are inputs of one program."""
    damping, t = np.array([0.2, 1.0, 3.0]), np.linspace(0, 1, 5)[:, None] * np.array([1.0, 2.0, 4.0])
    problem = oo.problems.rosenbrock(b=2)
    run = oo.solve(oo.flows.heavy_ball(damping), problem, t, backend="columns").check()
    for i, a in enumerate(damping):
        truth = alone(oo.flows.heavy_ball(float(a)), problem, t[:, i])
        np.testing.assert_allclose(run.theta[:, i], truth.theta, atol=1e-9)
        np.testing.assert_allclose(run.state["v"][:, i], truth.state["v"], atol=1e-8)


def test_numbers_of_the_members_are_no_part_of_the_program():
    """Two problems with the same code and other numbers share it, and keep their own solutions."""
    a, b = rows(np.array([1.0, 2.0])), rows(np.array([3.0, 4.0]))
    first, second = (oo.solve(GF, p, [0.0, 1.0], backend="columns").check().final for p in (a, b))
    for found, numbers in ((first, (1.0, 2.0)), (second, (3.0, 4.0))):
        for theta, number in zip(found, numbers, strict=True):
            truth = alone(GF, oo.problems.rosenbrock(b=number), [0.0, 1.0]).final
            np.testing.assert_allclose(theta, truth, atol=1e-9)


def test_a_problem_for_each_member():
    problem = rows(np.array([1.0, 2.0, 5.0]))
    assert problem.loss(problem.theta0).shape == (3,)
    np.testing.assert_allclose(
        problem.hvp(problem.theta0, np.ones((3, 2)))[1],
        oo.problems.rosenbrock(b=2).hvp(problem.theta0[1], np.ones(2)),
        rtol=1e-12,
    )
    with pytest.raises(ValueError, match="grad must be given if each member has its own numbers in the loss"):
        oo.Problem(problem.loss, theta0=problem.theta0, batched=True)


def test_auto_says_what_it_chose_and_why():
    stiff, mild = oo.problems.rosenbrock(), oo.problems.rosenbrock(b=1)
    assert "LSODA" in (said := oo.solve(GF, stiff, 10.0, backend="floats").message)
    assert "of its Jacobian (auto: so stiff that DOP853 needs about 4e+04)" in said
    assert oo.solve(GF, mild, 1.0, backend="floats").message.startswith("DOP853")
    assert "closed form (auto: quadratic knows its gradient flow)" in oo.solve(GF, oo.problems.quadratic(), 1.0).message
    assert "auto" not in oo.solve(GF, mild, 1.0, method="LSODA").message
    untraced = oo.Problem(lambda x: 0.0 * x.sum(-1), lambda x: 1e6 * (x - [0.5][0]) + 0 * x.copy(), theta0=[1.0])
    assert oo.solve(GF, untraced, 1.0, backend="numpy").message.startswith("LSODA")


def test_what_turns_stiff_is_left_to_lsoda_though_the_rest_would_do():
    """From (0, 0) the valley of Rosenbrock's function becomes five times as steep."""
    run = oo.solve(GF, oo.problems.rosenbrock(), 30.0, [0.0, 0.0], backend="floats").check()
    assert run.message.startswith("LSODA")
    assert run.message.endswith("(auto: DOP853 needs more than 20000)")
    np.testing.assert_allclose(run.final, 1, atol=1e-3)


def test_what_oscillates_is_left_to_an_explicit_method():
    """LSODA would need 44,000 evaluations for this oscillator alone, and 171,000 for it and slower ones together."""
    flow, fast = oo.flows.heavy_ball(damping=0.1), oo.problems.quadratic((1, 1e4))
    run = oo.solve(flow, fast, [0.0, 10.0], rtol=1e-9, backend="floats").check()
    assert run.message.startswith("DOP853")
    assert run.message.endswith("(auto: it oscillates)")
    M = np.block([[np.zeros((2, 2)), np.eye(2)], [-fast.grad(np.eye(2)), -0.1 * np.eye(2)]])
    exact = linalg.expm(10 * M) @ np.concatenate([fast.theta0, np.zeros(2)])
    np.testing.assert_allclose(run.final, exact[:2], atol=1e-6)

    def relaxing(z):
        """Van der Pol's oscillator, stiff but at its start, as -grad."""
        y, v = z[..., 0], z[..., 1]
        return np.stack([-v, y - 1000 * (1 - y**2) * v], -1)

    problem = oo.Problem(lambda z: (z**2).sum(-1), relaxing, theta0=[1.0, 1.0], batched=True)
    run = oo.solve(GF, problem, np.linspace(0, 3000, 7), backend="floats").check()
    assert run.message.endswith("(auto: DOP853 needs more than 20000)")
    slow = oo.solve(oo.flows.heavy_ball(damping=1e5), fast, [0.0, 10.0], backend="floats")
    assert slow.message.startswith("LSODA")


@pytest.mark.parametrize("theta0", [None, np.ones((2, 3, 2))], ids=["one", "members"])
def test_closed_form_against_a_solver(theta0):
    problem, t = oo.problems.quadratic((1, 20)), np.linspace(0.5, 2.5, 5)
    known = oo.solve(GF, problem, t, theta0, dense_output=True)
    found = oo.solve(GF, problem, t, theta0, method="DOP853", dense_output=True, **CLOSE)
    assert known.backend == "closed form"
    assert (known.status, known.nfev, known.ngev) == (Status.DONE, 5, 1)
    for name in ("t", "theta", "loss"):
        np.testing.assert_allclose(getattr(known, name), getattr(found, name), atol=1e-11)
    np.testing.assert_allclose(known.sol([0.5, 1.23]), found.sol([0.5, 1.23]), atol=1e-9)
    with pytest.raises(ValueError, match=r"t must be a number or \(n,\) in \[0.5, 2.5\], got 3"):
        known.sol(3)


def test_closed_form_only_where_it_holds():
    """Not for another flow, nor behind a filter, nor faster, nor where it overflows."""
    problem = oo.problems.quadratic((1, 20))
    decayed = GF.filtered(lambda grad, theta, decay: grad(theta) + decay * theta, decay=0.5)
    for flow in (oo.flows.heavy_ball(1.0), decayed, GF.paced("drift", 2.0), oo.flows.averaged_gradient(0.1)):
        run = oo.solve(flow, problem, 1.0).check()
        assert run.backend != "closed form"
    np.testing.assert_allclose(
        oo.solve(decayed, problem, 1.0).final, np.exp(-0.5) * problem.flow_solution(1.0, problem.theta0), atol=1e-10
    )
    saddle = oo.problems.quadratic((-1, 1))
    assert oo.solve(GF, saddle, 800.0, max_evaluations=5000).status < 0
    wrong = oo.Problem(problem.loss, lambda x: np.full(x.shape, np.nan), theta0=[1.0, 1.0], batched=True)
    assert oo.solve(GF, wrong, 1.0).status is Status.NOT_FINITE


@pytest.mark.parametrize("records", [3, 101])
def test_lsoda_keeps_what_it_has_when_evaluations_run_out(records):
    t = np.linspace(0, 10, records)
    run = oo.solve(GF, oo.problems.rosenbrock(), t, method="LSODA", max_evaluations=700, backend="floats")
    assert run.status is Status.TOO_MANY_EVALUATIONS
    assert run.ngev == 701
    assert 1e-3 < run.t[-1] < 10
    truth = alone(GF, oo.problems.rosenbrock(), [0.0, float(run.t[-1])]).final
    np.testing.assert_allclose(run.final, truth, atol=1e-8)


@pytest.mark.parametrize("budget", [1, 2, 5])
def test_lsoda_that_comes_nowhere_has_its_start(budget):
    run = oo.solve(GF, oo.problems.rosenbrock(), 10.0, method="LSODA", max_evaluations=budget)
    assert run.status is Status.TOO_MANY_EVALUATIONS
    assert run.message.startswith(f"{budget} evaluations used up")
    assert len(run) == 1


def test_times_that_rounding_makes_one():
    with pytest.raises(
        ValueError, match=r"t must be times that differ in double precision after subtraction of t\[0\]"
    ):
        oo.solve(GF, oo.problems.rosenbrock(), [-1.0, 1e-20, 2e-20, 1.0])


def test_interruption_of_traced_members(monkeypatch):
    """Ctrl-C inside SciPy's compiled loop: the records before it stay."""
    made, calls = compiled.stacked, []

    def interrupting(*arguments):
        f, jac = made(*arguments)

        def g(s, vector):
            calls.append(s)
            if s > 0.5:
                raise KeyboardInterrupt
            return f(s, vector)

        return g, jac

    monkeypatch.setattr(compiled, "stacked", interrupting)
    run = oo.solve(GF, rows(np.array([1.0, 300.0])), np.linspace(0, 10, 101), method="LSODA", backend="columns")
    assert run.status is Status.INTERRUPTED
    assert 4 < run.t[-1] <= 5
    np.testing.assert_allclose(
        run.theta[-1, 0], alone(GF, oo.problems.rosenbrock(b=1), [0, run.t[-1]]).final, atol=1e-8
    )


def _kernel_faults():
    return [pytest.param(f, marks=[] if f in ("blow-up", "nan on the way") else pytest.mark.slow) for f in FAULTS]


@pytest.mark.numba
@pytest.mark.parametrize("fault", _kernel_faults())
def test_faults_in_the_kernel_end_with_a_status(fault):
    pytest.importorskip("numba")
    slope, end, status = FAULTS[fault]
    run = oo.solve(GF, scalar(slope), end, method="DOP853", max_evaluations=20_000, backend="numba")
    assert np.isfinite(run.theta).all()
    assert run.status is status if isinstance(status, Status) else run.status < 0
    if fault == "blow-up":
        assert run.t[-1] > 0.9
        before = run.t < 0.9
        np.testing.assert_allclose(run.theta[before, 0], 1 / (1 - run.t[before]), rtol=1e-6)
    if fault == "nan on the way":
        np.testing.assert_allclose(run.theta[:, 0], 1 + run.t, rtol=1e-12)
        assert run.t[-1] > 0.99


@pytest.mark.numba
def test_the_kernel_is_dop853_and_counts(monkeypatch):
    """The solution and its statuses, in pieces of time, with and without members."""
    pytest.importorskip("numba")
    t = np.linspace(0, 10, 21)
    one = oo.solve(GF, oo.problems.rosenbrock(b=50), t, method="DOP853", backend="numba").check()
    assert (one.backend, one.message.split(",")[0]) == ("numba", "DOP853")
    truth = alone(GF, oo.problems.rosenbrock(b=50), t)
    np.testing.assert_allclose(one.theta, truth.theta, atol=1e-9)
    plain = oo.solve(GF, oo.problems.rosenbrock(b=50), t, method="DOP853", backend="numpy")
    assert 0.8 < one.ngev / plain.ngev < 1.2

    b = np.array([1.0, 20.0, 50.0])
    many = oo.solve(GF, rows(b), t, method="DOP853", backend="numba").check()
    monkeypatch.setattr(compiled, "LOOK", 1000)  # many short pieces
    np.testing.assert_array_equal(oo.solve(GF, rows(b), t, method="DOP853", backend="numba").theta, many.theta)
    np.testing.assert_allclose(many.theta[:, 2], truth.theta, atol=1e-9)
    assert many.ngev == one.ngev
    assert "on average" in many.message

    few = oo.solve(GF, rows(b), t, method="DOP853", max_evaluations=3000, backend="numba")
    assert few.status is Status.TOO_MANY_EVALUATIONS
    assert "member 1: 3000 evaluations used up" in few.message
    assert few.ngev <= 3000
    np.testing.assert_array_equal(few.theta, many.theta[: len(few)])
    assert 1 < len(few) < len(t)

    apart = np.array([1.5, 0.5, 0.5])[:, None]
    rate = np.array([1.0, 1e3, 1e6])
    slope = lambda x: rate[..., None] * (x - x**2)
    leaving = oo.Problem(lambda x: rate * x.sum(-1), slope, theta0=apart, batched=True)
    run = oo.solve(GF, leaving, 1.2, method="DOP853", max_evaluations=100_000, backend="numba")
    assert "member 2: 100000 evaluations used up" in run.message  # though 0 has come to infinity

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(compiled, "in_parts", interrupted)
    assert oo.solve(GF, rows(b), t, method="DOP853", backend="numba").status is Status.INTERRUPTED


@pytest.mark.numba
def test_auto_chooses_by_the_request_alone(monkeypatch, tmp_path):
    """The same call gives the same bits, whatever ran before it: many small runs do not bring the kernel, one large
    run does, and evaluations are counted alike."""
    pytest.importorskip("numba")
    monkeypatch.setenv("ODEOPT_CACHE", str(tmp_path))
    problem = oo.Problem(lambda x: (x**4).sum(-1), lambda x: 4 * x**3 + 0.123 * x, theta0=[1.0], batched=True)
    first = oo.solve(GF, problem, 1.0)
    assert first.backend == "floats"
    assert not list(tmp_path.iterdir())
    many = oo.solve(GF, problem, 1.0, np.linspace(1, 2, 40_000)[:, None])
    assert many.backend == "numba"
    assert oo.solve(GF, problem, 1.0, backend="numba").backend == "numba"
    again = oo.solve(GF, problem, 1.0)
    assert (again.backend, again.ngev, again.message) == (first.backend, first.ngev, first.message)
    np.testing.assert_array_equal(again.theta, first.theta)
