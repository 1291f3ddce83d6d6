"""`solve`: accuracy, singular starts, members, dense output, and the faults of SciPy's solvers, all guarded."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading

import numpy as np
import pytest
from scipy.special import j1
from support import tables

import odeopt as oo
from odeopt import Status
from odeopt.solvers.strategy import METHODS

GF = oo.flows.gradient_flow()


def scalar(slope):
    """theta' = slope(theta), as the gradient flow of a problem without a meaningful loss."""
    return oo.Problem(lambda x: 0.0 * x.sum(-1), lambda x: -slope(x), theta0=[1.0], batched=True)


@pytest.mark.parametrize("method", METHODS)
def test_closed_form_on_a_quadratic(method):
    problem = oo.problems.quadratic()
    run = oo.solve(GF, problem, np.linspace(0, 1, 11), method=method, rtol=1e-9, atol=1e-11).check()
    np.testing.assert_allclose(run.theta, problem.flow_solution(run.t, problem.theta0), atol=2e-7)
    assert np.all(np.diff(run.loss) < 0)  # dL/dt = -|g|^2
    assert run.ngev > 0
    assert method in run.message


def test_bessel():
    """Su-Boyd-Candes on a quadratic: x = 2 x0 J1(t sqrt(lambda))/(t sqrt(lambda))   (MATHS F)."""
    lam, x0 = np.array([1.0, 20.0]), np.array([1.0, 2.0])
    problem = oo.problems.quadratic(tuple(lam), angle=0.0).at(x0)
    run = oo.solve(oo.flows.su_boyd_candes(), problem, np.linspace(0, 10, 101), rtol=1e-12, atol=1e-14).check()
    z = run.t[1:, None] * np.sqrt(lam)
    np.testing.assert_allclose(run.theta[1:], 2 * x0 * j1(z) / z, atol=1e-12)


@pytest.mark.parametrize("flow", [oo.flows.rmsprop(0.5, 0.0), oo.flows.adagrad(0.0)], ids=lambda f: f.name)
def test_singular_start(flow):
    """theta = theta0 - 2 sign(g0) sqrt(tau t) + O(t), and the handover point does not show in the solution."""
    problem, tau = tables.smooth_problem(), flow.params.get("tau", 1.0)
    t = np.array([0.0, 1e-10, 1e-8, 1e-6, 1e-4, 0.5])
    run = oo.solve(flow, problem, t).check()
    g0 = problem.grad(problem.theta0)
    leading = problem.theta0 - 2 * np.sign(g0) * np.sqrt(tau * t[:, None])
    assert np.all(np.abs(run.theta - leading)[1:5] < 20 * t[1:5, None])
    later = oo.solve(flow, problem, t * 7)  # the same equation on another clock: another handover
    dense = oo.solve(flow, problem, t, dense_output=True)
    np.testing.assert_allclose(later.theta[0], run.theta[0])
    again = oo.solve(flow, problem, np.array([0.0, 0.5]), rtol=1e-12, atol=1e-14).check()
    np.testing.assert_allclose(again.final, run.final, atol=1e-9)
    np.testing.assert_allclose(dense.sol(t[-1]), run.final, atol=1e-12)


def test_rmsprop_flow_with_eps_from_zero():
    """The layer of width eps at the start is integrated: an independent stiff solve of (theta, G) agrees."""
    from scipy.integrate import solve_ivp

    tau, eps, problem = 0.5, 1e-3, tables.smooth_problem()

    def f(t, y):
        g = problem.grad(y[:2])
        return np.concatenate([-g / (np.sqrt(np.maximum(y[2:], 0)) + eps), (g**2 - y[2:]) / tau])

    y0 = np.concatenate([problem.theta0, [0.0, 0.0]])
    reference = solve_ivp(f, (0, 0.5), y0, method="Radau", rtol=1e-11, atol=1e-14).y[:2, -1]
    run = oo.solve(oo.flows.rmsprop(tau, eps), problem, 0.5).check()
    np.testing.assert_allclose(run.final, reference, atol=1e-9)


def _speed(w, g, rate, eps, root):
    """theta' in the variable w = sqrt(t)."""
    return 2 * w * g / root.of(g**2 * rate * w**2, eps)


@pytest.mark.parametrize("eps", [0.0, 1e-6, 1e-3, 1.0, 1e3])
def test_the_move_of_a_root_is_the_integral(eps):
    from scipy.integrate import quad

    from odeopt.flows.roots import ROOTS

    cases = [(3.0, 2.0, 1e-4), (-1e-3, 10.0, 1e-2), (1e-9, 1.0, 1e-12)]
    for (g, rate, t), root in itertools.product(cases, ROOTS.values()):
        exact = quad(_speed, 0, t**0.5, args=(g, rate, eps, root), epsabs=0, epsrel=1e-12)[0]
        assert root.move(g, rate, t, eps) == pytest.approx(exact, rel=1e-9)


def test_adam_from_zero_against_its_shifted_start():
    """From t = 0 and from a state on that solution, the flow is the same."""
    problem, flow = tables.smooth_problem(), oo.flows.adam(0.2, 1.0, 0.01)
    run = oo.solve(flow, problem, np.array([0.0, 0.3, 1.0]), rtol=1e-12, atol=1e-14).check()
    memory = {name: run.state[name][1] for name in flow.memory}
    rest = oo.solve(flow, problem, np.array([0.3, 1.0]), run.theta[1], memory=memory, rtol=1e-12, atol=1e-14).check()
    np.testing.assert_allclose(rest.final, run.final, rtol=1e-9)


def test_members_share_one_solve():
    problem, starts = oo.problems.rosenbrock(b=5), np.random.default_rng(0).uniform(-1, 1, (5, 2))
    together = oo.solve(GF, problem, 0.5, starts).check()
    assert together.theta.shape == (201, 5, 2)
    alone = oo.solve(GF, problem, 0.5, starts[3]).check()
    np.testing.assert_allclose(together.theta[:, 3], alone.theta, atol=1e-8)


def test_one_clock_per_member():
    """compare on a sweep: members whose steps differ are solved on their own clocks."""
    lr, beta = np.array([1e-3, 1e-2]), np.array([0.5, 0.9])
    both = oo.compare(oo.optimizers.momentum(lr, beta), oo.problems.quadratic(), 50)
    assert both.flow.t.shape == (51, 2)
    assert both.max_error.shape == (2,)
    for i in range(2):
        one = oo.compare(oo.optimizers.momentum(float(lr[i]), float(beta[i])), oo.problems.quadratic(), 50)
        np.testing.assert_allclose(both.flow.theta[:, i], one.flow.theta, atol=1e-8)
        np.testing.assert_allclose(both.error[:, i], one.error, atol=1e-8)


def test_dense_output():
    problem = oo.problems.quadratic()
    run = oo.solve(GF, problem, np.array([0.0, 2.0]), dense_output=True)
    t = np.linspace(0, 2, 33)
    np.testing.assert_allclose(run.sol(t), problem.flow_solution(t, problem.theta0), atol=1e-7)
    assert run.sol(0.5).shape == (2,)
    for outside in (-0.1, 2.1, [0.0, 3.0], np.nan):
        with pytest.raises(ValueError, match=r"t must be a number or \(n,\) in \[0, 2\]"):
            run.sol(outside)
    assert oo.solve(GF, problem, 1.0).sol is None


def test_times():
    assert oo.solve(GF, oo.problems.quadratic(), 1.0).t.tolist() == np.linspace(0, 1, 201).tolist()
    run = oo.solve(GF, oo.problems.quadratic(), [3.0, 3.5])  # an autonomous flow does not mind where time starts
    np.testing.assert_allclose(run.final, oo.problems.quadratic().flow_solution(0.5, run.theta[0]), atol=1e-10)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize(("rtol", "atol"), [(1e-10, 1e-12), (1e-6, 1e-9)])
@pytest.mark.parametrize("start", [0.0, 1e-6])
def test_lsoda_is_not_held_up_by_friction_that_was_infinite(start, rtol, atol, dense):
    """3/t: its first rates bounded all its steps, so that 100,000 evaluations did not reach t = 0.0002."""
    problem = oo.problems.quadratic((1.0, 20.0), angle=0.0).at([1.0, 2.0])
    times, flow = np.linspace(start, 10, 101), oo.flows.su_boyd_candes()
    run = oo.solve(flow, problem, times, method="LSODA", rtol=rtol, atol=atol, max_evaluations=4000, dense_output=dense)
    z = times[1:, None] * np.sqrt([1.0, 20.0])
    np.testing.assert_allclose(run.check().theta[1:], 2 * problem.theta0 * j1(z) / z, atol=100 * rtol)
    if dense:
        np.testing.assert_allclose(run.sol(times), run.theta, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_a_budget_that_is_used_up_says_what_needs_fewer(method):
    run = oo.solve(GF, oo.problems.rosenbrock(), 100.0, method=method, max_evaluations=60)
    stiff = method in ("LSODA", "Radau", "BDF")
    fewer = "larger rtol and atol need fewer" if stiff else "a stiff flow needs fewer with LSODA or Radau"
    assert run.status is Status.TOO_MANY_EVALUATIONS
    assert run.message.startswith(f"60 evaluations used up; {fewer} (after t = ")


# The faults of scipy 1.17 that LIBRARIES.md lists: each must end in time, with a status and a partial result.
FAULTS = {
    "nan at the start": (lambda x: np.full_like(x, np.nan), 1.0, Status.NOT_FINITE),
    "infinite at the start": (lambda x: np.full_like(x, np.inf), 1.0, Status.NOT_FINITE),
    "blow-up": (lambda x: x**2, 2.0, None),  # x = 1/(1 - t)
    "fast blow-up": (lambda x: np.exp(x), 1.0, None),
    "nan on the way": (lambda x: np.where(x > 2, np.nan, 1.0), 3.0, None),
    "infinite on the way": (lambda x: np.where(x > 2, np.inf, 1.0), 3.0, None),
    "singular": (lambda x: -1 / x, 1.0, None),  # x = sqrt(1 - 2t)
    "chatter": (lambda x: -np.sign(x), 2.0, None),
    "very stiff": (lambda x: -1e12 * (x - 0.5), 1.0, "stiff"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_end_with_a_status(fault, method):
    slope, end, status = FAULTS[fault]
    run = oo.solve(GF, scalar(slope), end, method=method, max_evaluations=20_000)
    assert np.isfinite(run.theta).all()
    assert len(run) >= 1
    if status is None and run.success:  # e.g. Radau slides through the chatter: then the result must be right
        assert fault == "chatter"
        assert abs(run.final[0]) < 1e-4
    elif status is None:
        assert run.status < 0
        assert "after t = " in run.message
    elif status == "stiff":  # solved by the stiff methods, given up by the others
        assert run.success == (method in ("LSODA", "BDF", "Radau"))
        assert abs(run.final[0] - 0.5) < (1e-6 if run.success else 0.6)
    else:
        assert run.status is status
    if fault == "blow-up":  # what was computed is right, up to close to t = 1
        assert run.t[-1] > 0.9
        before = run.t < 0.9
        np.testing.assert_allclose(run.theta[before, 0], 1 / (1 - run.t[before]), rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_gradient_that_raises_on_the_way(method):
    calls = []

    def slope(x):
        calls.append(1)
        if len(calls) > 40:
            raise RuntimeError("broken")
        return -x

    problem = scalar(slope)
    calls.clear()
    run = oo.solve(GF, problem, 50.0, method=method)
    assert run.status is Status.EVALUATION_FAILED
    assert "grad raised RuntimeError: broken" in run.message
    calls.extend([1] * 40)
    with pytest.raises(RuntimeError, match="broken"):
        oo.solve(GF, problem, 50.0, method=method)


@pytest.mark.parametrize("method", METHODS)
def test_interruption(method):
    calls = []

    def slope(x):
        calls.append(1)
        if len(calls) > 60:
            raise KeyboardInterrupt
        return -x

    problem = scalar(slope)
    calls.clear()
    run = oo.solve(GF, problem, 50.0, method=method)
    assert run.status is Status.INTERRUPTED
    np.testing.assert_allclose(run.theta[:, 0], np.exp(-run.t), atol=1e-6)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to itself")
@pytest.mark.parametrize("delay", [0.01, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("method", ["DOP853", "RK45", "LSODA"])
def test_ctrl_c_whenever_it_comes(method, delay):
    """In the gradient, in SciPy's own loop or between two steps: a swing for minutes, and a signal."""
    timer, calls = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)), itertools.count()

    def slope(x):
        if next(calls) == 300:  # all is imported by then
            timer.start()
        return -x

    swing = scalar(slope)
    run = oo.solve(oo.flows.heavy_ball(0.0), swing, np.linspace(0, 1e6, 10**6), method=method, backend="numpy",
                   max_evaluations=10**8)  # fmt: skip
    timer.join()
    assert run.status is Status.INTERRUPTED
    assert run.t[-1] > 1
    np.testing.assert_allclose(run.theta[:, 0], np.cos(run.t), atol=1e-5)


def test_auto_turns_to_lsoda_where_the_flow_is_stiff():
    run = oo.solve(GF, scalar(lambda x: -1e6 * (x - 0.5)), 1.0).check()
    assert run.message.startswith("LSODA")
    assert run.final[0] == pytest.approx(0.5, abs=1e-9)
    assert oo.solve(GF, oo.problems.rosenbrock(b=1), 1.0).message.startswith("DOP853")


@pytest.mark.parametrize("records", [2, 66, 101, 202, 1001])
def test_lsoda_finds_the_valley_stiff_wherever_records_fall(records):
    """Where Adams may go on to order 12 each of these needs 4,400 evaluations and more, for the same error."""
    flow, problem = oo.flows.gradient_flow(), oo.problems.rosenbrock()
    run = oo.solve(flow, problem, np.linspace(0, 10, records), method="LSODA", rtol=1e-9).check()
    assert 900 < run.ngev < 1300


def test_a_formula_that_raises_on_the_way_is_named():
    def force(t, theta):
        if t > 0.5:
            raise TypeError("my formula")
        return -theta

    run = oo.solve(oo.flow("theta", decay=oo.push("theta", force)), oo.problems.quadratic(), 1.0)
    assert run.status is Status.EVALUATION_FAILED
    assert "the right-hand side raised TypeError: my formula" in run.message
    assert run.t[-1] > 0.2


def test_a_nan_in_a_trial_stage_only_rejects_the_step():
    """theta' = -sqrt(theta) ends at 0 for t = 2: stages beyond are NaN, the solution before is right."""
    run = oo.solve(GF, scalar(lambda x: -np.sqrt(x)), np.linspace(0, 1.9, 20), method="RK45").check()
    np.testing.assert_allclose(run.theta[:, 0], (1 - run.t / 2) ** 2, atol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(t=float("nan")), "t must be positive and finite, got nan"),
        (dict(t=float("inf")), "t must be positive and finite, got inf"),
        (dict(t=-1.0), "t must be positive and finite, got -1.0"),
        (dict(t=0), "t must be positive and finite"),
        (dict(t=[0.0, np.nan]), "increasing finite times"),
        (dict(t=[1.0, 0.0]), "increasing finite times"),
        (dict(t=[0.0, 0.0, 1.0]), "increasing finite times"),
        (dict(t=[0.0]), "increasing finite times"),
        (dict(t=[0.0, np.inf]), "increasing finite times"),
        (dict(t=[[0.0, 0.0], [1.0, 2.0], [2.0, 3.0]]), "the same times for all members up to a factor"),
        (dict(t=1.0, rtol=float("nan")), "rtol must be non-negative and finite, got nan"),
        (dict(t=1.0, atol=float("nan")), "atol must be non-negative and finite, got nan"),
        (dict(t=1.0, rtol=0.0), "rtol must be at least 1e-13, got 0.0"),
        (dict(t=1.0, atol=-1.0), "atol must be non-negative"),
        (dict(t=1.0, method="dop853"), "method must be one of .*got 'dop853'; did you mean 'DOP853'"),
        (dict(t=1.0, max_evaluations=0), "max_evaluations must be at least 1, got 0"),
        (dict(t=1.0, theta0=[1.0, np.nan]), "theta0 must be finite"),
        (dict(t=1.0, theta0=[1.0, 2.0, 3.0]), "theta0 must have last axis 2"),
        (dict(t=1.0, memory={"v": [1.0, 1.0]}), "state variable must be one of"),
    ],
)
def test_bad_arguments_are_refused_before_any_gradient(arguments, message):
    calls = []
    problem = oo.Problem(lambda x: (x**2).sum(-1), lambda x: calls.append(1) or 2 * x, theta0=[1.0, 1.0], batched=True)
    calls.clear()
    with pytest.raises((ValueError, TypeError), match=message):
        oo.solve(GF, problem, **arguments)
    assert calls == []


@pytest.mark.parametrize("bad", ["1", True, None, 1j])
def test_times_of_wrong_type(bad):
    with pytest.raises(TypeError, match="t must be numbers"):
        oo.solve(GF, oo.problems.quadratic(), bad)
