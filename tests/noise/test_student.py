"""Noise with heavy tails, and the laws of one coordinate against quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

import odeopt as oo
from odeopt import noise
from odeopt.noise._standard import Normal, StudentT
from odeopt.problems.gradient_noise import Coordinates, coordinates_of

BOWL = oo.problems.quadratic(eigenvalues=(1.0, 3.0), angle=0)
LAWS = {
    "normal": (Normal(), stats.norm()),
    "nu = 3": (StudentT(3.0), stats.t(3)),
    "nu = 30": (StudentT(30.0), stats.t(30)),
}


def mean(density, f, where):
    """E f(Z), by quadrature on both sides of the jump of f."""
    return sum(
        integrate.quad(lambda z: f(z) * density.pdf(z), *ends)[0] for ends in ((-np.inf, where), (where, np.inf))
    )


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (0.7, 0.5), (-2.0, 0.3), (0.4, -1.5)])
def test_moments_of_a_sign(name, a, b):
    """E sign(a + b Z), its variance, and E[Z sign(a + b Z)]."""
    law, density = LAWS[name]
    found, sign = Coordinates(np.ones_like, law), lambda z: np.sign(a + b * z)
    exact, deviation = mean(density, sign, -a / b), density.std()
    assert law.deviation == pytest.approx(deviation, rel=1e-12)
    assert float(found.mean_sign(np.array(a), np.array(b))) == pytest.approx(exact, abs=1e-9)
    along, rest = (float(found.sign_noise(np.array(a), np.array(b), *xi)) for xi in ((1.0, 0.0), (0.0, 1.0)))
    assert along**2 + rest**2 == pytest.approx(1 - exact**2, abs=1e-9)
    assert along * deviation == pytest.approx(mean(density, lambda z: z * sign(z), -a / b), abs=1e-8)


def test_without_noise_a_sign_is_sure():
    of = Coordinates(np.zeros_like, Normal())
    a, b = np.array([2.0, -1.0, 0.0]), np.zeros(3)
    np.testing.assert_array_equal(of.mean_sign(a, b), [1.0, -1.0, 0.0])
    np.testing.assert_array_equal(of.sign_noise(a[:2], b[:2], np.ones(2), np.ones(2)), 0.0)


def test_cauchy_noise_moves_signs_and_has_no_covariance():
    """F(1) = 3/4, so the mean sign at a = b is 1/2."""
    heavy = noise.student(BOWL, 1.0, nu=1)
    law = coordinates_of(heavy.noise)
    assert law is not None
    assert float(law.mean_sign(np.array(1.0), np.array(1.0))) == pytest.approx(0.5, abs=1e-15)
    with pytest.raises(ValueError, match="nu must be above 2 for noise with a covariance, got 1"):
        noise.covariance(heavy)


def test_draws_are_student_and_do_not_depend_on_the_members():
    sigma, nu = np.array([0.5, 2.0]), 4.0
    heavy = noise.student(BOWL, sigma, nu)
    draws = next(heavy.noise.draws(np.random.default_rng(0), (40_000,)))
    assert stats.kstest(draws.ravel(), stats.t(nu).cdf).pvalue > 0.01
    np.testing.assert_array_equal(next(heavy.noise.draws(np.random.default_rng(0), (3,))), draws[:3])
    np.testing.assert_allclose(heavy.noise.grad(np.ones(2), draws[0]), BOWL.grad(np.ones(2)) + sigma * draws[0])
    np.testing.assert_allclose(noise.covariance(heavy), np.diag(sigma**2 * nu / (nu - 2)))


def test_many_degrees_of_freedom_are_gaussian():
    x = np.linspace(-5, 5, 41)
    np.testing.assert_allclose(StudentT(1e7).cdf(x), Normal().cdf(x), atol=1e-7)
    np.testing.assert_allclose(StudentT(1e7).response(x), Normal().response(x), atol=1e-6)


@pytest.mark.parametrize("nu", [1e12, 1e16, 1e300])
def test_so_many_degrees_of_freedom_are_gaussian_to_rounding(nu):
    x = np.array([0.0, 1.0, -3.0])
    np.testing.assert_allclose(StudentT(nu).response(x), Normal().response(x), rtol=1e-10)


@pytest.mark.parametrize("nu", [1.0, 2.0, 3.0])
def test_a_coordinate_without_noise_keeps_its_sign(nu):
    """x = a/0 is infinite: no response, and no NaN."""
    coordinates = noise.student(BOWL, np.array([0.0, 1.0]), nu).noise.coordinates
    zero, none = np.zeros(1), np.zeros(1)
    np.testing.assert_array_equal(coordinates.sign_noise(np.array([-2.0]), zero, np.ones(1), np.ones(1)), none)
    np.testing.assert_array_equal(coordinates.mean_sign(np.array([-2.0]), zero), [-1.0])


def test_only_independent_coordinates_of_a_known_law_are_known():
    assert coordinates_of(noise.gaussian(BOWL, 1.0).noise) is not None
    assert coordinates_of(noise.correlated(BOWL, np.eye(2)).noise) is None
    assert coordinates_of(noise.minibatches(oo.problems.least_squares(), 4).noise) is None


def test_scales_may_depend_on_theta():
    run = oo.simulate(oo.optimizers.gd(0.1), noise.student(BOWL, lambda x: 0.1 + x**2, 3.0), 5, rng=0).check()
    again = oo.simulate(oo.optimizers.gd(0.1), noise.student(BOWL, lambda x: 0.1 + x**2, 3.0), 5, rng=0)
    np.testing.assert_array_equal(run.theta, again.theta)


@pytest.mark.parametrize(("sigma", "nu", "match"), [(-1.0, 3.0, "sigma"), (1.0, 0.0, "nu"), (np.ones(3), 3.0, "sigma")])
def test_refuses(sigma, nu, match):
    with pytest.raises(ValueError, match=match):
        noise.student(BOWL, sigma, nu)
