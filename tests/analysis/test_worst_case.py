"""Worst-case bounds: attained where a function attains them, and never broken."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts
from odeopt.analysis import gradient_bound, nesterov_bound, nesterov_flow_bound, worst_slope
from odeopt.problems import huber


@pytest.mark.parametrize("steps", [1, 7, 100])
@pytest.mark.parametrize("product", [0.1, 0.5, 1.0])  # lr smoothness
@pytest.mark.parametrize(("distance", "smoothness"), [(1.0, 1.0), (3.0, 25.0)])
def test_gradient_descent_attains_its_bound(steps, product, distance, smoothness):
    """On Drori and Teboulle's function, to rounding; and no other slope is slower."""
    lr = product / smoothness
    bound = gradient_bound(steps * lr, distance, smoothness)
    worst = worst_slope(steps * lr, distance, smoothness)

    def after(slope):
        return oo.simulate(opts.gd(lr), huber(slope, smoothness, distance), steps).loss[-1]

    assert after(worst) == pytest.approx(bound, rel=1e-12)
    for slope in worst * np.array([0.5, 0.9, 1.1, 2.0]):
        assert after(slope) < 0.995 * bound


@pytest.mark.parametrize("t", [0.5, 10.0])
def test_gradient_flow_attains_it_too(t):
    problem = huber(worst_slope(t, 2.0, 3.0), 3.0, 2.0)
    assert oo.solve(oo.flows.gradient_flow(), problem, t, rtol=1e-13, atol=1e-14).loss[-1] == pytest.approx(
        gradient_bound(t, 2.0, 3.0), rel=1e-12
    )


def test_lyapunov_function_of_gradient_flow_gives_twice_as_much():
    """t (L - L*) <= R^2/2 proves R^2/(2t); the truth is R^2/(4t) at most."""
    assert gradient_bound(1e9, 2.0) == pytest.approx(2.0**2 / (4 * 1e9), rel=1e-8)


def convex_problems():
    """(problem, its smoothness, R)."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        values = rng.uniform(0, 4, size=3)
        start = rng.normal(size=3)
        yield oo.problems.quadratic(values, theta0=start), values.max(), np.linalg.norm(start)
    ridge = oo.problems.logistic_regression(features=5)
    hessian = np.array([ridge.hvp(0 * ridge.theta0, e) for e in np.eye(5)])  # largest at 0, where sigma' = 1/4
    yield ridge, np.linalg.eigvalsh(hessian).max(), np.linalg.norm(ridge.theta0 - ridge.minimizer)
    yield huber(0.2, 2.0, 3.0), 2.0, 3.0


@pytest.mark.parametrize(("problem", "smoothness", "R"), [*convex_problems()], ids=lambda x: getattr(x, "name", ""))
def test_no_convex_function_breaks_them(problem, smoothness, R):
    best, N = problem.loss(problem.minimizer), np.arange(1, 201)
    for product in (0.2, 1.0):
        lr = product / smoothness
        gd = oo.simulate(opts.gd(lr), problem, 200)
        assert np.all(gd.loss[1:] - best <= gradient_bound(N * lr, R, smoothness) * (1 + 1e-12))
        y = oo.simulate(opts.nesterov_k(lr), problem, 199).theta
        x = y - lr * problem.grad(y)
        assert np.all(problem.loss(x) - best <= nesterov_bound(N, lr, R) * (1 + 1e-12))
    flow = oo.solve(oo.flows.su_boyd_candes(), problem, 30.0)
    assert np.all(flow.loss[1:] - best <= nesterov_flow_bound(flow.t[1:], R) * (1 + 1e-9))


def test_a_long_step_breaks_it():
    """lr smoothness <= 1 is needed: at 1.9 a parabola is slower than the bound says."""
    problem = oo.problems.quadratic((1.0,), theta0=[1.0])
    assert oo.simulate(opts.gd(1.9), problem, 2).loss[-1] > gradient_bound(2 * 1.9)


def test_tuned_methods_attain_their_rates():
    """On the quadratic with curvatures mu and L: gradient descent at every step, momentum in the long run.

    Two multipliers meet at the optimum, so that momentum's error is (a + b n) sqrt(beta)^n: its n-th root is off by
    log(n)/n at most.
    """
    mu, L = 1.0, 100.0
    problem = oo.problems.quadratic((mu, L), theta0=(1.0, 0.3))
    gd = oo.simulate(oo.tuned_gd(mu, L), problem, 50).theta
    np.testing.assert_allclose(
        np.linalg.norm(gd, axis=1), (99 / 101) ** np.arange(51) * np.linalg.norm(gd[0]), rtol=1e-12
    )
    opt, n = oo.tuned_momentum(mu, L), 150
    sizes = np.linalg.norm(oo.simulate(opt, problem, 2 * n).theta, axis=1)
    rate = (sizes[2 * n] / sizes[n]) ** (1 / n)
    assert opt.settings["beta"] ** 0.5 == pytest.approx(9 / 11)
    assert 9 / 11 <= rate <= 9 / 11 * (1 + 2 * np.log(2) / n)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient_bound(-1.0), "t must be non-negative and finite, got -1.0"),
        (lambda: gradient_bound(1.0, 0), "distance must be positive and finite, got 0"),
        (lambda: worst_slope(1.0, smoothness=-2), "smoothness must be positive and finite, got -2"),
        (lambda: nesterov_flow_bound(0.0), "t must be positive and finite, got 0.0"),
        (lambda: nesterov_bound(1, 0.0), "lr must be positive, from 1e-100 to 1e100, got 0.0"),
        (lambda: huber(0), "slope must be positive and finite, got 0"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_arrays():
    np.testing.assert_allclose(gradient_bound(np.array([0.0, 1.0])), [1 / 2, 1 / 6])
