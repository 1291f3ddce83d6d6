"""Real Keras optimizers, followed by the ODE that is found from their steps alone."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from support.oracles import keras_in

import odeopt as oo

pytestmark = pytest.mark.keras
pytest.importorskip("jax")
keras = pytest.importorskip("keras")
from odeopt.frameworks.keras import from_keras  # noqa: E402

BOWL = oo.problems.quadratic((1, 20)).at([1.0, -1.0])
VALLEY = oo.problems.rosenbrock(b=1).at([-0.3, 0.8])
LIBRARY = {
    "SGD": ("SGD", dict(learning_rate=0.01)),
    "momentum": ("SGD", dict(learning_rate=0.001, momentum=0.9)),
    "nesterov": ("SGD", dict(learning_rate=0.001, momentum=0.9, nesterov=True)),
    "Adam": ("Adam", dict(learning_rate=0.01)),
    "AdamW": ("AdamW", dict(learning_rate=0.01, global_clipnorm=5.0)),
    "Nadam": ("Nadam", dict(learning_rate=0.01)),
    "Adamax": ("Adamax", dict(learning_rate=0.01)),
    "RMSprop": ("RMSprop", dict(learning_rate=0.01, momentum=0.5)),
    "Adagrad": ("Adagrad", dict(learning_rate=0.1)),
}


@pytest.fixture(autouse=True)
def _float64():
    with keras_in("float64"):
        yield


def make(kind, **settings):
    return getattr(keras.optimizers, kind)(**settings)


def path_of(optimizer, grad, theta0, steps):
    """Keras's own run: its own variables, its own integer count."""
    variable = keras.Variable(theta0, dtype="float64")
    path = [theta0]
    for _ in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(grad(path[-1]))], [variable])
        path.append(keras.ops.convert_to_numpy(variable.value).copy())
    return np.array(path)


@pytest.mark.parametrize("name", LIBRARY)
def test_the_map_is_the_optimizer(name):
    kind, settings = LIBRARY[name]
    optimizer = make(kind, **settings)
    wrapped = from_keras(optimizer, BOWL.grad, BOWL.theta0)
    assert (wrapped.h, wrapped.name) == (settings["learning_rate"], kind)
    path = path_of(optimizer, BOWL.grad, BOWL.theta0, 50)
    np.testing.assert_allclose(wrapped.iterates(BOWL.theta0, 50), path, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["momentum", "Adam", "Nadam"])
def test_an_optimizer_that_has_run_goes_on(name):
    kind, settings = LIBRARY[name]
    optimizer = make(kind, **settings)
    variable = keras.Variable(BOWL.theta0, dtype="float64")
    for _ in range(7):
        optimizer.apply([keras.ops.convert_to_tensor(BOWL.grad(np.array(variable.value)))], [variable])
    theta = np.array(variable.value)
    wrapped = from_keras(optimizer, BOWL.grad, theta)
    ours, rest = wrapped.iterates(theta, 9), [theta]
    assert int(optimizer.iterations) == 7  # it stays as it is
    for _ in range(9):
        optimizer.apply([keras.ops.convert_to_tensor(BOWL.grad(rest[-1]))], [variable])
        rest.append(np.array(variable.value))
    np.testing.assert_allclose(ours, rest, rtol=0, atol=1e-14)


def test_several_variables():
    theta0 = [np.array([[1.0, -2.0], [0.5, 1.5]]), np.array([0.3])]
    grad = lambda p: [p[0] ** 3 + p[1], p[1] + p[0].sum()]
    wrapped = from_keras(make("Adam", learning_rate=0.01), grad, theta0)
    assert wrapped.variables == ("theta", "momentum", "velocity", "theta1_momentum", "theta1_velocity", "clock")
    variables = [keras.Variable(p, dtype="float64") for p in theta0]
    optimizer, flat = make("Adam", learning_rate=0.01), lambda p: np.concatenate([np.ravel(v) for v in p])
    path = [flat(theta0)]
    for _ in range(20):
        optimizer.apply(
            [keras.ops.convert_to_tensor(g) for g in grad([np.array(v.value) for v in variables])], variables
        )
        path.append(flat([np.array(v.value) for v in variables]))
    np.testing.assert_allclose(wrapped.iterates(path[0], 20), path, rtol=0, atol=1e-14)


def kept(tau, h):
    return float(np.exp(-h / tau))


FAMILIES = {
    "momentum": lambda h: make("SGD", learning_rate=h * (1 - kept(0.5, h)), momentum=kept(0.5, h)),
    "Adam": lambda h: make("Adam", learning_rate=h, beta_1=kept(0.2, h), beta_2=kept(1.0, h)),
}


def deviation(optimizer, n, problem, order):
    """Over n steps; the time of the modified flow is counted in learning rates."""
    wrapped = from_keras(optimizer, problem.grad, problem.theta0)
    flow, times = oo.modified_flow(wrapped, order), wrapped.h * np.arange(n + 1)
    run = oo.solve(flow, problem, times, rtol=1e-12, atol=1e-13).check()
    return np.abs(run.theta - path_of(optimizer, problem.grad, problem.theta0, n)).max()


def slope(family, order, steps=(80, 160, 320)):
    errors = [deviation(family(1 / n), n, VALLEY, order) for n in steps]
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize("order", [1, 2, pytest.param(3, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", FAMILIES)
def test_followed_with_order_K(name, order):
    assert slope(FAMILIES[name], order) == pytest.approx(order, abs=0.25)


@pytest.mark.slow
def test_an_epsilon_outside_the_bias_correction_costs_the_order():
    """Keras divides by sqrt(v) + eps, so by sqrt(v/c2) + eps/sqrt(c2), where c2 = 0 at first: 1/2 instead of 3."""
    family = lambda h: make("Adam", learning_rate=h, beta_1=kept(0.2, h), beta_2=kept(1.0, h), epsilon=0.01)
    assert slope(family, 3) == pytest.approx(0.5, abs=0.25)


def test_adam_is_followed_to_2e_8():
    """As torch's and optax's: 2.1e-8, with the step count as the clock."""
    optimizer = make("Adam", learning_rate=0.01, epsilon=1e-8)
    result = oo.follow(from_keras(optimizer, BOWL.grad, BOWL.theta0), BOWL, 300, order=6, rtol=1e-11, atol=1e-13)
    path = path_of(optimizer, BOWL.grad, BOWL.theta0, 300)
    assert np.abs(result.flow.theta - path).max() < 3e-8
    assert result.max_indicator < 0.2


def test_the_clock_is_a_real_number():
    """A step from clock 2.5 is Adam's with beta^3.5; Keras's own integer would make it beta^3."""
    step = from_keras(make("Adam", learning_rate=0.01), BOWL.grad, BOWL.theta0).increment(BOWL.grad)
    g = BOWL.grad(BOWL.theta0)
    alpha = 0.01 * np.sqrt(1 - 0.999**3.5) / (1 - 0.9**3.5)
    moved, *_, clock = step(0.0, (BOWL.theta0, 0 * g, 0 * g, np.array([2.5])))
    np.testing.assert_allclose(moved, -alpha * 0.1 * g / (np.sqrt(0.001 * g**2) + 1e-7), rtol=1e-12)
    assert clock == 1.0


def test_a_learning_rate_in_single_precision_is_refused():
    keras.config.set_floatx("float32")
    optimizer = make("Adam", learning_rate=0.01)
    keras.config.set_floatx("float64")
    with pytest.raises(
        ValueError, match=r"kept in float64, got float32: call keras.config.set_floatx\('float64'\) bef"
    ):
        from_keras(optimizer, BOWL.grad, BOWL.theta0)


REFUSED = {
    "a name": (lambda: "adam", TypeError, "optimizer must be a keras.optimizers.Optimizer, got 'adam'"),
    "a schedule": (
        lambda: make("SGD", learning_rate=keras.optimizers.schedules.CosineDecay(0.1, 10)),
        ValueError,
        "learning_rate must be a number, got a schedule or function.*CosineDecay",
    ),
    "several gradients": (
        lambda: make("SGD", learning_rate=0.1, gradient_accumulation_steps=3),
        ValueError,
        "gradient_accumulation_steps must be off, got 3",
    ),
    "averages": (lambda: make("SGD", learning_rate=0.1, use_ema=True), ValueError, "use_ema must be off"),
    "integers": (lambda: make("Adafactor", learning_rate=0.1), ValueError, "must be float64, got theta of int"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    optimizer, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        from_keras(optimizer(), BOWL.grad, BOWL.theta0)


def test_other_shapes_than_it_was_built_for():
    optimizer = make("Adam", learning_rate=0.1)
    optimizer.build([keras.Variable(np.zeros(3), dtype="float64")])
    with pytest.raises(ValueError, match=r"the shapes that the optimizer was built for, got \[\(2,\)\]"):
        from_keras(optimizer, BOWL.grad, BOWL.theta0)


ELSEWHERE = """
import keras, numpy as np, odeopt as oo
from odeopt.frameworks.keras import from_keras
keras.config.set_floatx("float64")
bowl = oo.problems.quadratic((1, 20)).at([1.0, -1.0])
wrapped = from_keras(keras.optimizers.Adam(0.01, epsilon=1e-8), bowl.grad, bowl.theta0)
print(np.abs(wrapped.iterates(bowl.theta0, 50) - oo.simulate(oo.optimizers.adam(0.01), bowl, 50).theta).max() < 1e-7)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "settings", "said"),
    [
        ("torch", {}, "True"),
        ("jax", {"JAX_ENABLE_X64": "0"}, "JAX must compute in float64: set JAX_ENABLE_X64=1"),
        ("numpy", {}, "Keras must run on jax or torch, got the backend numpy"),
    ],
)
def test_backends(backend, settings, said):
    """A backend is chosen once in a process."""
    if backend == "torch":
        pytest.importorskip("torch")
    environment = {**os.environ, "KERAS_BACKEND": backend, **settings}
    out = subprocess.run([sys.executable, "-c", ELSEWHERE], env=environment, capture_output=True, text=True)
    assert said in out.stdout + out.stderr
