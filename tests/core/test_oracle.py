"""The state machine of `odeopt.core.oracle`: each transition of its table, and each of its kinds against a model."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import odeopt as oo
from odeopt.compiler.ir import Untraceable
from odeopt.compiler.trace import TracedGradient
from odeopt.core.oracle import Brought
from odeopt.problems.oracle import EvaluationError, Gradient

POINTS = [np.array([1.0, 2.0]), np.array([3.0, -1.0]), np.array([1.0, 2.0])]  # the first and the last are equal numbers
KINDS = {"a problem's": Gradient, "traced": TracedGradient, "a training loop's": Brought}


def oracle(kind):
    """An oracle of -2 theta that notes the points at which it is evaluated, and raises at [nan, nan]."""
    seen = []

    def function(theta):
        if np.isnan(theta).any():
            raise ZeroDivisionError("here")
        seen.append(theta)
        return -2 * theta

    return KINDS[kind](function), seen


@pytest.mark.parametrize("kind", KINDS)
def test_transitions(kind):
    grad, seen = oracle(kind)
    p, q, twin = POINTS
    assert not grad.knows(p)  # EMPTY
    assert np.array_equal(grad(p), -2 * p)
    assert [grad.knows(u) for u in POINTS] == [True, False, False]  # KNOWN(p): objects count, not their numbers
    assert grad(p) is grad(p)
    assert (grad.count, len(seen)) == (1, 1)
    grad(twin), grad(q), grad(p)
    assert grad.count == 4  # KNOWN holds one point
    value = np.ones(2)
    grad.learn(q, value)
    assert grad(q) is value
    assert (grad.count, grad.knows(p)) == (4, False)
    grad.forget()
    assert not grad.knows(q)
    assert np.array_equal(grad(q), -2 * q)
    assert grad.count == 5


@pytest.mark.parametrize("kind", KINDS)
def test_an_evaluation_that_raises_changes_no_state(kind):
    grad, _ = oracle(kind)
    bad = np.full(2, np.nan)
    with pytest.raises(ZeroDivisionError):  # from EMPTY: the caller's mistake
        grad(bad)
    assert (grad.count, grad.knows(bad)) == (0, False)
    kept = grad(POINTS[0])
    with pytest.raises(EvaluationError if kind == "a problem's" else ZeroDivisionError):
        grad(bad)
    assert grad(POINTS[0]) is kept
    assert grad.count == 1


@pytest.mark.parametrize("kind", KINDS)
def test_any_sequence_of_events_agrees_with_a_model(kind):
    rng = np.random.default_rng(0)
    grad, _ = oracle(kind)
    point, value, count = None, None, 0
    for _ in range(500):
        event, theta = rng.choice(["ask", "ask", "learn", "forget"]), POINTS[rng.integers(3)]
        if event == "ask":
            if theta is not point:
                point, value, count = theta, -2 * theta, count + 1
            assert np.array_equal(grad(theta), value)
        elif event == "learn":
            point, value = theta, rng.normal(size=2)
            grad.learn(point, value)
        else:
            point = None
            grad.forget()
        assert (grad.count, [grad.knows(p) for p in POINTS]) == (count, [p is point for p in POINTS])


def test_home_costs_nothing_and_stays():
    grad, seen = oracle("a training loop's")
    p, q, twin = POINTS
    given = np.ones(2)
    grad.bring(p, given)
    assert grad(p) is given
    grad(q)
    assert grad(p) is given
    assert [grad.knows(p), grad.knows(q), grad.count, len(seen)] == [True, True, 1, 1]
    grad.bring(q, given)
    assert grad(q) is given
    grad(p), grad(twin)
    assert grad.count == 3


def test_numbers_are_counted_and_adopted_only_at_their_own_point():
    grad, _ = oracle("a problem's")
    p, q, twin = (u.copy() for u in POINTS)
    grad(q)
    single = lambda theta: -2 * theta
    assert grad.numbers(single, 1.0, 2.0) == [-2.0, -4.0]
    assert (grad.count, grad.knows(q)) == (2, True)  # beside the state
    grad.adopt(np.array([1.0, 2.5]))
    assert grad.knows(q)
    grad.adopt(twin)
    assert [grad.knows(twin), grad.knows(p)] == [True, False]
    assert np.array_equal(grad(twin), -2 * twin)
    assert grad.count == 2


def test_a_new_draw_forgets():
    problem = oo.noise.gaussian(oo.problems.quadratic(), 0.1)
    grad = problem.oracle()
    theta = problem.theta0.copy()
    exact = grad(theta)
    grad.use_draw(np.ones(2))
    assert not grad.knows(theta)
    noisy = grad(theta)
    assert np.all(noisy != exact)
    assert grad(theta) is noisy
    grad.use_draw(None)
    assert np.array_equal(grad(theta), exact)
    assert grad.count == 3


def test_traced_gradient_notes_its_first_point_and_refuses_other_shapes():
    grad, _ = oracle("traced")
    p, q, _ = POINTS
    grad.learn(q, -2 * q)
    assert grad.first is None
    grad(p), grad(q)
    assert grad.first is p
    with pytest.raises(Untraceable, match="shape"):
        TracedGradient(lambda theta: SimpleNamespace(shape=(3,)))(p)
