"""Bad arguments: a clear error that names the argument and the value, before any gradient is evaluated."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tables

import odeopt as oo

CASES = [
    pytest.param(name, argument, value, id=f"{name}-{argument}-{value!r}")
    for name, row in tables.OPTIMIZERS.items()
    for argument, values in row.items()
    for value in values
]


@pytest.mark.parametrize(("name", "argument", "value"), CASES)
def test_optimizer_arguments(name, argument, value):
    with pytest.raises((ValueError, TypeError)) as caught:
        getattr(oo.optimizers, name)(**{argument: value})
    assert str(caught.value).startswith(f"{argument} must be ")
    assert f"got {value!r}" in str(caught.value)


@pytest.fixture
def watched():
    """A problem whose gradient must not be called."""
    calls = []
    problem = oo.Problem(lambda x: (x**2).sum(-1), lambda x: calls.append(1) or 2 * x, theta0=[1.0, 1.0], batched=True)
    calls.clear()
    yield problem
    assert calls == []


RUN = [
    (dict(steps=-1), ValueError, "steps must be at least 0, got -1"),
    (dict(steps=2.0), TypeError, "steps must be an integer, got 2.0"),
    (dict(steps=True), TypeError, "steps must be an integer, got True"),
    (dict(steps="3"), TypeError, "steps must be an integer, got '3'"),
    (dict(steps=None), TypeError, "steps must be an integer, got None"),
    (dict(record_every=0), ValueError, "record_every must be at least 1, got 0"),
    (dict(record_every=1.5), TypeError, "record_every must be an integer, got 1.5"),
    (dict(theta0=[1.0, np.nan]), ValueError, "theta0 must be finite"),
    (dict(theta0=[1.0, np.inf]), ValueError, "theta0 must be finite"),
    (dict(theta0=[]), ValueError, "theta0 must not be empty"),
    (dict(theta0=3.0), ValueError, "theta0 must have shape (d,) or (..., d), got the single number 3.0"),
    (dict(theta0=[1.0, 2.0, 3.0]), ValueError, "theta0 must have last axis 2 like the problem, got shape (3,)"),
    (dict(theta0="ab"), TypeError, "theta0 must be numbers"),
    (dict(theta0=[True, False]), TypeError, "theta0 must be numbers"),
    (dict(theta0=[1j, 0]), TypeError, "theta0 must be numbers"),
    (dict(theta0=[[1.0], [1.0, 2.0]]), TypeError, "theta0 must be numbers"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), RUN)
def test_simulate_arguments(watched, arguments, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        oo.simulate(oo.optimizers.adam(), watched, **arguments)


def test_compare_arguments(watched):
    with pytest.raises(TypeError, match="steps must be an integer, got 2.5"):
        oo.compare(oo.optimizers.adam(), watched, steps=2.5)
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        oo.compare(oo.optimizers.adam(), watched, steps=0)
    with pytest.raises(ValueError, match="method must be one of"):
        oo.compare(oo.optimizers.adam(), watched, method="euler")
    with pytest.raises(ValueError, match="rtol must be"):
        oo.compare(oo.optimizers.adam(), watched, rtol=float("nan"))


def test_convergence_arguments(watched):
    flow, scheme = oo.flows.gradient_flow(), oo.schemes.heun
    for arguments, message in [
        (dict(t_end=float("nan")), "t_end must be positive and finite, got nan"),
        (dict(t_end=-1), "t_end must be positive and finite, got -1"),
        (dict(steps=(10,)), r"steps must hold at least two different numbers of steps, got \(10,\)"),
        (dict(steps=(10, 10)), "steps must hold at least two"),
        (dict(steps=(10, 0)), "steps must be at least 1, got 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            oo.convergence(flow, scheme, watched, **arguments)
        if "(10," not in message:
            with pytest.raises(ValueError, match=message):
                oo.work_precision(flow, {"Heun": scheme}, watched, **arguments) if "least two" not in message else (
                    oo.convergence(flow, scheme, watched, **arguments)
                )
    with pytest.raises(ValueError, match="schemes must not be empty"):
        oo.work_precision(flow, {}, watched)


@pytest.mark.parametrize("h", [0, -1, float("nan"), "0.1", True, None])
def test_optimizer_step(h):
    with pytest.raises((ValueError, TypeError), match="h must be "):
        oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.euler, h)


def test_wrong_kinds():
    with pytest.raises(TypeError, match="flow must be a Flow"):
        oo.Optimizer("gradient_flow", oo.schemes.euler, 0.1)
    with pytest.raises(TypeError, match="scheme must be a scheme"):
        oo.Optimizer(oo.flows.gradient_flow(), "euler", 0.1)
    with pytest.raises(TypeError, match="opt must be an Optimizer"):
        oo.simulate("adam", oo.problems.quadratic())
    with pytest.raises(TypeError, match="opt must be an Optimizer, e.g. .* got <function adam"):
        oo.compare(oo.optimizers.adam, oo.problems.quadratic())
    with pytest.raises(TypeError, match="problem must be a Problem"):
        oo.simulate(oo.optimizers.adam(), oo.problems.quadratic)
    with pytest.raises(TypeError, match="flow must be a Flow"):
        oo.solve(oo.optimizers.adam(), oo.problems.quadratic(), 1.0)


def test_members_that_do_not_broadcast(watched):
    with pytest.raises(ValueError, match=r"theta0 of shape \(2, 2\) does not broadcast over members \(3,\)"):
        oo.simulate(oo.optimizers.gd(np.array([0.1, 0.2, 0.3])), watched, theta0=np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"lr, beta must broadcast against each other, got shapes \(2,\), \(3,\)"):
        oo.optimizers.momentum(np.array([0.1, 0.2]), np.array([0.1, 0.2, 0.3]))
