"""`simulate`: what it records, members, callbacks, interruption, and every way a run can fail."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt import Status

opts = oo.optimizers


def bowl(grad=None, d=2):
    return oo.Problem(lambda x: 0.5 * (x**2).sum(-1), grad or (lambda x: x + 0.0), theta0=np.ones(d), batched=True)


def test_records():
    run = oo.simulate(opts.momentum(0.1, 0.5), oo.problems.quadratic(), 10)
    assert run.t.shape == (11,)
    assert run.theta.shape == (11, 2)
    assert run.loss.shape == (11,)
    assert run.state["m"].shape == (11, 2)
    np.testing.assert_allclose(run.t, 0.2 * np.arange(11))
    assert (run.status, run.success, run.ngev, run.nfev) == (Status.DONE, True, 10, 11)
    np.testing.assert_array_equal(run.loss, oo.problems.quadratic().loss(run.theta))
    assert "Trajectory of momentum: 11 records of theta (2,)" in repr(run)
    assert run.check() is run


@pytest.mark.parametrize(
    ("steps", "every", "expected"), [(10, 3, [0, 3, 6, 9, 10]), (9, 3, [0, 3, 6, 9]), (2, 5, [0, 2]), (0, 1, [0])]
)
def test_record_every(steps, every, expected):
    every_step = oo.simulate(opts.gd(0.01), oo.problems.quadratic(), 10)
    run = oo.simulate(opts.gd(0.01), oo.problems.quadratic(), steps, record_every=every)
    np.testing.assert_array_equal(run.theta, every_step.theta[expected])
    np.testing.assert_allclose(run.t, 0.01 * np.array(expected))


def test_members_are_independent_runs():
    """A sweep over (lr, beta) in one run equals the single runs."""
    lr, beta = np.array([0.001, 0.01, 0.02]), np.array([0.9, 0.5, 0.0])
    problem = oo.problems.rosenbrock(b=5)
    for make in (opts.momentum, opts.nesterov, opts.heavy_ball):
        sweep = oo.simulate(make(lr, beta), problem, 50)
        assert sweep.theta.shape == (51, 3, 2)
        assert sweep.t.shape == (51, 3)
        assert sweep.loss.shape == (51, 3)
        for i in range(3):
            single = oo.simulate(make(float(lr[i]), float(beta[i])), problem, 50)
            np.testing.assert_allclose(sweep.theta[:, i], single.theta, rtol=1e-12)
            np.testing.assert_allclose(sweep.t[:, i], single.t, rtol=1e-14)


def test_members_of_adam_and_starts():
    starts = np.random.default_rng(0).uniform(-1, 1, (4, 2))
    run = oo.simulate(opts.adam(0.01), oo.problems.rosenbrock(), 20, starts)
    assert run.state["c1"].shape == (21, 4, 1)
    np.testing.assert_allclose(
        run.theta[:, 2], oo.simulate(opts.adam(0.01), oo.problems.rosenbrock(), 20, starts[2]).theta
    )
    grid = oo.simulate(opts.adam(np.array([[0.1], [0.01]]), np.array([0.9, 0.5, 0.0])), oo.problems.rosenbrock(), 5)
    assert grid.theta.shape == (6, 2, 3, 2)


def test_ensemble_goes_on_when_members_fail():
    run = oo.simulate(opts.gd(np.array([0.05, 3.0])), oo.problems.quadratic((1, 20)), 2000)
    assert run.status is Status.NOT_FINITE
    assert "1 of 2 members are not finite" in run.message
    assert run.finite.tolist() == [True, False]
    assert len(run) == 2001
    assert np.isfinite(run.theta[:, 0]).all()


def test_divergence_keeps_the_last_finite_iterate():
    run = oo.simulate(opts.gd(3.0), oo.problems.quadratic((1, 20)), 2000, record_every=100)
    assert run.status is Status.NOT_FINITE
    assert not run.success
    assert np.isfinite(run.theta).all()
    assert np.abs(run.final).max() > 1e300  # the step before the overflow, though it was not due for a record
    with pytest.raises(RuntimeError, match="gd: not finite at step"):
        run.check()


def test_infinite_memory_is_a_failure_too():
    """RMSprop whose G overflows would otherwise stand still and look converged."""
    problem = bowl(lambda x: 1e200 * np.ones_like(x))
    assert oo.simulate(opts.rmsprop(0.1), problem, 5).status is Status.NOT_FINITE


def test_gradient_nan_at_step_k():
    calls = []

    def grad(x):
        calls.append(1)
        return np.full_like(x, np.nan) if len(calls) > 5 else x + 0.0

    problem = bowl(grad)
    calls.clear()
    run = oo.simulate(opts.gd(0.1), problem, 20)
    assert run.status is Status.NOT_FINITE
    assert "not finite at step 6" in run.message
    assert "the gradient was NaN or infinite" in run.message
    np.testing.assert_allclose(run.theta[:, 0], 0.9 ** np.arange(6))


def test_gradient_that_raises():
    state = {"k": 0, "fail": 10**9}

    def grad(x):
        state["k"] += 1
        if state["k"] > state["fail"]:
            raise ZeroDivisionError("one over zero")
        return x + 0.0

    problem = bowl(grad)
    state.update(k=0, fail=5)
    run = oo.simulate(opts.gd(0.1), problem, 20)
    assert run.status is Status.EVALUATION_FAILED
    assert "grad raised ZeroDivisionError: one over zero (after step 5)" in run.message
    assert len(run) == 6
    state.update(k=0, fail=0)
    with pytest.raises(ZeroDivisionError, match="one over zero") as caught:
        oo.simulate(opts.gd(0.1), problem, 20)
    assert "raised by grad(theta)" in caught.value.__notes__[0]


def test_gradient_with_a_reused_buffer():
    buffer = np.empty(2)

    def grad(x):
        np.multiply(x, [1.0, 5.0], out=buffer)
        return buffer

    problem = oo.Problem(lambda x: 0.5 * (x**2 * [1, 5]).sum(-1), grad, theta0=[1.0, 1.0], batched=True)
    clean = oo.Problem(lambda x: 0.5 * (x**2 * [1, 5]).sum(-1), lambda x: x * [1.0, 5.0], theta0=[1.0, 1.0])
    for scheme in (oo.schemes.ab3, oo.schemes.rk4, oo.schemes.bdf2, oo.schemes.etd2rk, oo.schemes.rkc2(4)):
        opt = oo.Optimizer(oo.flows.averaged_gradient(0.5), scheme, 0.1)
        np.testing.assert_array_equal(oo.simulate(opt, problem, 20).theta, oo.simulate(opt, clean, 20).theta)
    ascent = oo.flow("theta", climb=oo.push("theta", lambda grad, theta: grad(theta)))  # hands the buffer on as it is
    for scheme in (oo.schemes.ab3, oo.schemes.rk4, oo.schemes.rkc2(4)):
        opt = oo.Optimizer(ascent, scheme, 0.1)
        np.testing.assert_array_equal(oo.simulate(opt, problem, 5).theta, oo.simulate(opt, clean, 5).theta)
    for opt in (opts.adam(0.1), opts.momentum(0.1), opts.nesterov(0.1)):
        np.testing.assert_array_equal(oo.simulate(opt, problem, 20).theta, oo.simulate(opt, clean, 20).theta)


def test_gradient_that_changes_its_input():
    mutate = {"on": False}

    def grad(x):
        if mutate["on"]:
            x *= 2
        return x + 0.0

    problem = bowl(grad)
    mutate["on"] = True
    with pytest.raises(ValueError, match="read-only"):
        oo.simulate(opts.gd(0.1), problem, 3)


def test_gradient_of_wrong_shape():
    shape = {"bad": False}
    problem = bowl(lambda x: np.ones(3) if shape["bad"] else x + 0.0)
    shape["bad"] = True
    with pytest.raises(ValueError, match=r"grad must return the shape of theta, \(2,\), got \(3,\)"):
        oo.simulate(opts.gd(0.1), problem, 3)


def test_loss_that_raises_does_not_lose_the_path():
    broken = {"on": False}

    def loss(x):
        if broken["on"]:
            raise OverflowError("math range error")
        return 0.5 * (x**2).sum(-1)

    problem = oo.Problem(loss, lambda x: x + 0.0, theta0=[1.0, 1.0], batched=True)
    broken["on"] = True
    run = oo.simulate(opts.gd(0.1), problem, 5)
    assert run.status is Status.EVALUATION_FAILED
    assert "loss raised OverflowError: math range error" in run.message
    assert len(run) == 6
    assert np.isnan(run.loss).all()


def test_a_loss_that_raises_for_the_callback_ends_with_a_status():
    broken = {"on": False}

    def loss(x):
        if broken["on"]:
            raise OverflowError("too large")
        return 0.5 * (x**2).sum(-1)

    problem = oo.Problem(loss, lambda x: x + 0.0, theta0=[1.0, 1.0], batched=True)
    broken["on"] = True
    run = oo.simulate(opts.gd(0.1), problem, 5, callback=lambda result: None)
    assert run.status is Status.EVALUATION_FAILED
    assert len(run) == 2


def test_loss_of_wrong_shape():
    problem = oo.Problem(lambda x: np.float64((x**2).sum()), lambda x: 2 * x, theta0=[1.0, 1.0], batched=True)
    run = oo.simulate(opts.gd(0.1), problem, 5)
    assert run.status is Status.EVALUATION_FAILED
    assert "loss raised" in run.message
    assert run.loss.shape == (6,)
    assert "Trajectory of gd" in repr(run)


def test_impossible_numbers_of_records_are_refused():
    with pytest.raises(ValueError, match="steps must be at most 8.64e.13, a day at one nanosecond each, got 10000"):
        oo.simulate(opts.gd(0.1), oo.problems.quadratic(), 10**19, record_every=10**19)
    with pytest.raises(ValueError, match="steps must leave room in memory: 10{13} need about .* GiB"):
        oo.simulate(opts.gd(0.1), oo.problems.quadratic(), 10**13)


def test_one_bad_entry_makes_a_member_not_finite():
    """All entries of a member must be finite, theta's and the memory's."""
    from odeopt.core.state import finite_members

    y = (np.array([[1.0, np.nan], [1.0, 1.0]]), np.ones((2, 2)))
    assert finite_members(y).tolist() == [False, True]
    assert finite_members((y[1], y[0])).tolist() == [False, True]


def test_callback():
    seen = []

    def callback(result):
        seen.append((result.step, float(result.t), float(result.loss)))
        with pytest.raises(ValueError, match="read-only"):
            result.theta[0] = 7.0
        if result.step >= 30:
            raise StopIteration

    run = oo.simulate(opts.gd(0.01), oo.problems.quadratic(), 100, record_every=10, callback=callback)
    assert run.status is Status.STOPPED
    assert run.success
    assert [s for s, *_ in seen] == [10, 20, 30]
    np.testing.assert_allclose([x for *_, x in seen], run.loss[1:], rtol=1e-12)
    assert run.t[-1] == pytest.approx(0.3)


def test_interruption_keeps_what_was_computed():
    calls = []

    def grad(x):
        calls.append(1)
        if len(calls) == 50:
            raise KeyboardInterrupt
        return x + 0.0

    problem = bowl(grad)
    calls.clear()
    run = oo.simulate(opts.gd(0.01), problem, 1000, record_every=20)
    assert run.status is Status.INTERRUPTED
    assert "interrupted after step 49 of 1000" in run.message
    np.testing.assert_allclose(run.final, 0.99**49)


def test_progress_bar(capsys):
    oo.simulate(opts.gd(0.01), oo.problems.quadratic(), 10, progress=True)
    assert "gd" in capsys.readouterr().err
    oo.simulate(opts.gd(0.01), oo.problems.quadratic(), 10)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "theta0",
    [[1, 2], np.array([1, 2]), np.array([[1.0, 9.0], [2.0, 9.0]])[:, 0], np.array([1.0, 2.0], np.float32)],
    ids=str,
)
def test_theta0_in_any_layout_is_never_changed(theta0):
    before = np.array(theta0)
    if isinstance(theta0, np.ndarray):
        theta0.flags.writeable = False
    run = oo.simulate(opts.adam(0.1), oo.problems.quadratic(), 5, theta0)
    np.testing.assert_array_equal(np.array(theta0), before)
    assert run.theta.dtype == np.float64
    np.testing.assert_array_equal(run.theta[0], [1.0, 2.0])


def test_two_runs_are_identical():
    runs = [oo.simulate(opts.adam(0.01), oo.problems.rosenbrock(), 200) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].theta, runs[1].theta)
