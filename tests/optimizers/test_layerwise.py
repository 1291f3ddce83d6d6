"""LAMB and LARS by layers: each layer moves as if it were alone, and by a fraction of its own norm."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers

THETA0 = np.array([1.0, -2.0, 0.5, 3.0, 0.1])
SCALES = np.array([1.0, 10.0, 3.0, 0.1, 2.0])
MAKERS = [
    lambda layers: optimizers.lamb(0.01, weight_decay=0.1, layers=layers, like="optax"),
    lambda layers: optimizers.lars(0.01, trust=0.1, weight_decay=0.1, layers=layers),
]


def bowl(scales, theta0):
    return oo.Problem(lambda x: (scales * x**2).sum(-1) / 2, lambda x: scales * x, theta0=theta0)


@pytest.mark.parametrize("make", MAKERS)
def test_layers_move_alone(make):
    together = oo.simulate(make((2, 3)), bowl(SCALES, THETA0), 50).theta
    for part in (slice(0, 2), slice(2, 5)):
        alone = oo.simulate(make(None), bowl(SCALES[part], THETA0[part]), 50).theta
        np.testing.assert_allclose(together[:, part], alone, rtol=1e-13)


def test_lars_sees_neither_the_size_of_the_loss_nor_the_units_of_theta():
    """u -> c u changes nothing, and theta -> c theta scales the path: without decay and with eps = 0."""
    opt = optimizers.lars(0.1, trust=0.1, layers=(2, 3))
    path = oo.simulate(opt, bowl(SCALES, THETA0), 30).theta
    np.testing.assert_allclose(oo.simulate(opt, bowl(64 * SCALES, THETA0), 30).theta, path, rtol=1e-12)
    np.testing.assert_allclose(oo.simulate(opt, bowl(SCALES, 8 * THETA0), 30).theta, 8 * path, rtol=1e-12)


def test_a_layer_at_zero_moves_with_ratio_one():
    step = oo.simulate(optimizers.lars(0.1, 0.0, layers=(1, 1)), oo.problems.rosenbrock(b=1).at([0.0, 1.0]), 1)
    g = oo.problems.rosenbrock(b=1).grad(np.array([0.0, 1.0]))
    np.testing.assert_allclose(step.final, [-0.1 * g[0], 1 - 0.1 * 1e-3 * np.sign(g[1])], rtol=1e-13)


@pytest.mark.parametrize("make", MAKERS)
def test_layers_that_do_not_make_up_theta(make):
    with pytest.raises(ValueError, match=r"layers must have sizes that sum to 5 like theta, got \(2, 2\)"):
        oo.simulate(make((2, 2)), bowl(SCALES, THETA0), 1)


def test_layers_survive_a_configuration_and_are_shown():
    opt = optimizers.lars(0.1, layers=(2, 3))
    assert "layers=(2, 3)" in str(opt)
    assert optimizers.from_config(opt.get_config()).settings == opt.settings
