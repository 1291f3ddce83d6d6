"""`compare`: three runs on their clocks, and honesty where one of them breaks off."""

from __future__ import annotations

import dataclasses
import re
import time

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt import Status
from odeopt import optimizers as opts
from odeopt.util import progress as shown


def test_three_runs():
    cmp = oo.compare(opts.adam(0.01), oo.problems.quadratic(), 40)
    assert cmp.success
    assert cmp.error.shape == (41,)
    assert cmp.max_error == cmp.error.max()
    np.testing.assert_allclose(cmp.error, np.abs(cmp.iterates.theta - cmp.flow.theta).max(-1))
    np.testing.assert_allclose(cmp.flow.sol(cmp.flow.t), cmp.flow.theta, atol=1e-9)
    assert "40 steps, max error" in repr(cmp)


@pytest.mark.parametrize(
    ("opt", "per_step"),
    [
        (opts.gd(0.01), 0.01),
        (opts.momentum(0.01, 0.9), 0.1),
        (opts.nesterov(0.01, 0.9), 0.1),
        (opts.heavy_ball(0.01, 0.9), 0.1),
        (opts.adam(0.02), 0.02),
        (opts.adagrad(0.1), 0.1),
    ],
    ids=lambda x: str(x).split("(")[0],
)
def test_gradient_flow_runs_in_lr_time(opt, per_step):
    """t = n lr/(1 - beta): where the memoryless limit of momentum is."""
    problem = oo.problems.quadratic((1, 20))
    cmp = oo.compare(opt, problem, 10)
    assert cmp.gradient_flow.t[-1] == pytest.approx(10 * per_step)
    np.testing.assert_allclose(cmp.gradient_flow.final, problem.flow_solution(10 * per_step, problem.theta0), atol=1e-9)


def test_beta_zero_is_gradient_descent():
    for opt in (opts.momentum(0.01, 0.0), opts.nesterov(0.01, 0.0)):
        cmp = oo.compare(opt, oo.problems.quadratic(), 300)
        assert cmp.success
        np.testing.assert_allclose(cmp.iterates.theta, oo.simulate(opts.gd(0.01), oo.problems.quadratic(), 300).theta)
        assert np.abs(cmp.flow.theta - cmp.gradient_flow.theta).max() < 0.01
    assert oo.compare(opts.adam(0.01, beta1=0.0), oo.problems.quadratic(), 100).success


def test_a_flow_that_blows_up_is_compared_as_far_as_it_goes():
    """theta' = theta^2 blows up at t = 1, Euler's iterates later."""
    problem = oo.Problem(lambda x: -(x**3).sum(-1) / 3, lambda x: -(x**2), theta0=[1.0], batched=True)
    cmp = oo.compare(opts.gd(0.05), problem, 25)
    assert cmp.iterates.success
    assert not cmp.flow.success
    assert not cmp.success
    assert len(cmp.error) < 25
    np.testing.assert_array_equal(cmp.iterates.t[: len(cmp.error)], cmp.flow.t[: len(cmp.error)])
    assert np.isnan(cmp.max_error)


def test_iterates_that_diverge_are_compared_as_far_as_they_go():
    cmp = oo.compare(opts.gd(0.2), oo.problems.quadratic((1, 20)), 3000)
    assert cmp.iterates.status is Status.NOT_FINITE
    assert cmp.flow.success
    assert cmp.max_error > 1e300


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_gradient_that_fails_for_good(error):
    calls, limit = [], [10**9]

    def grad(x):
        calls.append(1)
        if len(calls) > limit[0]:
            raise error
        return x + 0.0

    problem = oo.Problem(lambda x: 0.5 * (x**2).sum(-1), grad, theta0=[1.0, 1.0], batched=True)
    calls.clear()
    limit[0] = 8
    cmp = oo.compare(opts.momentum(0.1), problem, 20)
    assert len(cmp.iterates) == 9
    assert cmp.iterates.status in (Status.EVALUATION_FAILED, Status.INTERRUPTED)
    assert len(cmp.flow) == 1
    assert "not solved" in cmp.flow.message
    assert not cmp.success


def test_convergence_from_a_stationary_point_has_no_order():
    fit = oo.convergence(oo.flows.gradient_flow(), oo.schemes.heun, oo.problems.quadratic().at([0.0, 0.0]))
    assert np.isnan(fit.order)
    assert fit.error.max() == 0


def test_work_precision_measures_the_error_at_the_end():
    """Euler on a quadratic: |(1 - h lambda)^n - e^(-lambda)| in closed form."""
    problem, steps = oo.problems.quadratic((1.0, 3.0), angle=0.0), (10, 40)
    wp = oo.work_precision(oo.flows.gradient_flow(), {"Euler": oo.schemes.euler}, problem, 1.0, steps)
    lam = np.array([1.0, 3.0])
    exact = [np.abs((1 - lam / n) ** n - np.exp(-lam)).max() for n in steps]
    np.testing.assert_allclose(wp.error["Euler"], exact, rtol=1e-8)


def test_errors_at_the_references_rounding_do_not_count():
    fit = oo.convergence(oo.flows.gradient_flow(), oo.schemes.rk4, oo.problems.double_well())
    assert np.isnan(fit.order)
    assert "the reference's own error" in repr(fit)
    coarse = oo.convergence(oo.flows.gradient_flow(), oo.schemes.rk4, oo.problems.double_well(), steps=(5, 10, 20, 40))
    assert coarse.order == pytest.approx(4, abs=0.25)


def test_work_precision_marks_runs_that_diverge():
    wp = oo.work_precision(
        oo.flows.gradient_flow(), {"Euler": oo.schemes.euler}, oo.problems.quadratic((1, 2000)), 20.0, (10, 30_000)
    )
    assert wp.error["Euler"][0] > 1e10
    assert wp.error["Euler"][1] < 1e-3
    assert wp.gradients["Euler"].tolist() == [10, 30_000]


def test_flows_with_projections_are_followed_by_small_steps():
    """AMSGrad's maximum has no right-hand side: 64 times as many steps, to which the iterates converge."""
    problem, error = oo.problems.rosenbrock(b=1).at([-0.5, 1.0]), []
    for n in (4, 8):
        cmp = oo.compare(oo.optimizers.amsgrad(lr=0.02).with_step(0.02 / n), problem, 40 * n)
        assert cmp.success
        assert len(cmp.error) == 40 * n + 1
        assert "of h/64: AMSGrad has projections" in cmp.flow.message
        error.append(cmp.max_error)
    assert np.log2(error[0] / error[1]) > 0.9


def counted(limit, error=None, seconds=0.0):
    """|theta|^2/2 whose gradient takes so long, and raises the error in its evaluation `limit`; and its evaluations."""
    calls = []

    def grad(x):
        calls.append(1)
        time.sleep(seconds)
        if error is not None and len(calls) == limit:
            raise error
        return x + 0.0

    hvp = lambda x, p: p + 0.0
    return oo.Problem(lambda x: 0.5 * (x**2).sum(-1), grad, hvp=hvp, theta0=[1.0, 0.5], batched=True), calls


@pytest.mark.parametrize("limit", [5, 30, 55, 80, 150])
def test_ctrl_c_ends_the_whole_at_once(limit):
    problem, calls = counted(limit, KeyboardInterrupt())
    calls.clear()
    cmp = oo.compare(opts.momentum(0.1), problem, 20)
    assert len(calls) <= limit + 1
    assert cmp.status is Status.INTERRUPTED
    runs = (cmp.iterates, cmp.flow, cmp.gradient_flow)
    first = next(i for i, run in enumerate(runs) if run.status is Status.INTERRUPTED)
    assert all(run.success for run in runs[:first])
    assert all("not solved" in run.message for run in runs[first + 1 :])
    problem, _ = counted(0)
    for run, whole in zip(runs, oo.compare(opts.momentum(0.1), problem, 20)._runs, strict=True):
        same = int((run.t == whole.t[: len(run)]).sum())  # an early end has a time of its own
        np.testing.assert_array_equal(run.theta[:same], whole.theta[:same])


@pytest.mark.parametrize("steps", [5, 1000])
def test_the_clock_ends_a_comparison_and_changes_no_digit(steps):
    """5 steps take a quarter of a second, 1000 or the flow many: bounds with room for a busy machine."""
    oo.compare(opts.momentum(0.1), counted(0)[0], 5)  # what is imported late is imported now
    problem, _ = counted(0, seconds=0.05)
    begun = time.perf_counter()
    cmp = oo.compare(opts.momentum(0.1), problem, steps, max_seconds=2.0)
    assert time.perf_counter() - begun < 20
    assert cmp.status is Status.OUT_OF_TIME
    assert "the limit max_seconds = 2 s was reached" in cmp.message
    assert cmp.iterates.success is (steps == 5)
    whole = oo.simulate(opts.momentum(0.1), counted(0)[0], steps)
    assert len(cmp.iterates) > 1
    np.testing.assert_array_equal(cmp.iterates.theta, whole.theta[: len(cmp.iterates)])


def test_no_time_at_all():
    cmp = oo.compare(opts.momentum(0.1), counted(0)[0], 20, max_seconds=1e-9)
    assert cmp.status is Status.OUT_OF_TIME
    assert "not solved" in cmp.flow.message
    assert oo.compare(opts.momentum(0.1), counted(0)[0], 20).success  # the limit is gone


def test_where_the_evaluations_are_used_up_the_reference_are_small_steps():
    """Of a number that depends on the request: the same call has the same bits."""
    one, other = (oo.compare(opts.adam(0.05), oo.problems.rosenbrock(), 30, max_evaluations=100) for _ in range(2))
    assert one.success
    for name, run in (("flow", one.flow), ("gradient_flow", one.gradient_flow)):
        assert "1920 steps of h/64: 100 evaluations used up" in run.message
        np.testing.assert_array_equal(run.t, getattr(oo.compare(opts.adam(0.05), oo.problems.rosenbrock(), 30), name).t)
        np.testing.assert_array_equal(run.theta, getattr(other, name).theta)
    exact = oo.compare(opts.adam(0.05), oo.problems.rosenbrock(), 30)
    assert np.abs(one.flow.theta - exact.flow.theta).max() < exact.max_error / 5
    assert np.abs(one.gradient_flow.theta - exact.gradient_flow.theta).max() < 0.05


def test_a_gradient_that_is_nan_at_once_leaves_the_start():
    nowhere = oo.Problem(lambda x: (x**2).sum(-1), lambda x: np.nan * x, theta0=[1.0, 2.0], batched=True)
    cmp = oo.compare(opts.adam(0.1), nowhere, 20)
    assert cmp.status is Status.NOT_FINITE
    assert "the gradient was NaN" in cmp.message
    assert len(cmp.iterates) == len(cmp.flow) == len(cmp.gradient_flow) == 1


def failing_after(evaluations, fault):
    """A bowl whose gradient does this after so many evaluations, and the list of them."""
    calls = []

    def grad(x):
        calls.append(1)
        return fault(x) if len(calls) > evaluations else x + 0.0

    problem = oo.Problem(lambda x: 0.5 * (x**2).sum(-1), grad, theta0=[1.0, 1.0], batched=True)
    calls.clear()
    return problem


def raising(x):
    raise OSError("the file is gone")


@pytest.mark.parametrize("evaluations", range(3, 50, 6))
@pytest.mark.parametrize("fault", [raising, lambda x: 1 / 0, lambda x: np.ones(7), lambda x: np.nan * x])
@pytest.mark.parametrize("make", [lambda: opts.gd(0.1), lambda: opts.rmsprop(0.1, start="settled"), opts.adam])
def test_a_gradient_that_fails_at_any_evaluation_loses_nothing(make, fault, evaluations):
    """Also at the first evaluation of a flow, or in between."""
    cmp = oo.compare(make(), failing_after(evaluations, fault), 3, method="DOP853")
    whole = oo.compare(make(), failing_after(10**9, fault), 3, method="DOP853")
    for name in ("iterates", "flow", "gradient_flow"):
        run, full = getattr(cmp, name), getattr(whole, name)
        due = len(run) if run.success else max(1, len(run) - 1)  # an early end has a time of its own
        np.testing.assert_array_equal(run.theta[:due], full.theta[:due])
        assert np.isfinite(run.theta).all()
    assert cmp.success or cmp.status < 0


KINKED = oo.Problem(lambda x: abs(x - 0.5).sum(-1), lambda x: np.sign(x - 0.5), theta0=[1.0, 1.0], batched=True)
AXIS = oo.problems.quadratic(angle=0).at([1.0, 0.0])


@pytest.mark.parametrize(
    ("opt", "problem", "found"),
    [
        (opts.gd(0.1), KINKED, ["the gradient jumps"]),
        (
            opts.adam(0.1),
            AXIS,
            ["1 of 2 components of the first gradient are 0"],
        ),
        (opts.gd(0.1), AXIS, []),
        (opts.adam(0.1), oo.problems.rosenbrock(), []),
        (opts.gd(0.01), oo.problems.rosenbrock(), []),
        (opts.gd(np.array([0.1, 0.2])), oo.problems.quadratic(), []),
    ],
)
def test_kinks_and_vanishing_components_are_named(opt, problem, found):
    cmp = oo.compare(opt, problem, 20, max_evaluations=2000)
    assert len(cmp.remarks) == len(found)
    assert all(text in remark for text, remark in zip(found, cmp.remarks, strict=True))
    assert all(remark in repr(cmp) for remark in cmp.remarks)


def test_a_large_network_of_relus_gets_small_steps():
    """Which reference it is depends on the size and the jumps, and not on the clock."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 20)), rng.normal(size=20)

    def parts(theta):
        hidden = X @ theta.reshape(20, 20)
        return np.maximum(hidden, 0).sum(-1) / 20 - y, hidden > 0

    loss = lambda theta: 0.5 * (parts(theta)[0] ** 2).mean()
    grad = lambda theta: (X.T @ (parts(theta)[0][:, None] * parts(theta)[1]) / 400).ravel()
    network = oo.Problem(loss, grad, theta0=rng.normal(size=400), name="ReLU network")
    cmp = oo.compare(opts.adamw(0.02), network, 10)
    assert cmp.success
    assert "640 steps of h/64: 2000 evaluations used up" in cmp.flow.message
    assert "the gradient jumps" in cmp.remarks[0]
    assert cmp.max_error < 0.05
    smooth = oo.problems.quadratic(np.linspace(1, 2, 400))
    assert "of h/64" not in oo.compare(opts.adamw(0.02), smooth, 10).flow.message


def test_progress_without_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(shown, "BEAT", 0.05)
    monkeypatch.setattr(shown, "seen", lambda: False)  # another test may have imported Jupyter
    oo.compare(opts.momentum(0.1), counted(0, seconds=0.005)[0], 5)  # more than ten beats, on a busy machine too
    told = capsys.readouterr().err
    assert re.search(r"its flow, by 500000 evaluations at most: \d+ s of at most 60 s", told)
    oo.compare(opts.momentum(0.1), counted(0, seconds=0.005)[0], 5, max_seconds=0.2, progress=False)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("scheme", [oo.schemes.heun, oo.schemes.rk4])
@pytest.mark.parametrize("start", [oo.starts.settled, oo.starts.aged(0.3)])
def test_the_flow_starts_where_the_optimizer_does(scheme, start):
    """Unless a match is declared, for a start given at once and one put in later: the error is that of the scheme."""
    flow, problem = oo.flows.rmsprop(tau=0.5, eps=0.01), tables.smooth_problem()
    at_once = oo.Optimizer(flow, scheme, 0.01, start=start)
    later = dataclasses.replace(
        oo.Optimizer(flow, oo.schemes.Splitting("memory drift"), 0.01), scheme=scheme, start=start
    )
    for opt in (at_once, later):
        found = oo.compare(opt, problem, 100)
        for name, value in found.iterates.state.items():
            np.testing.assert_array_equal(found.flow.state[name][0], value[0])
        assert found.max_error < 2e-3
