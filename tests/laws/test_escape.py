"""Escape times: the exact integral, Eyring's and Kramers' formulas, and the Fokker-Planck equation against them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

import odeopt as oo
from odeopt.laws import kramers, kramers_time, langevin, mean_first_passage

WELL = oo.problems.double_well()
FREE = oo.Problem(lambda x: 0 * x.sum(-1), lambda x: 0 * x, theta0=[1.0], batched=True, name="free")
TILTED = oo.Problem(lambda x: (x**4 / 4 - x**2 / 2 + 0.1 * x).sum(-1), theta0=[1.0], batched=True)


def curved(theta):
    x, y = theta[..., 0], theta[..., 1]
    return (x**2 - 1) ** 2 / 4 + (y - x**2) ** 2


CURVED = oo.Problem(curved, theta0=[1.0, 1.0], batched=True)


def test_mean_first_passage_of_the_double_well():
    """Reference values of x^4/4 - x^2/2, from -1 to 1."""
    assert mean_first_passage(WELL, 0.05, -1, 1) == pytest.approx(729.671, abs=5e-4)
    assert mean_first_passage(WELL, 0.1, -1, 1) == pytest.approx(66.2686, abs=5e-5)
    assert kramers_time(WELL, 0.05, -1, 0) == pytest.approx(659.382, abs=5e-4)


@pytest.mark.parametrize(("start", "target"), [(-1.2, 0.7), (1.1, -0.4), (-1.0, -1.6), (0.0, 0.1)])
def test_mean_first_passage_is_the_double_integral(start, target):
    T, sign = 0.3, np.sign(target - start)

    def exponent(x):
        return float(TILTED.loss(np.array([sign * x]))) / T

    def inner(y):
        return quad(lambda z: np.exp(exponent(y) - exponent(z)), -5, y, epsabs=0, epsrel=1e-10)[0]

    exact = quad(inner, sign * start, sign * target, epsabs=0, epsrel=1e-9)[0] / T
    assert mean_first_passage(TILTED, T, start, target) == pytest.approx(exact, rel=1e-8)


def test_mean_first_passage_in_closed_form():
    """Free: ((b - wall)^2 - (a - wall)^2)/2T.  Downhill at speed 1 from a wall: Wald's b - T (1 - e^(-b/T))."""
    slope = oo.Problem(lambda x: -x.sum(-1), lambda x: 0 * x - 1, theta0=[1.0], batched=True)
    assert mean_first_passage(FREE, 0.3, 1, 2, wall=-0.5) == pytest.approx((2.5**2 - 1.5**2) / 0.6, rel=1e-12)
    assert mean_first_passage(FREE, 0.3, 1, -2, wall=1) == pytest.approx(9 / 0.6, rel=1e-12)
    for T in (10.0, 0.1, 1e-4):
        assert mean_first_passage(slope, T, 0, 2, wall=0) == pytest.approx(2 + T * np.expm1(-2 / T), rel=1e-12)


def test_far_wells_count_however_cold():
    """From -1 to -1.5: the well at 1 holds half of the mass, so it doubles the time, which no barrier can change."""
    T = 0.004
    alone = mean_first_passage(WELL, T, -1, -1.5, wall=0)
    assert mean_first_passage(WELL, T, -1, -1.5) == pytest.approx(2 * alone, rel=1e-9)


def test_times_add_up():
    parts = [mean_first_passage(WELL, 0.05, a, b) for a, b in ((-1, -0.3), (-0.3, 0.2), (0.2, 1))]
    assert sum(parts) == pytest.approx(mean_first_passage(WELL, 0.05, -1, 1), rel=1e-12)


def test_kramers_time_is_the_leading_term():
    """The exact time over Kramers' tends to 1 like 1 + c T, and to the saddle itself it is half of it."""
    T = np.array([0.008, 0.004, 0.002])
    to_the_other = np.array([mean_first_passage(WELL, t, -1, 1) / kramers_time(WELL, t, -1, 0) for t in T])
    to_the_saddle = np.array([mean_first_passage(WELL, t, -1, 0) / kramers_time(WELL, t, -1, 0) for t in T])
    assert np.polyfit(np.log(T), np.log(to_the_other - 1), 1)[0] == pytest.approx(1, abs=0.1)
    assert np.polyfit(np.log(T), np.log(np.abs(to_the_saddle - 0.5)), 1)[0] == pytest.approx(1, abs=0.1)


def test_kramers_time_in_more_dimensions():
    """Independent coordinates: those that do not escape cancel.  Points near enough are enough."""
    alone = kramers_time(WELL, 0.05, -1, 0)
    three = oo.problems.double_well(3)
    assert kramers_time(three, 0.05, (-1.05, 1, 1.1), (0.03, 1, 0.95)) == pytest.approx(alone, rel=1e-12)
    # of (x^2 - 1)^2/4 + (y - x^2)^2: H = (10 -4; -4 2) of det 4 at (-1, 1), and (-1 0; 0 2) at the saddle
    exact = 2 * np.pi * np.sqrt(2 / 4) * np.exp(0.25 / 0.05)
    assert kramers_time(CURVED, 0.05, (-1, 1), (0, 0)) == pytest.approx(exact, rel=1e-9)


def test_kramers_time_with_damping():
    """1940: (2 pi/w0) (wb/(sqrt(a^2/4 + wb^2) - a/2)) e^(barrier/T);  w0^2 = L'' at the minimum, wb^2 = -L'' on top."""
    for a in (0.3, 1.0, 5.0):
        exact = 2 * np.pi / np.sqrt(2) / (np.sqrt(a**2 / 4 + 1) - a / 2) * np.exp(0.25 / 0.05)
        assert kramers_time(WELL, 0.05, -1, 0, damping=a) == pytest.approx(exact, rel=1e-12)
    overdamped = kramers_time(WELL, 0.05, -1, 0)  # in the time t/a
    assert kramers_time(WELL, 0.05, -1, 0, damping=1e9) == pytest.approx(1e9 * overdamped, rel=1e-12)


def test_eyring_kramers_against_the_equation_in_the_plane():
    """A curved valley, on two grids: (4 u(h/2) - u(h))/3.  The ratio is 1 + c T + O(T^2)."""
    ratio, T = [], np.array([0.01, 0.015, 0.0225])
    for t in T:
        laws = [langevin(CURVED, t, ((-1.6, 1.2), (-0.6, 2.4)), n) for n in (40, 80)]
        u = [law.at(law.mean_first_passage(lambda x: x[..., 0] - 1), [-1.0, 1.0]) for law in laws]
        ratio.append((4 * u[1] - u[0]) / 3 / kramers_time(CURVED, t, (-1, 1), (0, 0)))
    assert np.polyfit(T, ratio, 1)[1] == pytest.approx(1, abs=0.02)  # curvature over these T: O(T^2), a few 1e-3


@pytest.mark.slow
def test_kramers_with_damping_against_the_equation_in_theta_and_v():
    """The ratio is 1 + c T + O(T^2); the time extrapolated in both widths, order 1 in theta and 2 in v."""
    T = [0.12, 0.09, 0.07]
    ratio = [_extrapolated(t, 240, 40) / kramers_time(WELL, t, -1, 0, damping=1.0) for t in T]
    assert np.polyfit(T, ratio, 1)[1] == pytest.approx(1, abs=0.05)


def _extrapolated(T, n, m):
    def time(n, m):
        law = kramers(WELL, T, 1.0, ((-2, 1.3), (-4 * T**0.5, 4 * T**0.5)), (n, m))
        return law.at(law.mean_first_passage(lambda y: y[..., 0] - 1), [-1.0, 0.0])

    coarse, fine = ((time(n, k) - 6 * time(2 * n, k) + 8 * time(4 * n, k)) / 3 for k in (m, 3 * m // 2))
    return fine + (fine - coarse) / 1.25


BAD = {
    "cold": (lambda: mean_first_passage(WELL, 0, -1, 1), "temperature must be positive"),
    "plane": (lambda: mean_first_passage(oo.problems.saddle(), 0.1, -1, 1), "problem must have d = 1 here, got d = 2"),
    "nowhere": (lambda: mean_first_passage(WELL, 0.1, 1, 1), "target must differ from start"),
    "wall between": (lambda: mean_first_passage(WELL, 0.1, -1, 1, wall=0), "wall must lie on the side of start"),
    "flat": (lambda: mean_first_passage(FREE, 0.1, -1, 1), "loss must grow without bound on the far side"),
    "too cold": (lambda: mean_first_passage(WELL, 1e-4, -1, 1), "temperature must be higher"),
    "top": (lambda: kramers_time(WELL, 0.1, 0, 1), "minimum must have 0 negative eigenvalues"),
    "no saddle": (lambda: kramers_time(WELL, 0.1, -1, 1), "saddle must have 1 negative eigenvalues"),
    "degenerate": (lambda: kramers_time(FREE, 0.1, -1, 1), "minimum must be near a zero of the gradient"),
    "two": (lambda: kramers_time(WELL, 0.1, (-1, 1), 0), "minimum must be one finite theta of shape"),
    "damping": (lambda: kramers_time(WELL, 0.1, -1, 0, damping=-1), "damping must be positive"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", ["minimum", "saddle"])
def test_a_hessian_that_is_not_finite_is_named(name):
    """Newton may come where the Hessian is NaN."""
    problem = oo.Problem(WELL.loss, WELL.grad, hvp=lambda x, p: np.where(x == -1, WELL.hvp(x, p), np.nan), theta0=[1.0])
    points = {"minimum": -0.9 if name == "minimum" else -1.0, "saddle": 0.0}
    with pytest.raises(ValueError, match=f"{name} must be near a zero of the gradient where H is regular"):
        kramers_time(problem, 0.1, **points)
