"""Rates on quadratics and the best hyperparameters: closed forms against minimisation and against runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

import odeopt as oo
from odeopt import optimizers as opts
from odeopt.analysis import multipliers

MU, L = 0.5, 12.5  # kappa = 25
KAPPA = L / MU
SPECTRUM = np.linspace(MU, L, 40)
ROOT = np.sqrt(3 * KAPPA + 1)
TUNED = {  # (the recipe, the optimizer of (lr, beta), the best rate)
    "gd": (oo.tuned_gd, lambda lr, beta: opts.gd(lr), (KAPPA - 1) / (KAPPA + 1)),
    "momentum": (oo.tuned_momentum, opts.momentum, (np.sqrt(KAPPA) - 1) / (np.sqrt(KAPPA) + 1)),
    "heavy_ball": (oo.tuned_momentum, opts.heavy_ball, (np.sqrt(KAPPA) - 1) / (np.sqrt(KAPPA) + 1)),
    "nesterov": (oo.tuned_nesterov, opts.nesterov, 1 - 2 / ROOT),
}
MEETING = 1e-7  # two multipliers that meet are known to the square root of rounding


@pytest.mark.parametrize("name", TUNED)
def test_the_rate_is_the_closed_form_on_the_whole_spectrum(name):
    tune, make, rate = TUNED[name]
    best = tune(MU, L).settings
    opt = make(best["lr"], best.get("beta", 0.0))
    assert oo.convergence_rate(opt, SPECTRUM) == pytest.approx(rate, abs=MEETING)


@pytest.mark.parametrize("name", ["gd", "momentum", "nesterov"])
def test_minimisation_finds_no_better_rate_and_the_same_place(name):
    """Nelder-Mead on (lr, beta) from afar, its simplex renewed: the optimum is a kink, where one simplex may stall."""
    tune, make, rate = TUNED[name]

    def objective(x):
        lr, beta = x
        return oo.convergence_rate(make(lr, beta), (MU, L)) if lr > 0 and 0 <= beta < 1 else 2.0

    x = np.array([1 / L, 0.3])
    for _ in range(4):
        found = minimize(objective, x, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 200})
        x = found.x
    best = tune(MU, L).settings
    assert rate - MEETING < found.fun < rate + 1e-4
    assert x[0] == pytest.approx(best["lr"], rel=1e-3)
    if name != "gd":
        assert x[1] == pytest.approx(best["beta"], abs=1e-3)


@pytest.mark.parametrize("name", TUNED)
def test_runs_have_the_rate_in_the_end(name):
    """log |theta_n|/n, without the factor n of two multipliers that meet."""
    tune, make, rate = TUNED[name]
    best = tune(MU, L).settings
    problem = oo.problems.quadratic((MU, L), angle=0).at([1.0, 0.7])
    run = oo.simulate(make(best["lr"], best.get("beta", 0.0)), problem, 800)
    size = np.linalg.norm(run.theta, axis=-1) / (1 if name == "gd" else np.maximum(run.t / run.t[1], 1))
    assert (size[800] / size[400]) ** (1 / 400) == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(
    "opt", [opts.momentum(0.02, 0.3), opts.nesterov(0.05, 0.2), opts.gd(0.15)], ids=lambda o: o.name
)
def test_runs_of_other_hyperparameters_too(opt):
    problem = oo.problems.quadratic((MU, L), angle=0.3)
    size = np.linalg.norm(oo.simulate(opt, problem, 600).theta, axis=-1)
    assert (size[600] / size[400]) ** (1 / 200) == pytest.approx(oo.convergence_rate(opt, (MU, L)), rel=1e-10)


def test_tuned_momentum_is_critical_at_both_ends():
    lr, beta = (oo.tuned_momentum(MU, L).settings[key] for key in ("lr", "beta"))
    np.testing.assert_allclose(oo.critical_beta(lr * np.array([MU, L])), beta, rtol=1e-12)


@pytest.mark.parametrize("z", [0.01, 0.3, 0.9, 1.2, 3.0])
def test_critical_beta_is_where_the_multipliers_meet(z):
    beta = oo.critical_beta(z)
    found = multipliers(opts.momentum(0.1, beta), z)
    np.testing.assert_allclose(found, np.sign(1 - z**0.5) * np.sqrt(beta), atol=MEETING)
    less, more = (multipliers(opts.momentum(0.1, beta + d), z) for d in (-1e-3, 1e-3) if beta + d >= 0)
    assert np.all(less.imag == 0)
    assert np.all(more.imag != 0)
    assert np.abs(less).max() > np.sqrt(beta)


def test_acceleration_is_the_square_root_of_kappa():
    """1 - rate ~ 2/kappa for gradient descent, 2/sqrt(kappa) for momentum, 2/sqrt(3 kappa) for Nesterov."""
    kappa = 1e6
    gap = [1 - oo.convergence_rate(tune(1, kappa), (1, kappa)) for tune, _, _ in TUNED.values()]
    assert gap[0] * kappa == pytest.approx(2, rel=1e-3)
    assert gap[1] == pytest.approx(2 / (kappa**0.5 + 1), rel=1e-4)  # a double root is known to the root of rounding
    assert gap[3] * kappa**0.5 == pytest.approx(2 / 3**0.5, rel=1e-3)


def test_one_curvature_is_solved_in_one_step():
    assert oo.convergence_rate(oo.tuned_gd(3, 3), (3,)) == 0
    assert [tune(3, 3).settings["beta"] for tune in (oo.tuned_momentum, oo.tuned_nesterov)] == [0, 0]


def test_bad_arguments():
    with pytest.raises(ValueError, match="largest must be at least smallest, 2, got 1"):
        oo.tuned_momentum(2, 1)
    with pytest.raises(ValueError, match="smallest must be positive and finite, got 0"):
        oo.tuned_gd(0, 1)
    with pytest.raises(ValueError, match="z must be below 4, where beta = 1, got 4"):
        oo.critical_beta(4)
    with pytest.raises(ValueError, match=r"eigenvalues must have shape \(k,\), got \(1, 2\)"):
        oo.convergence_rate(opts.gd(), [[1, 2]])
    with pytest.raises(ValueError, match="lr must be a single number here"):
        oo.convergence_rate(opts.gd(np.array([0.1, 0.2])), (1, 2))
    with pytest.raises(TypeError, match="opt must be an Optimizer"):
        oo.convergence_rate(0.1, (1, 2))
