"""Schedules as optax schedules, compiled, and recorded from optax."""

from __future__ import annotations

import numpy as np
import pytest
from support.schedules import EVERY

import odeopt as oo
from odeopt import schedules
from odeopt.optimizers.schedules.configs import MAKERS

pytestmark = pytest.mark.jax
jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
from odeopt.frameworks.jax import from_schedule, schedule, to_optax  # noqa: E402

COUNTS = np.arange(120)


def test_every_kind_is_here():
    assert {s.name for s in EVERY} == set(MAKERS)


@pytest.mark.parametrize("s", EVERY, ids=str)
def test_the_same_numbers_when_compiled(s):
    with jax.enable_x64(True):
        rates = jax.jit(jax.vmap(schedule(s, 0.05)))(jax.numpy.arange(120))
        assert rates.dtype == np.float64
    np.testing.assert_allclose(rates, 0.05 * s(COUNTS), rtol=1e-12, atol=1e-16)
    with jax.enable_x64(False):
        single = jax.jit(schedule(s, 0.05))(jax.numpy.int32(23))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, 0.05 * s(23), rtol=1e-5)


SINGULAR = [  # infinite slopes, at the start and at the end
    schedules.wsd(20, 10, schedules.one_minus_sqrt),
    schedules.warm_up(5, schedules.wsd(50, 20, schedules.one_minus_sqrt)),
    schedules.polynomial(50, 0.5, 0.2),
    schedules.sequence(schedules.polynomial(10, 0.5), 10, schedules.one_minus_sqrt(9)).stretched(0.5),
]


@pytest.mark.parametrize("s", EVERY + SINGULAR, ids=str)
def test_its_derivative(s):
    """Between the steps it is that of the formula; at them it is finite, as it is before and after a decay."""
    between = COUNTS[:-1] + 0.3
    with jax.enable_x64(True):
        slope = jax.vmap(jax.grad(schedule(s, 1.0)))
        np.testing.assert_allclose(slope(between), (s(between + 1e-6) - s(between - 1e-6)) / 2e-6, rtol=1e-6, atol=1e-8)
        assert np.isfinite(slope(np.arange(-0.5, 120, 0.5))).all()


@pytest.mark.parametrize("own", [optax.sgd, lambda lr: to_optax(oo.optimizers.gd(0.1), lr)], ids=["optax", "odeopt"])
def test_as_a_learning_rate(own):
    """A run under the exported schedule is the run of odeopt under the schedule."""
    s, problem = schedules.warm_up(3, schedules.wsd(12, 6)), oo.problems.quadratic((1, 3))
    with jax.enable_x64(True):
        rule, theta = own(schedule(s, 0.1)), jax.numpy.array(problem.theta0)
        state = rule.init(theta)
        for _ in range(15):
            change, state = rule.update(jax.numpy.array(problem.grad(np.array(theta))), state, theta)
            theta = optax.apply_updates(theta, change)
    run = oo.simulate(oo.optimizers.scheduled(oo.optimizers.gd(0.1), s), problem, 15)
    np.testing.assert_allclose(theta, run.theta[-1], rtol=0, atol=1e-14)


def test_and_back():
    with jax.enable_x64(True):
        theirs = optax.warmup_cosine_decay_schedule(0.01, 0.1, 20, 100, 0.001)
        ours = from_schedule(theirs, 120, lr=0.1)
        np.testing.assert_allclose(0.1 * ours(COUNTS), [theirs(k) for k in COUNTS], rtol=1e-13)
        again = from_schedule(schedule(EVERY[-1], 0.3), 120, lr=0.3)
    np.testing.assert_allclose(again(COUNTS), EVERY[-1](COUNTS), rtol=1e-12)
    assert from_schedule(optax.constant_schedule(0.5), 3)(9) == 0.5
    assert from_schedule(lambda k: 2.0, 3)(9) == 2.0


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: schedule(3, 0.1), TypeError, "s must be one of odeopt.schedules .* got 3"),
        (lambda: schedule(lambda k: 1.0, 0.1), ValueError, r"s must be a schedule of odeopt.schedules, got custom\(\)"),
        (
            lambda: schedule(schedules.hold(2, abs), 0.1),
            ValueError,
            "s must be a schedule of odeopt.schedules, got hold",
        ),
        (lambda: schedule(EVERY[0], -1), ValueError, "lr must be positive, .* got -1"),
        (lambda: from_schedule(0.1, 3), TypeError, "theirs must be an optax schedule, .* got 0.1"),
        (lambda: from_schedule(abs, 0), ValueError, "steps must be at least 1"),
        (lambda: from_schedule(lambda k: -k, 3), ValueError, "theirs must give rates that are finite and not negative"),
        (
            lambda: from_schedule(lambda k: 0.5 if k < 3 else 0.1, 9),
            TypeError,
            "theirs must be a function that JAX can",
        ),
        (lambda: from_schedule(lambda k: 0.1 * float(k), 9), TypeError, "theirs must be a function that JAX can trace"),
        (lambda: from_schedule(abs, 3, lr=0), ValueError, "lr must be positive"),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
