"""Runs of a long theta, a step in one pass: the numbers of NumPy's steps to rounding, and all else exactly."""

from __future__ import annotations

import numpy as np
import pytest
from support.elementwise import PROBLEM, ROWS, WHOLE, fits

import odeopt as oo
from odeopt import optimizers
from odeopt.simulation import simulate


@pytest.fixture(autouse=True)
def _short_ones_too(monkeypatch):
    monkeypatch.setattr(simulate, "WIDE", 0)


def runs(opt, problem=PROBLEM, steps=30, **more):
    """In one pass, and by NumPy."""
    return [oo.simulate(opt, problem, steps, backend=backend, **more) for backend in ("auto", "numpy")]


@pytest.mark.parametrize("name", [*(name for name in ROWS if fits(name)), "strang_rmsprop"])
def test_the_same_run(name):
    ours, plain = runs(ROWS[name], record_every=4)
    np.testing.assert_allclose(ours.theta, plain.theta, rtol=1e-12, atol=1e-14)
    for key, u in ours.state.items():
        np.testing.assert_allclose(u, plain.state[key], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(ours.t, plain.t)
    assert (ours.ngev, ours.status, ours.message) == (plain.ngev, plain.status, plain.message)
    assert ours.backend.split()[0] == ("numpy" if name in WHOLE or name == "strang_rmsprop" else "blocks")


def test_a_gradient_that_fails():
    def grad(theta):
        return np.where(theta < 0.5, np.nan, theta)

    def broken(theta):
        if theta[0] < 0.5:
            raise ZeroDivisionError("here")
        return theta

    for function in (grad, broken):
        problem = oo.Problem(lambda theta: (theta**2).sum(-1) / 2, function, theta0=np.ones(3))
        ours, plain = runs(optimizers.momentum(0.1), problem)
        assert ours.status == plain.status != oo.Status.DONE
        assert (ours.message, ours.ngev) == (plain.message, plain.ngev)
        np.testing.assert_allclose(ours.final, plain.final, rtol=1e-13)


def test_divergence_and_callbacks():
    problem = oo.problems.quadratic([1.0, 3.0], theta0=[1.0, 1.0])
    ours, plain = runs(optimizers.gd(1e3), problem, 200)
    assert ours.status == plain.status == oo.Status.NOT_FINITE
    assert ours.message == plain.message
    np.testing.assert_allclose(ours.final, plain.final, rtol=1e-12)
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result.theta)
        if len(seen) == 5:
            raise StopIteration

    ours = oo.simulate(optimizers.gd(0.1), problem, 30, callback=callback)
    assert ours.status == oo.Status.STOPPED
    assert len({id(theta) for theta in seen}) == 5
    np.testing.assert_array_equal(ours.theta[1:], seen)


def test_noise_and_members_go_as_before():
    noisy = oo.noise.gaussian(PROBLEM, sigma=0.1)
    assert oo.simulate(optimizers.gd(0.1), noisy, 5, rng=0).backend == "numpy"
    assert oo.simulate(optimizers.gd(np.array([0.1, 0.2])), PROBLEM, 5).backend == "numpy"
