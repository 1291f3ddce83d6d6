"""Iterates at the edge beside the models of their mean: the exact cycle, who is nearer, and what ends early."""

from __future__ import annotations

import numpy as np
import pytest
from support.edge_networks import network, valley

import odeopt as oo
from odeopt import optimizers as opts


def test_the_central_flow_stays_at_the_cycle_and_the_own_flow_goes_on():
    """(0, 2/lr) against y = y0 + lr a n."""
    seen = oo.compare_at_edge(opts.gd(lr=0.1), valley(0.02, [0.0, 19.99]), 20, size=1e-2)
    assert seen.perturbed == 5
    for name in ("central flow", "central, order 2", "published"):
        np.testing.assert_allclose(seen.models[name][-1], [0, 20], atol=1e-9)
        np.testing.assert_allclose(seen.mean_loss[name][-1], 0.0, atol=1e-9)  # 0.4 above the loss -a y
    np.testing.assert_allclose(seen.models["own flow"][-1], [0, 19.99 + 0.002 * 19], rtol=1e-9)
    assert "perturbed by 0.01 (seed 0) before step 5" in repr(seen)


@pytest.mark.slow
def test_the_kick_is_the_seeds_and_comes_at_the_edge():
    problem = valley(0.02, [0.0, 19.99])
    one, same, other = (oo.compare_at_edge(opts.gd(lr=0.1), problem, 12, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.theta, same.theta)
    at = one.perturbed - 1  # the filter reads one step ahead
    np.testing.assert_array_equal(one.theta[: at - 1], other.theta[: at - 1])
    assert np.any(one.theta[at:] != other.theta[at:])


def test_before_the_edge_all_agree_with_the_iterates():
    seen = oo.compare_at_edge(opts.gd(lr=1e-3), network(7), 20)
    assert seen.perturbed == -1
    assert "never at the edge" in repr(seen)
    assert all(d.max() < 1e-3 for d in seen.distance.values())
    assert all(value == np.inf for value in seen.lost.values())


def test_an_early_end_is_named_and_shortens_one_model():
    """On a quadratic beyond its limit nothing holds the iterates."""
    seen = oo.compare_at_edge(opts.gd(lr=0.1), oo.problems.quadratic((1, 25), angle=0), 10)
    assert len(seen.models["central flow"]) == 0
    assert seen.endings["central flow"].startswith("STEP_FAILED")
    assert seen.lost["central flow"] == seen.t[0]
    assert np.isnan(seen.loss_error["central flow"])


@pytest.mark.parametrize(("steps", "size", "seed"), [(2, 1e-3, 0), (10, -1.0, 0), (10, 1e-3, -1)])
def test_bad_arguments(steps, size, seed):
    with pytest.raises(ValueError, match="must be"):
        oo.compare_at_edge(opts.gd(0.1), valley(0.02, [0.0, 19.9]), steps, size=size, seed=seed)


NETWORKS = {
    "gd": opts.gd(0.2),
    "momentum": opts.momentum(0.225, 0.5),
    "adam": opts.adam(0.03, 0.8, 0.95),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_on_a_network_the_central_flow_is_nearer_than_the_own_flow(name):
    seen = oo.compare_at_edge(NETWORKS[name], network(7), 150)
    last = {model: d[-1] for model, d in seen.distance.items()}
    median = {model: np.median(d) for model, d in seen.distance.items()}
    assert median["central flow"] < median["own flow"]
    assert median["central, order 2"] < median["central flow"]
    assert last["central flow"] < 0.7 * last["own flow"]
