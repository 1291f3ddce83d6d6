"""In place, in one pass: the same steps as `simulate` makes, and nothing moves where a number is not finite."""

from __future__ import annotations

import numpy as np
import pytest
import tables

import odeopt as oo
from odeopt import optimizers, schedules
from odeopt.backends import sweep
from odeopt.backends.in_place import in_place
from odeopt.backends.nodes import Untraceable
from odeopt.backends.sweep import Sweep

ADAM = optimizers.adam(0.01)
ROWS = {n: row.limits[0][0](0.01) if row.limits else None for n, row in tables.OPTIMIZERS.items()}
ROWS |= {
    "scheduled": optimizers.scheduled(ADAM, schedules.cosine(20)),
    "decoupled under a schedule": optimizers.decoupled(optimizers.scheduled(ADAM, schedules.cosine(20)), 0.1),
    "clip_norm": optimizers.clip_norm(ADAM, 1.0),
    "clip_value": optimizers.clip_value(ADAM, 0.5),
    "l2": optimizers.l2(ADAM, 0.1),
    "lookahead": optimizers.lookahead(ADAM),
}
WHOLE = {"lookahead": "remembers earlier steps", "clip_norm": "read"}  # no program of one coordinate, and why
ELSEWHERE = ("strang_rmsprop",)  # reads the gradient at other points too
PROBLEM = oo.problems.quadratic(np.geomspace(0.5, 3, 7), theta0=np.linspace(-1, 2, 7))


def by_numpy(monkeypatch):
    monkeypatch.setattr(sweep, "find_spec", lambda name: None)


def by_kernel(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(sweep, "LONG", 0)


def fits(name):
    opt = ROWS[name]
    return opt is not None and name not in ELSEWHERE and not opt.settings.get("shape")


@pytest.mark.parametrize("means", [by_numpy, pytest.param(by_kernel, marks=[pytest.mark.numba, pytest.mark.slow])])
@pytest.mark.parametrize("name", [name for name in ROWS if fits(name)])
def test_the_steps_of_simulate(monkeypatch, name, means):
    means(monkeypatch)
    theta, opt = PROBLEM.theta0.copy(), ROWS[name]
    moving = in_place(opt, theta)
    for _ in range(25):
        moving.step(PROBLEM.grad(theta))
    run = oo.simulate(opt, PROBLEM, 25, backend="numpy")
    assert moving.theta is theta
    np.testing.assert_allclose(theta, run.final, rtol=1e-12, atol=1e-14)
    for key, u in moving.memory.items():
        np.testing.assert_allclose(u, run.state[key][-1], rtol=1e-12, atol=1e-14)


def test_adam_and_its_relatives_take_one_pass():
    for name in ("gd", "momentum", "nesterov", "rmsprop", "adagrad", "adam", "adamw", "radam", "nadam", "adadelta"):
        assert Sweep(getattr(optimizers, name)()), name


@pytest.mark.parametrize("name", ["clip_norm", "lookahead"])
def test_what_does_not_stand_alone_says_why(name):
    with pytest.raises(Untraceable, match=WHOLE[name]):
        Sweep(ROWS[name])
    assert "numpy" in repr(in_place(ROWS[name], np.ones(3)))


def test_blocks_of_many_coordinates(monkeypatch):
    """More than one slice for each of two threads."""
    by_numpy(monkeypatch)
    monkeypatch.setattr(sweep, "SLICE", 100)
    theta = np.linspace(-1, 1, 1234)
    plain = theta.copy()
    one, many = in_place(ADAM, plain), in_place(ADAM, theta)
    for _ in range(5):
        many.step(np.sin(3 * theta))
    monkeypatch.setattr(sweep, "SLICE", 10**6)
    for _ in range(5):
        one.step(np.sin(3 * plain))
    np.testing.assert_array_equal(theta, plain)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_moves_nothing(value):
    theta = np.ones(3)
    moving = in_place(ADAM, theta)
    moving.step(theta)
    before = theta.copy(), {name: u.copy() for name, u in moving.memory.items()}
    with pytest.raises(ValueError, match="gradient must be finite, got NaN or infinity in step 2"):
        moving.step(np.array([1.0, value, 1.0]))
    np.testing.assert_array_equal(theta, before[0])
    for name, u in moving.memory.items():
        np.testing.assert_array_equal(u, before[1][name])
    assert moving.count == 1


def test_a_step_that_divides_by_nothing_moves_nothing():
    """eps = 0 where a gradient is 0: the pass is not taken, and the step of whole arrays is refused."""
    theta = np.ones(2)
    moving = in_place(optimizers.rmsprop(0.1, eps=0.0), theta)
    with pytest.raises(FloatingPointError, match="not finite after step 1; nothing has moved"):
        moving.step(np.array([1.0, 0.0]))
    np.testing.assert_array_equal(theta, 1.0)
    assert not moving.memory["G"].any()


def test_a_gradient_whose_square_overflows_goes_by_whole_arrays():
    theta = np.ones(2)
    moving = in_place(optimizers.gd(1e-90), theta)
    moving.step(np.array([1e160, 1.0]))
    np.testing.assert_allclose(theta, [-1e70, 1.0], rtol=1e-12)
    assert moving.count == 1


@pytest.mark.parametrize(
    ("theta", "error", "message"),
    [
        ([1.0], TypeError, "contiguous array of float64"),
        (np.ones(3, np.float32), TypeError, "contiguous array of float64"),
        (np.ones((2, 2)), ValueError, r"of shape \(d,\), got shape \(2, 2\)"),
        (np.ones(0), ValueError, r"got shape \(0,\)"),
        (np.array([np.nan]), ValueError, "theta must be finite"),
    ],
)
def test_bad_theta(theta, error, message):
    with pytest.raises(error, match=message):
        in_place(ADAM, theta)


def test_bad_gradient_and_scheme():
    moving = in_place(ADAM, np.ones(3))
    with pytest.raises(ValueError, match=r"gradient must have shape \(3,\) like theta, got \(2,\)"):
        moving.step(np.ones(2))
    heun = in_place(oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 0.1), np.ones(3))
    with pytest.raises(ValueError, match="opt must read the gradient at theta alone"):
        heun.step(np.ones(3))
