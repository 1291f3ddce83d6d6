"""Stationary laws for weak noise, against closed forms, exact lattices and many members."""

from __future__ import annotations

import numpy as np
import pytest
from support.signs import stationary_variance

import odeopt as oo
from odeopt import laws, noise, optimizers
from odeopt.noise._standard import Normal, StudentT

LAMBDA, SIGMA, LR = 1.5, 2.0, 0.01
LINE = oo.problems.quadratic(eigenvalues=(LAMBDA,), angle=0)
NOISY = noise.gaussian(LINE, SIGMA)
DECAY = 0.2


def variance(opt, problem=NOISY):
    return float(laws.linear_noise(oo.sde(opt), problem).covariance[0, 0])


CLOSED = {
    "sgd": (optimizers.gd(LR), LR * SIGMA**2 / (2 * LAMBDA)),
    "signsgd": (optimizers.signsgd(LR), LR * SIGMA * np.sqrt(np.pi / 2) / (2 * LAMBDA)),
    "rmsprop": (optimizers.rmsprop(LR, eps=0), LR * SIGMA / (2 * LAMBDA)),
    "adam": (optimizers.adam(LR, eps=0), LR * SIGMA / (2 * LAMBDA)),
    "rmsprop decayed": (
        optimizers.decoupled(optimizers.rmsprop(LR, eps=0), DECAY),
        LR / (2 * (LAMBDA / SIGMA + DECAY)),
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms(name):
    """SGD lr sigma^2/(2 lambda); signSGD sqrt(pi/2) and Adam 1 times lr sigma/(2 lambda), whatever Adam's memory."""
    opt, exact = CLOSED[name]
    assert variance(opt) == pytest.approx(exact, rel=1e-8)


def test_adam_forgets_its_memory():
    found = [variance(optimizers.adam(LR, beta1, beta2, eps=0)) for beta1 in (0.0, 0.9) for beta2 in (0.9, 0.999)]
    np.testing.assert_allclose(found, found[0], rtol=1e-8)


def test_adamw_decayed():
    """lr/(2 (1 + w tau) (w + lambda/sigma)), tau the memory of the mean."""
    opt = optimizers.adamw(LR, weight_decay=DECAY, eps=0)
    w, tau, h = opt.flow.params["weight_decay"], opt.flow.params["tau1"], opt.h
    assert variance(opt) == pytest.approx(h / (2 * (1 + w * tau) * (w + LAMBDA / SIGMA)), rel=1e-8)


def test_pure_noise():
    """Without a gradient AdamW's weights have size sqrt(lr/(2 wd)), its updates sqrt((1 - beta1)/(1 + beta1))."""
    flat = noise.gaussian(oo.Problem(lambda x: 0 * x.sum(-1), lambda x: 0 * x, theta0=[0.0], batched=True), 1.0)
    opt = optimizers.adamw(LR, 0.9, weight_decay=0.1, eps=0)
    law = laws.linear_noise(oo.sde(opt), flat)
    assert np.sqrt(law.covariance[0, 0]) == pytest.approx(np.sqrt(LR / (2 * 0.1)), rel=1e-2)  # wd tau = .01
    assert np.sqrt(law.covariance[1, 1]) == pytest.approx(np.sqrt(0.1 / 1.9), rel=1e-3)  # ln(1/beta)/2 for .1/1.9


def test_adam_in_many_dimensions():
    """(lr/2) Sigma^(1/2) H^-1: for H that does not commute with Sigma the symmetric solution of Lyapunov's equation."""
    sigma = np.array([0.5, 3.0])
    problem = noise.gaussian(oo.problems.quadratic(eigenvalues=(1.0, 4.0), angle=0.4), sigma)
    C = laws.linear_noise(oo.sde(optimizers.rmsprop(LR, eps=0)), problem).theta_covariance
    H = np.stack([problem.hvp(np.zeros(2), e) for e in np.eye(2)])
    A = H / sigma[:, None]  # theta' = -Sigma^(-1/2) H theta + sqrt(lr) xi, so A C + C A^T = lr
    np.testing.assert_allclose(A @ C + C @ A.T, LR * np.eye(2), atol=1e-10)
    straight = noise.gaussian(oo.problems.quadratic(eigenvalues=(1.0, 4.0), angle=0), sigma)
    diagonal = laws.linear_noise(oo.sde(optimizers.rmsprop(LR, eps=0)), straight).theta_covariance
    np.testing.assert_allclose(diagonal, LR / 2 * np.diag(sigma / [1.0, 4.0]), atol=1e-10)


def test_on_a_linear_flow_it_is_exact():
    found = laws.linear_noise(oo.flows.kramers(0.7, 0.3), oo.problems.quadratic())
    exact = laws.flow_stationary(oo.flows.kramers(0.7, 0.3), oo.problems.quadratic())
    np.testing.assert_allclose(found.covariance, exact.covariance, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.mean, exact.mean, atol=1e-9)


def test_at_a_minimum_of_a_curved_loss():
    """In the well at 1, L'' = 2: lr sigma^2/4."""
    found = laws.linear_noise(oo.sde(optimizers.gd(LR)), noise.gaussian(oo.problems.double_well(), 0.1), [0.8])
    assert found.mean[0] == pytest.approx(1.0, abs=1e-12)
    assert found.covariance[0, 0] == pytest.approx(LR * 0.01 / 4, rel=1e-8)


@pytest.mark.parametrize("law", [Normal(), StudentT(3.0), StudentT(1.0)], ids=["normal", "nu = 3", "Cauchy"])
def test_signsgd_against_the_exact_lattice(law):
    """Linear noise, the density of the equation and the walk itself agree as lr -> 0, with errors of order lr."""
    off = []
    for lr in (0.04, 0.02):
        exact = stationary_variance(lr, 1.0, law.cdf)
        line = oo.problems.quadratic(eigenvalues=(1.0,), angle=0)
        noisy = noise.gaussian(line, 1.0) if isinstance(law, Normal) else noise.student(line, 1.0, law.nu)
        flow = oo.sde(optimizers.signsgd(lr))
        density = laws.density_of(flow, noisy, box=(-2, 2), cells=800)
        p, x = density.stationary(), density.grid.centres[0]
        off.append([float(p @ x**2 / p.sum()) / exact - 1, variance(optimizers.signsgd(lr), noisy) / exact - 1])
    assert np.abs(off[0]).max() < 0.05
    np.testing.assert_allclose(np.divide(*off), 2.0, rtol=0.15)


MANY = {
    "signsgd": optimizers.signsgd(0.05),
    "rmsprop": optimizers.rmsprop(0.05, 0.99),
    "adam": optimizers.adam(0.05, 0.9, 0.99),
    "adamw": optimizers.adamw(0.05, 0.9, 0.99, weight_decay=0.1),
    "lion": optimizers.lion(0.01, 0.9, 0.99),
}


def ended(opt, problem, members, steps):
    """Var theta over the members after so many steps from 0."""
    run = oo.ensemble(opt, problem, members, steps, [0.0], rng=1, record_every=steps)
    return float(run.check().variance[-1, 0])


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_many_members_spread_as_far(name):
    """1e5 members: within lr lambda = 5 %, the size of the error of first order, and four standard errors."""
    problem, members = noise.gaussian(oo.problems.quadratic(eigenvalues=(1.0,), angle=0), 1.0), 100_000
    steps = 1500 if name == "lion" else 600
    found, linear = ended(MANY[name], problem, members, steps), variance(MANY[name], problem)
    assert found / linear == pytest.approx(1, abs=0.05 + 4 * np.sqrt(2 / members))


@pytest.mark.slow
def test_lion_is_nearer_to_its_equation_than_to_linear_noise():
    """Lion's memory spreads the argument of its sign by 0.6 of its fresh noise, whatever lr: 4 % of the variance."""
    problem, opt = noise.gaussian(oo.problems.quadratic(eigenvalues=(1.0,), angle=0), 1.0), MANY["lion"]
    equation = oo.Optimizer(oo.sde(opt), oo.schemes.euler_maruyama, opt.h)
    steps, flow = (ended(each, problem, 20_000, 1200) for each in (opt, equation))
    assert flow / steps == pytest.approx(1, abs=4 * np.sqrt(4 / 20_000))
    assert variance(opt, problem) / steps > 1.02


def test_a_sign_of_the_memory_is_no_smooth_flow():
    with pytest.raises(ValueError, match="must be smooth at its point of rest"):
        laws.linear_noise(oo.sde(optimizers.signum(0.01, 0.9)), NOISY)


@pytest.mark.slow
def test_signum_spreads_three_times_as_far_as_signsgd():
    """sqrt(pi) log(2)/2 sqrt(lr tau) sigma/lambda = 1.89 lr sigma/lambda at beta = 0.9, where signSGD has 0.63.

    Its signs are correlated by (2/pi) arcsin(beta^k) over k steps, whose integral is 2 tau log 2, and their mean has
    the slope sqrt(2/pi) lambda/sd(m).  [Van Vleck and Middleton 1966]  Errors are of order lr lambda.
    """
    lr, beta, members = 0.004, 0.9, 20_000
    signum, problem = (
        optimizers.signum(lr, beta),
        noise.gaussian(oo.problems.quadratic(eigenvalues=(1.0,), angle=0), 1.0),
    )
    equation = oo.Optimizer(oo.sde(signum), oo.schemes.euler_maruyama, lr)
    exact = np.sqrt(np.pi) / 2 * np.log(2) * np.sqrt(lr * signum.flow.params["tau1"])
    assert exact == pytest.approx(1.892 * lr, rel=1e-3)
    for each in (signum, equation):
        assert ended(each, problem, members, 500) / exact == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_heavy_tails_of_the_same_variance():
    """nu = 3, variance 1.  SignSGD ends 0.65 times as wide as under Gaussian noise, as its equation says.

    Adam's equation sees the variance alone; the iterates end 7 % less wide than it says, as G = mean of g^2 has itself
    an infinite variance.
    """
    line = oo.problems.quadratic(eigenvalues=(1.0,), angle=0)
    heavy, plain = noise.student(line, np.sqrt(1 / 3), 3.0), noise.gaussian(line, 1.0)
    sign, adam = MANY["signsgd"], MANY["adam"]
    assert ended(sign, heavy, 20_000, 300) / ended(sign, plain, 20_000, 300) == pytest.approx(0.65, abs=0.03)
    assert variance(sign, heavy) / variance(sign, plain) == pytest.approx(np.sqrt(2 * np.pi) / 4, rel=1e-6)
    assert variance(adam, heavy) == pytest.approx(variance(adam, plain), rel=1e-9)
    assert ended(adam, heavy, 20_000, 400) / variance(adam, heavy) == pytest.approx(0.93, abs=0.03)


def test_refuses():
    with pytest.raises(ValueError, match="flow must have noise"):
        laws.linear_noise(oo.flows.gradient_flow(), LINE)
    with pytest.raises(ValueError, match="no stationary law here: its largest growth rate is 1"):
        laws.linear_noise(oo.sde(optimizers.gd(LR)), noise.gaussian(oo.problems.double_well(), 0.1), [0.0])
    slope = oo.Problem(lambda x: x.sum(-1), lambda x: 0 * x + 1, theta0=[0.0], batched=True)
    with pytest.raises(ValueError, match="point of rest"):
        laws.linear_noise(oo.sde(optimizers.gd(LR)), noise.gaussian(slope, 0.1))
