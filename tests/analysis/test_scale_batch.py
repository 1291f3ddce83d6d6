"""Batch-size rules: what they keep, against ensembles and exact moments; where the other rule fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import odeopt as oo
from odeopt import noise, optimizers, problems, schedules

D, MEMBERS = 64, 64
KAPPAS = (4, 16, 64)


def noisy_quadratic(kappa):
    """L = |theta|^2/2 with noise of variance 1/kappa: at theta0 2500/kappa times the signal."""
    plain = problems.quadratic((1.0,) * D, angle=0, theta0=0.02 * np.ones(D))
    return noise.gaussian(plain, 1 / np.sqrt(kappa))


def settled_noise(opt, kappa):
    """The memory G(0) = Sigma/kappa, as the rule has it."""
    return replace(opt, start=lambda flow, grad, theta0, h: flow.start(theta0, G=np.full_like(theta0, 1 / kappa)))


def adam(kappa, ratio):
    opt = optimizers.adam(lr=4e-4, beta1=0.99, beta2=0.999)
    return oo.batch_scaling(opt, kappa, ratio)


def rmsprop(kappa, ratio):
    opt = optimizers.rmsprop(lr=4e-4, rho=0.999)
    found = oo.batch_scaling(opt, kappa, ratio)
    return replace(found, optimizer=settled_noise(found.optimizer, kappa))


def moments(scaling, problem, steps, theta0):
    """(mean of theta, E[L]) at the end."""
    run = oo.simulate(scaling.optimizer, problem, scaling.steps(steps), theta0, rng=4, record_every=10**6)
    return run.theta[-1].mean(), run.loss[-1].mean()


@pytest.mark.parametrize("make", [adam, rmsprop])
def test_square_root_rule_holds_where_noise_dominates_and_the_linear_rule_fails(make):
    """Over kappa = 1..64 to 10 %; 4096 independent coordinates leave 2 to 3 % of Monte Carlo error in each moment."""
    theta0, steps = np.full((MEMBERS, D), 0.02), 2048
    reference = np.array(moments(make(1, np.inf), noisy_quadratic(1), steps, theta0))
    for kappa in KAPPAS:
        found = np.array(moments(make(kappa, np.inf), noisy_quadratic(kappa), steps, theta0))
        np.testing.assert_allclose(found, reference, rtol=0.1)
        linear = np.array(moments(make(kappa, 0.0), noisy_quadratic(kappa), steps, theta0))
        assert np.all(np.abs(linear / reference - 1) > 0.2)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0])
def test_between_the_rules_the_derived_one_keeps_the_drift(ratio):
    """L = theta: g = 1 and Sigma = ratio everywhere.  E[theta] after the same samples; the other rules are off."""
    kappa, steps, n = 16, 1024, 400
    slope = oo.Problem(lambda x: np.sum(x, -1), lambda x: np.ones_like(x), theta0=np.zeros(1), batched=True)
    opt = optimizers.adam(lr=1e-4, beta1=0.0, beta2=0.9995)

    def mean(kappa, assumed):
        scaling, problem = oo.batch_scaling(opt, kappa, assumed), noise.gaussian(slope, np.sqrt(ratio / kappa))
        start = np.zeros((n, 1))
        run = oo.simulate(scaling.optimizer, problem, scaling.steps(steps), start, rng=1, record_every=10**6)
        return run.theta[-1].mean()

    expected = -1e-4 * steps / np.sqrt(1 + ratio)
    # Monte Carlo: lr sqrt(steps/n) < 0.6 % of the drift; E[1/sqrt(G)] > 1/sqrt(E[G]) adds less than 1 %
    assert mean(kappa, ratio) == pytest.approx(expected, rel=0.03)
    assert abs(mean(kappa, 0.0) / expected - 1) > 0.03 * (1 if ratio < 1 else 5)
    assert abs(mean(kappa, np.inf) / expected - 1) > 0.2


def second_moment(lr, batch, samples, x=1.0):
    """E[x^2] of SGD on x^2/2 with noise of variance 1/batch: e <- (1 - lr)^2 e + lr^2/batch, exactly."""
    for _ in range(round(samples / batch)):
        x = (1 - lr) ** 2 * x + lr**2 / batch
    return x


def test_linear_rule_of_sgd_holds_while_kappa_lr_is_small():
    """Both moments in their exact recursion: SGD against itself at kappa = 1, lr lambda = 0.002."""
    opt, samples = optimizers.gd(lr=0.002), 1024
    errors = {}
    for kappa in (4, 16, 64, 512):
        lr = oo.scale_batch(opt, kappa).lr
        errors[kappa] = abs(second_moment(lr, kappa, samples) / second_moment(0.002, 1, samples) - 1)
    assert errors[4] < 0.02
    assert errors[16] < 0.1
    assert errors[512] > 0.3  # kappa lr lambda = 1.02
    h = np.array([4, 16, 64]) * 0.002
    order = np.polyfit(np.log(h), np.log([errors[4], errors[16], errors[64]]), 1)[0]
    assert 0.9 < order < 1.2  # weak order 1 in kappa lr


@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_momentum_keeps_the_stationary_variance(beta):
    """lr sigma^2/(lambda (1 - beta)(2 - lr lambda/(1 + beta))) up to the last factor, sigma^2/kappa, lr kappa."""

    def variance(opt, kappa):
        lr = opt.settings["lr"]
        return lr / kappa / ((1 - beta) * (2 - lr / (1 + beta)))

    opt = optimizers.momentum(lr=1e-3, beta=beta)
    for kappa in KAPPAS:
        scaled = oo.scale_batch(opt, kappa)
        assert scaled.settings["beta"] == beta
        assert variance(scaled, kappa) == pytest.approx(variance(opt, 1), rel=0.1 * kappa / 64)


def test_on_minibatches_of_real_data_sgd_follows_the_linear_rule():
    """E[L] on breast cancer after as many samples, batches of 2 and of 16, within 5 standard errors and 1 % of L."""
    problem, opt = problems.logistic_regression(), optimizers.gd(lr=0.005)
    found = oo.compare_batches({2: opt, 16: oo.scale_batch(opt, 8)}, problem, 1600, members=20, rng=0)
    gap = abs(found.loss[2][-1] - found.loss[16][-1])
    assert gap < 5 * np.hypot(found.error[2][-1], found.error[16][-1]) + 0.01 * found.loss[2][-1]
    assert found.loss[2][-1] < 0.5 * found.loss[2][0]


# --- what changes ---------------------------------------------------------------------------------------------------


def test_hyperparameters():
    new = oo.scale_batch(optimizers.rmsprop(lr=0.01, rho=0.99, eps=1e-4), 4, np.inf).settings
    assert (new["lr"], new["rho"], new["eps"]) == pytest.approx((0.02, 0.99**4, 5e-5))
    inside = oo.scale_batch(optimizers.rmsprop(like="keras", lr=0.01, eps=1e-4), 4, np.inf).settings
    assert inside["eps"] == pytest.approx(2.5e-5)  # sqrt(G + eps): eps is a G
    new = oo.scale_batch(optimizers.adamw(lr=0.01, weight_decay=0.1), 4, np.inf).settings
    assert new["lr"] == pytest.approx(0.02)
    assert 1 - 0.02 * new["weight_decay"] == pytest.approx((1 - 0.01 * 0.1) ** 4, rel=1e-14)  # as much a sample
    new = oo.scale_batch(optimizers.adam(lr=0.01, beta1=0.0), 4, 0).settings
    assert (new["lr"], new["beta1"], new["beta2"], new["eps"]) == pytest.approx((0.04, 0, 0.999**4, 1e-8))
    new = oo.scale_batch(optimizers.adam(lr=0.01), 4, 3.0).settings
    assert new["lr"] == pytest.approx(0.01 * 4 * np.sqrt((1 + 3 / 4) / (1 + 3)))
    assert oo.scale_batch(optimizers.heavy_ball(lr=0.01, beta=0.9), 1 / 4).lr == 0.0025


def test_wrappers():
    scheduled = optimizers.scheduled(optimizers.l2(optimizers.gd(0.1), 0.01), schedules.cosine(400))
    new = oo.scale_batch(scheduled, 4)
    assert (new.lr, new.settings["weight_decay"]) == (0.4, 0.01)
    k = np.arange(100)
    inside = [made.settings["opt"].settings["schedule"] for made in (new, scheduled)]
    np.testing.assert_allclose(inside[0](k), inside[1](4 * k + 1.5), rtol=1e-14)  # the middle of four old steps
    decayed = oo.scale_batch(optimizers.decoupled(optimizers.adam(lr=0.01), 0.1), 4, np.inf)
    assert decayed.lr == pytest.approx(0.02)
    assert 1 - 0.02 * decayed.settings["weight_decay"] == pytest.approx((1 - 0.01 * 0.1) ** 4, rel=1e-14)
    clipped = oo.scale_batch(optimizers.clip_norm(optimizers.ema(optimizers.adam(lr=0.01), 0.99), 1.0), 4, np.inf)
    assert clipped.settings["limit"] == 0.5  # the noise of a gradient
    assert clipped.settings["opt"].settings["decay"] == pytest.approx(0.99**4)


def test_there_and_back_is_the_same_optimizer():
    opt = optimizers.adamw(lr=0.01, beta1=0.9, beta2=0.99, weight_decay=0.1)
    there = oo.batch_scaling(opt, 5, noise_ratio=8.0)
    back = oo.batch_scaling(there.optimizer, 1 / 5, noise_ratio=8.0 / 5)
    for key in ("lr", "beta1", "beta2", "eps", "weight_decay"):
        assert back.optimizer.settings[key] == pytest.approx(opt.settings[key], rel=1e-12)


def test_noise_ratio():
    problem = problems.logistic_regression()
    theta, grads = problem.theta0, problem.samples.grads(problem.theta0)
    by_hand = np.trace(np.cov(grads.T, ddof=1)) / 8 * (1 - 8 / 569) / np.sum(problem.grad(theta) ** 2)
    assert oo.noise_ratio(noise.minibatches(problem, 8)) == pytest.approx(by_hand, rel=1e-12)
    assert oo.noise_ratio(noise.minibatches(problem, 569)) == 0
    exact = problems.quadratic((1, 2))
    assert oo.noise_ratio(noise.gaussian(exact, 1.0), exact.minimizer) == np.inf
    assert oo.noise_ratio(noise.gaussian(exact, 1.0), np.ones((4, 3, 2))).shape == (4, 3)


def test_it_prints_what_changes_and_why():
    text = str(oo.batch_scaling(optimizers.momentum(lr=0.01, beta=0.9), 8))
    assert "momentum, batch x 8: linear rule\nlr           0.01 -> 0.08\nsteps        n -> n/8\n" in text
    assert "beta" in text.splitlines()[-1]
    assert "memory is 8 times as long" in text
    assert "lr x 1.6 rule" in str(oo.batch_scaling(optimizers.adam(lr=0.01), 2, 18 / 7))  # q = 0.8
    assert "linear rule" in str(oo.batch_scaling(optimizers.adam(lr=0.01), 2, 0))


# --- batches that grow, and whether larger is better ----------------------------------------------------------------


def test_a_growing_batch_is_a_shrinking_rate():
    """Exact E[x^2] on x^2/2 at equal samples: lr/B falls fourfold three times, once by lr and once by B."""
    schedule, size, lr, samples = schedules.step(every=64, factor=1 / 4), 2, 0.02, 512
    sizes = oo.batch_schedule(schedule, size, samples)
    assert sum(sizes) == samples
    assert sorted(set(sizes)) == [2, 8, 32, 128]
    assert len(sizes) < 0.4 * samples / size

    def moment(rates, batches, e=1.0):
        for rate, batch in zip(rates, batches, strict=True):
            e = (1 - rate) ** 2 * e + rate**2 / batch
        return e

    shrinking = moment(lr * schedule(np.arange(256)), [2] * 256)
    growing = moment([lr] * len(sizes), sizes)
    neither = moment([lr] * 256, [2] * 256)
    assert growing == pytest.approx(shrinking, rel=0.03)  # O(lr)
    assert abs(neither / shrinking - 1) > 0.2


def test_growing_batches_run():
    problem = problems.least_squares(features=4)
    noisy, sizes = noise.minibatches(problem, 4), oo.batch_schedule(lambda k: 1 / (1 + k / 20), 4, 1000)
    path = noise.batches(noisy, sizes, rng=3, members=(5,))
    assert [batch.shape for batch in path] == [(5, size) for size in sizes]
    joined = np.concatenate(path, axis=-1)
    np.testing.assert_array_equal(np.sort(joined[:, :442]), np.broadcast_to(np.arange(442), (5, 442)))
    run = oo.simulate(optimizers.gd(0.1), noisy, len(sizes), np.zeros((5, 4)), noise=path)
    assert run.success
    drawn = noise.batches(noise.minibatches(problem, 4, replace=True), [3, 500], rng=3)
    assert len(np.unique(drawn[1])) < 400


def test_a_larger_batch_is_not_always_better():
    """By samples the smallest batch is best at one rate; rescaled, all are equal up to a limit.  By steps it is not."""
    problem, sizes = problems.logistic_regression(), (2, 32, 256)

    def compare(opts):
        return oo.compare_batches(dict(zip(sizes, opts, strict=True)), problem, 5120, members=5, rng=0)

    same = compare([optimizers.gd(0.05)] * 3)
    by_samples = same.samples_to(0.25)
    assert by_samples[2] < 0.2 * by_samples[32] < 0.04 * by_samples[256]
    by_steps = same.steps_to(0.25)
    assert by_steps[256] == by_steps[32] <= by_steps[2] < 1.5 * by_steps[32]  # the noise hardly slows the descent
    rescaled = compare([oo.scale_batch(optimizers.gd(0.02), size / 2) for size in sizes])
    by_samples, by_steps = rescaled.samples_to(0.12), rescaled.steps_to(0.12)
    assert 0.8 < by_samples[32] / by_samples[2] < 1.2
    assert by_samples[256] > 1.5 * by_samples[2]  # beyond the limit: lr lambda is no longer small
    assert by_steps[256] < by_steps[32] < by_steps[2]
    fast = compare([optimizers.gd(0.3)] * 3)
    ends = {size: fast.loss[size][-50:].mean() for size in sizes}
    assert ends[2] > 1.05 * ends[32]  # what noise leaves in the end is proportional to lr/batch
    assert str(rescaled).splitlines()[0].split() == ["batch", "lr", "steps", "samples", "E[L]", "+-"]


def test_a_diverging_run_has_infinite_loss():
    found = oo.compare_batches({32: optimizers.gd(1e30)}, problems.least_squares(), 3200, members=2, rng=0)
    assert found.loss[32][-1] == np.inf
    assert found.steps_to(1e-9) == {32: np.inf}


# --- bad input ------------------------------------------------------------------------------------------------------


ADAM, GD, LEAST = optimizers.adam(lr=0.01), optimizers.gd(lr=0.1), problems.least_squares()
BAD = [
    (lambda: oo.scale_batch(ADAM, 4), ValueError, "noise_ratio must be given for an adaptive optimizer"),
    (lambda: oo.scale_batch(ADAM, 4, -1), ValueError, "noise_ratio must be at least 0, got -1"),
    (lambda: oo.scale_batch(ADAM, 4, np.nan), ValueError, "noise_ratio must be at least 0, got nan"),
    (lambda: oo.scale_batch(ADAM, 4, "big"), TypeError, "noise_ratio must be numbers .* got 'big'"),
    (lambda: oo.scale_batch(ADAM, 0, 1), ValueError, "kappa must be positive and finite, got 0"),
    (lambda: oo.scale_batch("adam", 4), TypeError, "opt must be an Optimizer, .* got 'adam'"),
    (lambda: oo.scale_batch(optimizers.rprop(lr=0.1), 4), ValueError, "opt must be one of gd, .* got rprop"),
    (
        lambda: oo.scale_batch(optimizers.decoupled(GD, 10), 4),
        ValueError,
        "weight_decay of opt must be below",
    ),
    (lambda: oo.scale_batch(optimizers.adagrad(lr=0.1), 4), ValueError, "for which a rule is known, got adagrad"),
    (lambda: oo.scale_batch(optimizers.lookahead(ADAM), 4, 1), ValueError, "for which a rule is known, got lookahead"),
    (lambda: oo.scale_batch(optimizers.l2(optimizers.adadelta(0.1), 1), 4), ValueError, "rule is known, got adadelta"),
    (
        lambda: oo.scale_batch(oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 0.1), 4),
        ValueError,
        "for which a rule is known, got optimizer",
    ),
    (
        lambda: oo.scale_batch(optimizers.rmsprop(lr=0.1, momentum=0.5), 4, 1),
        ValueError,
        "opt must be RMSprop without momentum",
    ),
    (lambda: oo.noise_ratio(LEAST), ValueError, "problem must have noise"),
    (lambda: oo.batch_schedule(schedules.cosine(2), 8, 80), ValueError, "schedule must be positive .* got 0 after 24"),
    (lambda: oo.batch_schedule(0.5, 8, 80), TypeError, "schedule must be one of odeopt.schedules or a function"),
    (lambda: oo.compare_batches({}, LEAST, 10), TypeError, "optimizers must be {batch size: optimizer}, got {}"),
    (lambda: oo.compare_batches({4: ADAM}, LEAST, 3), ValueError, "samples must be at least 4, .* got 3"),
    (lambda: oo.compare_batches({4: "adam"}, LEAST, 8), ValueError, "optimizers must be .* got 'adam' for 4"),
    (
        lambda: oo.compare_batches({4: ADAM}, LEAST.at(np.zeros((2, 11))), 8),
        ValueError,
        r"problem must have one start of shape \(11,\), got \(2, 11\)",
    ),
    (lambda: noise.batches(LEAST, [2]), ValueError, "problem must have noise"),
    (lambda: noise.batches(noise.gaussian(LEAST, 1), [2]), ValueError, "problem must have minibatches"),
    (lambda: noise.batches(noise.minibatches(LEAST, 2), [500]), ValueError, "sizes must be at most 442, .* got 500"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[text[:40] for _, _, text in BAD])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
