"""SciPy's solvers with guards, called by hand: SciPy's own until something fails, and then never a hang."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from test_solve import FAULTS

import odeopt as oo
from odeopt import Status
from odeopt.solvers.ending import Reason
from odeopt.solvers.guarded import GUARDED

TIMES = np.linspace(0, 3, 13)


def pendulum(t, y):
    return np.array([y[1], -np.sin(y[0]) - 0.1 * y[1]])


def crossing(t, y):
    return y[0]


KEPT = {
    "steps": {},
    "t_eval": dict(t_eval=TIMES),
    "dense_output": dict(dense_output=True),
    "events": dict(events=crossing),
}


@pytest.mark.parametrize("method", GUARDED)
@pytest.mark.parametrize("kept", KEPT)
def test_scipys_own_to_the_last_bit(method, kept):
    arguments = dict(rtol=1e-6, atol=1e-9, **KEPT[kept])
    plain = solve_ivp(pendulum, (0, 3), [1.0, 0.0], method, **arguments)
    guarded = solve_ivp(pendulum, (0, 3), [1.0, 0.0], GUARDED[method], **arguments)
    for name in ("t", "y", "njev", "nlu", "status", "message"):
        np.testing.assert_array_equal(getattr(guarded, name), getattr(plain, name))
    last = 3 if method == "DOP853" and kept in ("steps", "events") else 0  # evaluations of the last interpolant
    assert guarded.nfev == plain.nfev + last
    if plain.sol:
        np.testing.assert_allclose(guarded.sol(TIMES), plain.sol(TIMES), atol=1e-6)
    if plain.t_events:
        np.testing.assert_array_equal(guarded.t_events[0], plain.t_events[0])


@pytest.mark.filterwarnings("ignore:lsoda:UserWarning")
@pytest.mark.parametrize("method", GUARDED)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_end_with_what_was_computed(fault, method):
    """Each of these hangs, raises from LAPACK or returns NaN as success in some solver of SciPy 1.17."""
    slope, end, status = FAULTS[fault]
    found = solve_ivp(lambda t, y: slope(y), (0, end), [1.0], GUARDED[method], rtol=1e-8, max_evaluations=20_000)
    assert np.isfinite(found.y).all()
    assert found.t[0] == 0
    if found.success:
        assert fault in ("chatter", "very stiff")
        assert abs(found.y[0, -1] - (0.5 if fault == "very stiff" else 0.0)) < 1e-4
    else:
        assert isinstance(found.message.reason, Reason)
        assert isinstance(status, str | None) or found.message.reason.status is status
    if fault == "blow-up":
        before = found.t < 0.9
        np.testing.assert_allclose(found.y[0, before], 1 / (1 - found.t[before]), rtol=1e-4)


@pytest.mark.parametrize("method", GUARDED)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(t_span=(0, np.nan)), "t_span must be finite"),
        (dict(t_span=(0, np.inf)), "t_span must be finite"),
        (dict(rtol=np.nan), "rtol must be finite, got nan"),
        (dict(atol=np.nan), "atol must be finite, got nan"),
        (dict(atol=0.0), "atol must be positive where y0 is 0, got 0.0"),
        (dict(first_step=np.nan), "first_step must be finite, got nan"),
        (dict(max_step=np.nan), "max_step must be a number or infinite, got nan"),
        (dict(max_evaluations=0), "max_evaluations must be at least 1, got 0"),
        (dict(y0=[1.0, np.nan]), "finite"),
    ],
    ids=str,
)
def test_numbers_that_scipy_would_go_on_with_for_ever(method, arguments, message):
    calls = []
    given = dict(t_span=(0, 1), y0=[1.0, 0.0]) | arguments
    with pytest.raises(ValueError, match=message):
        solve_ivp(lambda t, y: calls.append(1) or -y, method=GUARDED[method], **given)
    assert not calls


def stopping(after, error):
    """y' = -y, whose evaluations from the `after`-th on raise."""
    calls = []

    def fun(t, y):
        calls.append(t)
        if len(calls) > after:
            raise error
        return -y

    return fun


@pytest.mark.parametrize("method", GUARDED)
@pytest.mark.parametrize("kept", ["steps", "t_eval", "dense_output"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("broken")], ids=repr)
def test_wherever_it_is_interrupted_what_was_computed_stays(method, kept, error):
    """At every evaluation: of the first step, of trial stages, of differences, of interpolants."""
    reason = Reason.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Reason.RAISED
    longest = 0.0
    for after in (*range(1, 40), *range(40, 120, 8)):
        found = solve_ivp(stopping(after, error), (0, 20), [1.0], GUARDED[method], rtol=1e-5, atol=1e-8, **KEPT[kept])
        if found.success:
            break
        assert found.message.reason is reason
        assert isinstance(error, KeyboardInterrupt) or "raised ValueError: broken" in found.message
        y = np.ravel(found.y)
        known = np.isfinite(y)  # an interpolant that could not be evaluated is NaN
        assert np.count_nonzero(~known) == 0 or method == "DOP853"
        np.testing.assert_allclose(y[known], np.exp(-np.asarray(found.t)[known]), atol=1e-4)
        longest = max(longest, *np.ravel(found.t), 0.0)
    assert longest > 2


@pytest.mark.parametrize("method", GUARDED)
@pytest.mark.parametrize("kept", ["steps", "t_eval", "dense_output"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_value_that_is_not_finite_never_becomes_part_of_a_success(method, kept, bad):
    """At any evaluation: of a trial stage, where it rejects the step; of a difference, an interpolant, the start."""
    for wrong in range(1, 120 if method == "DOP853" else 60):
        calls = itertools.count(1)
        fun = lambda t, y, calls=calls, wrong=wrong: bad * y if next(calls) == wrong else -y
        found = solve_ivp(fun, (0, 3), [1.0], GUARDED[method], rtol=1e-5, atol=1e-8, **KEPT[kept])
        y = np.ravel(found.y)
        known = np.isfinite(y)
        assert known.all() or (not found.success and method == "DOP853")
        np.testing.assert_allclose(y[known], np.exp(-np.ravel(found.t)[known]), atol=1e-4)
        if found.success and found.sol:
            np.testing.assert_allclose(found.sol(TIMES)[0], np.exp(-TIMES), atol=1e-4)


@pytest.mark.parametrize("method", GUARDED)
def test_what_the_first_evaluation_raises_is_the_callers_mistake(method):
    with pytest.raises(RuntimeError, match="the right-hand side raised TypeError: wrong"):
        solve_ivp(stopping(0, TypeError("wrong")), (0, 1), [1.0], GUARDED[method])


@pytest.mark.parametrize("method", GUARDED)
def test_on_step_sees_each_accepted_step_and_may_end_the_run(method):
    seen = []

    def on_step(solver):
        seen.append((solver.t, *solver.y))
        if len(seen) == 3:
            raise KeyboardInterrupt

    found = solve_ivp(pendulum, (0, 3), [1.0, 0.0], GUARDED[method], on_step=on_step)
    assert (found.success, found.message.reason) == (False, Reason.INTERRUPTED)
    np.testing.assert_array_equal(np.transpose([found.t, *found.y])[1:], seen[:2])


def test_complex_and_backwards():
    found = solve_ivp(lambda t, y: 1j * y, (0, -2), [1.0 + 0j], GUARDED["DOP853"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.y[0], np.exp(1j * found.t), atol=1e-8)


def test_every_reason_has_its_status():
    assert {reason.status for reason in Reason} == {s for s in Status if s < 0} - {Status.OUT_OF_TIME}  # `compare`'s
    assert oo.solve(oo.flows.gradient_flow(), oo.problems.rosenbrock(b=5), 1.0, max_evaluations=3).status.name == (
        Reason.BUDGET.status.name
    )


@pytest.mark.parametrize("method", ["RK23", "RK45"])
def test_a_solution_that_overflows_is_not_kept(method):
    """y' = 1e308 is finite; y is not, from t = 1.8 on."""
    found = solve_ivp(lambda t, y: np.full(1, 1e308), (0, 10), [0.0], GUARDED[method])
    assert (found.success, found.message.reason) == (False, Reason.NOT_FINITE)
    np.testing.assert_allclose(found.y[0], 1e308 * found.t)


@pytest.mark.filterwarnings("ignore:lsoda:UserWarning")
def test_lsoda_does_not_stay_in_one_place():
    """On y' = y^2 it would make step after step of length 0 while y grows, until the evaluations are used up."""
    found = solve_ivp(lambda t, y: y**2, (0, 2), [1.0], GUARDED["LSODA"], rtol=1e-9, atol=1e-12)
    assert found.message.reason is Reason.STEP_FAILED
    assert (np.diff(found.t) > 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_lsoda_names_the_value_that_is_not_finite(bad):
    found = solve_ivp(lambda t, y: np.where(t < 1, -y, bad), (0, 3), [1.0], GUARDED["LSODA"])
    assert found.message.reason is Reason.RHS_NOT_FINITE
    assert found.t[-1] <= 1


@pytest.mark.parametrize("method", GUARDED)
def test_after_a_step_that_failed_the_solver_stands_where_the_last_one_ended(method):
    ends = []

    def on_step(solver):
        if len(ends) == 3:
            raise KeyboardInterrupt
        ends.append((solver.t, *solver.y))

    solver = GUARDED[method](pendulum, 0.0, np.array([1.0, 0.0]), 3.0, on_step=on_step)
    while solver.status == "running":
        solver.step()
    assert solver.status == "failed"
    assert (solver.t, *solver.y) == ends[-1]


@pytest.mark.filterwarnings("ignore:lsoda:UserWarning")
@pytest.mark.parametrize("method", GUARDED)
@pytest.mark.parametrize("good", [1, 2, 3, 5])
def test_a_right_hand_side_that_turns_nan_ends_soon(method, good):
    """Also where the trial point by which the first step is chosen gives NaN: SciPy shrinks that step for ever."""
    calls = []

    def f(t, y):
        calls.append(t)
        return -y if len(calls) <= good else np.nan * y

    found = solve_ivp(f, (0, 1), [1.0, 2.0], GUARDED[method])
    assert found.status == -1
    assert np.isfinite(found.y).all()
    assert len(calls) < 20_000
