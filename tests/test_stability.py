"""The stability limits of MATHS E, from the step itself, to 1e-10 of their closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts
from odeopt import schemes
from odeopt.analysis import step_matrix

BETAS = (0.0, 0.5, 0.9, 0.99)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize(
    ("make", "closed_form"),
    [
        (lambda b: opts.gd(0.3), lambda b: 2),
        (lambda b: opts.momentum(0.1, b), lambda b: 2 * (1 + b)),
        (lambda b: opts.momentum(0.1, b, map="naive"), lambda b: 2 * (1 + b)),
        (lambda b: opts.heavy_ball(0.1, b), lambda b: 2 * (1 + b)),
        (lambda b: opts.heavy_ball(0.1, b, map="exponential"), lambda b: 2 * (1 + b)),
        (lambda b: opts.nesterov(0.1, b), lambda b: (2 + 2 * b) / (1 + 2 * b)),
        (lambda b: opts.adam(0.01, beta1=b), lambda b: 2 * (1 + b) / (1 - b)),
        (lambda b: opts.rmsprop(0.01, rho=b), lambda b: 2),
        (lambda b: opts.adagrad(0.1), lambda b: 2),
    ],
    ids=["gd", "momentum", "naive momentum", "heavy_ball", "exponential", "nesterov", "adam", "rmsprop", "adagrad"],
)
def test_optimizers(make, closed_form, beta):
    assert oo.stability_limit(make(beta)) == pytest.approx(closed_form(beta), abs=1e-10, rel=1e-10)


@pytest.mark.parametrize(
    ("scheme", "limit"),
    [
        (schemes.euler, 2.0),
        (schemes.heun, 2.0),
        (schemes.rk3, 2.5127453266),
        (schemes.rk4, 2.7852935634),
        (schemes.implicit_euler, np.inf),
        (schemes.trapezoid, np.inf),
    ],
    ids=lambda x: getattr(x, "name", str(x)),
)
def test_schemes(scheme, limit):
    assert oo.stability_limit(scheme) == pytest.approx(limit, abs=1e-9)


@pytest.mark.parametrize(("tau", "h"), [(0.5, 0.1), (0.1, 0.3)])
def test_strang_splitting_of_the_heavy_ball(tau, h):
    """h^2 lambda < 2 a h (1 + q)/(1 - q), q = e^(-ah), in inertial time: here h/tau = ah, h lambda = h^2 lambda/ah."""
    opt = oo.Optimizer(oo.flows.averaged_gradient(tau), schemes.Splitting("drift memory drift", order=2), h)
    q = np.exp(-h / tau)
    assert oo.stability_limit(opt) == pytest.approx(2 * (1 + q) / (1 - q), rel=1e-10)


def test_verlet_with_friction_inside_keeps_verlets_limit():
    """drift kick friction kick drift: h^2 lambda < 4, whatever the friction."""
    for a in (0.1, 1.0, 10.0):
        word = schemes.Splitting("drift kick friction kick drift", order=2)
        h = 0.1
        assert h * oo.stability_limit(oo.Optimizer(oo.flows.heavy_ball(a), word, h)) == pytest.approx(4, rel=1e-9)


def test_the_limit_is_where_runs_diverge():
    """An independent check: the same optimizer on a quadratic, one per mille below and above."""
    for make in (lambda lr: opts.momentum(lr, 0.9), lambda lr: opts.nesterov(lr, 0.9), lambda lr: opts.gd(lr)):
        limit = oo.stability_limit(make(0.1))
        problem = oo.problems.quadratic((1.0,), angle=0.0)
        below, above = (np.abs(oo.simulate(make(s * limit), problem, 20_000).final).max() for s in (0.999, 1.001))
        assert below < 1e-3
        assert above > 1e3


def test_step_matrix_of_momentum():
    """(theta, m) -> (theta - h m+, m+) with m+ = beta m + (1 - beta) lambda theta."""
    M = step_matrix(opts.momentum(0.1, 0.9), 0.5)  # lambda = 5, h = 1
    np.testing.assert_allclose(M, [[1 - 0.5, -0.9], [0.5, 0.9]], rtol=1e-12)
    assert np.linalg.det(M) == pytest.approx(0.9, rel=1e-12)  # beta^d: conformally symplectic


def test_bad_arguments():
    with pytest.raises(TypeError, match="opt must be an Optimizer"):
        oo.stability_limit("adam")
    with pytest.raises(ValueError, match="scheme must be a one-step scheme, got AB2"):
        oo.stability_limit(schemes.ab2)
    with pytest.raises(ValueError, match="h must be a single number here"):
        oo.stability_limit(opts.gd(np.array([0.1, 0.2])))
