"""D(Phi - I) and its transpose from recorded operations, against differences of increments, for every optimizer."""

from __future__ import annotations

import numpy as np
import pytest
from support.edge_networks import network
from support.tables import OPTIMIZERS

import odeopt as oo
from odeopt.analysis.jacobian import increment_jacobian
from odeopt.core.state import pack, plus
from odeopt.edge.step.map import LARGEST, StepMap
from odeopt.optimizers.one_step import of_optimizer

PROBLEM = oo.problems.rosenbrock()
BY_DIFFERENCES = {"muon", "shampoo"}  # matrix functions


def later_state(opt, problem, steps=3):
    """The map of an optimizer, and its state and time after a few steps."""
    step, grad = of_optimizer(opt), problem.oracle()
    y, d = opt.initial_state(grad, problem.theta0), step.increment(grad)
    for k in range(steps):
        y = plus(y, d(k * opt.h, y))
    return StepMap(opt, problem, grad, y), d, y, steps * opt.h


def an_optimizer(name):
    return getattr(oo.optimizers, name)(0.01, **({"shape": (1, 2)} if name in BY_DIFFERENCES else {}))


@pytest.mark.filterwarnings("ignore::odeopt.problems.differences.RoughGradient")  # of Shampoo's roots, on one column
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_products(name):
    opt = an_optimizer(name)
    with np.errstate(all="ignore"):
        step, d, y, t = later_state(opt, PROBLEM)
        D = increment_jacobian(d, y, t)
        here, rows = step.at(t, pack(y)), np.eye(len(D))
        increment = pack(d(t, y))
    assert step.means.startswith("its operations") == (name not in BY_DIFFERENCES)
    np.testing.assert_allclose(here.increment, increment, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(here.product(rows).T, D, rtol=1e-7, atol=1e-8 * np.abs(D).max())
    np.testing.assert_allclose(here.transposed(rows), here.product(rows).T, rtol=1e-10, atol=1e-13 * np.abs(D).max())


MEET = {
    "lamb",
    "lars",
    "normalized_gd",
    "muon",
    "shampoo",
    "adafactor",
    "mars",
}  # coordinates that meet in norms and means
TWICE = {"strang_rmsprop"}  # two gradients in a step


@pytest.mark.filterwarnings("ignore::odeopt.problems.differences.RoughGradient")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parts(name):
    """D v = F v + G (H (Q v)) on theta and all memory of its length."""
    opt = an_optimizer(name)
    with np.errstate(all="ignore"):
        step, _, y, t = later_state(
            opt, network(7).at(np.linspace(-1, 1, 41)) if name not in BY_DIFFERENCES else PROBLEM
        )
        here = step.at(t, pack(y))
    assert (here.parts is None) == (name in MEET | TWICE)
    if here.parts is not None:
        parts, v = here.parts, np.zeros(len(pack(y)))
        rows = np.random.default_rng(0).normal(size=(len(parts.G), 41))
        for where, row in zip(parts.where, rows, strict=True):
            v[where] = row
        meeting = parts.hessian(np.sum(parts.Q * rows, axis=0)[None])[0]
        found = np.sum(parts.F * rows, axis=1) + parts.G * meeting
        expected = here.product(v[None])[0]
        for where, row in zip(parts.where, found, strict=True):
            np.testing.assert_allclose(row, expected[where], atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("make", [oo.schemes.heun, oo.schemes.rk4, oo.schemes.Splitting("drift kick drift friction")])
def test_several_gradients_a_step(make):
    flow = oo.flows.heavy_ball(damping=1.0)
    step, d, y, t = later_state(oo.Optimizer(flow, make, 0.02), PROBLEM)
    D = increment_jacobian(d, y, t)
    np.testing.assert_allclose(step.at(t, pack(y)).transposed(np.eye(4)), D, rtol=1e-8, atol=1e-9 * np.abs(D).max())


def test_a_users_step_is_recorded_and_an_implicit_one_is_not():
    def scalar(y, grad, h):
        theta, nu = y
        nu = nu + 0.1 * (oo.ops.total(grad(theta) ** 2) - nu)
        return theta - h * grad(theta) / np.sqrt(nu), nu

    own = oo.from_step(scalar, {"nu": [2.0]}, h=0.01).optimizer
    step, d, y, t = later_state(own, PROBLEM)
    D = increment_jacobian(d, y, t)
    assert step.means.startswith("its operations, recorded")
    np.testing.assert_allclose(step.at(t, pack(y)).transposed(np.eye(3)), D, rtol=1e-8, atol=1e-9 * np.abs(D).max())
    implicit, d, y, t = later_state(oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.Theta(1.0), 0.001), PROBLEM)
    assert implicit.means.startswith("differences")
    np.testing.assert_allclose(implicit.at(t, pack(y)).product(np.eye(2)).T, increment_jacobian(d, y, t))


def test_a_large_step_that_cannot_be_recorded_is_refused():
    problem = oo.problems.quadratic(np.ones(LARGEST + 1), theta0=np.ones(LARGEST + 1), angle=0)
    opt = oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.Theta(1.0), 1.0)
    with pytest.raises(ValueError, match=f"at most {LARGEST} numbers, got {LARGEST + 1}"):
        StepMap(opt, problem, problem.oracle(), (problem.theta0,))


def test_a_coordinate_without_gradient_moves_nothing():
    """G = 0 for ever: sqrt has no derivative there, and the products stay finite."""
    dead = oo.Problem(lambda u: u[..., 0] ** 2, lambda u: u * [2.0, 0.0], theta0=[1.0, 1.0], batched=True)
    step, _, y, t = later_state(oo.optimizers.adam(0.01), dead)
    assert y[2][1] == 0
    assert np.isfinite(step.at(t, pack(y)).product(np.eye(8))).all()
