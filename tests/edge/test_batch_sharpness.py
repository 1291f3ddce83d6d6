"""E_B[g_B.H_B g_B/|g_B|^2] against sums over all batches written out in NumPy, and its plateau along SGD."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts
from odeopt.util.status import Status

rng = np.random.default_rng(4)
X, Y = rng.normal(size=(6, 3)), rng.normal(size=6)
SUM = oo.problems.least_squares((X, Y))
NUMERICAL = oo.problems.finite_sum(lambda theta, x, y: (x @ theta - y) ** 2 / 2, data=(X, Y), theta0=np.zeros(3))
CENTRAL = oo.problems.finite_sum(lambda theta, x, y: abs(x @ theta - y) ** 2 / 2, data=(X, Y), theta0=np.zeros(3))


def started(problem, size, replace=False, steps=2):
    return oo.simulate(opts.gd(lr=0.1), oo.noise.minibatches(problem, size, replace), steps, rng=1)


def quotient(theta, batch):
    A, r = X[list(batch)], X[list(batch)] @ theta - Y[list(batch)]
    g = A.T @ r / len(batch)
    return g @ (A.T @ (A @ g)) / len(batch) / (g @ g)


@pytest.mark.parametrize(
    ("problem", "error"),  # of H p: by a complex step, by differences of a complex step, by differences of differences
    [(SUM, 1e-12), (NUMERICAL, 1e-11), (CENTRAL, 1e-7)],
    ids=["by hand", "complex step", "differences"],
)
@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_all_batches_of_a_finite_sum(problem, error, size):
    run = started(problem, size)
    found = oo.batch_sharpness(run)
    exact = [np.mean([quotient(theta, batch) for batch in combinations(range(6), size)]) for theta in run.theta]
    np.testing.assert_allclose(found.value, exact, rtol=error)
    assert not found.error.any()
    assert found.batches == len(list(combinations(range(6), size)))


def test_all_batches_with_replacement():
    """Multisets with their probabilities are all 6^3 sequences."""
    run = started(SUM, 3, replace=True)
    found = oo.batch_sharpness(run)
    exact = [np.mean([quotient(theta, batch) for batch in product(range(6), repeat=3)]) for theta in run.theta]
    np.testing.assert_allclose(found.value, exact, rtol=1e-12)
    assert found.batches == 56


@pytest.mark.parametrize("replace", [False, True])
def test_random_batches_are_within_their_error(replace):
    run = started(SUM, 2, replace)
    exact = oo.batch_sharpness(run)
    found = oo.batch_sharpness(run, batches=14, rng=3)
    assert found.batches == 14
    wrong = np.abs(found.value - exact.value) / found.error
    assert 0 < wrong.max() < 4
    again = oo.batch_sharpness(run, batches=14, rng=3)
    np.testing.assert_array_equal(found.value, again.value)


def test_the_standard_error_is_that_of_the_values():
    """Over 200 repeats the means scatter as the standard error says, to the noise 1/sqrt(400) of that."""
    run = started(SUM, 2, steps=0)
    found = [oo.batch_sharpness(run, batches=10, rng=seed) for seed in range(200)]
    scatter = np.std([f.value[0] for f in found])
    assert np.sqrt(np.mean([f.error[0] ** 2 for f in found])) == pytest.approx(scatter, rel=0.2)


def test_few_batches_at_a_time_give_the_same(monkeypatch):
    run = started(SUM, 2)
    whole = [oo.batch_sharpness(run).value, oo.batch_sharpness(run, batches=5).value]
    monkeypatch.setattr("odeopt.edge.batch_sharpness.BLOCK", 6)
    pieces = [oo.batch_sharpness(run).value, oo.batch_sharpness(run, batches=5).value]
    np.testing.assert_allclose(pieces, whole, rtol=1e-12)


@pytest.mark.parametrize("batches", [1000, 15], ids=["all", "random"])
def test_batches_without_a_gradient_are_left_out(batches):
    """A row of zeros: batches of it alone have gradient 0, and the mean is over the others."""
    A, y = X.copy(), Y
    A[2] = 0.0
    problem = oo.problems.least_squares((np.concatenate([A] * 5), np.concatenate([y] * 5)))
    run = oo.simulate(opts.gd(lr=0.1), oo.noise.minibatches(problem, 1), 2, rng=1)
    found = oo.batch_sharpness(run, batches=batches)
    squares = np.sum(np.delete(A, 2, 0) ** 2, axis=1)  # of one sample the quotient is |x|^2, whatever theta
    assert found.still > 0
    assert f"in up to {found.still} batches the gradient is 0" in repr(found)
    if batches == 1000:
        assert found.still == 5
        np.testing.assert_allclose(found.value, np.mean(squares), rtol=1e-12)
    else:
        assert np.all((found.value > squares.min()) & (found.value < squares.max()))
        assert np.all(found.error > 0)


def test_no_batch_with_a_gradient():
    problem = oo.problems.least_squares((np.zeros((4, 2)), np.ones(4)))
    run = oo.simulate(opts.gd(lr=0.1), oo.noise.minibatches(problem, 1), 1, rng=1)
    found = oo.batch_sharpness(run)
    assert np.isnan(found.value).all()
    assert found.still == found.batches == 4


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), Status.INTERRUPTED), (RuntimeError("no data"), Status.EVALUATION_FAILED)],
)
def test_an_early_end_keeps_the_records(error, status):
    calls, last = [], [np.inf]

    def grad(theta, x, y):
        calls.append(1)
        if len(calls) > last[0]:
            raise error
        return (np.sum(x * theta, axis=-1) - y)[..., None] * x

    loss = lambda theta, x, y: (np.sum(x * theta, axis=-1) - y) ** 2 / 2
    run = started(oo.problems.finite_sum(loss, grad, data=(X, Y), theta0=np.zeros(3)), 2, steps=4)
    calls.clear()
    whole = oo.batch_sharpness(run)
    last[0] = 0.6 * len(calls)
    calls.clear()
    found = oo.batch_sharpness(run)
    assert found.status is status
    assert 0 < len(found.t) == len(found.value) < 5
    np.testing.assert_array_equal(found.value, whole.value[: len(found.t)])
    assert status.name in repr(found)


def test_limits_of_the_optimizer():
    beta, lr = 0.9, 0.1
    noisy = oo.noise.minibatches(SUM, 2)
    for opt, limits in (
        (opts.gd(lr=lr), (2 / lr, 2 / lr)),
        (opts.momentum(lr=lr, beta=beta), (2 * (1 - beta) / lr, 2 * (1 + beta) / lr)),
    ):
        run = oo.simulate(opt, noisy, 4, rng=0)
        found = oo.batch_sharpness(run, opt, every=2)
        assert found.limits == pytest.approx(limits, rel=1e-9)
        np.testing.assert_array_equal(found.t, run.t[::2])
    assert np.isnan(oo.batch_sharpness(run).limits).all()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda run: oo.batch_sharpness(run.theta), TypeError, "run must be a Trajectory of odeopt.simulate"),
        (
            lambda run: oo.batch_sharpness(run, "gd"),
            TypeError,
            "opt must be the Optimizer of the run or None, got 'gd'",
        ),
        (lambda run: oo.batch_sharpness(run, every=0), ValueError, "every must be at least 1, got 0"),
        (lambda run: oo.batch_sharpness(run, batches=1), ValueError, "batches must be at least 2, got 1"),
        (lambda run: oo.batch_sharpness(run, rng="x"), TypeError, "rng must be None, an integer"),
        (
            lambda run: oo.batch_sharpness(run, opts.adam()),
            ValueError,
            "opt must not have a preconditioner, adam has G",
        ),
        (
            lambda run: oo.batch_sharpness(oo.simulate(opts.gd(), SUM, 2)),
            ValueError,
            "problem must have noise",
        ),
        (
            lambda run: oo.batch_sharpness(oo.simulate(opts.gd(), oo.noise.gaussian(SUM, 1.0), 2, rng=0)),
            ValueError,
            "problem must have minibatches",
        ),
        (
            lambda run: oo.batch_sharpness(oo.simulate(opts.gd(), run.problem, 2, np.ones((2, 3)), rng=0)),
            ValueError,
            r"run must be of one member, with theta \(n, 3\), got \(3, 2, 3\)",
        ),
    ],
)
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call(started(SUM, 2))


def regression(samples=48, inputs=3, hidden=8, seed=0):
    """mean_i (v.tanh(x_i W + b) + c - y_i)^2 on random inputs, y = sin(2 x_1) + x_2 x_3; d = 41."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(samples, inputs))
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]
    ends = np.cumsum([inputs * hidden, hidden, hidden])

    def forward(theta, x, y):
        W, b, v, c = np.split(theta, ends, axis=-1)
        W = W.reshape(*theta.shape[:-1], inputs, hidden)
        a = np.tanh((x[..., None, :] @ W)[..., 0, :] + b)
        return v, a, np.sum(a * v, axis=-1, keepdims=True) + c - y[..., None]

    def grad(theta, x, y):
        v, a, r = forward(theta, x, y)
        du = 2 * r * v * (1 - a**2)
        dW = x[..., :, None] * du[..., None, :]
        return np.concatenate([dW.reshape(*dW.shape[:-2], -1), du, 2 * r * a, 2 * r], axis=-1)

    theta0 = 0.7 * draw.normal(size=ends[-1] + 1)
    loss = lambda theta, x, y: forward(theta, x, y)[2][..., 0] ** 2
    return oo.problems.finite_sum(loss, grad, data=(x, y), theta0=theta0, name="regression")


@pytest.mark.slow
def test_the_plateau_of_stochastic_gradient_descent():
    """Batch sharpness rises to 2/lr and stays a little below it: means over 15 records .89 to .96 of it."""
    problem = regression()
    for lr in (0.15, 0.2, 0.3):
        opt = opts.gd(lr=lr)
        run = oo.simulate(opt, oo.noise.minibatches(problem, 8), 20_000, rng=1)
        found = oo.batch_sharpness(run, opt, every=1000, batches=400)
        assert found.value[0] < 8.4  # whatever lr
        assert 0.8 < np.mean(found.value[6:]) * lr / 2 < 1.05


@pytest.mark.slow
@pytest.mark.parametrize(("size", "lr", "which", "share"), [(4, 0.08, 0, (0.9, 1.3)), (48, 0.2, 1, (0.98, 1.02))])
def test_the_plateau_of_momentum(size, lr, which, share):
    """2 (1 - beta)/lr for batches of 4, where it measures 1.11 of it, and 2 (1 + beta)/lr for all 48 samples, 0.999."""
    opt = opts.momentum(lr=lr, beta=0.5)
    run = oo.simulate(opt, oo.noise.minibatches(regression(), size), 20_000, rng=1)
    found = oo.batch_sharpness(run, opt, every=1000, batches=400)
    assert share[0] < np.mean(found.value[6:]) / found.limits[which] < share[1]
