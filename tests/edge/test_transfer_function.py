"""Optimizers as filters of their gradients, and the stability limit as the least real (1 - z)/Q(z) on |z| = 1."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

import odeopt as oo
from odeopt import optimizers as opts
from odeopt import schemes

LR = 0.1


def quasi_hyperbolic(beta, weight):
    """theta <- theta - lr ((1 - weight) g + weight m).                                     [Ma and Yarats 2019, (3)]"""

    def step(y, grad):
        theta, m = y
        g = grad(theta)
        m = beta * m + (1 - beta) * g
        return theta - LR * ((1 - weight) * g + weight * m), m

    return oo.from_step(step, {"m": 0.0}, h=LR)


def averaged_twice(beta1, beta2):
    """theta moves along the average of an average."""

    def step(y, grad):
        theta, m, n = y
        m = beta1 * m + (1 - beta1) * grad(theta)
        n = beta2 * n + (1 - beta2) * m
        return theta - LR * n, m, n

    return oo.from_step(step, {"m": 0.0, "n": 0.0}, h=LR)


def average(beta):
    return lambda z: (1 - beta) / (1 - beta / z)


FILTERS = {  # the optimizer, its filter by hand, and its limit as published or by hand
    "gradient descent": (opts.gd(LR), lambda z: 1 + 0 * z, 2),
    "momentum": (opts.momentum(LR, 0.9), lambda z: 1 / (1 - 0.9 / z), 3.8),
    "heavy ball": (opts.heavy_ball(LR, 0.9), lambda z: 1 / (1 - 0.9 / z), 3.8),
    "Nesterov": (opts.nesterov(LR, 0.5), lambda z: 1 + 0.5 / (1 - 0.5 / z), 1.5),
    "Adam": (opts.adam(LR, 0.9), average(0.9), 38),
    "NAdam": (opts.nadam(LR, 0.9), lambda z: 0.9 * average(0.9)(z) + 0.1, 13.571428571428571),
    "AB2": (schemes.ab2, lambda z: 1.5 - 0.5 / z, 1),
    "QHM": (quasi_hyperbolic(0.9, 0.7), lambda z: 0.3 + 0.7 * average(0.9)(z), 5.9375),
    "QHM as a flow": (
        oo.Optimizer(oo.flows.quasi_hyperbolic(-LR / np.log(0.9), 0.7), schemes.Splitting("memory drift"), LR),
        lambda z: 0.3 + 0.7 * average(0.9)(z),
        5.9375,
    ),
    "EMA of EMA (.4, .7)": (averaged_twice(0.4, 0.7), lambda z: average(0.4)(z) * average(0.7)(z), 18 / 7),
    "EMA of EMA (.7, .85)": (averaged_twice(0.7, 0.85), lambda z: average(0.7)(z) * average(0.85)(z), 0.6806722689),
}
every_filter = pytest.mark.parametrize("name", FILTERS)


def least_crossing(Q):
    """min of (1 - z)/Q(z) over the z on the unit circle where it is real and positive."""

    def k(w):
        z = np.exp(1j * w)
        return (1 - z) / Q(z)

    grid = np.linspace(1e-3, np.pi - 1e-6, 20_001)
    imaginary = k(grid).imag
    roots = [
        brentq(lambda w: k(w).imag, grid[i], grid[i + 1], xtol=1e-15)
        for i in np.flatnonzero(np.diff(np.sign(imaginary)) != 0)
    ]
    found = [k(w).real for w in [*roots, np.pi]]
    return min(value for value in found if value > 0)


@every_filter
def test_the_filter_by_hand(name):
    opt, Q, _ = FILTERS[name]
    z = np.concatenate([np.exp(1j * np.linspace(0.01, np.pi, 30)), [1.0, -1.0, 0.3 - 2j, 5.0]])
    np.testing.assert_allclose(oo.transfer_function(opt, z), Q(z), rtol=1e-12)


@every_filter
def test_the_limit_is_the_least_crossing_of_the_filter(name):
    """Inside the circle's upper half, too: the filter knows nothing of the eigenvalues of the step."""
    opt, Q, limit = FILTERS[name]
    assert least_crossing(Q) == pytest.approx(limit, rel=1e-9)
    assert oo.stability_limit(opt) == pytest.approx(limit, rel=1e-9)


def test_the_average_of_an_average_escapes_away_from_minus_one():
    """2/Q(-1) says 26.44 where the run grows from 2.571 on."""
    opt = averaged_twice(0.4, 0.7)
    assert 2 / oo.transfer_function(opt, -1).real == pytest.approx(26.4444, abs=1e-4)
    for share, grows in ((0.99, False), (1.01, True)):
        problem = oo.problems.quadratic((share * 18 / 7 / LR,), angle=0)
        assert bool(np.abs(oo.simulate(opt, problem, 4000).final).max() > 1) == grows


@pytest.mark.parametrize(("beta", "interior"), [(0.3, False), (0.333, False), (0.334, True), (0.6, True)])
def test_equal_averages_escape_inside_from_beta_one_third_on(beta, interior):
    opt = averaged_twice(beta, beta)
    at_minus_one = 2 / oo.transfer_function(opt, -1).real
    assert at_minus_one == pytest.approx(2 * ((1 + beta) / (1 - beta)) ** 2, rel=1e-12)
    assert bool(oo.stability_limit(opt) < at_minus_one * (1 - 1e-6)) == interior


def test_members_and_poles():
    beta = np.array([0.5, 0.9])
    np.testing.assert_allclose(oo.transfer_function(opts.adam(beta1=beta), -1), (1 - beta) / (1 + beta), rtol=1e-12)
    found = oo.transfer_function(opts.momentum(beta=beta), np.array([[-1.0], [1.0]]))
    np.testing.assert_allclose(found, [1 / (1 + beta), 1 / (1 - beta)], rtol=1e-12)
    assert oo.transfer_function(opts.momentum(beta=0.5), 0.5) == np.inf
    assert oo.transfer_function(opts.gd(), 0) == 1  # without memory there is no pole


def test_a_schedule_is_frozen():
    opt = opts.scheduled(opts.momentum(LR, 0.5), oo.schedules.step(every=1, factor=0.5))
    assert oo.transfer_function(opt, -1, t=opt.h).real == pytest.approx(0.5 / 1.5, rel=1e-12)


@pytest.mark.parametrize(
    ("opt", "text"),
    [
        (schemes.rk4, "opt must use one gradient a step, at theta, to be a filter of gradients, not RK4"),
        (opts.adamw(weight_decay=0.1), "opt must not move theta without a gradient .* adamw does"),
        (opts.l2(opts.gd(0.1), 0.5), "opt must not move theta without a gradient"),
        (opts.lion(), "not linear"),
    ],
    ids=["RK4", "AdamW", "l2", "Lion"],
)
def test_steps_that_are_no_filters(opt, text):
    with pytest.raises(ValueError, match=text):
        oo.transfer_function(opt, -1)


def test_z_must_be_numbers():
    with pytest.raises(TypeError, match="z must be numbers .real or complex., unmasked, got 'one'"):
        oo.transfer_function(opts.gd(), "one")


def test_z_that_does_not_broadcast_is_named():
    opt = opts.momentum(lr=0.1, beta=np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match=r"z must broadcast against the members \(2,\) of opt, got shape \(3,\)"):
        oo.transfer_function(opt, np.ones(3))
