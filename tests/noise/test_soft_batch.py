"""Accumulated gradients equal the big batch, for every optimizer, with all that counts updates."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt import noise, optimizers, problems, schedules

PROBLEM = problems.logistic_regression(features=6)
SMALL, MICRO = 100, 3  # of 569 samples: updates of 300 and of 269 = 100 + 100 + 69
THETA0 = PROBLEM.theta0 + np.random.default_rng(1).normal(size=(2, 6))
SOFT = noise.accumulated(noise.minibatches(PROBLEM, SMALL), MICRO)
BIG = noise.minibatches(PROBLEM, SMALL * MICRO)

EVERY = {name: getattr(optimizers, name)(lr=0.05) for name in tables.OPTIMIZERS}
EVERY |= {"shampoo": optimizers.shampoo(lr=0.05, shape=(2, 3)), "muon": optimizers.muon(lr=0.05, shape=(2, 3))}
ADAM = optimizers.adam(lr=0.05)
WRAPPED = {
    "clip_norm": optimizers.clip_norm(ADAM, 0.1),
    "clip_value": optimizers.clip_value(ADAM, 0.05),
    "decoupled": optimizers.decoupled(ADAM, 0.1),
    "ema": optimizers.ema(ADAM, 0.9),
    "l2": optimizers.l2(optimizers.momentum(lr=0.1), 0.1),
    "lookahead": optimizers.lookahead(ADAM, every=2),
    "scheduled": optimizers.scheduled(optimizers.momentum(lr=0.1), schedules.cosine(8)),
}


def test_every_wrapper_is_here():
    assert set(WRAPPED) == set(tables.WRAPPERS)


@pytest.mark.parametrize("opt", [*EVERY.values(), *WRAPPED.values()], ids=[*EVERY, *WRAPPED])
def test_soft_batch_equals_big_batch(opt):
    theta0 = np.broadcast_to(THETA0[0], (*opt.members, 6)) if opt.members else THETA0
    soft, big = (oo.simulate(opt, problem, steps=8, theta0=theta0, rng=7) for problem in (SOFT, BIG))
    assert np.abs(big.theta[-1] - big.theta[0]).max() > 1e-6
    np.testing.assert_allclose(soft.theta, big.theta, rtol=1e-12, atol=1e-12)
    for name in opt.flow.memory:
        size = np.abs(big.state[name]).max() + 1
        np.testing.assert_allclose(soft.state[name], big.state[name], rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("micro", [1, 4, 90])
@pytest.mark.parametrize("replace", [True, False])
def test_updates_are_those_of_all_their_samples(size, micro, replace):
    """Against per-sample gradients; the plain mean over micro-batches is wrong where the last is smaller."""
    law = noise.accumulated(noise.minibatches(PROBLEM, size, replace), micro).noise
    theta, grads = THETA0[0], PROBLEM.samples.grads(THETA0[0])
    seen = []
    for draw in islice(law.draws(np.random.default_rng(0), ()), 12):
        together = np.concatenate(draw)
        assert len(draw) <= micro
        assert max(len(part) for part in draw) <= size
        np.testing.assert_allclose(law.grad(theta, draw), grads[together].mean(0), rtol=0, atol=1e-13)
        plain = np.mean([grads[part].mean(0) for part in draw], axis=0)
        uneven = len({len(part) for part in draw}) > 1
        assert (np.abs(plain - law.grad(theta, draw)).max() > 1e-6) == uneven
        seen.append(together)
    if not replace and sum(map(len, seen)) >= 569:
        np.testing.assert_array_equal(np.sort(np.concatenate(seen)[:569]), np.arange(569))


def test_the_covariance_is_that_of_the_big_batch():
    for replace, size in ((True, 300), (False, 300)):
        soft = noise.accumulated(noise.minibatches(PROBLEM, SMALL, replace), MICRO)
        big = noise.minibatches(PROBLEM, size, replace)
        np.testing.assert_array_equal(noise.covariance(soft, THETA0), noise.covariance(big, THETA0))
    whole = noise.accumulated(noise.minibatches(PROBLEM, SMALL), 6)
    assert np.abs(noise.covariance(whole, THETA0)).max() == 0
    assert whole.noise.name == "6 micro-batches of 100"


BAD = [
    (lambda: noise.accumulated(PROBLEM, 3), ValueError, "problem must have noise"),
    (
        lambda: noise.accumulated(noise.gaussian(PROBLEM, 1), 3),
        ValueError,
        "problem must have minibatches, .* Gaussian",
    ),
    (lambda: noise.accumulated(SOFT, 3), ValueError, "problem must have minibatches, .* 3 micro-batches of 100"),
    (lambda: noise.accumulated(BIG, 0), ValueError, "micro must be at least 1, got 0"),
    (lambda: noise.accumulated(BIG, 2.0), TypeError, "micro must be an integer, got 2.0"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[text[:40] for _, _, text in BAD])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
