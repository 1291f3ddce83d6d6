"""Schedules: their formulas, what is stored of them, and that each is the one of torch, optax or Keras."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from support.oracles import keras_in

import odeopt as oo
from odeopt import schedules
from odeopt.frameworks.numpy import in_place
from odeopt.optimizers.schedules import of_config
from odeopt.optimizers.schedules.configs import MAKERS

K = np.arange(400)
X = np.clip(K / 50, 0, 1)
GIVEN = {  # a schedule, and its values at K written out
    "constant": (schedules.constant(0.3), 0.3 + 0 * K),
    "step": (schedules.step(30, 0.1), 0.1 ** (K // 30)),
    "exponential": (schedules.exponential(0.99), 0.99**K),
    "inverse_time": (schedules.inverse_time(20), 20 / (20 + K)),
    "inverse_sqrt": (schedules.inverse_sqrt(20), np.sqrt(20 / (20 + K))),
    "linear": (schedules.linear(50, 0.2), 1 - 0.8 * X),
    "polynomial": (schedules.polynomial(50, 1.5, 0.2), 0.2 + 0.8 * (1 - X) ** 1.5),
    "cosine": (schedules.cosine(50, 0.2), 0.6 + 0.4 * np.cos(np.pi * X)),
    "one_minus_sqrt": (schedules.one_minus_sqrt(50, 0.2), 1 - 0.8 * np.sqrt(X)),
    "one_cycle": (
        schedules.one_cycle(80, 20.5, 0.1, 0.2),
        np.where(
            K < 20.5,
            0.55 - 0.45 * np.cos(np.pi * K / 20.5),
            0.6 + 0.4 * np.cos(np.pi * np.clip((K - 20.5) / 59.5, 0, 1)),
        ),
    ),
    "table": (schedules.table(np.sqrt(K[:300])), np.sqrt(np.minimum(K, 299))),
    "sequence": (
        schedules.sequence(schedules.step(5), 10, schedules.exponential(0.99)),
        np.where(K < 10, 0.1 ** (K // 5), 0.99 ** (K - 10.0)),
    ),
    "hold": (schedules.hold(10, schedules.exponential(0.99)), np.where(K < 10, 1, 0.99 ** (K - 10.0))),
    "warm_up": (schedules.warm_up(10, schedules.exponential(0.99)), np.where(K < 9, (K + 1) / 10, 0.99 ** (K - 9.0))),
    "restarts": (
        schedules.restarts(schedules.linear(20, 0.2), 20, 2),
        np.concatenate([1 - 0.8 * np.arange(20 * 2**i) / (20 * 2**i) for i in range(5)])[:400],
    ),
}
MADE = [schedule for schedule, _ in GIVEN.values()]
MADE += [schedules.warm_up(5, schedules.restarts(schedules.wsd(9, 3).stretched(0.5), 20)).stretched(3)]


def test_every_schedule_is_here():
    assert set(GIVEN) == set(MAKERS)
    others = {"Rate", "Schedule", "of_config", "of_name", "optimal", "schedule", "trapezoid", "wsd"}
    assert set(schedules.__all__) == set(MAKERS) | others


@pytest.mark.parametrize("name", GIVEN)
def test_in_closed_form(name):
    schedule, values = GIVEN[name]
    np.testing.assert_allclose(schedule(K), values, rtol=0, atol=1e-14)
    np.testing.assert_allclose([float(schedule(int(k))) for k in K[:5]], values[:5], rtol=0, atol=1e-14)


@pytest.mark.parametrize("schedule", MADE, ids=str)
def test_stored_printed_and_pickled(schedule):
    k = np.linspace(-0.5, 400, 977)
    for again in (
        pickle.loads(pickle.dumps(schedule)),
        of_config(json.loads(json.dumps(schedule.get_config()))),
        oo.optimizers.from_config(oo.optimizers.scheduled(oo.optimizers.gd(0.1), schedule).get_config()).settings[
            "schedule"
        ],
    ):
        assert repr(again) == repr(schedule)
        np.testing.assert_array_equal(again(k), schedule(k))
    assert not schedule.own


def of_your_own(k):
    return 1 / (1 + k)


@pytest.mark.parametrize("made", [schedules.schedule, lambda s: schedules.warm_up(3, schedules.hold(2, s))])
def test_a_function_of_a_module_is_pickled_with_its_schedule(made):
    for pack in (lambda s: s, lambda s: oo.optimizers.scheduled(oo.optimizers.adam(lr=0.1), s)):
        thing = pack(made(of_your_own))
        again = pickle.loads(pickle.dumps(thing))
        assert repr(again) == repr(thing)
    again = again.settings["schedule"]
    assert again.own
    np.testing.assert_array_equal(again(np.arange(9)), made(of_your_own)(np.arange(9)))


@pytest.mark.parametrize("schedule", MADE, ids=str)
def test_finite_where_flows_read_it(schedule):
    """From half a step before the first on, and between the steps; without a warning."""
    values = schedule(np.linspace(-0.5, 1e5, 100_001))
    assert np.isfinite(values).all()
    assert values.min() >= 0


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.linear(50),
        schedules.one_cycle(50, 20),
        schedules.inverse_sqrt(5),
        schedules.trapezoid(50, 10, 20),
        schedules.restarts(schedules.cosine(50), 50, 2),
    ],
    ids=str,
)
def test_between_the_steps_it_is_the_formula(schedule):
    """The stretched schedule at the middles of its long steps is the schedule there."""
    k = np.arange(1, 40)
    np.testing.assert_allclose(schedule.stretched(1.25)(k), schedule((k + 0.5) * 1.25 - 0.5), rtol=1e-14)
    low, high = schedule(k), schedule(k + 1)
    middle = schedule(k + 0.5)
    assert (np.minimum(low, high) - 1e-12 <= middle).all()
    assert (middle <= np.maximum(low, high) + 1e-12).all()


def test_compositions_print_what_they_are():
    assert repr(schedules.wsd(400, 80)) == "hold(steps=320, then=linear(steps=80, final=0))"
    assert repr(schedules.wsd(9, 4, lambda n: schedules.polynomial(n, 2, 0.1))) == (
        "hold(steps=5, then=polynomial(steps=4, power=2, final=0.1))"
    )
    assert repr(schedules.optimal(0.01, 0.1)) == "inverse_time(shift=1000)"
    np.testing.assert_allclose(schedules.wsd(100, 20)(K[:101]), np.minimum(1, (100 - K[:101]) / 20), atol=1e-15)
    up_and_down = np.minimum(np.minimum(1, (K + 1) / 10), (100 - K) / 20)[:101]
    np.testing.assert_allclose(schedules.trapezoid(100, 10, 20)(K[:101]), up_and_down, atol=1e-15)
    np.testing.assert_allclose(schedules.trapezoid(100, 40, 61)(K[:101]).max(), 1)


@pytest.mark.parametrize("factor", [1, 1.1, 1.5, 2, 3, 10])
@pytest.mark.parametrize("steps", [1, 7, 1000])
def test_a_restart_is_at_its_step(factor, steps):
    """At the first step of each cycle, and not one before: the logarithm in the formula is rounded."""
    cycle = schedules.restarts(schedules.linear(steps, 0.5), steps, factor)
    lengths = steps * float(factor) ** np.arange(60)
    ends = np.cumsum(lengths)
    begins = ends - lengths
    first, last = np.ceil(begins - 1e-6), np.ceil(ends - 1e-6) - 1  # the first and last whole step of each cycle
    known = ends < 1e9
    for k in (first, last):
        np.testing.assert_allclose(cycle(k)[known], (1 - 0.5 * (k - begins) / lengths)[known], rtol=1e-6)


def test_in_single_precision_a_restart_is_at_its_step():
    cycle = schedules.restarts(schedules.linear(7, 0.5), 7, 3)
    k = np.arange(200_000)
    np.testing.assert_allclose(cycle(k.astype(np.float32)), cycle(k), atol=1e-5)


def test_under_the_optimal_schedule_every_batch_weighs_the_same():
    """The gradient of step k is the k-th unit vector, so the last theta holds the weights of all steps."""
    lr, decay, steps = 0.3, 0.2, 60

    def weights(schedule):
        opt = oo.optimizers.decoupled(oo.optimizers.scheduled(oo.optimizers.gd(lr), schedule), decay)
        run = in_place(opt, np.zeros(steps))
        for k in range(steps):
            run.step(-np.eye(steps)[k])
        return run.theta

    same = weights(schedules.optimal(lr, decay))
    np.testing.assert_allclose(same, lr / (1 + lr * decay * (steps - 1)), rtol=1e-12)
    constant = weights(schedules.constant())
    assert constant[-1] > 10 * constant[0]


def test_a_decay_proportional_to_the_rate_wants_the_inverse_root():
    """To leading order: the weights are the same up to lr weight_decay, and it vanishes with it."""

    def spread(product):
        s = schedules.inverse_sqrt(1 / (2 * product))(np.arange(round(10 / product)))
        kept = np.cumprod(np.append(1, 1 - product * s[:0:-1] ** 2))[::-1]
        return np.ptp(s * kept) / np.mean(s * kept)

    assert spread(0.01) < 0.01
    np.testing.assert_allclose(spread(0.01) / spread(0.001), 10, rtol=0.1)


@pytest.mark.parametrize("schedule", [schedules.wsd(20, 8), schedules.restarts(schedules.cosine(5), 5, 2)], ids=str)
@pytest.mark.parametrize("name", ["gd", "adam"])
def test_a_run_takes_the_rates_of_its_schedule(name, schedule):
    problem, opt = oo.problems.quadratic((1, 3)), getattr(oo.optimizers, name)
    run = oo.simulate(oo.optimizers.scheduled(opt(0.05), schedule), problem, 20)
    table = oo.simulate(oo.optimizers.scheduled(opt(0.05), schedules.table(schedule(np.arange(21)))), problem, 20)
    np.testing.assert_allclose(run.theta, table.theta, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: schedules.linear(0), ValueError, "steps must be at least 1, got 0"),
        (lambda: schedules.linear(10, final=-1), ValueError, "final must be non-negative and finite, got -1"),
        (lambda: schedules.polynomial(10, 0), ValueError, "power must be positive and finite, got 0"),
        (lambda: schedules.one_minus_sqrt(1.5), TypeError, "steps must be an integer, got 1.5"),
        (lambda: schedules.inverse_time(0.5), ValueError, "shift must be at least 1 step, got 0.5"),
        (lambda: schedules.inverse_sqrt(np.ones(2)), ValueError, "shift must be a single number"),
        (lambda: schedules.one_cycle(10, 10), ValueError, "peak must be less than steps = 10, got 10"),
        (lambda: schedules.one_cycle(10, 3, first=-1), ValueError, "first must be non-negative"),
        (lambda: schedules.table([[1.0]]), ValueError, r"values must have shape \(n,\), got shape \(1, 1\)"),
        (lambda: schedules.table([1, -1]), ValueError, r"values must be non-negative and finite, got \[1, -1\]"),
        (lambda: schedules.table([]), ValueError, "values must not be empty, got \\[\\]"),
        (lambda: schedules.sequence(1.0, 2, abs), TypeError, "first must be one of .* got 1.0"),
        (lambda: schedules.hold(-1, abs), ValueError, "steps must be at least 0, got -1"),
        (lambda: schedules.wsd(10, 11), ValueError, "cooldown must be at most 10 steps, got 11"),
        (lambda: schedules.wsd(10, 2, schedules.linear(2)), TypeError, "shape must be a function that makes"),
        (
            lambda: schedules.wsd(10, 2, lambda n: 3),
            TypeError,
            r"shape\(cooldown\) must be one of odeopt.schedules .* got 3",
        ),
        (lambda: schedules.trapezoid(10, 10, 1), ValueError, "warm must be less than steps = 10, got 10"),
        (lambda: schedules.trapezoid(10, 8, 4), ValueError, "cooldown must be at most 3 steps, got 4"),
        (lambda: schedules.restarts(abs, 3, 0.5), ValueError, "factor must be at least 1, got 0.5"),
        (lambda: schedules.optimal(1.0, 2.0), ValueError, "weight_decay must be at most 1/lr = 1, got 2.0"),
        (lambda: schedules.optimal(-1.0, 2.0), ValueError, "lr must be positive"),
        (lambda: schedules.linear(2).stretched(0), ValueError, "ratio must be positive and finite, got 0"),
        (lambda: of_config("linear"), TypeError, "config must be what get_config of a schedule returns, got 'linear'"),
        (
            lambda: of_config({"schedule": "cosine", "steps": 3, "stretch": "a"}),
            TypeError,
            "stretch must be numbers .* got 'a'",
        ),
        (
            lambda: of_config({"schedule": "cosine", "steps": 3, "stretch": [1, 2]}),
            ValueError,
            "stretch must be a single",
        ),
        (
            lambda: of_config({"schedule": "cosine", "step": 3}),
            TypeError,
            r"cosine has no argument 'step', only steps, final; did you mean 'steps'\?",
        ),
        (lambda: of_config({"schedule": "liner"}), ValueError, "name must be one of .* did you mean 'linear'"),
        (lambda: schedules.hold(2, lambda k: 1.0).get_config(), ValueError, "get_config needs a schedule"),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def _torch_rates(make, steps, lr=1.0):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler, rates = make(torch.optim.lr_scheduler, optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


TORCH = {
    "step": (schedules.step(30, 0.5), lambda L, opt: L.StepLR(opt, 30, 0.5)),
    "exponential": (schedules.exponential(0.99), lambda L, opt: L.ExponentialLR(opt, 0.99)),
    "linear": (schedules.linear(50, 0.2), lambda L, opt: L.LinearLR(opt, 1.0, 0.2, 50)),
    "polynomial": (schedules.polynomial(50, 1.5), lambda L, opt: L.PolynomialLR(opt, 50, 1.5)),
    "cosine": (schedules.cosine(200, 0.1), lambda L, opt: L.CosineAnnealingLR(opt, 200, 0.1)),
    "one_cycle": (schedules.one_cycle(199, 59), lambda L, opt: L.OneCycleLR(opt, 1.0, 200)),
    "one_cycle between steps": (
        schedules.one_cycle(199, 0.37 * 200 - 1, 0.1, 1e-3),
        lambda L, opt: L.OneCycleLR(opt, 1.0, 200, pct_start=0.37, div_factor=10, final_div_factor=100),
    ),
    "restarts": (
        schedules.restarts(schedules.cosine(10, 0.1), 10),
        lambda L, opt: L.CosineAnnealingWarmRestarts(opt, 10, 1, 0.1),
    ),
    "longer restarts": (
        schedules.restarts(schedules.cosine(10), 10, 3),
        lambda L, opt: L.CosineAnnealingWarmRestarts(opt, 10, 3),
    ),
    "sequence": (
        schedules.sequence(schedules.constant(0.1), 20, schedules.exponential(0.9)),
        lambda L, opt: L.SequentialLR(opt, [L.ConstantLR(opt, 0.1, 20), L.ExponentialLR(opt, 0.9)], [20]),
    ),
}


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:The epoch parameter in:UserWarning")  # SequentialLR calls itself by it
@pytest.mark.parametrize("name", TORCH)
def test_equal_to_torch(name):
    schedule, make = TORCH[name]
    steps = 200 if name != "cosine" else 201
    np.testing.assert_allclose(schedule(np.arange(steps)), _torch_rates(make, steps), rtol=0, atol=1e-12)


OPTAX = {
    "exponential": (schedules.exponential(0.99), lambda o: o.exponential_decay(1.0, 1, 0.99)),
    "linear": (schedules.linear(50, 0.2), lambda o: o.linear_schedule(1.0, 0.2, 50)),
    "polynomial": (schedules.polynomial(50, 1.5, 0.1), lambda o: o.polynomial_schedule(1.0, 0.1, 1.5, 50)),
    "cosine": (schedules.cosine(150, 0.1), lambda o: o.cosine_decay_schedule(1.0, 150, 0.1)),
    "one_cycle": (schedules.one_cycle(150, 45), lambda o: o.schedules.cosine_onecycle_schedule(150, 1.0)),
    "hold": (schedules.hold(30, schedules.linear(40)), lambda o: o.linear_schedule(1.0, 0.0, 40, transition_begin=30)),
    "sequence": (
        schedules.sequence(schedules.step(7, 0.5), 30, schedules.cosine(90)),
        lambda o: o.join_schedules(
            [o.exponential_decay(1.0, 7, 0.5, staircase=True), o.cosine_decay_schedule(1.0, 90)], [30]
        ),
    ),
    "restarts": (
        schedules.restarts(schedules.cosine(20), 20, 2),
        lambda o: o.sgdr_schedule(
            [
                dict(init_value=1.0, peak_value=1.0, warmup_steps=0, decay_steps=20 * 2**i, end_value=0.0)
                for i in range(4)
            ]
        ),
    ),
}


@pytest.mark.jax
@pytest.mark.parametrize("name", OPTAX)
def test_equal_to_optax(name):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    schedule, make = OPTAX[name]
    with jax.enable_x64(True):
        theirs = np.array(jax.vmap(make(optax))(jax.numpy.arange(200.0)))
    assert theirs.dtype == np.float64
    np.testing.assert_allclose(schedule(np.arange(200)), theirs, rtol=0, atol=1e-12)


KERAS = {
    "exponential": (schedules.exponential(0.99), lambda s: s.ExponentialDecay(1.0, 1, 0.99)),
    "step": (schedules.step(30, 0.5), lambda s: s.ExponentialDecay(1.0, 30, 0.5, staircase=True)),
    "inverse_time": (schedules.inverse_time(40), lambda s: s.InverseTimeDecay(1.0, 20, 0.5)),
    "polynomial": (schedules.polynomial(50, 1.5, 0.1), lambda s: s.PolynomialDecay(1.0, 50, 0.1, 1.5)),
    "cosine": (schedules.cosine(150, 0.1), lambda s: s.CosineDecay(1.0, 150, 0.1)),
    "restarts": (schedules.restarts(schedules.cosine(20), 20, 2), lambda s: s.CosineDecayRestarts(1.0, 20, 2.0)),
    "equal restarts": (schedules.restarts(schedules.cosine(20), 20), lambda s: s.CosineDecayRestarts(1.0, 20, 1.0)),
}


SINGLE = {"cosine", "restarts", "equal restarts"}  # Keras takes a cosine in float32, whatever floatx is


@pytest.mark.keras
@pytest.mark.parametrize("name", KERAS)
def test_equal_to_keras(name):
    jax, keras = pytest.importorskip("jax"), pytest.importorskip("keras")
    schedule, make = KERAS[name]
    with keras_in("float64"), jax.enable_x64(True):
        rates = np.array(jax.vmap(make(keras.optimizers.schedules))(jax.numpy.arange(150.0)))
    assert rates.dtype == np.float64 or name in SINGLE
    np.testing.assert_allclose(schedule(np.arange(150)), rates, rtol=0, atol=1e-7 if name in SINGLE else 1e-12)
