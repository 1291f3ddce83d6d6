"""The bound of a schedule: the published digits, the formula as sums, and that it bounds."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import schedules

TABLE = {  # the best rate and bound at D = G = 1 over 400 steps
    "constant": (schedules.constant(), 0.018176, 0.137545),
    "cosine": (schedules.cosine(400), 0.048242, 0.103386),
    "WSD": (schedules.wsd(400, 80), 0.025374, 0.109323),
    "linear": (schedules.linear(400), 0.049563, 0.100630),
}


@pytest.mark.parametrize("name", TABLE)
def test_all_digits_of_the_table(name):
    schedule, lr, bound = TABLE[name]
    found = oo.schedule_bound(schedule, 400)
    assert round(found.lr, 6) == lr
    assert round(found.bound, 6) == bound


@pytest.mark.parametrize(
    "schedule", [schedules.trapezoid(30, 5, 10), schedules.restarts(schedules.cosine(10, 0.1), 10)]
)
def test_the_formula_term_by_term(schedule):
    lr, D, G, T = 0.03, 2.0, 0.7, 30
    eta = lr * schedule(np.arange(T))
    terms = [eta[t] ** 2 / eta[min(t + 1, T - 1) :].sum() for t in range(T)]
    found = oo.schedule_bound(schedule, T, D, G)
    np.testing.assert_allclose(found.at(lr), D**2 / (2 * eta.sum()) + G**2 / 2 * sum(terms), rtol=1e-13)
    rates = found.lr * np.geomspace(0.5, 2, 101)
    assert found.at(rates).min() >= found.bound
    np.testing.assert_allclose(found.at(found.lr), found.bound, rtol=1e-14)


def test_steps_that_move_nothing_change_nothing():
    ended, longer = (oo.schedule_bound(schedules.linear(40), steps) for steps in (40, 60))
    assert (ended.lr, ended.bound) == (longer.lr, longer.bound)


def test_runs_stay_below_their_bounds_and_in_their_order():
    """Noisy subgradients of max |x_i| in 40 dimensions, from distance 1: the mean last loss of 400 runs."""
    signal, noise = np.sqrt(0.19), 0.9  # E|g|^2 = signal^2 + noise^2 = 1
    losses, bounds = [], []
    for schedule, *_ in TABLE.values():
        found, rng, x = oo.schedule_bound(schedule, 400), np.random.default_rng(0), np.full((400, 40), 40**-0.5)
        for eta in found.lr * schedule(np.arange(400)):
            steepest = np.eye(40)[np.abs(x).argmax(axis=1)] * np.sign(x)
            x -= eta * (signal * steepest + noise * rng.standard_normal(x.shape) / 40**0.5)
        losses.append(signal * np.abs(x).max(axis=1).mean())
        bounds.append(found.bound)
        assert found.bound / 5 < losses[-1] < found.bound
    assert np.argsort(losses).tolist() == np.argsort(bounds).tolist()


@pytest.mark.parametrize("c", [1e-300, 1e-200, 1e-3, 1e200, 1e300])
def test_a_factor_of_the_schedule_divides_the_rate(c):
    k = np.arange(30)
    for schedule in (schedules.constant(), schedules.cosine(30, 0.1)):
        one, found = oo.schedule_bound(schedule, 30), oo.schedule_bound(schedules.table(c * schedule(k)), 30)
        np.testing.assert_allclose([c * found.lr, found.bound], [one.lr, one.bound], rtol=1e-13)
        np.testing.assert_allclose(found.at(0.5 / c), one.at(0.5), rtol=1e-13)


def test_a_step_far_below_the_others_moves_nothing():
    found, one = (oo.schedule_bound(schedules.table(s), 2) for s in ([1e200, 1e-200], [1e200, 0]))
    assert (found.lr, found.bound) == (one.lr, one.bound)


def test_it_prints_and_draws():
    found = oo.schedule_bound(schedules.wsd(400, 80), 400)
    assert repr(found) == (
        "hold(steps=320, then=linear(steps=80, final=0)) over 400 steps: bound 0.109323 at the best peak rate 0.025374"
    )
    line, dot = found.plot()
    assert line.get_ydata().min() == pytest.approx(found.bound, rel=1e-3)
    assert dot.get_xdata() == [found.lr]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: oo.schedule_bound(3, 4), TypeError, "schedule must be one of odeopt.schedules .* got 3"),
        (lambda: oo.schedule_bound(abs, 0), ValueError, "steps must be at least 1, got 0"),
        (lambda: oo.schedule_bound(abs, 4, D=0), ValueError, "D must be positive, from 1e-100 to 1e100, got 0"),
        (lambda: oo.schedule_bound(abs, 4, G=np.ones(2)), ValueError, "G must be a single number"),
        (
            lambda: oo.schedule_bound(lambda k: -k, 4),
            ValueError,
            "schedule must be finite and not negative, .* -3 to 0",
        ),
        (
            lambda: oo.schedule_bound(lambda k: 0.0, 4),
            ValueError,
            "schedule must be positive in some step, got 0 in all 4",
        ),
        (lambda: oo.schedule_bound(schedules.constant(), 4).at(0), ValueError, "lr must be positive"),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
