"""Tuned comparisons: known answers, equal effort, digits that depend on nothing else, and how often chance wins."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from support.scripts import FOLDER, load

import odeopt as oo
from odeopt import noise, optimizers, problems
from odeopt.trials.search_space import search_space
from odeopt.trials.standing import best_of, exceedance, standing
from odeopt.trials.trial import Course, gradients_per_step, recorded_gradients

SGD = search_space(optimizers.gd, lr=(1e-3, 1.0))
MOMENTUM = search_space(optimizers.momentum, lr=(1e-3, 1.0), beta=(0.5, 0.99))
BOWL = noise.gaussian(problems.quadratic((1.0, 100.0)), 0.01)
VALLEY = problems.rosenbrock(b=5)


@pytest.fixture(scope="module")
def found():
    return oo.bench({"SGD": SGD, "Momentum": MOMENTUM}, {"bowl": BOWL, "valley": VALLEY}, 12, steps=60, seeds=3, rng=1)


def test_the_chosen_setting_gives_the_loss_of_its_own_runs(found):
    """By hand: the trial with the least median over the tuning seeds, and its median over the others."""
    for p, problem in enumerate(found.problems):
        best = np.median(found.tuning[p], axis=-1).argmin(axis=1)
        np.testing.assert_array_equal(found.standing(problem).best, best)
        for o, name in enumerate(found.names):
            assert found.standing(problem).loss[o] == np.median(found.loss[p, o, best[o], :, -1])
            chosen = found.best(problem, name)
            assert chosen == {key: values[best[o]] for key, values in found.settings[name].items()}
            assert all(
                found.ranges[name][key][0] <= value <= found.ranges[name][key][1] for key, value in chosen.items()
            )


def test_the_seeds_that_choose_do_not_report():
    """The setting that is the best for the tuning seeds is reported, though another one is better for the others."""
    tuning, loss = (np.array(u)[None, :, None] * np.ones(4) for u in ([1.0, 2.0, 3.0], [5.0, 3.0, 4.0]))
    found = standing(tuning, loss[..., None], np.array([9]), None)
    assert (found.best[0], found.loss[0], found.low[0], found.high[0]) == (0, 5.0, 3.0, 5.0)
    np.testing.assert_array_equal(best_of(tuning[0, :, 0], loss[0, :, 0]), [4.0, 5.0, 5.0])


def test_a_trial_is_a_run_of_its_setting(found):
    """On a problem without noise: `simulate` itself, at the recorded numbers of gradients."""
    trial = int(found.standing("valley").best[0])
    run = oo.simulate(optimizers.gd(found.settings["SGD"]["lr"][trial]), VALLEY, 60)
    np.testing.assert_array_equal(found.gradients, recorded_gradients(60))
    for seed in range(3):
        np.testing.assert_array_equal(found.loss[1, 0, trial, seed], run.loss[found.gradients])


def test_curvature_100_needs_momentum():
    """SGD keeps at least (1 - 2/100)^100 of the flat direction; tuned momentum forgets it."""
    assert (
        oo.bench({"SGD": SGD, "Momentum": MOMENTUM}, {"bowl": BOWL}, 24, steps=100, rng=0).winner("bowl") == "Momentum"
    )


def test_digits_depend_on_nothing_else(found):
    """Neither on the other optimizers and problems, nor on their order, nor on the budget."""
    alone = oo.bench({"Momentum": MOMENTUM}, {"bowl": BOWL}, 5, steps=60, seeds=3, rng=1)
    np.testing.assert_array_equal(alone.loss[0, 0], found.loss[0, 1, :5])
    np.testing.assert_array_equal(alone.settings["Momentum"]["beta"], found.settings["Momentum"]["beta"][:5])
    turned = oo.bench({"Momentum": MOMENTUM, "SGD": SGD}, {"valley": VALLEY, "bowl": BOWL}, 5, steps=60, seeds=3, rng=1)
    np.testing.assert_array_equal(turned.loss, found.loss[::-1, ::-1, :5])


def test_a_generator_moves_on_and_a_seed_does_not():
    rng, call = (
        np.random.default_rng(3),
        lambda rng: oo.bench({"SGD": SGD}, {"bowl": BOWL}, 2, steps=5, seeds=2, rng=rng),
    )
    assert not np.array_equal(call(rng).loss, call(rng).loss)
    np.testing.assert_array_equal(call(3).loss, call(3).loss)


def test_all_optimizers_see_the_same_noise():
    """Two names, one setting: the same losses, so that differences are of pairs."""
    narrow = search_space(optimizers.gd, lr=(0.01, 0.01 * (1 + 1e-15)))
    both = oo.bench({"a": narrow, "b": narrow}, {"bowl": BOWL}, 1, steps=20, seeds=2, rng=0)
    np.testing.assert_allclose(both.loss[0, 0], both.loss[0, 1], rtol=1e-12)
    assert both.loss[0, 0, 0, 0, -1] != both.loss[0, 0, 0, 1, -1]
    assert both.winner("bowl") is None


def test_a_step_of_two_gradients_counts_twice():
    """Heun's method makes half the steps."""
    heun = lambda lr: oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, lr)
    assert gradients_per_step(heun(0.1), VALLEY) == 2
    result = oo.bench({"Heun": search_space(heun, lr=(1e-3, 1e-2))}, {"valley": VALLEY}, 1, steps=41, seeds=2, rng=0)
    run = oo.simulate(heun(result.settings["Heun"]["lr"][0]), VALLEY, 20)
    np.testing.assert_array_equal(result.loss[0, 0, 0, 0], run.loss[result.gradients // 2])


@pytest.mark.parametrize(("steps", "taken"), [(107, 1), (260, 1), (107, 2), (260, 2), (260, 3)])
def test_losses_are_those_at_their_gradients(steps, taken):
    """Whatever divides what."""
    scheme = {1: oo.schemes.euler, 2: oo.schemes.heun, 3: oo.schemes.rk3}[taken]
    make = lambda lr: oo.Optimizer(oo.flows.gradient_flow(), scheme, lr)
    assert gradients_per_step(make(0.1), VALLEY) == taken
    gradients = recorded_gradients(steps)
    found, _ = Course(VALLEY, gradients, 1, np.random.SeedSequence(0)).losses(make(0.01), taken)
    np.testing.assert_array_equal(found[0], oo.simulate(make(0.01), VALLEY, steps // taken).loss[gradients // taken])


def test_starts_of_their_own():
    """theta0 (2 seeds, d): one start for each seed."""
    many = VALLEY.at(np.random.default_rng(0).normal(size=(4, 2)))
    result = oo.bench({"SGD": SGD}, {"valley": many}, 1, steps=3, seeds=2, rng=0)
    np.testing.assert_array_equal(result.loss[0, 0, 0, :, 0], VALLEY.loss(many.theta0[2:]))


def test_a_diverging_trial_is_a_row():
    steep = search_space(optimizers.gd, lr=(0.5, 50.0))
    result = oo.bench({"SGD": steep}, {"valley": VALLEY}, 6, steps=40, seeds=2, rng=0)
    assert (result.ended == oo.Status.NOT_FINITE).all()
    assert np.isinf(result.loss[..., -1]).all()
    assert np.isfinite(result.loss[..., 0]).all()
    assert result.winner("valley") is None
    assert "(6 of 6 failed)" in str(result)


def test_a_gradient_that_fails_is_a_row():
    def grad(theta):
        if abs(theta[0]) > 3:
            raise RuntimeError("outside")
        return theta

    edge = oo.Problem(lambda theta: float(theta @ theta) / 2, grad, theta0=[1.0], batched=False)
    result = oo.bench({"SGD": search_space(optimizers.gd, lr=(4.5, 5.0))}, {"edge": edge}, 2, steps=5, seeds=2, rng=0)
    assert (result.ended == oo.Status.EVALUATION_FAILED).all()
    assert np.isinf(result.loss[..., -1]).all()


class Counted:
    """A gradient that asks for an interruption at its n-th call."""

    def __init__(self, n):
        self.left = n

    def __call__(self, theta):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)
        return theta


def test_ctrl_c_keeps_what_was_tried():
    grad = Counted(105)
    bowl = oo.Problem(lambda theta: (theta**2).sum(-1) / 2, grad, theta0=[1.0], batched=True)
    two = {"a": SGD, "b": SGD}
    result = oo.bench(two, {"bowl": bowl}, 20, steps=10, seeds=2, rng=0)
    assert result.status is oo.Status.INTERRUPTED
    assert 1 < result.trials < 20
    whole = oo.bench(two, {"bowl": bowl}, result.trials, steps=10, seeds=2, rng=0)
    run = result.ended != oo.Status.INTERRUPTED
    np.testing.assert_array_equal(result.loss[run], whole.loss[run])
    assert np.isnan(result.loss[~run]).all()
    assert "INTERRUPTED" in str(result)


def test_best_of_k_is_the_median_of_random_subsets():
    rng = np.random.default_rng(0)
    score = rng.normal(size=20)
    for k in (1, 3, 10):
        drawn = score[rng.integers(20, size=(20_001, k))].min(axis=1)
        ranks = np.sort(score).searchsorted([np.median(drawn), best_of(score, score)[k - 1]])
        assert abs(ranks[0] - ranks[1]) <= 1


def test_exceedances():
    """P(the j least of 2n are of one sample): all of two settings in half of the orders of 1 and 1."""
    assert exceedance(np.zeros(1), np.ones(1)) == 1.0
    assert exceedance(np.zeros(4), np.ones(4)) == pytest.approx(2 / 70)
    assert exceedance(np.ones(4), np.zeros(4)) == 1.0
    assert exceedance(np.array([0.0, 1.0, np.inf]), np.full(3, np.inf)) == pytest.approx(2 * 4 / 20)


@pytest.mark.parametrize("optimizers_", [2, 4])
def test_equal_optimizers_seldom_have_a_winner(optimizers_):
    """The same response to log lr, other draws: 5 % of 200 comparisons and four standard errors."""
    wins = 0
    for repeat in range(200):
        rng = np.random.default_rng(repeat)
        loss = 0.1 + (rng.uniform(-3, 0, (optimizers_, 12, 1)) + 1.2) ** 2 + 0.02 * rng.normal(size=(2, 1, 1, 6))
        loss = loss + 0.02 * rng.normal(size=(2, optimizers_, 12, 6))
        wins += standing(loss[0], loss[1][..., None], np.array([9]), None).winner is not None
    assert wins / 200 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)


def test_a_few_better_settings_may_be_luck():
    """4 of 12: all resamplings but 1 % find one of them, but chance alone gives so many in 9 % of comparisons."""
    loss = np.concatenate([np.arange(4.0), 5 + np.arange(8.0), 4 + np.arange(12.0)]).reshape(2, 12, 1) * np.ones(6)
    assert exceedance(loss[0, :, 0], loss[1, :, 0]) == pytest.approx(0.0932, abs=1e-4)
    assert standing(loss, loss[..., None], np.array([9]), None).winner is None
    loss[0, 4:6] = 3.5  # six of twelve
    assert standing(loss, loss[..., None], np.array([9]), None).winner == 0


def test_a_clearly_better_one_wins():
    rng = np.random.default_rng(0)
    loss = np.array([0.1, 0.3])[:, None, None] + (rng.uniform(-3, 0, (2, 16, 1)) + 1.2) ** 2 + 0.01 * rng.normal(size=6)
    found = standing(loss, loss[..., None], np.array([9]), None)
    assert found.winner == 0
    assert found.low[0] <= found.loss[0] <= found.high[0] < found.loss[1]


def test_time_to_a_target(found):
    """At the default target all have arrived by the end; at an easier one earlier."""
    slowest = found.standing("valley")
    assert slowest.target == slowest.loss.max()
    assert np.isfinite(slowest.gradients).all()
    easy = oo.bench({"SGD": SGD}, {"valley": VALLEY}, 12, steps=60, seeds=3, rng=1, targets={"valley": 2.0})
    curve = easy.loss[0, 0, easy.standing("valley").best[0], 0]
    assert easy.standing("valley").gradients[0] == easy.gradients[np.argmax(curve <= 2.0)]
    never = oo.bench({"SGD": SGD}, {"valley": VALLEY}, 3, steps=5, seeds=2, rng=1, targets={"valley": -1.0})
    assert np.isinf(never.standing("valley").gradients[0])


def test_effort_ends_at_the_tuned_loss(found):
    for name, curve in found.effort("bowl").items():
        assert curve.shape == (found.trials,)
        assert curve[-1] == found.standing("bowl").loss[found.names.index(name)]


def test_the_record_is_what_the_benchmark_gives():
    """The first trial of one optimizer on one problem, which depends on nothing else."""
    pytest.importorskip("sklearn")
    script = load(FOLDER.parent / "benchmarks" / "which_optimizer.py")
    recorded, name = oo.load(script.FILE), "logistic regression"
    assert recorded.trials == script.BUDGET
    spaces, problem = {"momentum": script.spaces()["momentum"]}, {name: script.problems()[name]}
    again = oo.bench(spaces, problem, 1, steps=script.STEPS, seeds=script.SEEDS, rng=0)
    i, p = recorded.names.index("momentum"), recorded.problems.index(name)
    assert again.settings["momentum"]["beta"][0] == recorded.settings["momentum"]["beta"][0]
    np.testing.assert_allclose(again.loss[0, 0, 0, :, -1], recorded.loss[p, i, 0, :, -1], rtol=1e-9)


def test_spaces():
    space = search_space(optimizers.adam, {"eps": 1e-12}, lr=(1e-4, 1.0), beta1=(0.0, 0.99))
    rng = np.random.default_rng(0)
    drawn = [space.draw(rng) for _ in range(4000)]
    lr, beta1 = (np.array([each[key] for each in drawn]) for key in ("lr", "beta1"))
    for value, (low, high) in ((np.log(lr), (np.log(1e-4), 0.0)), (-np.log1p(-beta1), (0.0, -np.log(0.01)))):
        assert value.mean() == pytest.approx((low + high) / 2, abs=4 * (high - low) / np.sqrt(12 * 4000))
        assert value.min() >= low
        assert value.max() <= high
    assert space.optimizer(drawn[0]).settings["eps"] == 1e-12


@pytest.mark.parametrize(
    ("ranges", "match"),
    [
        ({}, "ranges must name at least one"),
        ({"lr": (1.0, 0.1)}, "lr must be a range"),
        ({"lr": (0.0, 0.1)}, "lr must be a range of positive numbers"),
        ({"lr": 0.1}, "lr must be a range"),
        ({"lr": (0.1, 1.0), "beta1": (0.9, 1.0)}, "beta1 must be a range within 0 <= beta1 < 1"),
        ({"lr": (0.1, 1.0), "gamma": (0.9, 1.0)}, "gamma"),
    ],
)
def test_spaces_refuse(ranges, match):
    with pytest.raises((ValueError, TypeError), match=match):
        search_space(optimizers.adam, **ranges)


def test_refuses():
    with pytest.raises(TypeError, match=r"optimizers\['a'\] must be one of the spaces of odeopt.search_space"):
        oo.bench({"a": optimizers.gd(0.1)}, {"bowl": BOWL}, 2)
    with pytest.raises(ValueError, match="problems must map one or more names"):
        oo.bench({"a": SGD}, {}, 2)
    with pytest.raises(ValueError, match=r"problems\['bowl'\] must have shape \(2,\) or \(4, 2\), got \(3, 2\)"):
        oo.bench({"a": SGD}, {"bowl": VALLEY.at(np.ones((3, 2)))}, 2, seeds=2)
    with pytest.raises(ValueError, match="name in targets must be one of bowl"):
        oo.bench({"a": SGD}, {"bowl": BOWL}, 2, targets={"bow": 1.0})
    with pytest.raises(ValueError, match="optimizer must be one of Momentum, SGD|optimizer must be one of SGD"):
        oo.bench({"SGD": SGD}, {"bowl": BOWL}, 1, steps=2, seeds=2).best("bowl", "SDG")


def test_a_course_is_the_same_every_time():
    course = Course(BOWL, recorded_gradients(9), 4, np.random.SeedSequence(5))
    first, _ = course.losses(optimizers.gd(0.01), 1)
    again, _ = course.losses(optimizers.gd(0.01), 1)
    np.testing.assert_array_equal(first, again)
