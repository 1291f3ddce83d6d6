"""Oscillations that turn, and those that are not small: exact results for pairs, scalar RMSprop and order 2."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from support.edge_networks import valley

import odeopt as oo

A, LR, RHO = 0.05, 0.02, 0.99  # of scalar RMSprop in the valley


def scalar_rmsprop(nu):
    """nu <- rho nu + (1 - rho) |g|^2, theta <- theta - lr g/sqrt(nu)."""

    def step(y, grad, h):
        theta, nu = y
        g = grad(theta)
        nu = nu + (1 - RHO) * (oo.ops.total(g * g) - nu)
        return theta - h * g / np.sqrt(nu), nu

    return oo.from_step(step, {"nu": [nu]}, h=LR, name="scalar RMSprop")


def sigma_squared(S):
    """[rho <-g, dS> + (1 - rho)(S^2/4 - |g|^2/lr^2)]/[rho |dS|^2/2 + (1 - rho) S^2/lr^2] with dS = grad S = (0, 1)."""
    return (RHO * A + (1 - RHO) * (S * S / 4 - A * A / LR**2)) / (RHO / 2 + (1 - RHO) * S * S / LR**2)


def double_ema(beta1, beta2):
    """m <- EMA of g, v <- EMA of m, theta <- theta - h v."""

    def step(y, grad, h):
        theta, m, v = y
        m = beta1 * m + (1 - beta1) * grad(theta)
        v = beta2 * v + (1 - beta2) * m
        return theta - h * v, m, v

    return oo.from_step(step, {"m": 0.0, "v": 0.0}, h=0.1, name="double EMA")


@pytest.mark.parametrize(("betas", "limit"), [((0.4, 0.7), 2.5714286), ((0.7, 0.85), 0.6806723)])
def test_a_pair_that_turns_is_held_at_the_interior_limit(betas, limit):
    """y = limit/lr where the pair is on the unit circle, and E x^2 = 2 a as for an alternation."""
    memory = {"m": [0.0, -0.02], "v": [0.0, -0.02]}
    flow = oo.central_flow(double_ema(*betas), valley(0.02, [0.0, limit / 0.1 - 0.002]), 50, substeps=2, memory=memory)
    np.testing.assert_allclose(flow.final, [0.0, limit / 0.1], rtol=1e-7)
    np.testing.assert_allclose(flow.covariance.trace[-1], 0.04, rtol=1e-5)
    assert abs(abs(flow.multipliers[-1, 0]) - 1) < 1e-7
    assert flow.multipliers[-1, 0].imag > 0.2


def test_iterates_of_scalar_rmsprop():
    """y and x^2 over the steps 5699..5999, and the formula of sigma^2 there, to all digits that are known."""
    start = [np.sqrt(sigma_squared(10.0)), 10.0]
    run = oo.simulate(scalar_rmsprop((LR * 10 / 2) ** 2), valley(A, start), 6000)
    y, x = run.theta[5699:6000, 1], run.theta[5699:6000, 0]
    assert round(y.mean(), 4) == 35.6190
    assert round(np.mean(x**2) * 1e5, 4) == 9.9592
    assert round(sigma_squared(y.mean()) * 1e5, 4) == 9.9589


def test_flow_of_scalar_rmsprop():
    """y' = -(2/y)(sigma^2/2 - a) by DOP853: .0018 below the iterates, as far as Euler's method with whole steps."""
    slope = lambda y: -(2 / y) * (sigma_squared(y) / 2 - A)
    known = solve_ivp(lambda t, y: slope(y), (0, 5999), [10.0], "DOP853", range(5699, 6000), rtol=1e-12, atol=1e-12)
    y = known.y[0]
    assert round(y.mean(), 4) == 35.6172
    euler = [10.0]
    for _ in range(5999):
        euler.append(euler[-1] + slope(euler[-1]))
    assert round(np.mean(euler[5699:]), 4) == 35.6190
    assert round(np.mean(sigma_squared(y)) * 1e5, 4) == 9.9588


@pytest.mark.parametrize(("order", "missed"), [(1, 1 - RHO), (2, 1.2e-4)])
def test_a_finite_oscillation_of_scalar_rmsprop(order, missed):
    """Of order 1 the threshold is that of nu without the oscillation, a share 1 - rho too low.  Order 2 mends it."""
    y = 35.5
    opt = scalar_rmsprop((LR * y / 2) ** 2)
    flow = oo.central_flow(opt, valley(A, [0.0, y]), 25, order=order, substeps=2)
    apart = flow.covariance.trace[-1] / sigma_squared(flow.final[1]) - 1
    assert abs(apart) == pytest.approx(missed, rel=0.15)


def test_a_quartic_holds_its_own_oscillation():
    """on S w^2/2 - Q w^4/4 gradient descent alternates with w^2 = S/Q - 2/(lr Q); order 2 is exact there."""
    quartic = oo.Problem(lambda w: w[0] ** 2 / 2 - w[0] ** 4 / 8, theta0=[0.0])
    flow = oo.central_flow(oo.optimizers.gd(lr=2.2), quartic, 3, order=2)
    np.testing.assert_allclose(flow.covariance.trace, 0.181818, rtol=1e-5)
    np.testing.assert_allclose(flow.final, 0.0, atol=1e-12)
    np.testing.assert_allclose(flow.mean_loss, quartic.loss(np.array([(2 / 11) ** 0.5])), rtol=1e-5)


STARTS = [1e-12, 1e-6, 5e-5, 1e-3, 0.01, 0.1, 0.2, 0.3, 0.5]
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("x", "exact"),
    [(x, True) for x in STARTS] + [pytest.param(x, False, marks=() if x == 0.2 else SLOW) for x in STARTS],
)
def test_a_quartic_from_beside_its_minimum(x, exact):
    """theta tends to 0, and its size says nothing of the size of the oscillation."""
    given = dict(grad=lambda w: w - w**3 / 2, hvp=lambda w, p: (1 - 1.5 * w**2) * p) if exact else {}
    quartic = oo.Problem(lambda w: w[0] ** 2 / 2 - w[0] ** 4 / 8, theta0=[x], **given)
    flow = oo.central_flow(oo.optimizers.gd(lr=2.2), quartic, 15, order=2)
    assert flow.success
    np.testing.assert_allclose(flow.covariance.trace[-1], 2 / 11, rtol=1e-5)  # 0.181818
    np.testing.assert_allclose(flow.final, 0.0, atol=1e-3)


@pytest.mark.parametrize(
    ("opt", "limit", "start"),
    [
        (oo.optimizers.heavy_ball(lr=0.01, beta=0.5), 300.0, [0.001, 299.99]),
        pytest.param(oo.optimizers.momentum(lr=0.01, beta=0.9), 380.0, [0.0, 379.99], marks=SLOW),
        pytest.param(oo.optimizers.momentum(lr=0.01, beta=0.5), 300.0, [0.0, 299.99], marks=SLOW),
        (oo.optimizers.nesterov(lr=0.01, beta=0.9), 135.714286, [0.0, 135.70]),
    ],
)
def test_memory_that_tends_to_0(opt, limit, start):
    """E x^2 = 2 a and the excess limit a at the equilibrium y = limit, where no memory is left; one loss by value."""
    problem = oo.Problem(lambda u: 0.5 * u[1] * u[0] ** 2 - 0.02 * u[1], theta0=start)
    flow = oo.central_flow(opt, problem, 60)
    assert flow.success
    np.testing.assert_allclose(flow.covariance.trace[-1], 0.04, rtol=1e-5)
    np.testing.assert_allclose(flow.mean_loss[-1] - flow.loss[-1], 0.02 * limit, rtol=1e-5)
