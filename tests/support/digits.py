"""The network of `problems.tanh_network` for the libraries: its data, and theta of theirs from theta of ours."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo

HIDDEN, SAMPLES = 8, 200
OURS = oo.problems.tanh_network(HIDDEN, SAMPLES)


def digits():
    """Inputs (200, 16), the 8 x 8 pixels averaged to 4 x 4, and labels (200,)."""
    from sklearn.datasets import load_digits

    pixels, label = load_digits(return_X_y=True)
    means = pixels[:SAMPLES].reshape(SAMPLES, 4, 2, 4, 2).mean(axis=(2, 4))
    return means.reshape(SAMPLES, 16) / 16, label[:SAMPLES]


def agrees(theirs, order=None):
    """Loss, gradient, Hessian-vector product, batches and per-sample gradients, each to 1e-12.

    theirs.theta = ours.theta[order]: a library may keep its matrices transposed.
    """
    order = np.arange(OURS.dim) if order is None else order
    rng = np.random.default_rng(3)
    theta, p = OURS.theta0 + 0.3 * rng.standard_normal((2, 3, OURS.dim))
    indices, w = rng.integers(SAMPLES, size=(3, 17)), rng.standard_normal((3, SAMPLES))
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    close(theirs.loss(theta[..., order]), OURS.loss(theta))
    close(theirs.grad(theta[..., order]), OURS.grad(theta)[..., order])
    close(theirs.hvp(theta[..., order], p[..., order]), OURS.hvp(theta, p)[..., order])
    close(theirs.samples.batch_grad(theta[..., order], indices), OURS.samples.batch_grad(theta, indices)[..., order])
    close(theirs.samples.combined_grad(theta[..., order], w), OURS.samples.combined_grad(theta, w)[..., order])
    close(theirs.samples.losses(theta[0, order]), OURS.samples.losses(theta[0]))
    close(theirs.samples.variance(theta[0, order]), OURS.samples.variance(theta[0])[order])


def runs(problem):
    """The optimizer beside its flow, and the sharpness: all that a problem of ours can do."""
    opt = oo.optimizers.adam(lr=1e-3)
    cmp = oo.compare(opt, problem, steps=100, rtol=1e-7, atol=1e-9)
    assert cmp.success
    assert cmp.max_error < 1e-3  # of a path that is 0.1 long
    assert cmp.iterates.loss[-1] < cmp.iterates.loss[0] - 0.1
    hessian = problem.hvp(cmp.iterates.theta[-1], np.eye(problem.dim))
    sharp = oo.sharpness(cmp.iterates, problem, every=100)
    assert sharp.value[-1] == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-6)


def error_of_gradient(problem):
    """max |g - 3-point differences|, whose own error is of the size eps L/h = 1e-10."""
    found = problem.check_gradient()
    return np.abs(found.analytic - found.numeric).max()
