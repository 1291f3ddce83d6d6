"""Transferred settings beside tuned ones, on networks on the digits, as benchmarks/transfer_experiments.py recorded."""

from __future__ import annotations

import numpy as np
import pytest
from support.scripts import load, script

FIGURE = load(script("29"))
CURVES, RATIOS = FIGURE.recorded()
FOUND = FIGURE.results()
MEASURED = {
    ("batch", "adamw"): 0.021, ("batch", "sgd"): 0.053, ("batch", "lion"): 0.079, ("width", "adam"): 0.017,
    ("horizon", "adamw"): 0.081, ("horizon", "sgd"): 0.064, ("horizon", "lion"): 0.029,
}  # fmt: skip
FAR_OFF = {"batch": "Lion's memory, SGD near its limit", "horizon": "the rates of AdamW and SGD do not fall"}


def worst(key, rule="transfer"):
    return FOUND[key][0][rule][2].max()


@pytest.mark.parametrize("key", MEASURED, ids=" ".join)
def test_the_worst_loss_is_as_said(key):
    """Over the tuned one, with the present code and the recorded losses."""
    assert MEASURED[key] - 0.003 < worst(key) < MEASURED[key]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(key, marks=[pytest.mark.xfail(strict=True, reason=FAR_OFF[key[0]])] if off > 0.03 else [])
        for key, off in MEASURED.items()
    ],
    ids=" ".join,
)
def test_within_three_per_cent(key):
    assert worst(key) < FIGURE.NEAR


def test_no_rule_of_folklore_is_better_in_all():
    over = {rule: max(worst(key, rule) for key in MEASURED) for rule in FIGURE.LOOKS}
    assert over["transfer"] < 0.085
    assert all(off > 0.2 for rule, off in over.items() if rule != "transfer")
    for key in MEASURED:
        if key[0] != "horizon":
            assert worst(key) < 0.5 * min(worst(key, rule) for rule in FIGURE.FOLKLORE)


def test_horizon_half_way_is_never_far_off_and_both_ends_are():
    horizons = [key for key in MEASURED if key[0] == "horizon"]
    ends = [max(worst(key, rule) for key in horizons) for rule in ("nothing", "square root")]
    assert max(worst(key) for key in horizons) < 0.5 * min(ends)


def test_momentum_does_not_average_the_noise_that_limits_the_rate_of_sgd():
    (r, rates), c = (RATIOS["batch", "sgd"], FOUND["batch", "sgd"][1][1]), 0.1 / 1.9
    measured = rates[-1] / rates[2]  # 512 over 32
    assert measured == pytest.approx((1 + r) / (1 + r / 16), rel=0.25)
    assert (1 + c * r) / (1 + c * r / 16) < measured / 3
    steps = lambda size: CURVES["batch", "sgd", size, "steps"]
    sizes = (8, 16, 64, 128, 256, 512)
    greedy = [rates[2] * (1 + c * r) / (1 + c * r * 32 / size) for size in sizes]
    off = [FIGURE.loss_at(steps(size), lr) / steps(size)[1].min() - 1 for size, lr in zip(sizes, greedy, strict=True)]
    assert max(off) > 0.4


def test_momenta_of_ten_steps_stay_and_longer_ones_follow_the_samples():
    tuned = {k: losses.min() for k, (_, losses) in CURVES.items()}
    for size in (256, 512):
        assert tuned["batch", "adamw", size, "steps"] < 0.96 * tuned["batch", "adamw", size, "samples"]
        assert tuned["batch", "lion", size, "samples"] < 0.86 * tuned["batch", "lion", size, "steps"]
    assert tuned["batch", "adamw", 8, "samples"] == pytest.approx(tuned["batch", "adamw", 8, "steps"], rel=0.01)


def test_every_sweep_holds_its_best_rate_inside():
    """But for Lion at 512, whose best rate is the largest of the grid."""
    for key, (_, losses) in CURVES.items():
        if key[:3] != ("batch", "lion", 512):
            assert 0 < np.argmin(losses) < len(losses) - 1, key
