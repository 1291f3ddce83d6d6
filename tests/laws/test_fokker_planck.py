"""Fokker-Planck on a grid: conservation, positivity, and second order against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

import odeopt as oo
from odeopt.laws import fokker_planck, kramers, langevin

WELL = oo.problems.double_well()
LINE = (-5.0, 5.0)
TURNED = np.array([[1.5, 0.9], [-0.3, 1.0]])  # a drift -A theta with rotation, of no potential
BOWL = oo.Problem(lambda x: (x**2).sum(-1) / 2, lambda x: x, theta0=[1.0], batched=True)

LAWS = {
    "langevin": lambda: langevin(WELL, 0.1, (-2, 2), 60),
    "langevin in the plane": lambda: langevin(oo.problems.himmelblau(), 5.0, ((-5, 5), (-4, 5)), (30, 20)),
    "drift": lambda: turned(20),
    "state-dependent noise": lambda: fokker_planck(lambda x: -x, lambda x: 0.1 * (1 + x**2), (-3, 3), 50),
    "noise that vanishes": lambda: fokker_planck(lambda x: 1 - x, lambda x: np.maximum(x, 0), (-1, 5), 60),
    "no noise": lambda: fokker_planck(lambda x: -x, 0.0, (-1, 2), 31),
    "kramers": lambda: kramers(WELL, 0.1, 0.5, ((-2, 2), (-2, 2)), (40, 16)),
}


def turned(n):
    return fokker_planck(lambda x: -x @ TURNED.T, (0.5, 0.3), (LINE, LINE), n)


def order(cells, errors):
    """The slope of log error over log h."""
    return np.polyfit(-np.log(cells), np.log(errors), 1)[0]


def total(law, p):
    return p.sum(axis=law.grid.axes) * law.grid.volume


@pytest.mark.parametrize("name", LAWS)
def test_generator_is_that_of_a_markov_chain(name):
    Q = LAWS[name]().generator.toarray()
    off = Q - np.diag(np.diag(Q))
    assert np.all(off >= 0)
    np.testing.assert_allclose(off.sum(axis=0), -np.diag(Q), rtol=1e-14)


@pytest.mark.parametrize("name", LAWS)
def test_mass_and_sign_are_kept(name):
    law = LAWS[name]()
    middle = [0.3 * lo + 0.7 * hi for lo, hi in law.grid.box]
    p = law.evolve(middle, [0, 0.1, 2.0])
    assert p.shape == (3, *law.grid.cells)
    assert p.min() >= 0
    np.testing.assert_allclose(total(law, p), 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(law.mean(lambda theta: theta, p[0]), middle, rtol=1e-12)
    rough = np.random.default_rng(0).random(law.grid.cells)
    np.testing.assert_allclose(total(law, law.evolve(rough, 1.0)), total(law, rough), rtol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_density_changes_by_the_flux_alone(name):
    law = LAWS[name]()
    p = np.random.default_rng(0).random(law.grid.cells)
    change = (law.generator @ p.ravel()).reshape(p.shape)
    for axis, (J, h) in enumerate(zip(law.flux(p), law.grid.widths, strict=True)):
        walls = [(1, 1) if k == axis else (0, 0) for k in range(p.ndim)]
        change += np.diff(np.pad(J, walls), axis=axis) / h
    np.testing.assert_allclose(change, 0, atol=1e-11 * abs(law.generator).max())


@pytest.mark.parametrize("T", [1.0, 0.05, 0.01])
def test_langevin_stationary_density_is_exact(T):
    law = langevin(WELL, T, (-2.2, 2.2), 110)
    p, L = law.stationary(), WELL.loss(law.grid.points)
    assert np.ptp(np.log(p) + L / T) < 1e-11
    assert np.abs(law.flux(p)[0]).max() < 1e-13
    assert total(law, p) == pytest.approx(1, abs=1e-13)


def test_stationary_density_beyond_the_range_of_floats():
    """exp(-L/T) from 1 to e^-1100, whichever cell the solver begins with."""
    law = langevin(WELL, 0.003, (-2.2, 2.2), 110)
    exact = np.exp(-(WELL.loss(law.grid.points) + 0.25) / 0.003)
    np.testing.assert_allclose(law.stationary(), exact / total(law, exact), rtol=1e-10, atol=1e-300)


def test_the_mean_of_truth_values_is_a_probability():
    """A symmetric well."""
    law = langevin(oo.problems.quadratic((1.0,)), 0.3, (-4, 4), 200)
    assert law.mean(lambda theta: theta[..., 0] < 0, law.stationary()) == pytest.approx(0.5, abs=1e-12)


def test_langevin_stationary_density_is_exact_in_the_plane():
    law = langevin(oo.problems.himmelblau(), 5.0, ((-5, 5), (-4, 5)), (30, 20))
    L = oo.problems.himmelblau().loss(law.grid.points)
    assert np.ptp(np.log(law.stationary()) + L / 5.0) < 1e-11


CELLS = np.array([40, 80, 160, 320])
DENSITIES = {  # drift, diffusion, box, log of p = C/D exp(int a/D)
    "double well": (lambda x: x - x**3, 0.1, (-2, 2), lambda x: (x**2 / 2 - x**4 / 4) / 0.1),
    "cubic": (lambda x: -(x**3), lambda x: 0.1 * (1 + x**2), (-2, 2), lambda x: 4 * np.log1p(x**2) - 5 * x**2),
    "log-normal": (lambda x: 1 - x, lambda x: 0.2 * x**2, (0.05, 6), lambda x: -7 * np.log(x) - 5 / x),
}


@pytest.mark.parametrize("name", DENSITIES)
def test_stationary_density_has_order_2(name):
    drift, diffusion, box, log_p = DENSITIES[name]
    errors = []
    for n in CELLS:
        law = fokker_planck(drift, diffusion, box, n)
        exact = np.exp(log_p(law.grid.centres[0]))
        exact /= exact.sum() * law.grid.volume
        errors.append(np.abs(law.stationary() - exact).max() / exact.max())
    assert order(CELLS, errors) == pytest.approx(2, abs=0.1)
    assert errors[-1] < 1e-3


def test_t_distribution_is_exact():
    """a = -x and D = (1 + x^2)/10, p = (1 + x^2)^-6: here a is -5 D', and so are their sums over the cells."""
    law = fokker_planck(lambda x: -x, lambda x: 0.1 * (1 + x**2), (-3, 3), 20)
    assert np.ptp(np.log(law.stationary()) + 6 * np.log1p(law.grid.centres[0] ** 2)) < 1e-12


def test_gamma_density_of_noise_that_vanishes_at_the_wall():
    """a = 3 - x and D = x: the density x^2 e^-x, met but for the midpoint rule in int a/D."""
    law = fokker_planck(lambda x: 3 - x, lambda x: x, (0, 30), 600)
    x = law.grid.centres[0]
    np.testing.assert_allclose(law.stationary(), x**2 * np.exp(-x) / 2, atol=2e-4)


def test_turned_ornstein_uhlenbeck_covariance_has_order_2():
    exact = solve_continuous_lyapunov(TURNED, np.diag([1.0, 0.6]))
    cells = np.array([20, 30, 45, 68])
    laws = [turned(n) for n in cells]
    errors = [np.abs(law.covariance(law.stationary()) - exact).max() for law in laws]
    assert order(cells, errors) == pytest.approx(2, abs=0.1)
    assert np.abs(laws[-1].flux(laws[-1].stationary())[0]).max() > 0.01


def test_turned_ornstein_uhlenbeck_evolves_with_order_2():
    """The mean e^(-At) m and the covariance S + e^(-At) (C - S) e^(-At)^T."""
    still, t, cells, errors = solve_continuous_lyapunov(TURNED, np.diag([1.0, 0.6])), 0.7, np.array([30, 45, 68]), []
    decay = expm(-TURNED * t)
    for n in cells:
        law = turned(n)
        start = np.exp(-((law.grid.points - 1.0) ** 2).sum(-1))
        p = law.evolve(start / total(law, start), t)
        mean, spread = law.mean(lambda theta: theta, p), law.covariance(p)
        exact = still + decay @ (np.eye(2) / 2 - still) @ decay.T
        errors.append([np.abs(mean - decay @ np.ones(2)).max(), np.abs(spread - exact).max()])
    for kind in np.transpose(errors):
        assert order(cells, kind) == pytest.approx(2, abs=0.1)


def test_ornstein_uhlenbeck_density_evolves_with_order_2():
    cells, errors = np.array([50, 100, 200, 400]), []
    for n in cells:
        law = fokker_planck(lambda x: -x, 0.5, LINE, n)
        x, t = law.grid.centres[0], 0.5
        before, after = (
            np.exp(-((x - m) ** 2) / (2 * s)) / np.sqrt(2 * np.pi * s)
            for m, s in ((1.0, 0.2), (np.exp(-t), 0.5 - 0.3 * np.exp(-2 * t)))
        )
        errors.append(np.abs(law.evolve(before, t) - after).max())
    assert order(cells, errors) == pytest.approx(2, abs=0.1)


def test_evolution_is_exact_in_time():
    law = LAWS["kramers"]()
    start = law.evolve([1.0, 0.0], 0.0)
    p = law.evolve(start, [0.3, 1.5])
    for t, found in zip((0.3, 1.5), p, strict=True):
        exact = expm(law.generator.toarray() * t) @ start.ravel()
        np.testing.assert_allclose(found.ravel(), exact, atol=1e-13 * exact.max())
    np.testing.assert_allclose(law.evolve(start, 400.0), law.stationary(), atol=1e-6)


def test_without_noise_in_theta_the_order_is_1():
    """exp(-(L + v^2/2)/T), met to the first order in the width of theta: upwind adds a diffusion abs(v) h/2."""
    cells, errors = np.array([24, 36, 54, 81]), []
    for n in cells:
        law = kramers(BOWL, 0.5, 1.0, ((-4, 4), (-4, 4)), n)
        exact = np.exp(-(law.grid.points**2).sum(-1))
        errors.append(np.abs(law.stationary() - exact / total(law, exact)).max())
    assert order(cells, errors) == pytest.approx(1, abs=0.1)


def test_first_passage_has_order_2_wherever_the_edge_is():
    exact = oo.laws.mean_first_passage(WELL, 0.1, -1, 1)
    for target, cells in (((1, np.inf), [50, 100, 200, 400]), (lambda x: x[..., 0] > 1, [60, 120, 240, 480])):
        laws = [langevin(WELL, 0.1, (-3, 3), n) for n in cells]
        times = [law.at(law.mean_first_passage(target), -1.0) for law in laws]
        assert order(np.array(cells), np.abs(np.array(times) - exact)) == pytest.approx(2, abs=0.1)
        assert times[-1] == pytest.approx(exact, rel=3e-4)


def test_first_passage_to_either_side():
    tilted = oo.Problem(lambda x: (x**4 / 4 - x**2 / 2 + 0.2 * x).sum(-1), theta0=[1.0], batched=True)
    law = langevin(tilted, 0.2, (-3, 3), 470)
    for target, start, end in (((0.77, np.inf), -1.0, 0.77), ((-np.inf, -0.77), 0.9, -0.77)):
        exact = oo.laws.mean_first_passage(tilted, 0.2, start, end)
        assert law.at(law.mean_first_passage(target), start) == pytest.approx(exact, rel=3e-4)


@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_first_passage_where_drift_rules(speed):
    """With hardly any noise the way of 1.23 at speed 1 takes 1.23, on coarse cells and to either side."""
    law = fokker_planck(speed, 0.005, (-2, 2), 40)
    u = law.mean_first_passage(lambda x: speed * x[..., 0] - 1.23)
    assert law.at(u, 0.0) == pytest.approx(1.23, rel=0.03)


def test_first_passage_out_of_a_disc_has_order_2():
    """T laplace u = -1, u = 0 on the circle: u = (R^2 - r^2)/(4 T).

    The mean error over the disc: the largest depends on how each grid cuts the circle, its order is 1.8 to 1.95.
    """
    cells, errors = np.array([24, 32, 48, 64, 96, 128]), []
    for n in cells:
        law = fokker_planck(0.0, 0.3, ((-1.2, 1.2), (-1.2, 1.2)), n)
        r2 = (law.grid.points**2).sum(-1)
        u = law.mean_first_passage(lambda x: np.sqrt((x**2).sum(-1)) - 1)
        errors.append(np.abs(u - np.maximum(1 - r2, 0) / 1.2).mean())
    assert order(cells, errors) == pytest.approx(2, abs=0.1)


def test_first_passage_at_a_low_temperature():
    """1e11 and more, where the least eigenvalue is far below rounding."""
    law = langevin(WELL, 0.01, (-2, 2), 1600)
    exact = oo.laws.mean_first_passage(WELL, 0.01, -1, 1)
    assert exact > 1e11
    assert law.at(law.mean_first_passage((1, np.inf)), -1.0) == pytest.approx(exact, rel=2e-3)


def test_first_passage_with_noise_that_depends_on_the_state():
    """1/s int_x^b dy/(y^2) ...: geometric Brownian motion from 1 up to b takes log b/(mu - s), s = D/x^2 < mu."""
    law = fokker_planck(lambda x: 1.0 * x, lambda x: 0.2 * x**2, (0.01, 4), 800)
    u = law.mean_first_passage((3, np.inf))
    assert law.at(u, 1.0) == pytest.approx(np.log(3) / 0.8, rel=1e-3)


def test_point_on_the_grid_is_read_as_it_is_written():
    law = turned(21)
    f = 1 + law.grid.points @ [2.0, -3.0]
    assert law.at(f, [0.123, -1.0]) == pytest.approx(1 + 2 * 0.123 + 3, rel=1e-12)
    assert repr(law) == "FokkerPlanck on [-5, 5] x [-5, 5], 21 x 21 cells"


def test_what_has_no_answer_is_refused():
    with pytest.raises(ValueError, match="exactly one part of the box that paths never leave, got 2"):
        fokker_planck(np.sign, 0.0, (-1, 1), 10).stationary()
    with pytest.raises(ValueError, match="within reach of every cell"):
        fokker_planck(np.sign, 0.0, (-1, 1), 10).mean_first_passage((0.5, 1))
    p = fokker_planck(lambda x: -np.sign(x), 0.0, (-1, 1), 11).stationary()
    np.testing.assert_allclose(p, np.eye(11)[5] * 5.5)


BOX3 = ((0, 1),) * 3
LAW = langevin(WELL, 0.1, (-2, 2), 20)
BAD = {
    "three dimensions": (lambda: fokker_planck(0.0, 1.0, BOX3, 5), "box must have 1 or 2 dimensions, got 3"),
    "no pairs": (lambda: fokker_planck(0.0, 1.0, (0, 1, 2), 5), "box must be"),
    "box falls": (lambda: fokker_planck(0.0, 1.0, (1, 0), 5), "box must be finite and increasing"),
    "few cells": (lambda: fokker_planck(0.0, 1.0, (0, 1), 2), "cells must be at least 3, got 2"),
    "cells for one axis": (lambda: fokker_planck(0.0, 1.0, ((0, 1), (0, 1)), (5,)), "cells must be one number or"),
    "nan": (lambda: fokker_planck(lambda x: x * np.nan, 1.0, (0, 1), 5), "drift must be finite on the grid"),
    "shape": (lambda: fokker_planck(lambda x: np.ones(3), 1.0, (0, 1), 5), "drift must broadcast"),
    "negative": (lambda: fokker_planck(0.0, -1.0, (0, 1), 5), "diffusion must be non-negative, got -1"),
    "cold": (lambda: langevin(WELL, 0.0, (-1, 1), 5), "temperature must be positive"),
    "many temperatures": (lambda: langevin(WELL, [1.0, 2.0], (-1, 1), 5), "temperature must be a single number"),
    "undamped": (lambda: kramers(WELL, 0.1, 0.0, ((-1, 1), (-1, 1)), 5), "damping must be positive"),
    "line": (lambda: kramers(WELL, 0.1, 1.0, (-1, 1), 5), "box must be \\(\\(lo, hi\\) of theta, \\(lo, hi\\) of v\\)"),
    "dim": (lambda: langevin(oo.problems.rosenbrock(), 1.0, (-1, 1), 5), "problem must have d = 1 here, got d = 2"),
    "density": (lambda: LAW.evolve(np.ones(19), 1.0), "start must be a density of shape"),
    "densities": (lambda: LAW.evolve(np.ones((2, 20)), 1.0), "start must be one density"),
    "outside": (lambda: LAW.evolve(2.5, 1.0), "start must lie between the outermost centres"),
    "negative density": (lambda: LAW.flux(-np.ones(20)), "density must be non-negative"),
    "times fall": (lambda: LAW.evolve(0.5, [1.0, 0.5]), "times must be"),
    "for ever": (lambda: LAW.evolve(0.5, 1e9), "times must be at most .* apart on this grid"),
    "nothing": (lambda: LAW.mean_first_passage((3, 4)), "target must hold some of the centres but not all, got 0"),
    "all": (lambda: LAW.mean_first_passage((-3, 4)), "target must hold some of the centres but not all, got 20"),
    "point": (lambda: LAW.mean_first_passage(1.0), "target must be a function of theta"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_problem_must_be_one():
    with pytest.raises(TypeError, match="problem must be a Problem"):
        langevin(lambda x: x, 0.1, (-1, 1), 5)


def test_the_density_of_a_flow_is_read_off_its_formulas():
    """An Ornstein-Uhlenbeck process with noise sqrt(lr) sigma(theta), and Kramers' equation, by flows."""
    problem = oo.noise.gaussian(oo.problems.double_well(), lambda theta: 0.5 + 0.2 * theta**2)
    sgd = oo.flow(
        "theta",
        {"lr": 0.1},
        move=oo.push("theta", lambda grad, theta: -grad(theta), noise=lambda noise, theta, lr: lr**0.5 * noise(theta)),
    )
    found = oo.laws.density_of(sgd, problem, (-2, 2), 80).stationary()
    by_hand = fokker_planck(lambda x: x - x**3, lambda x: 0.1 / 2 * (0.5 + 0.2 * x**2) ** 2, (-2, 2), 80)
    np.testing.assert_allclose(found, by_hand.stationary(), rtol=1e-10)


def test_noise_that_correlates_coordinates_is_refused():
    turned = oo.flow(
        "theta", move=oo.push("theta", lambda grad, theta: -grad(theta), noise=lambda xi: xi + xi[..., ::-1])
    )
    with pytest.raises(ValueError, match="must not correlate"):
        oo.laws.density_of(turned, oo.problems.quadratic(), ((-2, 2), (-2, 2)), (8, 8))
