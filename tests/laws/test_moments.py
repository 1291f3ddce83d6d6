"""Exact moments: closed forms of SGD, heavy ball and Ornstein and Uhlenbeck, and ensembles within their errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import odeopt as oo
from odeopt import flow, laws, push, schemes

LAMBDA = np.array([1.0, 3.0])
BOWL = oo.problems.quadratic(eigenvalues=LAMBDA, angle=0)
SIGMA = 0.7
NOISY = oo.noise.gaussian(BOWL, SIGMA)
ROTATED = oo.noise.gaussian(oo.problems.quadratic(eigenvalues=LAMBDA), np.array([0.5, 1.0]))


def variance(found):
    return np.diagonal(found.theta_covariance, axis1=-2, axis2=-1)


@pytest.mark.parametrize("lr", [0.01, 0.2, 0.6])
def test_sgd(lr):
    """lr sigma^2/(lambda (2 - lr lambda))."""
    found = laws.stationary(oo.optimizers.gd(lr=lr), NOISY)
    np.testing.assert_allclose(variance(found), lr * SIGMA**2 / (LAMBDA * (2 - lr * LAMBDA)), rtol=1e-13)
    np.testing.assert_allclose(found.theta_mean, BOWL.minimizer, atol=1e-15)


@pytest.mark.parametrize("make", [oo.optimizers.momentum, oo.optimizers.heavy_ball])
@pytest.mark.parametrize(("lr", "beta"), [(0.01, 0.9), (0.3, 0.5), (0.6, 0.1)])
def test_heavy_ball(make, lr, beta):
    """lr sigma^2/(lambda (1 - beta)(2 - lr lambda/(1 + beta)))."""
    found = laws.stationary(make(lr=lr, beta=beta), NOISY)
    exact = lr * SIGMA**2 / (LAMBDA * (1 - beta) * (2 - lr * LAMBDA / (1 + beta)))
    np.testing.assert_allclose(variance(found), exact, rtol=1e-10)


def test_ornstein_uhlenbeck():
    t, T = np.array([0.0, 1e-3, 0.3, 2.0, 500.0]), 0.4
    found = laws.flow_moments(oo.flows.langevin(T), BOWL, t, theta0=[1.0, -2.0])
    np.testing.assert_allclose(found.mean, np.exp(-np.outer(t, LAMBDA)) * [1.0, -2.0], atol=1e-14)
    np.testing.assert_allclose(variance(found), T / LAMBDA * -np.expm1(-2 * np.outer(t, LAMBDA)), rtol=1e-12)
    np.testing.assert_allclose(
        laws.flow_stationary(oo.flows.langevin(T), BOWL).covariance, found.covariance[-1], atol=1e-14
    )


@pytest.mark.parametrize("damping", [0.1, 2.0, 30.0])
def test_kramers_equilibrium_has_one_temperature(damping):
    """The density exp(-(L + v^2/2)/T): Var theta = T/lambda, Var v = T, uncorrelated, for every friction."""
    found = laws.flow_stationary(oo.flows.kramers(damping, 0.3), BOWL)
    np.testing.assert_allclose(found.covariance, np.diag([*(0.3 / LAMBDA), 0.3, 0.3]), atol=1e-13)
    assert found.temperature == pytest.approx(0.3, rel=1e-12)
    assert found.loss == pytest.approx(BOWL.loss(BOWL.minimizer) + 0.3, rel=1e-12)  # d T/2


@pytest.mark.parametrize("h", [0.01, 0.5, 1.1])
def test_baoab_has_the_exact_variance_of_theta_on_a_quadratic(h):
    """[Leimkuhler and Matthews 2013, sec. 3]; OBABO's is T/(lambda (1 - h^2 lambda/4))."""
    exact = 0.3 / LAMBDA
    kramers = oo.flows.kramers(1.0, 0.3)
    words = [laws.stationary(oo.Optimizer(kramers, word, h), BOWL) for word in (schemes.baoab, schemes.obabo)]
    np.testing.assert_allclose(variance(words[0]), exact, rtol=1e-12)
    np.testing.assert_allclose(variance(words[1]), exact / (1 - h**2 * LAMBDA / 4), rtol=1e-12)


def test_temperature_of_sgd():
    """lr sigma^2/2 to leading order, and more in steep directions."""
    for lr, rtol in ((0.1, 0.2), (0.01, 0.02), (0.001, 0.002)):
        found = laws.stationary(oo.optimizers.gd(lr=lr), NOISY)
        assert found.temperature == pytest.approx(lr * SIGMA**2 / 2, rel=rtol)
        assert found.temperature > lr * SIGMA**2 / 2


@pytest.mark.parametrize(
    "opt",
    [oo.optimizers.gd(lr=0.2), oo.optimizers.momentum(lr=0.1, beta=0.8), oo.optimizers.nesterov(lr=0.1, beta=0.8)],
    ids=lambda opt: opt.name,
)
def test_an_ensemble_agrees_within_its_errors(opt):
    exact, members = laws.moments(opt, ROTATED, 25), 40_000
    run = oo.ensemble(opt, ROTATED, members, 25, rng=5, record_every=5)
    assert np.all(np.abs(run.mean[1:] - exact.theta_mean[5::5]) < 4.5 * run.standard_error[1:])
    scale = np.sqrt(np.einsum("kii,kjj->kij", run.covariance, run.covariance)[1:] * 2 / members)
    assert np.all(np.abs(run.covariance[1:] - exact.theta_covariance[5::5]) < 4.5 * scale)
    assert run.loss_mean[-1] == pytest.approx(exact.loss[-1], abs=4.5 * (run.loss_variance[-1] / members) ** 0.5)


def test_the_iteration_ends_in_the_stationary_law():
    opt = oo.optimizers.momentum(lr=0.1, beta=0.8)
    end, rest = laws.moments(opt, ROTATED, 800), laws.stationary(opt, ROTATED)
    np.testing.assert_allclose(end.covariance[-1], rest.covariance, rtol=1e-9)
    np.testing.assert_allclose(end.mean[-1], rest.mean, atol=1e-12)


def test_what_has_no_closed_moments_is_refused():
    quartic = oo.noise.gaussian(oo.problems.double_well(), 0.1)
    with pytest.raises(ValueError, match="gd is not linear"):
        laws.moments(oo.optimizers.gd(lr=0.1), quartic)
    with pytest.raises(ValueError, match="adam is not linear"):
        laws.stationary(oo.optimizers.adam(), NOISY)
    with pytest.raises(ValueError, match="not linear"):
        laws.moments(oo.optimizers.gd(lr=0.1), oo.noise.gaussian(BOWL, lambda theta: theta))
    with pytest.raises(ValueError, match="spectral radius 1.1"):
        laws.stationary(oo.optimizers.gd(lr=0.7), NOISY)
    free = push("theta", noise=lambda xi: xi)
    with pytest.raises(ValueError, match="no stationary law"):
        laws.flow_stationary(flow("theta", free=free), BOWL)
    with pytest.raises(ValueError, match="single optimizer"):
        laws.moments(oo.optimizers.gd(lr=np.array([0.1, 0.2])), NOISY)
    with pytest.raises(ValueError, match="multistep"):
        laws.moments(oo.Optimizer(oo.flows.gradient_flow(), schemes.ab2, 0.1), NOISY)
    with pytest.raises(ValueError, match="theta0"):
        laws.moments(oo.optimizers.gd(lr=0.1), NOISY, theta0=np.ones((3, 2)))


def test_a_time_dependent_step_and_one_without_noise():
    paced = oo.optimizers.scheduled(oo.optimizers.gd(lr=0.1), oo.schedules.cosine(20))
    found = laws.moments(paced, NOISY, 20)
    run = oo.simulate(paced, BOWL, 20)
    np.testing.assert_allclose(found.theta_mean, run.theta, atol=1e-13)
    assert not laws.moments(paced, dataclasses.replace(NOISY, noise=None), 20).covariance.any()


PACED = oo.optimizers.scheduled(oo.optimizers.gd(lr=0.1), oo.schedules.cosine(20))
SWINGING = flow("theta", go=push("theta", lambda t, theta: t * theta, noise=lambda xi: xi))


@pytest.mark.parametrize(
    "call",
    [
        lambda: laws.stationary(PACED, NOISY),
        lambda: laws.stationary(oo.optimizers.nesterov_k(lr=0.01), NOISY),
        lambda: laws.flow_moments(oo.flows.su_boyd_candes(), BOWL, 1.0),
        lambda: laws.flow_moments(SWINGING, BOWL, 1.0),
        lambda: laws.flow_moments(flow("theta", go=push("theta", noise=lambda t, xi: t * xi)), BOWL, 1.0),
        lambda: laws.flow_stationary(SWINGING, BOWL),
        lambda: laws.density_of(SWINGING, oo.problems.double_well(), (-1, 1), 4),
    ],
)
def test_a_law_of_the_state_alone_refuses_the_time(call):
    """It would be the law of a flow that stands still at t = 0."""
    with pytest.raises(ValueError, match="must not read the time t, part '.*' of .* does"):
        call()


def test_a_gradient_that_is_not_finite_is_named():
    nowhere = oo.Problem(lambda x: (x**2).sum(-1), lambda x: np.nan * x, theta0=[1.0, 2.0], batched=True)
    with pytest.raises(ValueError, match="problem must have a finite gradient near 0 for gd"):
        laws.stationary(oo.optimizers.gd(lr=0.1), oo.noise.gaussian(nowhere, 0.1))


def test_a_density_needs_noise():
    with pytest.raises(ValueError, match="flow must have noise, .*, gradient flow has none"):
        laws.density_of(oo.flows.gradient_flow(), oo.problems.double_well(), (-1, 1), 4)


@pytest.mark.parametrize("t", [-1, [0.0, -1e-300], np.nan])
def test_times_before_the_start_are_refused(t):
    with pytest.raises(ValueError, match="t must be non-negative and finite"):
        laws.flow_moments(flow("theta", go=push("theta", noise=lambda xi: xi)), BOWL, t)
