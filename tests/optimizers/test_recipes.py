"""Change the step and keep the flow; describe; configurations; schedules and wrappers."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt import optimizers as opts
from odeopt import schedules

MADE = {name: getattr(opts, name)(lr=0.01) for name in tables.OPTIMIZERS}
STEP_SIZED = {"step", "beta1", "beta2", "later", "weight", "t0"}  # parameters that are made of the step, by definition
WITH_FLOW = {name: opt for name, opt in MADE.items() if opt.recipe.facts.order is not None}


@pytest.mark.parametrize("name", WITH_FLOW)
@pytest.mark.parametrize("ratio", [0.5, 0.1])
def test_with_step_keeps_the_flow(name, ratio):
    opt = WITH_FLOW[name]
    finer = opt.with_step(opt.h * ratio)
    assert finer.h == pytest.approx(opt.h * ratio, rel=1e-12)
    for key in set(opt.flow.params) - STEP_SIZED:
        assert finer.flow.params[key] == pytest.approx(opt.flow.params[key], rel=1e-9), key


@pytest.mark.parametrize("name", WITH_FLOW)
def test_rescale_keeps_the_flow(name):
    opt = WITH_FLOW[name]
    other = opt.rescale(lr=0.003)
    assert other.settings["lr"] == pytest.approx(0.003, rel=1e-12)
    for key in set(opt.flow.params) - STEP_SIZED:
        assert other.flow.params[key] == pytest.approx(opt.flow.params[key], rel=1e-9), key


@pytest.mark.parametrize("name", ["momentum", "adam", "adamw", "adagrad", "lion"])
def test_two_steps_converge_to_the_same_curve(name):
    """At the same times, runs with steps h/8 and h/16 differ by the order's factor less than h/4 and h/8 do."""
    settings = {"lion": {"delta": 0.5}, "adagrad": {"accumulator": 10.0}}.get(name, {})
    opt, problem, T = getattr(opts, name)(lr=0.01, **settings), tables.smooth_problem(), 20
    runs = [oo.simulate(opt.with_step(opt.h / n), problem, T * n, record_every=n).theta for n in (4, 8, 16)]
    coarse, fine = (np.abs(a - b).max() for a, b in pairwise(runs))
    assert np.log2(coarse / fine) == pytest.approx(1, abs=0.1)  # theta0 at rest: without the matched start order 1


def test_constant_friction_against_the_articles_rule():
    """lr -> r lr with beta -> 1 - (1-beta) sqrt(r) is approximate: .9683772 where constant friction has .9678178."""
    heavy = opts.heavy_ball(lr=0.01, beta=0.9).rescale(lr=0.001)
    assert heavy.settings["beta"] == pytest.approx(0.9678178, abs=5e-8)
    assert 1 - 0.1 * np.sqrt(0.1) == pytest.approx(0.9683772, abs=5e-8)


def test_half_lives_of_averages_are_kept():
    opt = opts.adam(lr=0.01, beta1=0.9, beta2=0.999)
    for lr in (0.001, 0.05):
        other = opt.rescale(lr)
        for beta in ("beta1", "beta2"):
            half_life = [o.h * np.log(0.5) / np.log(o.settings[beta]) for o in (opt, other)]
            assert half_life[1] == pytest.approx(half_life[0], rel=1e-10)


def test_one_built_by_hand_changes_its_step_but_has_no_recipe():
    mine = oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 0.1)
    assert mine.with_step(0.05).h == 0.05
    for call in (mine.get_config, lambda: mine.rescale(0.1)):
        with pytest.raises(ValueError, match="needs a named optimizer, optimizer was built by hand"):
            call()
    assert "not known" in str(mine.describe())


def test_rescale_refuses_what_the_flow_cannot_have():
    naive = opts.momentum(lr=0.01, beta=0.5, map="naive")
    with pytest.raises(ValueError, match="must be"):
        naive.rescale(1e99)


def test_description_says_it_all():
    text = str(opts.adam(lr=0.01).describe())
    parts = ["theta' = -m/c1", "memory drift", "time unit  lr", "beta_i = R(-h/tau_i), exact R", "order      2"]
    for part in [*parts, "Kingma and Ba 2015"]:
        assert part in text
    assert opts.momentum(lr=0.01, map="naive").describe().order == "1"


@pytest.mark.parametrize("name", tables.OPTIMIZERS)
def test_configuration_survives_json(name):
    opt = MADE[name]
    again = opts.from_config(json.loads(json.dumps(opt.get_config())))
    assert again.settings == opt.settings
    assert str(again) == str(opt)


def test_configurations_of_wrappers_and_schedules_nest():
    schedule = schedules.warm_up(5, schedules.cosine(50, 0.1))
    opt = opts.clip_norm(opts.l2(opts.scheduled(opts.momentum(lr=0.01, beta=0.8), schedule), 0.1), 1.0)
    again = opts.from_config(json.loads(json.dumps(opt.get_config())))
    problem = tables.smooth_problem()
    np.testing.assert_array_equal(oo.simulate(again, problem, 60).theta, oo.simulate(opt, problem, 60).theta)
    assert again.settings["opt"].settings["opt"].settings["schedule"].settings["then"].settings == {
        "steps": 50,
        "final": 0.1,
    }


def test_configurations_keep_members():
    opt = opts.momentum(lr=np.array([0.1, 0.01]))
    again = opts.from_config(json.loads(json.dumps(opt.get_config())))
    np.testing.assert_array_equal(again.settings["lr"], [0.1, 0.01])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: opts.from_config("adam"), TypeError, "config must be what get_config returns, got 'adam'"),
        (lambda: opts.from_config({"make": "adm"}), ValueError, "make must be one of .* did you mean 'adam'"),
        (lambda: opts.from_config({"make": "Optimizer"}), ValueError, "make must be one of"),
        (lambda: opts.scheduled(opts.gd(0.1), abs).get_config(), ValueError, "needs a schedule of odeopt.schedules"),
        (lambda: opts.scheduled(opts.gd(0.1), 3), TypeError, "schedule must be one of odeopt.schedules .* got 3"),
        (lambda: opts.scheduled("gd", abs), TypeError, "opt must be an Optimizer"),
        (lambda: opts.scheduled(opts.scheduled(opts.gd(0.1), abs), abs), ValueError, "must not be under a schedule"),
        (lambda: opts.l2(opts.gd(0.1), -1), ValueError, "weight_decay must be non-negative"),
        (lambda: opts.l2(opts.adamw(lr=0.1), 0.1), ValueError, "params must be distinct names, got weight_decay"),
        (lambda: opts.decoupled(opts.adamw(lr=0.1), 0.1), ValueError, "params must be distinct names"),
        (lambda: opts.decoupled(opts.gd(0.1), "x"), TypeError, "weight_decay must be numbers"),
        (lambda: opts.clip_norm(opts.gd(0.1), 0), ValueError, "limit must be positive"),
        (lambda: opts.clip_norm(opts.gd(0.1), 1, eps=-1), ValueError, "eps must be non-negative"),
        (lambda: opts.clip_value(opts.gd(0.1), None), TypeError, "limit must be numbers"),
        (lambda: opts.lookahead(opts.gd(0.1), alpha=1.5), ValueError, r"alpha must be in \(0, 1\], got 1.5"),
        (lambda: opts.lookahead(opts.gd(0.1), every=0), ValueError, "every must be at least 1"),
        (
            lambda: opts.lion(lr=0.1, like="torch"),
            ValueError,
            "keras, optax for lion, torch has none",
        ),
        (
            lambda: opts.adam(like="optax"),
            ValueError,
            "lr must be given for adam: .* like='optax'",
        ),
        (lambda: schedules.step(0), ValueError, "every must be at least 1"),
        (lambda: schedules.exponential(-1), ValueError, "rate must be positive"),
        (lambda: schedules.cosine(10, final=-1), ValueError, "final must be non-negative"),
        (lambda: schedules.warm_up(1.5), TypeError, "steps must be an integer"),
        (lambda: schedules.constant(0), ValueError, "value must be positive"),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_schedules_in_closed_form():
    k = np.arange(100)
    np.testing.assert_allclose(schedules.exponential(0.9)(k), 0.9**k, rtol=1e-14)
    np.testing.assert_allclose(schedules.step(30, 0.1)(k), 0.1 ** (k // 30), rtol=1e-14)
    np.testing.assert_allclose(schedules.cosine(50, 0.2)(k[:51]), 0.2 + 0.4 * (1 + np.cos(np.pi * k[:51] / 50)))
    after = schedules.warm_up(10, schedules.exponential(0.9))(k)
    np.testing.assert_allclose(after[:10], (k[:10] + 1) / 10)
    np.testing.assert_allclose(after[9:], 0.9 ** (k[9:] - 9), rtol=1e-13)


@pytest.mark.parametrize(
    "schedule", [schedules.step(7, 0.5), schedules.cosine(40), lambda k: 1 / (1 + k)], ids=["step", "cosine", "own"]
)
@pytest.mark.parametrize("name", ["gd", "momentum", "adam", "adamw", "nesterov"])
def test_step_k_is_made_with_lr_s_k(name, schedule):
    """A run under a schedule is, step by step, the optimizer of that learning rate (at fixed betas)."""
    problem, state = tables.smooth_problem(), None
    run = oo.simulate(opts.scheduled(getattr(opts, name)(lr=0.05), schedule), problem, 20)
    for k in range(20):
        opt = getattr(opts, name)(lr=0.05 * float(np.asarray(schedule(k))))
        y = opt.flow.start(problem.theta0) if state is None else state
        state = opt.scheme.bind(opt.flow, problem.grad)(0.0, y, (), opt.h)[0]
        np.testing.assert_allclose(run.theta[k + 1], state[0], rtol=1e-11)


def test_a_schedule_keeps_the_order():
    """The flow at the speed s(t/h - 1/2) is followed with momentum's order 2."""
    problem, h, error = tables.smooth_problem(), [], []
    base = opts.scheduled(opts.momentum(lr=0.01), schedules.exponential(0.97))
    for n in (4, 8, 16):
        opt = base.with_step(base.h / n)
        error.append(oo.compare(opt, problem, 30 * n, rtol=1e-12, atol=1e-13).max_error)
        h.append(opt.h)
    assert np.polyfit(np.log(h), np.log(error), 1)[0] == pytest.approx(2, abs=0.1)


def test_lookahead_by_hand():
    problem, lr = tables.smooth_problem(), 0.05
    fast = slow = problem.theta0
    path = [fast]
    for k in range(1, 18):
        fast = fast - lr * problem.grad(fast)
        if k % 4 == 0:
            fast = slow = slow + 0.3 * (fast - slow)
        path.append(fast)
    ours = oo.simulate(opts.lookahead(opts.gd(lr), alpha=0.3, every=4), problem, 17).theta
    np.testing.assert_allclose(ours, path, rtol=1e-13)


OWN = oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.euler, h=0.1)


def test_a_wrapper_around_one_built_by_hand():
    wrapped = opts.l2(OWN, 0.1)
    assert str(wrapped).startswith("l2(opt=optimizer, weight_decay=0.1): gradient flow by Euler")
    assert wrapped.describe().order == "not known"
    assert opts.l2(opts.rprop(lr=0.1), 0.1).describe().order == "none: it follows no flow"


@pytest.mark.parametrize(
    "opt",
    [
        opts.clip_norm(opts.adamw(lr=0.01), 1.0),
        opts.l2(opts.nadam(lr=0.01), 0.1),
        opts.l2(opts.momentum(lr=0.01, map="naive"), 0.1),
        opts.decoupled(opts.momentum(lr=0.01), 0.1),
        opts.scheduled(opts.heavy_ball(lr=0.01), schedules.cosine(100)),
        opts.lookahead(opts.adagrad(lr=0.01)),
    ],
    ids=lambda opt: str(opt).partition(":")[0],
)
def test_wrappers_are_rescaled_from_inside(opt):
    other = opt.rescale(0.003)
    assert other.lr == pytest.approx(0.003, rel=1e-12)
    assert other.recipe.make is opt.recipe.make
    if "weight_decay" in opt.flow.params:
        assert other.flow.params["weight_decay"] == pytest.approx(opt.flow.params["weight_decay"], rel=1e-9)


def test_linear_analysis_sees_the_learning_rate_inside_wrappers():
    for opt in (opts.momentum(lr=0.01), opts.heavy_ball(lr=0.01), opts.adagrad(lr=0.01, accumulator=0.1)):
        wrapped = opts.l2(opt, 0.0)
        assert oo.convergence_rate(wrapped, (1, 20)) == pytest.approx(oo.convergence_rate(opt, (1, 20)), rel=1e-12)
        problem = oo.problems.quadratic()
        run = oo.simulate(wrapped, problem, 3)
        assert oo.sharpness(run, problem, wrapped).threshold == pytest.approx(
            oo.sharpness(run, problem, opt).threshold, rel=1e-9
        )


def test_what_has_no_step_matrix_or_regularizer_says_so():
    for opt in (opts.rmsprop(lr=0.01, centred=True), opts.lookahead(opts.gd(0.1)), opts.clip_norm(opts.gd(0.1), 1.0)):
        with pytest.raises(ValueError, match="is not linear"):
            oo.stability_limit(opt)
    with pytest.raises(ValueError, match="no known implicit regularizer under"):
        oo.implicit_regularizer(opts.clip_norm(opts.adam(lr=0.01), 0.1))


@pytest.mark.parametrize(
    ("opt", "limit"), [(opts.nadam(lr=0.01), 3.8 / (0.1 * 2.8)), (opts.adamw(lr=0.01, weight_decay=3.0), 1.97 * 19)]
)
def test_the_limit_that_is_described_is_the_limit(opt, limit):
    """(2 + 2 beta1)/((1 - beta1)(1 + 2 beta1)) and (2 - lr w)(1 + beta1)/(1 - beta1), as `valid` says."""
    assert ("1 + 2 beta1" in opt.describe().valid) == (opt.name == "nadam")
    assert oo.stability_limit(opt) == pytest.approx(limit, rel=1e-10)


def test_lookahead_over_a_singular_start():
    """The library's RMSprop and Adagrad begin from G = 0, also inside."""
    problem = tables.smooth_problem()
    for opt in (opts.rmsprop(lr=0.01), opts.adagrad(lr=0.01)):
        run, alone = oo.simulate(opts.lookahead(opt, 0.5, 3), problem, 3), oo.simulate(opt, problem, 3)
        np.testing.assert_allclose(run.theta[:3], alone.theta[:3], rtol=1e-12)
        np.testing.assert_allclose(run.final, (problem.theta0 + alone.final) / 2, rtol=1e-12)


def test_array_hyperparameters_under_schedules_and_decay():
    problem, decay = tables.smooth_problem(), np.array([0.0, 0.1])
    both = oo.simulate(opts.scheduled(opts.adamw(lr=0.01, weight_decay=decay), schedules.cosine(10)), problem, 8)
    for i, w in enumerate(decay):
        one = opts.scheduled(opts.adamw(lr=0.01, weight_decay=float(w)), schedules.cosine(10))
        np.testing.assert_allclose(both.theta[:, i], oo.simulate(one, problem, 8).theta, rtol=1e-12)
    rates = [1.0, 0.5, 0.25]
    run = oo.simulate(opts.scheduled(opts.gd(lr=np.array([0.1, 0.2])), rates.__getitem__), problem, 3)
    np.testing.assert_allclose(run.theta[1] - run.theta[0], -np.array([[0.1], [0.2]]) * problem.grad(problem.theta0))


@pytest.mark.parametrize("name", tables.OPTIMIZERS)
def test_every_optimizer_of_the_table_prints_itself(name):
    """Also with settings of None that are not the default, such as muon(iterations=None)."""
    for make, _ in tables.OPTIMIZERS[name].limits:
        assert str(make(0.01)).startswith(f"{name}(")
