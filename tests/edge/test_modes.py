"""Modes by products against the whole matrix, cold and warm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.edge_networks import network

import odeopt as oo
from odeopt.core.state import pack
from odeopt.edge.spectrum import search as rules
from odeopt.edge.spectrum.krylov import NotFound, invariant, paired
from odeopt.edge.spectrum.modes import near
from odeopt.edge.spectrum.search import modes_of
from odeopt.edge.step.linearised import Linearised
from odeopt.edge.step.map import StepMap


@pytest.fixture
def by_products(monkeypatch):
    """No state is small enough for its whole matrix."""
    monkeypatch.setattr(rules, "DENSER", 10)


RNG = np.random.default_rng(0)


def of_matrix(D):
    return Linearised(np.zeros(len(D)), lambda p: p @ D.T, lambda q: q @ D, len(D))


def with_multipliers(mu, n=100, seed=0):
    """D with these multipliers beside others in (0.4, 1), in a generic basis."""
    rng = np.random.default_rng(seed)
    blocks, used = np.diag(rng.uniform(0.4, 1.0, n)), 0
    for m in mu:
        if np.imag(m):
            blocks[used : used + 2, used : used + 2] = [[m.real, m.imag], [-m.imag, m.real]]
            used += 2
        else:
            blocks[used, used], used = np.real(m), used + 1
    basis = (
        np.linalg.qr(rng.normal(size=(n, n)))[0]
        @ np.diag(rng.uniform(0.5, 2.0, n))
        @ (np.eye(n) + 0.1 * rng.normal(size=(n, n)) / n**0.5)
    )
    return basis @ blocks @ np.linalg.inv(basis) - np.eye(n)


@pytest.mark.parametrize("mu", [[-1.0], [-0.99, -0.97, -1.01, -0.6], [-1.0, -0.2 + 0.975j], [0.7 + 0.71j, -0.96]])
def test_large_and_small_alike(mu, by_products):
    D = with_multipliers(np.array(mu))
    found = modes_of(of_matrix(D), None, 1, np.random.default_rng(1)).modes
    expected = np.array(mu)[near(np.array(mu, complex))]
    keep = found.kept(np.flatnonzero(near(found.mu)))
    np.testing.assert_allclose(np.sort_complex(keep.mu), np.sort_complex(expected), atol=2e-5)  # a residual of 1e-5
    np.testing.assert_allclose(D @ keep.V, keep.V * (keep.mu - 1), atol=1e-4)
    np.testing.assert_allclose(keep.W @ D, (keep.mu - 1)[:, None] * keep.W, atol=1e-3)
    np.testing.assert_allclose(keep.W @ keep.V, np.eye(len(keep)), atol=1e-12)


def test_a_warm_search_costs_less_and_sees_a_mode_that_comes(by_products):
    counts = []
    D = with_multipliers([-1.0, -0.5, 0.1])

    def counted(D):
        plain = of_matrix(D)
        return Linearised(
            plain.increment, lambda p: counts.append(len(p)) or plain.product(p), plain.transposed, len(D)
        )

    rng = np.random.default_rng(1)
    found = modes_of(counted(D), None, 1, rng)
    cold = sum(counts)
    counts.clear()
    found = modes_of(counted(D), found, 1, rng)
    assert sum(counts) < cold / 2
    for second in np.linspace(-0.5, -1.0, 6):
        found = modes_of(counted(with_multipliers([-1.0, second, 0.1])), found, 1, rng)
    assert np.count_nonzero(near(found.modes.mu)) == 2


AT_THE_EDGE = {"adam": oo.optimizers.adam(0.03, 0.8, 0.95), "momentum": oo.optimizers.momentum(0.3, 0.5)}


@pytest.mark.parametrize("name", AT_THE_EDGE)
def test_from_the_parts_of_a_step_and_from_its_whole_matrix(name):
    """The multiplier at -1 of a step on theta and memory, 82 and 125 numbers, with its right and left vectors."""
    problem, opt = network(7), AT_THE_EDGE[name]
    flow = oo.central_flow(opt, problem, 60)
    y = (flow.final, *(u[-1] for u in flow.state.values()))
    here = StepMap(opt, problem, problem.oracle(), y).at(flow.t[-1], pack(y))
    found = modes_of(here, None, 1, np.random.default_rng(0)).modes
    whole = modes_of(replace(here, find_parts=lambda: None), None, 1, np.random.default_rng(0)).modes
    assert here.parts is not None
    assert abs(whole.mu[0] + 1) < 0.01
    np.testing.assert_allclose(found.mu[0], whole.mu[0], atol=2e-5)
    scale = (found.V[0, 0] / whole.V[0, 0]).real
    np.testing.assert_allclose(found.V[:, 0], whole.V[:, 0] * scale, atol=0.01 * np.abs(found.V[:, 0]).max())


def test_not_found_and_not_finite():
    with pytest.raises(NotFound, match="not finite"):
        modes_of(of_matrix(np.full((3, 3), np.nan)), None, 1, RNG)
    with pytest.raises(NotFound, match="residuals"):
        invariant(
            lambda p: p @ np.diag(np.linspace(1, 1 + 1e-9, 300)), RNG.normal(size=(2, 300)), lambda g: 0 * np.abs(g) - 1
        )


def test_few_distinct_eigenvalues():
    """Four of them: the space is closed before it has grown as often as it should, and all pairs are right."""
    H = np.diag(np.concatenate([[2.0, 0.5], np.tile([0.1, -0.1], 49)]))
    found = invariant(lambda p: p @ H, RNG.normal(size=(3, 100)), lambda g: np.full(len(g), 1e-9), 4)
    np.testing.assert_allclose(found.gain[:2], [2.0, 0.5], rtol=1e-12)


def test_paired():
    assert paired(np.array([1.0, 2.0, 2.0]), np.array([2.0, 1.0, 2.1])).tolist() == [1, 0, 2]
