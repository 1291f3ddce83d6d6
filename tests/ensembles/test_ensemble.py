"""Ensembles: the numbers of single runs, exact statistics, any number of workers, files that are whole or refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import odeopt as oo
from odeopt import schemes
from odeopt.ensembles import blocks
from odeopt.util import storage
from odeopt.util.status import Status

SQUARE = oo.problems.quadratic(eigenvalues=(1.0, 2.0), angle=0)
NOISY = oo.noise.gaussian(SQUARE, sigma=1.0)
GD = oo.optimizers.gd(lr=0.1)


def kramers():
    """At temperature 1/2, by BAOAB."""
    return oo.Optimizer(oo.flows.kramers(1.0, 0.5), schemes.baoab, 0.1)


def same(a, b):
    for field in dataclasses.fields(a):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def test_without_noise_every_member_is_the_single_run():
    start = np.random.default_rng(0).normal(size=(50, 2))
    run = oo.ensemble(oo.optimizers.adam(lr=0.05), SQUARE, 50, 30, start, paths=50, record_every=10)
    single = oo.simulate(oo.optimizers.adam(lr=0.05), SQUARE, 30, start, record_every=10)
    np.testing.assert_array_equal(run.paths, single.theta)
    np.testing.assert_array_equal(run.t, single.t)
    np.testing.assert_allclose(run.loss_mean, single.loss.mean(axis=1), rtol=1e-14)


def test_statistics_are_those_of_the_paths():
    edges, probabilities = np.linspace(-2, 2, 9), (0.1, 0.5, 0.9)
    run = oo.ensemble(GD, NOISY, 300, 40, rng=1, paths=300, quantiles=probabilities, edges=edges)
    np.testing.assert_allclose(run.mean, run.paths.mean(axis=1), atol=1e-15)
    for now, covariance in zip(run.paths, run.covariance, strict=True):
        np.testing.assert_allclose(covariance, np.cov(now.T), atol=1e-14)
    np.testing.assert_allclose(run.quantiles, np.quantile(run.paths, probabilities, axis=1).swapaxes(0, 1), atol=1e-15)
    for i in range(2):
        np.testing.assert_array_equal(run.counts[-1, i], np.histogram(run.paths[-1, :, i], edges)[0])
    np.testing.assert_allclose(run.loss_mean, SQUARE.loss(run.paths).mean(axis=1), rtol=1e-13)


@pytest.mark.parametrize("backend", ["numpy", "blocks"])
def test_variances_alone_are_the_diagonal_of_the_covariance(backend):
    """Of members that are finite, some of which are not in one observable only."""
    start = np.random.default_rng(0).normal(size=(30, 2))
    seen = {"log": lambda theta: np.log(theta[..., 0]), "y": lambda theta: theta[..., 1]}
    whole, alone = (
        oo.ensemble(GD, NOISY, 30, 40, start, rng=0, observe=seen, backend=backend, covariance=c) for c in (True, False)
    )
    assert 1 < whole.alive[0] < 30
    assert alone.covariance.size == 0
    np.testing.assert_array_equal(whole.variance, np.diagonal(whole.covariance, axis1=1, axis2=2))
    for field in ("mean", "variance", "loss_mean", "loss_variance", "alive"):
        np.testing.assert_allclose(getattr(alone, field), getattr(whole, field), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("d", "kept"), [(100, True), (101, False)])
def test_the_covariance_of_many_observables_is_asked_for(d, kept):
    many = oo.noise.gaussian(oo.problems.quadratic(np.linspace(1, 2, d)), 1.0)
    run = oo.ensemble(GD, many, 7, 10, rng=0, paths=7)
    assert run.covariance.shape == ((11, d, d) if kept else (0, 0, 0))
    np.testing.assert_allclose(run.variance, run.paths.var(axis=1, ddof=1), rtol=1e-9, atol=1e-14)
    asked = oo.ensemble(GD, many, 7, 10, rng=0, covariance=True)
    np.testing.assert_allclose(asked.variance, run.variance, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("opt", [GD, kramers(), oo.optimizers.adam(lr=0.1)], ids=["gd", "kramers", "adam"])
def test_workers_do_not_change_a_digit(opt, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 64)
    one, three = (oo.ensemble(opt, NOISY, 500, 20, rng=3, workers=n, paths=500) for n in (1, 3))
    same(one, three)
    assert len(np.unique(one.paths[-1, :, 0])) == 500  # every member has noise of its own


def test_records_do_not_change_the_path():
    often, seldom = (oo.ensemble(kramers(), NOISY, 20, 60, rng=3, record_every=n, paths=20) for n in (1, 7))
    np.testing.assert_array_equal(often.paths[::7], seldom.paths[:-1])
    np.testing.assert_array_equal(often.paths[-1], seldom.paths[-1])


def test_rng_follows_spec_7():
    seeded, generated = (oo.ensemble(GD, NOISY, 10, 5, rng=rng) for rng in (4, np.random.default_rng(4)))
    same(seeded, generated)
    generator = np.random.default_rng(4)
    first, second = (oo.ensemble(GD, NOISY, 10, 5, rng=generator).mean[-1] for _ in range(2))
    assert not np.array_equal(first, second)


def test_observables_read_theta_and_memory():
    energy = {"kinetic": lambda v: (v**2).sum(-1) / 2, "x": lambda theta: theta[..., 0]}
    run = oo.ensemble(kramers(), SQUARE, 4000, 300, rng=0, observe=energy)
    assert run.observables == ("kinetic", "x")
    assert run.mean[-1, 0] == pytest.approx(2 * 0.5 / 2, abs=5 * run.standard_error[-1, 0])  # d T/2, T = 1/2


def test_first_passage_of_brownian_motion():
    """From 0 out of |x| < 1 by steps of h: (1 + 0.5826 sqrt(h))^2 on average.    [Siegmund 1979, corrected barrier]"""
    target = lambda theta: np.abs(theta[..., 0]) >= 1
    walk = oo.Optimizer(oo.flows.langevin(0.5), schemes.euler_maruyama, 0.01)
    free = oo.Problem(lambda x: 0 * x.sum(-1), lambda x: 0 * x, theta0=[0.0], batched=True)
    run = oo.ensemble(walk, free, 4000, 2000, rng=2, target=target).check()
    mean, error = run.mean_first_passage
    assert mean == pytest.approx((1 + 0.5826 * 0.1) ** 2, abs=3 * error)
    assert run.t[-1] < 20
    assert "arrived" in run.message


def test_members_that_never_arrive():
    run = oo.ensemble(GD, SQUARE, 5, 5, target=lambda theta: theta[..., 0] > 99)
    assert np.isnan(run.first_passage).all()
    assert run.mean_first_passage == (np.inf, np.inf)
    with pytest.raises(ValueError, match="needs ensemble"):
        _ = oo.ensemble(GD, SQUARE, 5, 5).mean_first_passage


def test_divergence_is_counted():
    cubic = oo.Problem(lambda x: (x**4).sum(-1), lambda x: 4 * x**3, theta0=[1.0], batched=True)
    start = np.array([[0.1], [0.2], [50.0]])
    run = oo.ensemble(oo.optimizers.gd(lr=0.1), cubic, 3, 40, start)
    assert run.status is Status.NOT_FINITE
    assert not run.success
    assert run.alive[0] == 3
    assert run.alive[-1] == 2
    assert np.isfinite(run.mean).all()
    with pytest.raises(RuntimeError, match="1 of 3 members"):
        run.check()
    assert oo.ensemble(oo.optimizers.gd(lr=0.1), cubic, 3, 40, 50.0 * np.ones(1)).alive[-1] == 0


@pytest.mark.parametrize(
    ("error", "status"), [(OSError("lost"), Status.EVALUATION_FAILED), (KeyboardInterrupt(), Status.INTERRUPTED)]
)
def test_what_was_counted_is_kept(error, status):
    def grad(x):
        if np.all((x < 0.9**35) & (x > 0)):
            raise error
        return x

    problem = oo.Problem(lambda x: (x**2).sum(-1) / 2, grad, hvp=lambda x, p: p, theta0=[1.0], batched=True)
    run = oo.ensemble(GD, problem, 4, 100, record_every=10)
    assert run.status is status
    assert len(run) == 4
    assert run.mean[-1] == pytest.approx(0.9**30)


def test_saved_loaded_and_refused(tmp_path):
    run = oo.ensemble(GD, NOISY, 50, 20, rng=1, quantiles=(0.5,), edges=(-1, 0, 1), paths=2)
    path = run.save(tmp_path / "run")
    assert path.name == "run.npz"
    same(run, oo.Ensemble.load(path))
    data = bytearray(path.read_bytes())
    for position in range(0, len(data), max(1, len(data) // 97)):
        damaged = data.copy()
        damaged[position] ^= 1
        path.write_bytes(bytes(damaged))
        with pytest.raises(ValueError, match="damaged"):
            oo.Ensemble.load(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="damaged"):
        oo.Ensemble.load(path)
    other = storage.save(tmp_path / "other", "chart", {"a": np.ones(2)}, {})
    with pytest.raises(ValueError, match="saved chart"):
        oo.Ensemble.load(other)
    with pytest.raises(FileNotFoundError):
        oo.Ensemble.load(tmp_path / "nothing.npz")


def test_a_foreign_file_is_not_opened(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, mean=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="damaged or something else"):
        oo.Ensemble.load(path)


def test_labelled():
    pytest.importorskip("pandas")
    pytest.importorskip("xarray")
    run = oo.ensemble(GD, NOISY, 50, 20, rng=1, quantiles=(0.5,), edges=(-1, 0, 1), paths=2)
    frame, data = run.to_dataframe(), run.to_xarray()
    np.testing.assert_array_equal(frame["mean theta[1]"], run.mean[:, 1])
    np.testing.assert_array_equal(frame.index, run.t)
    np.testing.assert_array_equal(data["counts"].sel(observable="theta[1]"), run.counts[:, 1])
    np.testing.assert_array_equal(data["covariance"], run.covariance)
    assert "covariance" not in oo.ensemble(GD, NOISY, 5, 2, covariance=False).to_xarray()
    assert data["bin"].values.tolist() == [-0.5, 0.5]


BAD = [
    (dict(opt=1), TypeError, "opt must be an Optimizer"),
    (dict(opt=oo.optimizers.gd(lr=np.array([0.1, 0.2]))), ValueError, "single optimizer"),
    (dict(members=0), ValueError, "members must be at least 1"),
    (dict(members=2.0), TypeError, "members must be an integer"),
    (dict(members=10**12), ValueError, "members must leave room in memory: 10{12} need about"),
    (dict(steps=-1), ValueError, "steps"),
    (dict(theta0=np.ones((3, 2))), ValueError, "theta0"),
    (dict(theta0=np.ones((2, 50, 2))), ValueError, "theta0"),
    (dict(record_every=0), ValueError, "record_every"),
    (dict(observe=lambda theta: theta), TypeError, "observe must map"),
    (dict(observe={"v": lambda v: v}), ValueError, "argument of observable 'v'"),
    (dict(observe={"x": lambda theta: theta}), ValueError, "one number per member"),
    (dict(observe={"x": lambda theta: theta[..., 0] * 1j}), TypeError, "must be real numbers, got complex128"),
    (dict(quantiles=(1.5,)), ValueError, "quantiles"),
    (dict(edges=(1.0, 0.0)), ValueError, "edges"),
    (dict(edges=(1.0,)), ValueError, "edges"),
    (dict(target=lambda m: m), ValueError, "argument of target"),
    (dict(target=lambda theta: theta > 0), ValueError, "one truth value"),
    (dict(paths=51), ValueError, "paths must be at most"),
    (dict(rng=True), TypeError, "rng"),
    (dict(workers=0), ValueError, "workers"),
    (dict(progress=1), TypeError, "progress"),
    (dict(covariance="full"), TypeError, "covariance"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        oo.ensemble(**{"opt": GD, "problem": NOISY, "members": 50, "steps": 5, **arguments})


def test_plot_returns_its_lines():
    run = oo.ensemble(GD, NOISY, 50, 20, rng=1)
    lines = run.plot()
    assert [line.get_label() for line in lines] == list(run.observables)
    np.testing.assert_array_equal(lines[1].get_ydata(), run.mean[:, 1])
