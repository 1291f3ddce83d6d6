"""`compare`: three runs on their clocks, and honesty where one of them breaks off."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt import Status
from odeopt import optimizers as opts


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
