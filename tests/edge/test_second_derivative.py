"""D^2 Phi recorded twice, against differences of D Phi, for every optimizer; and what falls back on differences."""

from __future__ import annotations

import numpy as np
import pytest
from support.edge_networks import valley
from support.tables import OPTIMIZERS

import odeopt as oo
from odeopt.core.state import pack, plus
from odeopt.edge.step.differences import Differences
from odeopt.edge.step.map import StepMap
from odeopt.optimizers.one_step import of_optimizer
from odeopt.problems.derivatives import Automatic

A = np.array([[1.3, 0.4], [-0.2, 0.9], [0.5, -1.1]])


def third(theta, p, q):
    """D^3 L[p, q, .] of `bumps`."""
    return (np.sinh(theta @ A.T) * (p @ A.T) * (q @ A.T)) @ A


def bumps(third=third):
    """L = sum_i cosh(a_i theta), with all its derivatives."""
    hvp = Automatic(lambda theta, p: (np.cosh(theta @ A.T) * (p @ A.T)) @ A, "hand", third=third)
    return oo.Problem(
        lambda theta: np.cosh(theta @ A.T).sum(-1),
        lambda theta: np.sinh(theta @ A.T) @ A,
        hvp=hvp,
        theta0=[0.7, -0.4],
        batched=True,
    )


def after_three_steps(opt, problem):
    """The map of an optimizer, and its state, time and numbers."""
    step, grad = of_optimizer(opt), problem.oracle()
    y, d = opt.initial_state(grad, problem.theta0), step.increment(grad)
    for k in range(3):
        y = plus(y, d(k * opt.h, y))
    return StepMap(opt, problem, grad, y), 3 * opt.h, pack(y)


NOT = {"muon", "shampoo", "signsgd"}  # matrix functions are not recorded, and signs do not change


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in NOT])
def test_twice_recorded_is_the_difference_of_once_recorded(name):
    with np.errstate(all="ignore"):
        step, t, y = after_three_steps(getattr(oo.optimizers, name)(0.01), bumps())
        rows = np.random.default_rng(0).normal(size=(2, len(y))) * np.minimum(1, np.abs(y) + 1e-3)
        right, left, along = rows[:1], rows[1:], rows.sum(axis=0)
        curved = step.curved(t, y, right, left)
        assert curved is not None
        exact, rough = curved(along), Differences(step, t, y, step.at(t, y), right, left).curved(along)
    for one, other in zip(exact, rough, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(one).max())


def test_of_gradient_descent_it_is_that_of_the_loss():
    """D^2 Phi[p, q] = -lr D^3 L[p, q, .], to rounding."""
    step, t, y = after_three_steps(oo.optimizers.gd(0.01), bumps())
    p, q = np.random.default_rng(1).normal(size=(2, 2))
    forward, backward = step.curved(t, y, q[None], q[None])(p)
    np.testing.assert_allclose(forward[0], -0.01 * third(y, p, q), rtol=1e-13)
    np.testing.assert_allclose(backward[0], forward[0], rtol=1e-13)


def test_a_third_derivative_that_fails_is_replaced_by_differences():
    def none(theta, p, q):
        raise NotImplementedError("no third derivative")

    opt = oo.optimizers.gd(0.5)
    flows = [oo.central_flow(opt, bumps(f), 10) for f in (third, none)]
    assert flows[0].means == "its operations, recorded twice"
    assert "by differences" in flows[1].means
    np.testing.assert_allclose(flows[0].theta, flows[1].theta, atol=1e-7)


@pytest.mark.parametrize("form", ["step", "published"])
def test_the_exact_two_cycle_by_exact_derivatives(form):
    """y = 2/lr and sigma^2 = 2 a, from a start beside the edge."""
    plain = valley(0.02, [0.1, 19.9])

    def third(theta, p, q):
        return np.stack([p[..., 0] * q[..., 1] + p[..., 1] * q[..., 0], p[..., 0] * q[..., 0]], axis=-1)

    hvp = Automatic(plain.hvp, "hand", third=third)
    problem = oo.Problem(plain.loss, plain.grad, hvp=hvp, theta0=plain.theta0, batched=True)
    exact, rough = (oo.central_flow(oo.optimizers.gd(0.1), p, 60, form=form) for p in (problem, plain))
    np.testing.assert_allclose(exact.final, [0.0, 20.0], rtol=1e-10, atol=1e-6)
    np.testing.assert_allclose(exact.covariance.weights[-1], [0.04], rtol=1e-9)
    np.testing.assert_allclose(exact.theta, rough.theta, atol=1e-7)
