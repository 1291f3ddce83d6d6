"""zeta along runs and on numbers, against hand-made rationals and the eigenvalues of quadratics."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import odeopt as oo
from odeopt import optimizers as opts
from odeopt.edge.gauge import EdgeGauge, zeta, zeta_2

PLANE = oo.problems.quadratic((4, 1), angle=0)


@pytest.mark.parametrize(("start", "exact"), [((1.0, 0.0), Fraction(13, 80)), ((0.0, 1.0), Fraction(29, 760))])
def test_normalised_heavy_ball(start, exact):
    """m <- m/2 + g/2, theta <- theta - m/10: momentum with lr 1/20.  On a quadratic zeta is zeta_2."""
    gauge = oo.edge_gauge(oo.simulate(opts.momentum(lr=0.05, beta=0.5), PLANE, 3, start))
    assert gauge.zeta[1] == pytest.approx(float(exact), rel=1e-12)
    assert gauge.zeta_2[1] == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("curvature", [Fraction(4), Fraction(1)])
def test_the_rationals_are_those_of_the_formula(curvature):
    """By hand, in exact arithmetic, with the public functions of a training loop."""
    lr, theta, m = Fraction(1, 10), Fraction(1), Fraction(0)
    for _ in range(2):
        g = curvature * theta
        m = m / 2 + g / 2
        after = theta - lr * m
        before, theta = theta, after
    found = zeta(curvature * before**2 / 2, curvature * after**2 / 2, lr, g * m)
    assert found == zeta_2(lr, g * m, curvature * m**2)
    assert found == {4: Fraction(13, 80), 1: Fraction(29, 760)}[curvature]


@pytest.mark.parametrize("z", [0.01, 1.0, 1.9, 2.0, 2.1])
def test_gradient_descent_along_an_eigenvector(z):
    """zeta = lr lambda/2: 1/2 ends in the minimum, 1 is the edge."""
    gauge = oo.edge_gauge(oo.simulate(opts.gd(lr=z / 4), PLANE, 1, (1.0, 0.0)))
    np.testing.assert_allclose(gauge.zeta, z / 2, rtol=1e-12)
    np.testing.assert_allclose(gauge.zeta_2, z / 2, rtol=1e-12)
    assert gauge.rising == float(z > 2)


def test_zeta_vanishes_with_the_step_on_any_loss():
    """zeta = zeta_2 + O(lr^2), zeta_2 = O(lr): two halvings of lr divide by 4 and by 16."""
    problem = oo.problems.rosenbrock().at([-0.7, 0.9])
    gauges = [oo.edge_gauge(oo.simulate(opts.gd(lr=lr), problem, 1)) for lr in (4e-4, 1e-4)]
    first, second = ([g.zeta_2[0] for g in gauges], [g.zeta[0] - g.zeta_2[0] for g in gauges])
    assert first[0] / first[1] == pytest.approx(4, rel=1e-6)  # u is g, whatever lr
    assert second[0] / second[1] == pytest.approx(16, rel=0.05)


def test_members_have_their_own_gauges():
    lr = np.array([0.1, 0.4])
    gauge = oo.edge_gauge(oo.simulate(opts.gd(lr=lr), PLANE, 5, (1.0, 0.0)))
    np.testing.assert_allclose(gauge.zeta, np.broadcast_to(2 * lr, (5, 2)), rtol=1e-9)


def test_long_runs_are_taken_in_pieces(monkeypatch):
    run = oo.simulate(opts.adam(lr=0.1), oo.problems.rosenbrock(), 50)
    whole = oo.edge_gauge(run)
    monkeypatch.setattr("odeopt.edge.gauge.BLOCK", 7)
    np.testing.assert_array_equal(oo.edge_gauge(run).zeta_2, whole.zeta_2)
    np.testing.assert_array_equal(oo.edge_gauge(run).zeta, whole.zeta)


def test_theta_that_does_not_move_has_no_gauge():
    gauge = oo.edge_gauge(oo.simulate(opts.gd(), PLANE, 3, (0.0, 0.0)))
    assert np.isnan(gauge.zeta).all()
    assert np.isnan(gauge.rising)
    assert repr(gauge).startswith("EdgeGauge along gd: 3 steps, zeta nan .. nan")


@pytest.mark.parametrize(
    ("run", "error", "text"),
    [
        (lambda: [1.0, 2.0], TypeError, r"run must be a Trajectory of odeopt.simulate or odeopt.solve"),
        (
            lambda: oo.simulate(opts.gd(), oo.noise.gaussian(PLANE, 1.0), 3, rng=0),
            ValueError,
            "run must be one without noise, got Gaussian noise",
        ),
        (lambda: oo.simulate(opts.gd(), PLANE, 0), ValueError, "run must have at least 2 records, got 1"),
    ],
)
def test_bad_runs(run, error, text):
    with pytest.raises(error, match=text):
        oo.edge_gauge(run())


def test_the_share_of_rising_steps_is_of_those_that_are_known():
    gauge = EdgeGauge("gd", np.arange(4.0), np.array([np.nan, 2.0, 0.5, np.inf]), np.zeros(4))
    assert gauge.rising == 0.5
    assert np.isnan(EdgeGauge("gd", np.arange(2.0), np.full(2, np.nan), np.zeros(2)).rising)
