"""The laws of noise against those who obey them: densities of 100 000 members, escape times within their errors."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo

WELL = oo.problems.double_well().at([-1.0])
BOX = (-2.2, 2.2)


def langevin(T, h):
    return oo.Optimizer(oo.flows.langevin(temperature=T), oo.schemes.platen, h)


@pytest.mark.parametrize("t", [1.0, 4.0])
def test_a_hundred_thousand_members_have_the_fokker_planck_density(t):
    """Pearson's chi^2 over the bins that expect 20 members or more, by its own mean and deviation."""
    members, edges = 100_000, np.linspace(*BOX, 45)
    run = oo.ensemble(langevin(0.1, 0.02), WELL, members, round(t / 0.02), edges=edges, record_every=1000, rng=5)
    p = oo.laws.langevin(WELL, 0.1, BOX, 440).evolve([-1.0], t)
    expected = members * p.reshape(44, 10).mean(axis=1) * np.diff(edges)
    seen = expected > 20
    chi2, bins = np.sum((run.counts[-1, 0] - expected)[seen] ** 2 / expected[seen]), np.count_nonzero(seen)
    assert bins >= 20
    assert chi2 < bins + 4 * np.sqrt(2 * bins)


def test_members_of_the_plane_have_the_density_of_kramers_equation():
    """From (-1, 0): E[theta], E[v^2] and the share beyond the barrier, as the grid has them by 2 x(h/2) - x(h)."""
    t, T, damping = 2.0, 0.2, 1.0
    formulas = [lambda y: y[..., 0], lambda y: y[..., 1] ** 2]
    coarse, fine = (
        [law.mean(f, law.evolve([-1.0, 0.0], t)) for f in formulas]
        for law in (oo.laws.kramers(WELL, T, damping, (BOX, (-2.5, 2.5)), (cells, 60)) for cells in (60, 120))
    )
    opt = oo.Optimizer(oo.flows.kramers(damping, T), oo.schemes.baoab, 0.05)
    observed = {"theta": lambda theta: theta[..., 0], "v^2": lambda v: v[..., 0] ** 2}
    run = oo.ensemble(opt, WELL, 20_000, round(t / 0.05), observe=observed, rng=6)
    error = np.abs(run.mean[-1] - (2 * np.array(fine) - np.array(coarse)))
    assert np.all(error < 3 * run.standard_error[-1] + 0.01)  # O(h^2) is left of the grid


@pytest.mark.parametrize(
    ("who", "T"),
    [
        ("Langevin", 0.1),
        ("SGD", 0.1),
        pytest.param("Langevin", 0.05, marks=pytest.mark.slow),
        pytest.param("SGD", 0.05, marks=pytest.mark.long),
    ],
)
def test_escape_takes_the_exact_time(who, T):
    """From -1 to 1 over the barrier, within 3 standard errors."""
    exact = oo.laws.mean_first_passage(WELL, T, -1, 1)
    assert exact == pytest.approx({0.1: 66.2686, 0.05: 729.671}[T], rel=1e-5)
    lr = 0.02
    opt, problem, members = {
        "Langevin": (langevin(T, 0.05), WELL, 500),
        "SGD": (oo.optimizers.gd(lr=lr), oo.noise.gaussian(WELL, (2 * T / lr) ** 0.5), 400),
    }[who]
    arrived = lambda theta: theta[..., 0] >= 1
    run = oo.ensemble(opt, problem, members, round(16 * exact / opt.h), target=arrived, record_every=1000, rng=7)
    mean, error = run.check().mean_first_passage
    assert error < 0.06 * exact
    assert mean == pytest.approx(exact, abs=3 * error)


@pytest.mark.slow
def test_sgd_on_real_minibatches_against_its_equations():
    """breast_cancer, batches of 4 drawn with replacement: SDE2 is right in the descent, and SVAG tends to SDE1."""
    problem, lr, steps = oo.problems.logistic_regression("breast_cancer"), 0.3, 2
    noisy, gd = oo.noise.minibatches(problem, 4, replace=True), oo.optimizers.gd(lr=lr)

    def mean_loss(opt, noisy, members, every, rng):
        run = oo.ensemble(opt, noisy, members, steps * every, record_every=every, rng=rng).check()
        return run.loss_mean[-1], run.loss_variance[-1] / members

    sgd = mean_loss(gd, noisy, 8000, 1, 1)
    svag = mean_loss(gd.with_step(lr / 32), oo.noise.svag(noisy, 32), 2000, 32, 2)
    first, second = (
        mean_loss(oo.Optimizer(oo.sde(gd, order=order), oo.schemes.stochastic_heun, lr / 8), noisy, 1000, 8, 2 + order)
        for order in (1, 2)
    )
    error = lambda a, b: 3 * (a[1] + b[1]) ** 0.5
    assert abs(first[0] - sgd[0]) > 5 * abs(second[0] - sgd[0])
    assert abs(first[0] - sgd[0]) > 5 * error(first, sgd)
    assert abs(svag[0] - first[0]) < error(svag, first) + abs(first[0] - sgd[0]) / 8  # SVAG is O(1/l) from it
