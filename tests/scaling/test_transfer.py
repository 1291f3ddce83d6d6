"""What to change when batch, width, depth or horizon change: known laws, what stays the same, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers, schedules
from odeopt.analysis.batch_rules import averaging
from odeopt.scaling.horizon_law import bound_factor, length, lengthened
from odeopt.scaling.noise_laws import PEAK, batch_factor, normalised_rate, summed_rate, surge_rate

ADAMW = optimizers.adamw(lr=0.001, beta1=0.9, beta2=0.999, weight_decay=0.1)
RATIOS, KAPPAS = (0.1, 1.0, 8.0, 100.0), (1 / 16, 1 / 2, 2.0, 64.0)


# --- the noise laws -------------------------------------------------------------------------------------------------


def best_rate(r, normalised):
    """argmin_eta E|theta - eta u|^2 on L = |theta|^2/2, E|xi|^2 = r |g|^2; u = g + xi, or that over its length.

    E|theta - eta u|^2 = |g|^2 - 2 eta E[g u] + eta^2 E|u|^2, a parabola, read off at three rates.
    """
    length = np.sqrt(1 + r) if normalised else 1.0
    drift, size = 1 / length, (1 + r) / length**2
    eta = np.array([0.0, 1.0, 2.0])
    a, b, _ = np.polyfit(eta, 1 - 2 * eta * drift + eta**2 * size, 2)
    return -b / (2 * a)


@pytest.mark.parametrize("kappa", KAPPAS)
@pytest.mark.parametrize("r", RATIOS)
def test_the_laws_are_those_of_one_best_step(r, kappa):
    assert summed_rate(r, kappa) == pytest.approx(best_rate(r / kappa, False) / best_rate(r, False), rel=1e-9)
    assert normalised_rate(r, kappa) == pytest.approx(best_rate(r / kappa, True) / best_rate(r, True), rel=1e-9)


def test_the_surge_is_the_best_rate_of_signs_with_correlated_curvature():
    """sum |g| / (sum H_ii/b + b sum_offdiagonal H_ij), by a Hessian with 3 on the diagonal and 1/2 beside it."""
    d = 7
    H = np.full((d, d), 0.5) + 2.5 * np.eye(d)
    diagonal, beside = np.trace(H), H.sum() - np.trace(H)
    eta = lambda r: 1 / (diagonal * (1 + r) ** 0.5 + beside * (1 + r) ** -0.5)
    peak = beside / diagonal - 1  # b^2 = sum H_ii/sum_(i != j) H_ij where this is below 1; here it is not: peak = 0
    assert peak == pytest.approx(0)
    assert surge_rate(6.0, 3.0, peak) == pytest.approx(eta(2.0) / eta(6.0), rel=1e-12)
    assert all(surge_rate(PEAK, kappa) < 1 for kappa in KAPPAS)  # the largest rate is at the peak
    assert surge_rate(1e12, 4.0) == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_where_noise_dominates_all_laws_agree_and_are_scale_batch(kappa):
    big = (1e12, 1e12)
    for opt, rate in (
        (optimizers.momentum(lr=0.01), kappa),
        (ADAMW, np.sqrt(kappa)),
        (optimizers.signsgd(1e-4), np.sqrt(kappa)),
    ):
        found = oo.transfer(opt, batch=kappa, noise_ratio=big)
        assert np.array(found.lr_range()) / opt.lr == pytest.approx([rate, rate], rel=1e-6)
        assert found.optimizer.lr == pytest.approx(oo.scale_batch(opt, kappa, np.inf).lr, rel=1e-6)


@pytest.mark.parametrize("opt", [ADAMW, optimizers.gd(0.1)], ids=lambda opt: opt.name)
def test_the_advice_is_the_lowest_and_a_range_holds_those_of_its_ends(opt):
    one, other, both = (batch_factor(opt, 8.0, ends) for ends in ((2.0, 2.0), (50.0, 50.0), (2.0, 50.0)))
    assert (both.low, both.high) == (min(one.low, other.low), max(one.high, other.high))
    assert one.best == one.low < both.best == batch_factor(opt, 8.0, (10.0, 10.0)).best < other.best
    unknown = batch_factor(opt, 8.0, None)
    assert unknown.low == pytest.approx(1)
    assert unknown.best == pytest.approx(8**0.5 if opt is ADAMW else 8)
    assert unknown.high == pytest.approx(8)


def test_the_noise_of_an_average_by_its_weights():
    """Of the gradients in the sign's argument, counted by feeding one unit gradient and then none."""
    for opt in (optimizers.lion(1e-4, 0.9, 0.95), optimizers.muon(lr=0.1, beta=0.8)):
        b1, b2 = (opt.settings.get(key, opt.settings.get("beta")) for key in ("beta1", "beta2"))
        m, weights = 0.0, []
        for g in [1.0] + [0.0] * 400:
            if opt.name == "lion":
                weights.append(b1 * m + (1 - b1) * g)
                m = b2 * m + (1 - b2) * g
            else:
                m = b2 * m + (1 - b2) * g
                weights.append(b1 * m + (1 - b1) * g)
        assert averaging(opt) == pytest.approx(np.sum(np.square(weights)), rel=1e-12)


@pytest.mark.parametrize("kappa", [1 / 4, 4.0])
def test_the_sign_of_a_long_memory_moves_by_samples(kappa):
    """Lion with its memory in samples is the same process in time: lr in proportion, whatever the noise."""
    lion = optimizers.lion(1e-4, 0.999, 0.999)
    for r in (0.01, 1.0, 1e6):
        assert oo.transfer(lion, batch=kappa, noise_ratio=r).optimizer.lr / 1e-4 == pytest.approx(kappa, rel=0.01)
        assert oo.scale_batch(lion, kappa, r).lr / 1e-4 == pytest.approx(kappa, rel=0.01)
    short = oo.transfer(optimizers.lion(1e-4, 0.9, 0.9), batch=4, noise_ratio=1e-9)
    assert short.optimizer.lr == pytest.approx(1e-4)  # a momentum of ten steps stays, and with it the rate


# --- memories -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [1 / 4, 4, 16, 1000])
def test_averages_and_decay_span_as_many_samples(kappa):
    new = oo.transfer(ADAMW, batch=kappa, noise_ratio=3.0).optimizer.settings
    assert new["beta2"] == pytest.approx(0.999**kappa, rel=1e-14)
    assert new["beta1"] == max(0.9, 0.9**kappa)  # a momentum of ten steps stays; for smaller batches it is longer
    assert 1 - new["lr"] * new["weight_decay"] == pytest.approx((1 - 1e-4) ** kappa, rel=1e-12)


@pytest.mark.parametrize("opt", [optimizers.adam(1e-3), optimizers.lion(1e-4), optimizers.muon(0.1)])
@pytest.mark.parametrize("kappa", [1 / 64, 2.0, 64.0])
@pytest.mark.parametrize("ratios", [None, (0.0, 0.0), (1e-3, 1e3), (0.5, 200.0), (0.0, np.inf), (np.inf, np.inf)])
def test_a_range_holds_the_advice_of_all_that_it_holds(opt, kappa, ratios):
    """The law of the surge is lowest inside of a wide range, not at its ends."""
    found = batch_factor(opt, kappa, ratios, 0.9)
    assert found.low <= found.best <= found.high
    if ratios is not None and 0 < ratios[0] < ratios[1] < np.inf:
        for r in np.geomspace(*ratios, 20):
            one = batch_factor(opt, kappa, (r, r), 0.9)
            assert (
                found.low * 0.99 <= one.low <= one.high <= found.high * 1.01
            )  # 64 ratios: 24 % apart, half of it squared


def test_lions_weight_of_older_gradients_is_kept():
    """kappa equal gradients g in one step move the sign's argument and the memory as kappa old steps do."""
    beta1, beta2, kappa = 0.9, 0.999, 5
    new = oo.transfer(optimizers.lion(1e-4, beta1, beta2), batch=kappa, noise_ratio=1.0).optimizer.settings
    m, g = 0.7, -1.3
    memory = m
    for _ in range(kappa):
        argument, memory = beta1 * memory + (1 - beta1) * g, beta2 * memory + (1 - beta2) * g
    assert new["beta1"] * m + (1 - new["beta1"]) * g == pytest.approx(argument, rel=1e-12)
    assert new["beta2"] * m + (1 - new["beta2"]) * g == pytest.approx(memory, rel=1e-12)


def test_lions_beta1_is_no_memory():
    found = oo.transfer(optimizers.lion(1e-4), batch=64, noise_ratio=1.0)
    assert any("beta2: a momentum keeps about ten steps, now 6.1 times" in text for text in found.lost)
    assert not any("beta1" in text for text in found.lost)
    because = {row.setting: row.because for row in found.changes}
    assert "older gradients" in because["beta1"]
    assert "not fewer than ten steps" in because["beta2"]
    kept = oo.transfer(optimizers.lion(1e-4), batch=2, noise_ratio=1.0)
    assert "not fewer" not in str(kept)


def test_large_factors_say_what_is_lost():
    found = oo.transfer(ADAMW, batch=(32, 32768), noise_scale=64.0)
    assert any("beta1" in text and "1.02e+03 times the samples" in text for text in found.lost)
    assert any("beta2: a memory of 999 old steps" in text for text in found.lost)
    assert any("samples: 342 times" in text for text in found.lost)  # (1 + 1024/2)/(1 + 1/2)
    assert not oo.transfer(ADAMW, batch=1 / 16, noise_ratio=1.0).lost
    assert not oo.transfer(ADAMW, width=16).lost


def test_nothing_changes_if_nothing_does():
    found = oo.transfer(ADAMW)
    assert found.changes == ()
    assert found.optimizer.get_config() == ADAMW.get_config()
    assert str(found).splitlines()[0] == "adamw: nothing changes"
    assert found.lr_range() == (0.001, 0.001)


# --- width, depth, horizon ------------------------------------------------------------------------------------------


def test_widths_by_the_table_of_tensor_programs():
    """Table 3 of [Yang et al. 2022]: SGD fan_out, 1, 1/fan_in; Adam 1, 1/fan_in, 1/fan_in; biases as inputs."""
    lrs = lambda opt, **change: {k: v.lr / opt.lr for k, v in oo.transfer(opt, **change).optimizers.items()}
    adam, sgd = optimizers.adam(lr=0.01), optimizers.momentum(lr=0.01)
    assert lrs(adam, width=(64, 256)) == pytest.approx({"hidden": 1 / 4, "vector": 1, "embedding": 1, "output": 1 / 4})
    assert lrs(sgd, width=4) == pytest.approx({"hidden": 1, "vector": 4, "embedding": 4, "output": 1 / 4})
    assert lrs(adam, depth=4) == pytest.approx({"hidden": 1 / 2, "vector": 1 / 2, "embedding": 1, "output": 1})
    assert lrs(sgd, depth=4) == pytest.approx(dict.fromkeys(("hidden", "vector", "embedding", "output"), 1))
    assert lrs(optimizers.muon(lr=0.01), width=4) == pytest.approx({"hidden": 1 / 2})  # Keras' scale: root of the side
    assert lrs(optimizers.muon(lr=0.01, like="torch"), width=4) == pytest.approx({"hidden": 1})
    named = oo.transfer(ADAMW, width=4, groups={"attention": "hidden", "tokens": "embedding"})
    assert [opt.lr for opt in named.optimizers.values()] == pytest.approx([0.00025, 0.001])
    assert named.optimizers["attention"].settings["weight_decay"] == pytest.approx(0.4)  # the decay per step stays


def test_the_horizon_stretches_the_schedule_and_keeps_the_warm_up():
    s = schedules.warm_up(10, schedules.wsd(91, 20))
    opt = optimizers.scheduled(optimizers.gd(lr=0.1), s)
    found = oo.transfer(opt, horizon=4)
    new = found.optimizer.settings["schedule"]
    assert (length(s), length(new), found.steps(100)) == (100.0, pytest.approx(400), 400)
    np.testing.assert_allclose(new(np.arange(10)), s(np.arange(10)), rtol=1e-12)
    assert np.count_nonzero(np.diff(new(np.arange(10, 401.0)))) == pytest.approx(4.33 * 20, abs=2)  # 20 of 91 -> of 391
    shorter = oo.transfer(opt, batch=4, horizon=4).optimizer.settings["schedule"]
    assert length(shorter) == pytest.approx(100, abs=2)
    assert length(lengthened(s, 1 / 50)) == pytest.approx(2)  # shorter than the warm-up: all of it shrinks
    given = oo.transfer(optimizers.gd(lr=0.1), horizon=4, schedule=s)
    assert given.optimizer.get_config() == found.optimizer.get_config()


def test_the_peak_rate_is_half_way_to_the_bound():
    assert bound_factor(schedules.linear(400), 16) == pytest.approx(1 / 4, rel=0.01)
    expected = oo.schedule_bound(lambda k: 1.0, 1600).lr / oo.schedule_bound(lambda k: 1.0, 100).lr
    assert bound_factor(schedules.constant(), 16, 100.0) == pytest.approx(expected, rel=1e-12)
    found = oo.transfer(optimizers.scheduled(optimizers.gd(lr=0.1), schedules.cosine(500)), horizon=16)
    assert found.optimizer.lr == pytest.approx(0.05, rel=0.01)
    assert found.lr_range() == pytest.approx((0.025, 0.1), rel=0.01)
    back = oo.transfer(optimizers.scheduled(optimizers.gd(lr=0.1), schedules.cosine(8000)), horizon=1 / 16)
    assert back.lr_range() == pytest.approx((0.1, 0.4), rel=0.01)
    assert bound_factor(schedules.linear(10**9), 2) == pytest.approx(2**-0.5, rel=1e-3)  # no array of 1e9 steps


def test_there_and_back_is_the_same_optimizer():
    opt = optimizers.scheduled(ADAMW, schedules.linear(4096))
    there = oo.transfer(opt, batch=1 / 4, width=2, horizon=2, noise_ratio=5.0, groups={"a": "hidden"}).optimizers["a"]
    back = oo.transfer(there, batch=4, width=1 / 2, horizon=1 / 2, noise_ratio=20.0, groups={"a": "hidden"})
    new = back.optimizers["a"]
    for key in ("beta1", "beta2"):
        assert new.settings["opt"].settings[key] == pytest.approx(ADAMW.settings[key])
    assert new.settings["schedule"].stretch == pytest.approx(1)
    assert new.lr == pytest.approx(0.001, rel=0.6)  # the lowest of the laws, twice


# --- what a person sees ---------------------------------------------------------------------------------------------


def test_it_prints_a_table_with_reasons():
    found = oo.transfer(optimizers.scheduled(ADAMW, schedules.linear(100)), batch=4, width=2, noise_ratio=8.0)
    text = str(found)
    assert "hidden  lr            0.001 -> " in text
    assert "muP: x 0.5; holds while" in text
    assert text.count("schedule ") == 1  # the same for all groups
    assert "watch: surge" in text
    html = found._repr_html_()
    assert html.count("<tr>") == len(found.changes) + 1
    assert "<script" not in oo.transfer(ADAMW, width=2, groups={"<script>": "hidden"})._repr_html_()
    frame = found.to_dataframe()
    assert frame.loc[("hidden", "lr"), "becomes"] == found.optimizers["hidden"].lr
    assert frame.loc[("all", "steps"), "becomes"] == "n x 0.25"


def test_the_new_optimizers_run():
    problem = oo.problems.rosenbrock(b=3)
    for opt in (ADAMW, optimizers.lion(1e-3), optimizers.muon(lr=1e-3, shape=(1, 2)), optimizers.clip_norm(ADAMW, 1.0)):
        for change in ({"batch": 1e6}, {"batch": 1e-6}, {"horizon": 1e6}, {"horizon": 1e-6}):
            assert oo.simulate(oo.transfer(opt, **change).optimizer, problem, 3).success


def test_a_rate_that_stays_has_its_row_and_range():
    """Batch x 4 doubles it, width x 2 halves it."""
    found = oo.transfer(ADAMW, batch=4, width=2)
    assert found.lr_range("hidden") == pytest.approx((0.0005, 0.002))
    assert found.lr_range("vector") == pytest.approx((0.001, 0.004))
    assert [row.becomes for row in found.changes if row.setting == "lr"] == pytest.approx([0.001, 0.002, 0.002, 0.001])


@pytest.mark.parametrize("pair", [(1, 4), (0.5, 2.0), (10**9, 4 * 10**9)])
def test_a_horizon_may_be_in_any_unit(pair):
    assert oo.transfer(ADAMW, horizon=pair).lr_range() == oo.transfer(ADAMW, horizon=4).lr_range()


BAD = [
    (lambda: oo.transfer("adam", batch=2), TypeError, "opt must be an Optimizer, .* got 'adam'"),
    (lambda: oo.transfer(optimizers.gd(lr=[0.1, 0.2]), batch=2), ValueError, "opt must have single numbers"),
    (lambda: oo.transfer(optimizers.rprop(), batch=2), ValueError, "opt must be one of gd, .* got rprop"),
    (lambda: oo.transfer(ADAMW, batch=(1, 2, 3)), ValueError, r"batch must be a factor or a pair \(old, new\), got"),
    (lambda: oo.transfer(ADAMW, batch=0), ValueError, "batch must be positive and finite, got 0"),
    (lambda: oo.transfer(ADAMW, horizon=1e7), ValueError, "horizon must change by a factor from 1e-06 to 1e"),
    (lambda: oo.transfer(ADAMW, batch=2, noise_ratio=(3, 1)), ValueError, r"noise_ratio must be .* got \(3, 1\)"),
    (lambda: oo.transfer(ADAMW, batch=2, noise_scale=9), ValueError, r"batch must be a pair \(old, new\) where"),
    (
        lambda: oo.transfer(ADAMW, batch=(1, 2), noise_scale=9, noise_ratio=1),
        ValueError,
        "noise_scale must be None where noise_ratio is given, got 9",
    ),
    (lambda: oo.transfer(ADAMW, width=2, groups={"a": "inner"}), ValueError, r"groups\['a'\] must be one of embedding"),
    (lambda: oo.transfer(ADAMW, width=2, groups={}), ValueError, "groups must name at least one group, got none"),
    (lambda: oo.transfer(ADAMW, width=2, groups=["hidden"]), TypeError, "groups must map names of groups"),
    (lambda: oo.transfer(optimizers.normalized_gd(0.1), width=2), ValueError, "opt must move each parameter by itself"),
    (
        lambda: oo.transfer(optimizers.muon(lr=0.1), width=2, groups={"b": "vector"}),
        ValueError,
        "groups must be hidden matrices for muon, got vector",
    ),
    (
        lambda: oo.transfer(optimizers.scheduled(ADAMW, schedules.linear(9)), schedule=schedules.linear(9)),
        ValueError,
        "opt must not be under a schedule yet",
    ),
    (lambda: oo.transfer(ADAMW, width=2).optimizer, ValueError, "optimizer needs one group of parameters, got hidden"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[text[:40] for _, _, text in BAD])
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
