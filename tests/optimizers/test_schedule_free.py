"""Schedule-free methods: their limit, their flow on a parabola, and the mean that stands in for x."""

from __future__ import annotations

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt import optimizers as opts
from odeopt import schedules


@pytest.mark.parametrize("weight", [0.5, 0.9, 0.98])
def test_the_late_limit(weight):
    """Defazio et al. 2024: divergence where lambda > 2/((1 - weight) lr)."""
    limit = oo.stability_limit(opts.schedule_free_sgd(0.1, weight), t=1e8)
    assert limit == pytest.approx(2 / (1 - weight), rel=1e-6)


@pytest.mark.parametrize("decay", [0.0, 1.0, 3.0])
def test_the_late_limit_with_decay(decay):
    """lambda > 2/((1 - weight) lr) - weight_decay, lambda that of the preconditioned Hessian."""
    opt = opts.schedule_free_adamw(0.1, 0.9, weight_decay=decay)
    assert oo.stability_limit(opt, t=1e8) == pytest.approx(2 / (1 - 0.9) - 0.1 * decay, rel=1e-6)


def test_z_and_x_are_the_iterates_and_their_mean():
    lr, weight, n = 0.05, 0.8, 40
    problem = tables.smooth_problem()
    run = oo.simulate(opts.schedule_free_sgd(lr, weight), problem, n)
    z = run.state["z"]
    x = (run.theta - (1 - weight) * z) / weight
    np.testing.assert_allclose(x[1:], np.cumsum(z[1:], axis=0) / np.arange(1, n + 1)[:, None], rtol=1e-12)
    np.testing.assert_allclose(np.diff(z, axis=0), -lr * problem.grad(run.theta[:-1]), rtol=1e-12, atol=1e-14)


def test_the_slope_at_the_start():
    """theta' = -(1 - weight/2) g at t = 0, the limit of (z - theta)/t - (1 - weight) g."""
    problem, flow = tables.smooth_problem(), opts.schedule_free_sgd(0.1, 0.8).flow
    slope = flow.rhs(problem.grad)(0.0, flow.start(problem.theta0, z=problem.theta0))[0]
    np.testing.assert_allclose(slope, -0.6 * problem.grad(problem.theta0), rtol=1e-14)
    t = 1e-4
    moved = oo.solve(flow, problem, [0, t], memory={"z": problem.theta0}).theta[-1] - problem.theta0
    np.testing.assert_allclose(moved / t, slope, rtol=1e-3)


def test_a_start_away_from_the_pull_is_refused():
    with pytest.raises(ValueError, match="memory must have theta = its target at t = 0, where schedule-free"):
        oo.solve(opts.schedule_free_sgd(0.1).flow, tables.smooth_problem(), [0, 1])


def test_under_a_schedule_the_mean_stays_uniform():
    lr, weight, n, problem = 0.05, 0.8, 20, tables.smooth_problem()
    schedule = schedules.cosine(40)
    run = oo.simulate(opts.scheduled(opts.schedule_free_sgd(lr, weight), schedule), problem, n)
    y = z = x = problem.theta0
    for k in range(n):
        z = z - lr * float(schedule(k)) * problem.grad(y)
        x = x + (z - x) / (k + 1)
        y = (1 - weight) * z + weight * x
    np.testing.assert_allclose(run.final, y, rtol=1e-12)
