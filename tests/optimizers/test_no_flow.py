"""Rprop and MARS follow no flow, and say so; ASGD's average follows theta, and nothing follows it."""

from __future__ import annotations

import numpy as np
import pytest
from support import equality, tables

import odeopt as oo
from odeopt import ops, optimizers, project, push, relax

PROBLEM = tables.smooth_problem()


def test_rprop_says_that_it_follows_no_flow():
    opt = optimizers.rprop(0.01)
    assert "order      none: it follows no flow" in str(opt.describe())
    assert str(opt.flow).count("<-") == 3
    assert "'" not in str(opt.flow)


@pytest.mark.parametrize(
    "ask",
    [
        lambda opt: oo.compare(opt, PROBLEM, 5),
        lambda opt: oo.solve(opt.flow, PROBLEM, 1.0),
        lambda opt: opt.with_step(0.1),
        lambda opt: opt.rescale(0.1),
        lambda opt: optimizers.l2(opt, 0.1).with_step(0.1),
        lambda opt: oo.Optimizer(opt.flow, oo.schemes.heun, 0.1),
    ],
)
def test_what_needs_a_flow_is_refused(ask):
    with pytest.raises(ValueError, match=r"(Rprop|rprop) follows no flow"):
        ask(optimizers.rprop(0.01))


def test_a_wrapper_does_not_give_rprop_a_flow():
    for opt in (optimizers.l2(optimizers.rprop(), 0.1), optimizers.lookahead(optimizers.rprop())):
        assert opt.describe().order == "none: it follows no flow"
    with pytest.raises(ValueError, match="rprop's lr only sets its first step size"):
        optimizers.scheduled(optimizers.rprop(), oo.schedules.cosine(10))


def test_rprop_does_not_see_the_size_of_the_gradient():
    big = oo.Problem(lambda x: 1e6 * PROBLEM.loss(x), lambda x: 1e6 * PROBLEM.grad(x), theta0=PROBLEM.theta0)
    same = [oo.simulate(optimizers.rprop(0.01), p, 100).theta for p in (PROBLEM, big)]
    np.testing.assert_array_equal(*same)


def test_members_of_rprop_are_alone():
    lr = np.array([0.01, 0.1])
    runs = oo.simulate(optimizers.rprop(lr), PROBLEM, 50).theta
    for i in range(2):
        np.testing.assert_array_equal(runs[:, i], oo.simulate(optimizers.rprop(lr[i]), PROBLEM, 50).theta)


def _observed(**parts):
    return oo.flow("theta seen", drift=push("theta", lambda grad, theta: -grad(theta)), **parts)


def test_solve_follows_theta_past_a_projection_that_nothing_reads():
    flow = _observed(largest=project("seen", lambda seen, theta: ops.maximum(seen, theta)))
    plain = oo.solve(oo.flows.gradient_flow(), PROBLEM, 1.0)
    np.testing.assert_allclose(oo.solve(flow, PROBLEM, 1.0).theta, plain.theta, rtol=0, atol=1e-8)  # rtol = 1e-10


def test_solve_refuses_a_projection_that_something_reads():
    largest = project("seen", lambda seen, theta: ops.maximum(seen, theta))
    read = _observed(largest=largest, fading=relax("seen", rate=lambda seen: abs(seen)))
    filtered = _observed(largest=largest).filtered(lambda grad, theta, seen: grad(theta) + seen)
    for flow in (read, filtered, optimizers.amsgrad(0.1).flow):
        with pytest.raises(
            ValueError, match="solve needs y' = f\\(y\\), but part '.*' of .* is a projection that others"
        ):
            oo.solve(flow, PROBLEM, 1.0)


@pytest.mark.parametrize("t0", [3.0, 1e6])
def test_the_average_of_asgd_is_torchs(t0):
    torch = pytest.importorskip("torch")
    opt = optimizers.asgd(0.1, 0.5, 0.5, t0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # it keeps eta and mu in the default dtype
    try:
        theta = torch.nn.Parameter(torch.tensor(PROBLEM.theta0))
        library = torch.optim.ASGD([theta], lr=0.1, lambd=0.5, alpha=0.5, t0=t0)
        for _ in range(30):
            theta.grad = torch.tensor(PROBLEM.grad(theta.detach().numpy()))
            library.step()
    finally:
        torch.set_default_dtype(default)
    run = oo.simulate(opt, PROBLEM, 30)
    np.testing.assert_allclose(run.state["average"][-1], library.state[theta]["ax"].numpy(), rtol=1e-13)
    assert np.allclose(run.state["average"][-1], run.final, rtol=1e-13) == (t0 > 30)


def test_averaging_starts_at_the_same_time_with_another_step():
    half = optimizers.asgd(0.1, t0=10.0).with_step(0.05)
    assert (half.settings["lr"], half.settings["t0"]) == (0.05, 20.0)


def test_nothing_follows_the_average():
    opt = optimizers.asgd(0.01, 0.3)
    cmp = oo.compare(opt, PROBLEM, 100)
    assert cmp.max_error < 0.01
    assert not cmp.flow.state["average"].any()


def test_without_clipping_mars_has_the_mean_of_quasi_hyperbolic_momentum():
    """m = (1 - gamma) mean + gamma g: a sum of differences telescopes."""
    gradients, theta0 = 1e-6 * equality.recorded(0)[:300], equality.first_point(0)
    means = []
    for opt in (optimizers.mars(0.01, 0.9, gamma=0.1), optimizers.qhm(0.01, 0.9)):
        now, path = {"k": 0}, []
        step = opt.scheme.bind(opt.flow, lambda theta, now=now: gradients[now["k"]])
        y = opt.flow.start(theta0)
        for k in range(len(gradients)):
            now["k"] = k
            y = step(k * opt.h, y, (), opt.h)[0]
            path.append(y[opt.flow.variables.index("m")])
        means.append(np.array(path))
    np.testing.assert_allclose(means[0], 0.9 * means[1] + 0.1 * gradients, rtol=1e-9, atol=1e-20)
    assert np.abs(means[0] - means[1]).max() > 0.1 * np.abs(means[1]).max()
