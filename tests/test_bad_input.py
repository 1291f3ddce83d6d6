"""Bad arguments: a clear error that names the argument and the value, before any gradient is evaluated."""

from __future__ import annotations

import importlib
import re
import sys

import numpy as np
import pytest
from support import tables
from support.arguments import ROWS, frameworks
from support.arguments.attack import VALUES, mistakes
from support.arguments.public import parameters, public
from support.arguments.samples import EVALUATED
from support.arguments.unchecked import UNCHECKED, needs_no_row

import odeopt as oo

PUBLIC = public()
ROOMS: dict[str, list[str]] = {}
for name in ROWS:
    ROOMS.setdefault(name.rpartition(".")[0] or "odeopt", []).append(name)


def test_every_public_function_and_argument_has_a_row():
    assert {name for name, thing in PUBLIC.items() if not needs_no_row(name, thing, ROWS)} == set(ROWS)
    assert set(UNCHECKED) <= set(PUBLIC)
    for name, row in ROWS.items():
        assert set(parameters(PUBLIC[name])) <= set(row.takes), name


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of its own, as a text is a right path."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    close_pictures()


def close_pictures():
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("room", ROOMS)
def test_every_argument_is_refused_by_name_or_right(room):
    """Before any gradient is evaluated, and the right call is right."""
    found = []
    for name in ROOMS[room]:
        (ROWS[name].call or PUBLIC[name])(**ROWS[name].given())
        found += mistakes(name, PUBLIC[name], ROWS[name], EVALUATED, VALUES)
        close_pictures()
    assert found == []


@pytest.mark.torch
@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("room", ROOMS)
def test_tensors_that_require_gradients_are_refused(room):
    torch = pytest.importorskip("torch")
    tensor = {"tensor": lambda: torch.ones(2, requires_grad=True)}
    assert [line for name in ROOMS[room] for line in mistakes(name, PUBLIC[name], ROWS[name], EVALUATED, tensor)] == []


@pytest.mark.usefixtures("place")
@pytest.mark.slow  # JAX compiles
@pytest.mark.parametrize("library", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in frameworks.ROWS])
def test_the_doors_to_the_frameworks(library):
    pytest.importorskip({"jax": "optax"}.get(library, library))
    room, rows = importlib.import_module(f"odeopt.frameworks.{library}"), frameworks.ROWS[library]()
    assert set(room.__all__) == {*rows, *frameworks.UNCHECKED.get(library, ())}
    found = []
    for name, row in rows.items():
        call = getattr(room, name)
        assert set(parameters(call)) <= set(row.takes), name
        call(**row.given())
        found += mistakes(name, call, row, EVALUATED, VALUES)
    assert found == []


CASES = [
    pytest.param(name, argument, value, id=f"{name}-{argument}-{value!r}")
    for name, row in tables.OPTIMIZERS.items()
    for argument, values in row.bad.items()
    for value in values
]


@pytest.mark.parametrize(("name", "argument", "value"), CASES)
def test_optimizer_arguments(name, argument, value):
    with pytest.raises((ValueError, TypeError)) as caught:
        getattr(oo.optimizers, name)(**{"lr": 0.1, argument: value})
    assert str(caught.value).startswith((f"{argument} must be ", f"{argument} must not be empty"))
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
    for arguments, message in [
        (dict(t_end=float("nan")), "t_end must be positive and finite, got nan"),
        (dict(steps=()), r"steps must not be empty, got \(\)"),
        (dict(steps=5), "steps must be several integers, got 5"),
        (dict(steps=(10, 0)), "steps must be at least 1, got 0"),
        (dict(start="settled"), "start must be a function of odeopt.starts, got 'settled'"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            oo.work_precision(flow, {"Heun": scheme}, watched, **arguments)
    for bad in ({}, [scheme]):
        with pytest.raises(ValueError, match="schemes must map names to schemes"):
            oo.work_precision(flow, bad, watched)
    with pytest.raises(TypeError, match="scheme must be a scheme, .* got 'euler'"):
        oo.work_precision(flow, {"Heun": scheme, "Euler": "euler"}, watched)
    with pytest.raises(ValueError, match="needs a relaxation"):
        oo.work_precision(flow, {"Heun": scheme, "ETD": oo.schemes.etd2rk}, watched)


SOLVE = [
    (dict(memory=3), TypeError, "memory must map names to arrays, got 3"),
    (dict(memory={"v": [1.0, 2.0, 3.0]}), ValueError, "v must broadcast to shape (2,), got shape (3,)"),
    (dict(memory={"v": np.nan}), ValueError, "v must be finite, got nan"),
    (dict(progress="no"), TypeError, "progress must be True, False or None, got 'no'"),
    (dict(t=[-1e308, 1e308]), ValueError, "increasing finite times"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), SOLVE)
def test_solve_arguments(watched, arguments, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        oo.solve(oo.flows.heavy_ball(1.0), watched, **{"t": 1.0, **arguments})


def test_friction_that_is_infinite_at_zero(watched):
    with pytest.raises(ValueError, match="t must be 0 or later for Su-Boyd-Candes, got -1"):
        oo.solve(oo.flows.su_boyd_candes(), watched, [-1.0, 1.0])
    with pytest.raises(ValueError, match="memory must have v = 0 at t = 0"):
        oo.solve(oo.flows.su_boyd_candes(), watched, 1.0, memory={"v": [1.0, 1.0]})


@pytest.mark.parametrize("flow", [oo.flows.adagrad(), oo.flows.rmsprop(0.5)], ids=lambda f: f.name)
@pytest.mark.parametrize("scheme", [oo.schemes.euler, oo.schemes.rk4, oo.schemes.trapezoid, oo.schemes.ab2])
def test_schemes_that_read_the_right_hand_side_at_a_singular_start(watched, flow, scheme):
    with pytest.raises(ValueError, match=f"start must not be at rest for {scheme.name}: {flow.name} is singular there"):
        oo.simulate(oo.Optimizer(flow, scheme, 0.1), watched)


def test_callbacks_and_progress(watched):
    with pytest.raises(TypeError, match="callback must be a function of intermediate_result, got 3"):
        oo.simulate(oo.optimizers.gd(), watched, callback=3)
    with pytest.raises(TypeError, match="progress must be True, False or None, got 1"):
        oo.simulate(oo.optimizers.rmsprop(start="settled"), watched, progress=1)
    with pytest.raises(TypeError, match="progress must be True, False or None, got 'no'"):
        oo.solve(oo.flows.rmsprop(0.5), watched, 1.0, progress="no")


def test_starts():
    with pytest.raises(ValueError, match="age must be non-negative, got -1"):
        oo.starts.aged(-1)
    with pytest.raises(TypeError, match="start must be a function of odeopt.starts, got 'half'"):
        oo.Optimizer(oo.flows.adam(1.0, 1.0), oo.schemes.euler, 0.1, start="half")


def test_long_words_are_refused_at_once():
    """No backtracking: this took 2^n steps once."""
    with pytest.raises(ValueError, match="word must be part names"):
        oo.schemes.Splitting("kick " * 40 + "!")
    with pytest.raises(ValueError, match="word must be part names"):
        oo.schemes.Splitting("a" * 60 + "!")
    with pytest.raises(TypeError, match="decay must be a rule of odeopt.decay"):
        oo.schemes.Splitting("kick", decay="exact")


def test_members_of_flow_and_step():
    with pytest.raises(ValueError, match=r"h, damping must broadcast against each other, got shapes \(2,\), \(3,\)"):
        oo.Optimizer(oo.flows.heavy_ball(np.ones(3)), oo.schemes.euler, np.ones(2))
    with pytest.raises(ValueError, match="tau1, tau2, eps must broadcast"):
        oo.flows.adam(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match=r"t must have members \(3,\) like the flow, got \(2,\)"):
        oo.solve(oo.flows.heavy_ball(np.ones(3)), oo.problems.quadratic(), np.linspace([0, 0], [1, 2], 5))


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
