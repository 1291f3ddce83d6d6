"""Finite sums and the noise of their batches: against sums written out, all batches enumerated, and draws."""

from __future__ import annotations

from itertools import combinations, islice, product

import numpy as np
import pytest

import odeopt as oo
from odeopt import noise, problems

rng = np.random.default_rng(8)
X, Y = rng.normal(size=(6, 3)), np.array([0, 1, 1, 0, 1, 0])
THETA = rng.normal(size=(2, 3))


def exponential_loss(theta, x, y):
    return np.exp(-(2 * y - 1) * np.sum(theta * x, axis=-1)) + 0.1 * np.sum(theta**2, axis=-1)


FINITE_SUMS = {
    "logistic_regression": problems.logistic_regression((X, Y), ridge=0.3),
    "least_squares": problems.least_squares((X, Y), ridge=0.3),
    "tanh_network": problems.tanh_network(hidden=2, samples=6),
    "finite_sum": problems.finite_sum(exponential_loss, data=(X, Y), theta0=np.ones(3)),
    "finite_sum_of_one_vector": problems.finite_sum(
        lambda theta, x, y: (np.tanh(theta @ x) - y) ** 2, data=(X, Y), theta0=np.ones(3)
    ),
}
every_sum = pytest.mark.parametrize("problem", FINITE_SUMS.values(), ids=FINITE_SUMS)


def points(problem, *members):
    return problem.theta0 + 0.5 * np.random.default_rng(2).normal(size=(*members, problem.dim))


def by_complex_step(loss, theta):
    return np.stack([np.imag(loss(theta + 1e-30j * e)) / 1e-30 for e in np.eye(theta.shape[-1])], axis=-1)


# --- samples --------------------------------------------------------------------------------------------------------


@every_sum
def test_the_loss_is_the_mean_of_the_samples_and_so_are_all_gradients(problem):
    samples, theta = problem.samples, points(problem, 2)
    losses, grads = samples.losses(theta), samples.grads(theta)
    assert (losses.shape, grads.shape) == ((2, 6), (2, 6, problem.dim))
    np.testing.assert_allclose(losses.mean(-1), problem.loss(theta), rtol=1e-14)
    np.testing.assert_allclose(grads.mean(-2), problem.grad(theta), rtol=0, atol=1e-14)
    for j in range(2):
        each = by_complex_step(samples.losses, theta[j])
        np.testing.assert_allclose(grads[j], each, rtol=0, atol=1e-13)
    np.testing.assert_allclose(samples.grads(theta, slice(2, 4)), grads[:, 2:4], rtol=0, atol=1e-15)


@every_sum
def test_batches_are_each_members_own(problem):
    theta, batch = points(problem, 3, 2), np.random.default_rng(4).integers(6, size=(3, 2, 4))
    found, grads = problem.samples.batch_grad(theta, batch), problem.samples.grads(theta)
    for i, j in np.ndindex(3, 2):
        np.testing.assert_allclose(found[i, j], grads[i, j, batch[i, j]].mean(0), rtol=0, atol=1e-14)
    weights = rng.normal(size=(3, 2, 6))
    expected = np.einsum("...n,...nd->...d", weights, grads) / 6
    np.testing.assert_allclose(problem.samples.combined_grad(theta, weights), expected, rtol=0, atol=1e-13)


def test_users_losses_equal_the_ones_by_hand():
    by_hand = problems.least_squares((X, Y))

    def half_square(theta, x, y):
        return (theta @ x - y) ** 2 / 2

    for grad in (None, lambda theta, x, y: (theta @ x - y) * x):
        mine = problems.finite_sum(half_square, grad, data=(X, Y), theta0=np.zeros(3))
        np.testing.assert_allclose(mine.loss(THETA), by_hand.loss(THETA), rtol=1e-13)
        np.testing.assert_allclose(mine.samples.grads(THETA), by_hand.samples.grads(THETA), rtol=0, atol=1e-13)
        assert mine.gradient_source == ("by hand" if grad else "complex step")
    rough = problems.finite_sum(lambda theta, x: np.sum(np.abs(theta - x) ** 3), data=(X,), theta0=np.zeros(3))
    expected = 3 * (THETA[:, None] - X) ** 2 * np.sign(THETA[:, None] - X)
    np.testing.assert_allclose(rough.samples.grads(THETA), expected, atol=1e-8)  # 3-point: eps^(2/3) = 4e-11 of L


# --- the covariance -------------------------------------------------------------------------------------------------


def enumerated(problem, theta, batches):
    """Mean and covariance of the gradient over all these batches."""
    grads = np.stack([problem.samples.grads(theta)[list(batch)].mean(0) for batch in batches])
    apart = grads - grads.mean(0)
    return grads.mean(0), apart.T @ apart / len(grads)


@every_sum
@pytest.mark.parametrize("size", [1, 2, 4, 6])
@pytest.mark.parametrize("replace", [True, False])
def test_covariance_over_all_batches(problem, size, replace):
    if replace and size > 4:
        size = 3
    batches = list(product(range(6), repeat=size) if replace else combinations(range(6), size))
    theta = points(problem)
    mean, expected = enumerated(problem, theta, batches)
    noisy = noise.minibatches(problem, size, replace)
    scale = 1e-13 * np.abs(problem.samples.grads(theta)).max() ** 2
    np.testing.assert_allclose(mean, problem.grad(theta), rtol=0, atol=1e-13)
    np.testing.assert_allclose(noise.covariance(noisy, theta), expected, rtol=0, atol=scale)


NOISES = {
    "batches": noise.minibatches(FINITE_SUMS["logistic_regression"], 2),
    "replaced": noise.minibatches(FINITE_SUMS["tanh_network"], 2, replace=True),
    "all": noise.minibatches(FINITE_SUMS["least_squares"], 6),
    "accumulated": noise.accumulated(noise.minibatches(FINITE_SUMS["least_squares"], 2), micro=2),
    "gaussian": noise.gaussian(problems.quadratic(), [0.5, 2]),
    "diagonal": noise.gaussian(problems.double_well(d=3), lambda theta: 1 + theta**2),
    "correlated": noise.correlated(problems.quadratic(), [[1, -1], [-1, 1]]),
    "matrix": noise.correlated(problems.saddle(), lambda theta: theta[..., None] * theta[..., None, :]),
    "like": noise.gaussian_like(noise.minibatches(FINITE_SUMS["logistic_regression"], 2)),
    "svag": noise.svag(noise.minibatches(FINITE_SUMS["logistic_regression"], 2, replace=True), 3),
}
every_noise = pytest.mark.parametrize("problem", NOISES.values(), ids=NOISES)


@every_noise
def test_root_and_variance_belong_to_the_covariance(problem):
    law, theta = problem.noise, points(problem, 2)
    factor = law.root(theta[:, None], np.eye(law.width)) + 0 * theta[:, None]  # (2, width, d): its columns
    covariance = noise.covariance(problem, theta)
    assert covariance.shape == (2, problem.dim, problem.dim)
    scale = 1e-12 * max(1e-2, np.abs(covariance).max())
    np.testing.assert_allclose(np.swapaxes(factor, -1, -2) @ factor, covariance, rtol=0, atol=scale)
    np.testing.assert_allclose(law.variance(theta), np.einsum("...ii->...i", covariance), rtol=0, atol=scale)
    assert noise.covariance(problem).shape == (problem.dim, problem.dim)


@every_noise
def test_draws_have_the_mean_and_the_covariance(problem):
    """z-scores over 1500 members, within 5 standard errors: |entries| <= 36, a false alarm once in 1e5 runs."""
    law, n = problem.noise, 1500
    theta = np.broadcast_to(points(problem), (n, problem.dim))
    draw = next(law.draws(np.random.default_rng(3), (n,)))
    apart = law.grad(theta, draw) - problem.grad(theta)
    covariance = noise.covariance(problem, theta[0])
    tiny = 1e-12
    assert np.all(np.abs(apart.mean(0)) <= 5 * np.sqrt(np.diag(covariance) / n) + tiny)
    products = apart[:, :, None] * apart[:, None, :]
    error = products.std(0) / np.sqrt(n)
    assert np.all(np.abs(products.mean(0) - covariance) <= 5 * error + tiny)


def test_correlated_noise_has_the_covariance_that_was_given():
    given, theta = np.array([[2.0, -1], [-1, 3]]), points(problems.quadratic(), 4)
    constant = noise.covariance(noise.correlated(problems.quadratic(), given), theta)
    np.testing.assert_allclose(constant, np.broadcast_to(given, (4, 2, 2)), rtol=1e-14)
    outer = theta[..., None] * theta[..., None, :]
    np.testing.assert_allclose(noise.covariance(NOISES["matrix"], theta), outer, rtol=0, atol=1e-14)
    like = noise.gaussian_like(NOISES["batches"])
    np.testing.assert_array_equal(noise.covariance(like), noise.covariance(NOISES["batches"]))


def test_square_root_is_symmetric_and_smooth():
    """A small change of a singular Sigma changes the noise little, for the same normals."""

    def turn(a):
        return np.outer([np.cos(a), np.sin(a)], [np.cos(a), np.sin(a)])

    problem = noise.correlated(problems.quadratic(), lambda theta: turn(theta[0]))
    roots = [problem.noise.root(np.array([a, 0.0]), np.array([1.0, 1.0])) for a in (1.0, 1.001)]
    assert np.abs(roots[1] - roots[0]).max() < 3e-3


# --- draws ----------------------------------------------------------------------------------------------------------


def test_epochs_see_every_sample_once():
    problem = FINITE_SUMS["logistic_regression"]
    draws = list(islice(noise.minibatches(problem, 4).noise.draws(np.random.default_rng(0), (3,)), 8))
    assert [batch.shape for batch in draws] == [(3, 4), (3, 2)] * 4
    epochs = [np.concatenate(draws[i : i + 2], axis=-1) for i in range(0, 8, 2)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.broadcast_to(np.arange(6), (3, 6)))
    assert len({tuple(order) for epoch in epochs for order in epoch}) > 6  # members and epochs have their own orders


@pytest.mark.parametrize("replace", [True, False])
def test_a_members_batches_do_not_depend_on_how_many_there_are(replace):
    problem = noise.minibatches(FINITE_SUMS["logistic_regression"], 2, replace)
    opt = oo.optimizers.momentum(lr=0.1, beta=0.5)
    many = oo.simulate(opt, problem, steps=20, theta0=np.zeros((5, 3)), rng=1)
    few = oo.simulate(opt, problem, steps=20, theta0=np.zeros((2, 3)), rng=1)
    np.testing.assert_allclose(many.theta[:, :2], few.theta, rtol=0, atol=1e-14)
    assert np.ptp(many.theta[-1, :, 0]) > 1e-3


def test_a_recorded_path_is_seen_again_and_whole_batches_have_no_noise():
    problem, opt = FINITE_SUMS["logistic_regression"], oo.optimizers.adam(lr=0.05)
    noisy = noise.minibatches(problem, 4)
    path = list(islice(noisy.noise.draws(np.random.default_rng(5), ()), 10))
    again = oo.simulate(opt, noisy, steps=10, noise=path)
    np.testing.assert_array_equal(oo.simulate(opt, noisy, steps=10, rng=5).theta, again.theta)
    theta = problem.theta0
    for k, batch in enumerate(path[:1]):
        np.testing.assert_allclose(again.theta[k + 1] - theta, -0.05 * np.sign(noisy.samples.batch_grad(theta, batch)))
    whole = oo.simulate(opt, noise.minibatches(problem, 6), steps=10, rng=0)
    np.testing.assert_allclose(whole.theta, oo.simulate(opt, problem, steps=10).theta, rtol=0, atol=1e-13)


def test_sgd_without_replacement_ends_an_epoch_nearer_to_gradient_descent():
    """On least squares with small steps an epoch's sum of gradients is exact to O(lr); with replacement it is not."""
    problem, n = FINITE_SUMS["least_squares"], 2000
    theta0 = np.broadcast_to(points(problem), (n, 3))
    opt, steps = oo.optimizers.gd(lr=1e-3), 3
    spread = {
        replace: oo.simulate(opt, noise.minibatches(problem, 2, replace), steps, theta0, rng=2).theta[-1].var(0)
        for replace in (True, False)
    }
    assert np.all(spread[False] < 1e-3 * spread[True])


# --- SVAG -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("l", [1, 2, 7])
def test_svag_over_all_pairs_of_batches(l):  # noqa: E741
    problem = FINITE_SUMS["logistic_regression"]
    noisy, theta = noise.minibatches(problem, 2, replace=True), THETA[0]
    batches = [np.array(batch) for batch in product(range(6), repeat=2)]
    law = noise.svag(noisy, l).noise
    grads = np.stack([law.grad(theta, pair) for pair in product(batches, repeat=2)])
    apart = grads - problem.grad(theta)
    np.testing.assert_allclose(apart.mean(0), 0, atol=1e-13)
    np.testing.assert_allclose(apart.T @ apart / len(grads), l * noise.covariance(noisy, theta), rtol=0, atol=1e-13)
    if l == 1:
        np.testing.assert_allclose(grads[3], law.law.grad(theta, batches[0]), rtol=0, atol=1e-15)


def test_svag_keeps_the_variance_per_time_whatever_l_is():
    """Var theta(T) of SGD on least squares with small steps is lr T Sigma."""
    problem = noise.minibatches(FINITE_SUMS["least_squares"], 2, replace=True)
    opt, theta0, n = oo.optimizers.gd(lr=1e-3), THETA[0], 2000
    sigma = np.diag(noise.covariance(problem, theta0))
    for l in (1, 4):  # noqa: E741
        run = oo.simulate(opt.with_step(opt.h / l), noise.svag(problem, l), 3 * l, np.tile(theta0, (n, 1)), rng=6)
        # the standard error of a variance is sqrt(2/n) for normal noise, up to 2.5 times that for these batches
        np.testing.assert_allclose(run.theta[-1].var(0), 3e-6 * sigma, rtol=5 * 2.5 * np.sqrt(2 / n))


# --- bad input ------------------------------------------------------------------------------------------------------


LOGISTIC = FINITE_SUMS["logistic_regression"]
BAD = [
    (lambda: noise.minibatches(problems.quadratic(), 2), ValueError, "problem must have samples, .* got Problem quad"),
    (lambda: noise.minibatches("data", 2), TypeError, "problem must be a Problem, .* got 'data'"),
    (lambda: noise.minibatches(LOGISTIC, 0), ValueError, "size must be at least 1, got 0"),
    (lambda: noise.minibatches(LOGISTIC, 7), ValueError, "size must be at most 6, .* got 7"),
    (lambda: noise.minibatches(LOGISTIC, 2.0), TypeError, "size must be an integer, got 2.0"),
    (lambda: noise.minibatches(LOGISTIC, 2, replace=1), TypeError, "replace must be True or False, got 1"),
    (lambda: noise.covariance(LOGISTIC), ValueError, "problem must have noise, .* got Problem logistic"),
    (lambda: noise.covariance(NOISES["batches"], [1.0]), ValueError, r"theta must have last axis 3"),
    (lambda: noise.svag(NOISES["replaced"], 0), ValueError, "l must be at least 1, got 0"),
    (lambda: noise.svag(NOISES["batches"], 2), ValueError, "problem must have independent draws, .* minibatches of 2"),
    (lambda: noise.gaussian_like(LOGISTIC), ValueError, "problem must have noise"),
    (
        lambda: noise.correlated(problems.saddle(), [[1, 2], [2, 1]]),
        ValueError,
        "no negative eigenvalue, got one of -1",
    ),
    (lambda: noise.correlated(problems.saddle(), [[1, 2], [0, 1]]), ValueError, "covariance must be symmetric, got"),
    (
        lambda: noise.correlated(problems.saddle(), np.eye(3)),
        ValueError,
        r"broadcast to shape \(2, 2\), got .*\(3, 3\)",
    ),
    (lambda: problems.finite_sum(3, data=(X,), theta0=[1.0]), TypeError, "loss must be a function of theta .* got 3"),
    (lambda: problems.finite_sum(exponential_loss, data=X, theta0=[1.0]), TypeError, "data must be a tuple of arrays"),
    (
        lambda: problems.finite_sum(exponential_loss, data=(X, Y[:2]), theta0=[1.0]),
        ValueError,
        r"data must be arrays .* got shapes \[\(6, 3\), \(2,\)\]",
    ),
    (lambda: problems.finite_sum(exponential_loss, data=("ab",), theta0=[1.0]), TypeError, r"data\[0\] must be an arr"),
    (lambda: oo.Problem(np.sum, theta0=[1.0], samples=X), TypeError, "samples must be Samples or None"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[text[:40] for _, _, text in BAD])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_names_print():
    names = ["minibatches of 2", "minibatches of 2 with replacement", "minibatches of 6", "2 micro-batches of 2"]
    names += ["Gaussian noise"] * 2 + ["correlated Gaussian noise"] * 2
    names += ["Gaussian noise like minibatches of 2", "SVAG of minibatches of 2 with replacement, l = 3"]
    assert [problem.noise.name for problem in NOISES.values()] == names
    assert repr(NOISES["batches"]).endswith("batched, minibatches of 2")


@pytest.mark.xfail(strict=True, reason="G < 0 where the batch of the first step has a smaller gradient than its start")
def test_half_start_adam_on_minibatches():
    """In simulate its start, of age -h/2, reads the exact gradient; in training loops that of the first batch."""
    problem = noise.minibatches(problems.logistic_regression((X, Y)), 2)
    oo.simulate(oo.optimizers.half_start_adam(lr=0.01), problem, 20, np.ones((50, 3)), rng=0).check()
