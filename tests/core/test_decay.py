"""beta = R(-rate h) and its inverse, for every rule."""

from __future__ import annotations

import numpy as np
import pytest

from odeopt import decay

BETAS = np.array([1e-3, 0.1, 0.5, 0.9, 0.99, 0.999, 0.999999])


@pytest.mark.parametrize("rule", decay.RULES.values(), ids=str)
def test_inverse(rule):
    z = rule.z_of(BETAS)
    np.testing.assert_allclose(rule.kept(z), BETAS, rtol=1e-13)
    np.testing.assert_allclose(rule.kept(z) + rule.lost(z), 1.0, rtol=1e-14)


@pytest.mark.parametrize(
    ("rule", "closed_form"),
    [
        (decay.exact, lambda z: np.exp(-z)),
        (decay.euler, lambda z: 1 - z),
        (decay.backward_euler, lambda z: 1 / (1 + z)),
        (decay.trapezoid, lambda z: (2 - z) / (2 + z)),
    ],
    ids=["exact", "euler", "backward_euler", "trapezoid"],
)
def test_stability_function(rule, closed_form):
    z = np.linspace(0, 3, 13)
    np.testing.assert_allclose(rule.kept(z), closed_form(z), rtol=1e-14, atol=1e-16)


def test_lost_does_not_cancel():
    """1 - e^-z for z = 1e-12 keeps its digits."""
    assert decay.exact.lost(1e-12) == pytest.approx(1e-12, rel=1e-11)


@pytest.mark.parametrize("name", decay.MAPS)
def test_no_memory_at_beta_zero(name):
    rule = decay.of_map(name)
    z = rule.z_of(0.0)
    assert np.isfinite(z)
    assert rule.lost(z) == 1.0


def test_nesterovs_beta_is_the_trapezoid():
    """(1 - sqrt(mu s))/(1 + sqrt(mu s)) is R at z = 2 sqrt(mu s)   (MATHS A)."""
    root = np.sqrt(0.3 * 0.01)
    assert decay.trapezoid.kept(2 * root) == pytest.approx((1 - root) / (1 + root), rel=1e-15)


def test_unknown_map_is_refused():
    with pytest.raises(
        ValueError, match=r"map must be one of exact, midpoint, naive, got 'exat'; did you mean 'exact'"
    ):
        decay.of_map("exat")
