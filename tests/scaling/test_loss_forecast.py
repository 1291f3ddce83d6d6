"""Forecasts of losses: the law as it is written, published parameters recovered, intervals that hold."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

import odeopt as oo
from odeopt import schedules
from odeopt.scaling.functional_law import FUNCTIONAL
from odeopt.scaling.law_fit import fitted
from odeopt.scaling.multi_power_law import MULTI_POWER
from odeopt.scaling.schedule_law import warm_up_end
from odeopt.util.status import Status

PUBLISHED = {
    "25M": np.array([3.040, 0.525, 0.508, 363.8, 2.066, 0.583, 0.641]),
    "400M": np.array([2.375, 0.654, 0.429, 523.4, 2.025, 0.594, 0.635]),
}
annealing, loss = MULTI_POWER.reads, MULTI_POWER.loss
LR, STEPS, WARM = 3e-4, 2000, 60


def warmed(schedule):
    return schedules.warm_up(WARM, schedule)


COSINE = warmed(schedules.cosine(STEPS - WARM, 0.1))
STAGES = warmed(schedules.sequence(schedules.constant(), STEPS // 2, schedules.constant(0.3)))
OTHER = warmed(schedules.wsd(STEPS - WARM, 400, lambda n: schedules.one_minus_sqrt(n, 0.1)))


def recorded(schedule, p, noise=0.0, lr=LR, steps=STEPS, records=100, rng=None, memory=0.0):
    """A pair (schedule, loss) of a run that obeys the law but for noise, AR(1) with this memory."""
    found, at = np.full(steps, np.nan), np.linspace(WARM, steps - 1, records).astype(int)
    xi = np.zeros(records) if rng is None else rng.standard_normal(records)
    for i in range(1, records):
        xi[i] = memory * xi[i - 1] + np.sqrt(1 - memory**2) * xi[i]
    found[at] = loss(p, annealing(lr * schedule(np.arange(steps)), at)) + noise * xi
    return schedule, found


def written(p, eta, t):
    """The law after step t, term by term."""
    L0, A, alpha, B, C, beta, gamma = p
    first = np.flatnonzero(np.diff(eta) < 0)[0] + 1
    found = L0 + A * eta[: t + 1].sum() ** -alpha
    for k in range(first, t + 1):
        S = eta[k : t + 1].sum()
        found -= B * (eta[k - 1] - eta[k]) * (1 - (1 + C * eta[k] ** -gamma * S) ** -beta)
    return found


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("schedule", [COSINE, warmed(schedules.restarts(schedules.linear(50, 0.1), 50, 2))], ids=str)
def test_the_law_term_by_term(name, schedule):
    eta = LR * schedule(np.arange(300))
    at = np.array([WARM, 150, 299])
    found = loss(PUBLISHED[name], annealing(eta, at))
    np.testing.assert_allclose(found, [written(PUBLISHED[name], eta, t) for t in at], rtol=1e-13)


def test_its_derivatives():
    p, curve = PUBLISHED["25M"], annealing(LR * COSINE(np.arange(300)), np.arange(WARM, 300, 11))
    _, slopes = MULTI_POWER.values_and_slopes(p, curve)
    for i, h in enumerate(1e-5 * np.eye(7)):
        differences = (loss(p * np.exp(h), curve) - loss(p * np.exp(-h), curve)) / 2e-5
        np.testing.assert_allclose(slopes[:, i], differences, rtol=1e-7, atol=1e-9)


def test_a_rate_of_zero_ends_the_run():
    eta = LR * np.concatenate([np.ones(50), np.zeros(50)])
    curve = annealing(eta, np.array([49, 50, 99]))
    found = loss(PUBLISHED["25M"], curve)
    np.testing.assert_allclose(found, found[0], rtol=1e-13)
    assert np.isfinite(MULTI_POWER.values_and_slopes(PUBLISHED["25M"], curve)[1]).all()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameters_are_recovered(name):
    """From two curves that obey the law, to 1 %; a third is then predicted."""
    p = PUBLISHED[name]
    forecast = oo.loss_forecast([recorded(COSINE, p), recorded(STAGES, p)], lr=LR)
    assert forecast.status is Status.DONE
    assert list(forecast.parameters) == list(MULTI_POWER.parameters)
    np.testing.assert_allclose([*forecast.parameters.values()], p, rtol=1e-2)
    assert forecast.worst < 1e-9
    predicted = forecast.predict(OTHER, STEPS)
    truth = loss(p, annealing(LR * OTHER(np.arange(STEPS)), predicted.at))
    np.testing.assert_allclose(predicted.loss, truth, rtol=1e-8)
    assert predicted.at[0] == WARM - 1
    assert predicted.at[-1] == STEPS - 1


def test_curves_may_have_peaks_and_units_of_their_own():
    """lr in units a thousand times as large: A, B and C change, predictions do not."""
    p = PUBLISHED["400M"]
    curves = [recorded(COSINE, p), recorded(STAGES, p, lr=LR / 2)]
    forecast = oo.loss_forecast(curves, lr=[LR, LR / 2])
    other = oo.loss_forecast(curves, lr=[1e3 * LR, 1e3 * LR / 2])
    np.testing.assert_allclose([*forecast.parameters.values()], p, rtol=1e-2)
    scale = np.array([0, p[2], 0, -1, p[6] - 1, 0, 0])
    np.testing.assert_allclose([*other.parameters.values()], p * 1e3**scale, rtol=1e-2)
    ends = [f.predict(OTHER, STEPS, f.lr / 1.5).loss[-1] for f in (forecast, other)]
    np.testing.assert_allclose(*ends, rtol=1e-6)


TRUTHS = {  # of curves in steps of unit rate
    "multi-power": (MULTI_POWER, np.array([2.0, 1.5, 0.5, 0.4, 1.0, 0.6, 0.4])),
    "functional": (FUNCTIONAL, np.array([1.5, 0.6, 0.4, 0.3, 2.0, 1.3])),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_the_unit_of_the_loss_does_not_matter(name):
    """L0, A, B, the residuals and the intervals have the unit of the loss; all else has none."""
    law, p = TRUTHS[name]
    curves, rng = [], np.random.default_rng(0)
    for schedule, steps in ((schedules.cosine(800), 800), (schedules.wsd(900, 200), 900)):
        at, found = np.arange(20, steps, 20), np.full(steps, np.nan)
        found[at] = law.loss(p, law.reads(0.1 * schedule(np.arange(steps)), at)) + 1e-5 * rng.standard_normal(len(at))
        curves.append((schedule, found))

    def forecast(c):
        made = oo.loss_forecast([(schedule, c * found) for schedule, found in curves], 0.1, law=name)
        assert made.status is Status.DONE
        predicted, linear = made.predict(schedules.linear(700), 700), dict.fromkeys(("L0", "A", "B"), c)
        values = [value / linear.get(key, 1) for key, value in made.parameters.items()]
        rest = [made.noise / c, made.worst / c, made.freedom, predicted.loss[-1] / c]
        return np.array([*values, *rest, (predicted.high[-1] - predicted.loss[-1]) / c])

    one = forecast(1)
    assert one[-4] < 4e-5  # the fit has left its start
    for c in (1e-12, 1e-6, 1e6):
        np.testing.assert_allclose(forecast(c), one, rtol=1e-6)


def test_the_losses_of_a_warm_up_are_left_out():
    p, (schedule, found) = PUBLISHED["25M"], recorded(COSINE, PUBLISHED["25M"])
    found[: WARM - 1] = 11.0
    forecast = oo.loss_forecast([(schedule, found), recorded(STAGES, p)], LR)
    assert forecast.records[0].min() >= WARM - 1 == warm_up_end(LR * COSINE(np.arange(STEPS)))
    assert forecast.worst < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("memory", [0.0, 0.8])
def test_intervals_hold(memory):
    """Of 40 new noisy losses at the end of another run, 95 % lie in the interval: at least 34 with probability 0.996.

    With residuals that agree with their neighbours too.
    """
    p, rng, inside, widths = PUBLISHED["25M"], np.random.default_rng(1), 0, []
    for _ in range(40):
        curves = [recorded(s, p, 0.01, rng=rng, memory=memory) for s in (COSINE, STAGES)]
        predicted = oo.loss_forecast(curves, LR).predict(OTHER, STEPS)
        new = loss(p, annealing(LR * OTHER(np.arange(STEPS)), predicted.at[-1:]))[0] + 0.01 * rng.standard_normal()
        inside += bool(predicted.low[-1] <= new <= predicted.high[-1])
        widths.append(predicted.high[-1] - predicted.low[-1])
    assert inside >= 34
    assert np.median(widths) < 0.1


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_proposed_schedule_is_the_best_and_warns(name):
    p = PUBLISHED[name]
    forecast = oo.loss_forecast([recorded(COSINE, p), recorded(STAGES, p)], lr=LR)
    proposed = forecast.propose(STEPS, warm=WARM)
    assert repr(proposed.schedule).startswith("warm_up(steps=60, then=hold(steps=")
    assert any("no run has tried it" in text for text in proposed.warnings)
    assert any("the sum of the rates is" in text for text in proposed.warnings)
    assert not any("least rate" in text for text in proposed.warnings)
    rest = STEPS - WARM + 1
    shapes = (schedules.linear, schedules.cosine, schedules.one_minus_sqrt)
    others = [
        warmed(schedules.wsd(rest, c, lambda n, shape=shape: shape(n, 0.1)))
        for c in (100, 400, rest)
        for shape in shapes
    ]
    ends = [forecast.predict(other, STEPS).loss[-1] for other in others]
    assert proposed.loss[-1] < min(ends)
    np.testing.assert_allclose(forecast.predict(proposed.schedule, STEPS).loss, proposed.loss, rtol=1e-14)
    assert "no run has tried it" in repr(proposed)


def test_predictions_say_in_what_they_go_beyond():
    p = PUBLISHED["25M"]
    forecast = oo.loss_forecast([recorded(COSINE, p), recorded(STAGES, p)], lr=LR)
    assert forecast.predict(COSINE, STEPS).warnings == ()
    sums, peak, least = forecast.predict(schedules.linear(2 * STEPS), 2 * STEPS, lr=2 * LR).warnings
    assert sums.startswith("the sum of the rates is 1.2, at most 0.3")
    assert peak == "the peak rate is 0.0006, at most 0.0003 in the curves"
    assert least == "the least rate is 1.5e-07, at least 3e-05 in the curves"
    short, warming = forecast.predict(schedules.constant(), 10), forecast.predict(schedules.warm_up(5000), 2000)
    assert short.warnings == ("the sum of the rates is 0.003, at least 0.00945 in the curves",)
    assert warming.warnings == ("all 2000 steps are a warm-up, which the law leaves out",)
    assert "all 10 steps are a warm-up" in repr(forecast.predict(schedules.warm_up(50), 10))


def test_a_fit_that_was_cut_short_says_so(monkeypatch):
    monkeypatch.setattr("odeopt.scaling.law_fit.EVALUATIONS", 1)
    rng = np.random.default_rng(0)
    forecast = oo.loss_forecast([recorded(COSINE, PUBLISHED["25M"], 0.01, rng=rng)], LR)
    assert forecast.status is Status.TOO_MANY_EVALUATIONS
    assert "TOO_MANY_EVALUATIONS: the fit has not converged" in repr(forecast)
    assert np.isfinite(forecast.predict(OTHER, STEPS).loss).all()


def test_it_prints():
    p = PUBLISHED["25M"]
    forecast = oo.loss_forecast([recorded(COSINE, p, 0.01, rng=np.random.default_rng(0))], LR)
    first, second = repr(forecast).splitlines()
    assert first.startswith("multi-power law: L0 = 3.0")
    assert second.startswith("100 losses of 1 curves: standard deviation 0.0097, worst residual 0.024")
    assert repr(forecast.predict(COSINE, STEPS)).startswith(
        "0.0003 warm_up(steps=60, then=cosine(steps=1940, final=0.1)"
    )
    # residuals are what the law leaves
    np.testing.assert_allclose(
        forecast.losses[0] - forecast.residuals[0],
        loss(np.array([*forecast.parameters.values()]), annealing(forecast.rates[0], forecast.records[0])),
        rtol=1e-12,
    )


def test_a_flat_curve_has_no_second_part():
    """The law is fitted where only one of several curves has a fall."""
    p = PUBLISHED["25M"]
    flat, curve = recorded(warmed(schedules.constant()), p), recorded(COSINE, p)
    assert oo.loss_forecast([flat, curve], LR).worst < 1e-9
    merged = annealing(LR * COSINE(np.arange(STEPS)), np.array([STEPS - 1])).merged(50)
    assert len(merged.weight) == 50
    whole = annealing(LR * COSINE(np.arange(STEPS)), np.array([STEPS - 1]))
    np.testing.assert_allclose(loss(p, merged), loss(p, whole), rtol=1e-3)
    assert fitted(MULTI_POWER, [whole.merged(3000)], [loss(p, whole)], LR).p.shape == (7,)


QUADRATIC = {
    "cosine": schedules.cosine(2000, 0.05),
    "stages": schedules.sequence(schedules.constant(), 1000, schedules.constant(0.2)),
    "wsd": schedules.wsd(2000, 400, lambda n: schedules.linear(n, 0.05)),
    "restarts": schedules.restarts(schedules.cosine(500, 0.05), 500),
}


def on_a_quadratic(schedule, lr=0.2, steps=2000):
    """E[L] of SGD by its exact second moments: 300 curvatures i^-1.5, noise 0.5 sqrt(i^-1.5), and a floor of 1."""
    curvature = np.arange(1.0, 301) ** -1.5
    moment, found = np.arange(1.0, 301) ** -0.5, np.full(steps, np.nan)
    for k, eta in enumerate(lr * schedule(np.arange(steps))):
        moment = (1 - eta * curvature) ** 2 * moment + (0.5 * eta) ** 2 * curvature
        if k >= 50 and k % 20 == 19:
            found[k] = 1 + curvature @ moment / 2
    return schedule, found


@lru_cache(maxsize=2)
def forecast_of_a_quadratic(law):
    return oo.loss_forecast([on_a_quadratic(QUADRATIC[name]) for name in ("cosine", "stages")], 0.2, law=law)


def test_the_functional_law_term_by_term():
    p, eta = np.array([1.5, 0.6, 0.4, 0.3, 2.0, 1.3]), 0.2 * QUADRATIC["restarts"](np.arange(700))
    for t in (0, 300, 699):
        noise = sum(eta[k] ** 2 * (1 + p[4] * eta[k + 1 : t + 1].sum()) ** -p[5] for k in range(t + 1))
        found = FUNCTIONAL.loss(p, FUNCTIONAL.reads(eta, np.array([t])))
        np.testing.assert_allclose(found, p[0] + p[1] * eta[: t + 1].sum() ** -p[2] + p[3] * noise, rtol=1e-12)
    curve = FUNCTIONAL.reads(eta, np.arange(10, 700, 50))
    _, slopes = FUNCTIONAL.values_and_slopes(p, curve)
    for i, h in enumerate(1e-5 * np.eye(6)):
        differences = (FUNCTIONAL.loss(p * np.exp(h), curve) - FUNCTIONAL.loss(p * np.exp(-h), curve)) / 2e-5
        np.testing.assert_allclose(slopes[:, i], differences, rtol=1e-7, atol=1e-9)


def test_the_parameters_of_the_functional_law_are_recovered():
    p, curves = np.array([1.5, 0.6, 0.4, 0.3, 2.0, 1.3]), []
    for name in ("cosine", "stages"):
        at, found = np.arange(50, 2000, 25), np.full(2000, np.nan)
        found[at] = FUNCTIONAL.loss(p, FUNCTIONAL.reads(0.2 * QUADRATIC[name](np.arange(2000)), at))
        curves.append((QUADRATIC[name], found))
    forecast = oo.loss_forecast(curves, 0.2, law="functional")
    assert [*forecast.parameters] == ["L0", "A", "alpha", "B", "C", "delta"]
    np.testing.assert_allclose([*forecast.parameters.values()], p, rtol=1e-2)
    assert repr(forecast).startswith("functional law: L0 = 1.5")


@pytest.mark.parametrize(("law", "error"), [("functional", 0.04), ("multi-power", 0.04)])
@pytest.mark.parametrize("name", ["wsd", "restarts"])
def test_sgd_on_a_quadratic_is_forecast(law, error, name):
    """Neither law is exact there; the excess over the floor of 1 is forecast to 4 %, and lies in the interval."""
    truth = on_a_quadratic(QUADRATIC[name])[1][-1]
    predicted = forecast_of_a_quadratic(law).predict(QUADRATIC[name], 2000)
    assert abs(predicted.loss[-1] - truth) < error * (truth - 1)
    assert predicted.low[-1] < truth < predicted.high[-1]


@pytest.mark.parametrize("law", ["functional", "multi-power"])
def test_the_proposed_schedule_is_better_on_a_quadratic(law):
    """Run there, it beats the recorded schedules and WSD."""
    proposed = forecast_of_a_quadratic(law).propose(2000).schedule
    end = on_a_quadratic(proposed)[1][-1]
    assert end < min(on_a_quadratic(schedule)[1][-1] for schedule in QUADRATIC.values())


@pytest.mark.slow
def test_what_the_curves_do_not_resolve_is_named():
    """On a quadratic the response to a fall does not depend on the rate, so gamma ends at 0."""
    assert forecast_of_a_quadratic("multi-power").at_limit == ("gamma",)
    assert "not resolved by these curves: gamma" in repr(forecast_of_a_quadratic("multi-power"))
    assert good().at_limit == ()


GOOD = recorded(schedules.linear(STEPS, 0.1), PUBLISHED["25M"])


@lru_cache(maxsize=1)
def good():
    return oo.loss_forecast([GOOD])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: oo.loss_forecast(3), TypeError, r"curves must be pairs \(schedule, loss\), got 3"),
        (lambda: oo.loss_forecast([1, 2]), TypeError, r"curves must be pairs \(schedule, loss\), got \[1, 2\]"),
        (lambda: oo.loss_forecast([]), ValueError, "curves must not be empty"),
        (lambda: oo.loss_forecast([(3, GOOD[1])]), TypeError, r"the schedule of curves\[0\] must be one of odeopt"),
        (lambda: oo.loss_forecast([GOOD, (GOOD[0], [-1.0, 2.0])]), ValueError, r"curves\[1\] must have losses \(n,\)"),
        (lambda: oo.loss_forecast([(abs, GOOD[1])]), ValueError, r"curves\[0\] must have rates that are finite"),
        (lambda: oo.loss_forecast([(GOOD[0], np.full(9, np.nan))]), ValueError, r"curves\[0\] must have a loss after"),
        (lambda: oo.loss_forecast([(GOOD[0], np.ones(7))]), ValueError, "must have more than 7 losses .* got 7"),
        (lambda: oo.loss_forecast([(schedules.constant(), np.ones(9))]), ValueError, "after a fall of the rate"),
        (lambda: oo.loss_forecast([GOOD], lr=-1), ValueError, "lr must be a number or"),
        (lambda: oo.loss_forecast([GOOD], law="power"), ValueError, "law must be one of functional, multi-power, got"),
        (lambda: oo.loss_forecast([GOOD], lr=[1, 2]), ValueError, r"lr must broadcast to shape \(1,\)"),
        (lambda: good().predict(abs, 9), ValueError, "schedule must have rates .* positive at first"),
        (lambda: good().predict(COSINE, 1), ValueError, "steps must be at least 2, got 1"),
        (lambda: good().predict(COSINE, 9, lr=0), ValueError, r"lr must be a number in \[1e-12, 1e\+06\], got 0"),
        (lambda: good().predict(COSINE, 9, lr=[1, 2]), ValueError, r"lr must be a number in \[.*, got \[1, 2\]"),
        (lambda: good().propose(9, lr=-1), ValueError, r"lr must be a number in \["),
        (lambda: good().propose(9, warm=8), ValueError, "warm must be at most steps - 2 = 7, got 8"),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
