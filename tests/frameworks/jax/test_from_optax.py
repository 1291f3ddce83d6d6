"""Real optax transformations, followed by the ODE that is found from their steps alone."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo

pytestmark = pytest.mark.jax
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
from odeopt.frameworks.jax import from_optax  # noqa: E402

BOWL = oo.problems.quadratic((1, 20)).at([1.0, -1.0])
VALLEY = oo.problems.rosenbrock(b=1).at([-0.3, 0.8])
LIBRARY = {
    "sgd": lambda: optax.sgd(0.01),
    "momentum": lambda: optax.sgd(0.001, momentum=0.9),
    "nesterov": lambda: optax.sgd(0.001, momentum=0.9, nesterov=True),
    "adam": lambda: optax.adam(0.01),
    "adamw": lambda: optax.adamw(0.01),
    "nadam": lambda: optax.nadam(0.01),
    "radam": lambda: optax.radam(0.01),
    "rmsprop": lambda: optax.rmsprop(0.01, momentum=0.5),
    "adagrad": lambda: optax.adagrad(0.1),
    "lion": lambda: optax.lion(0.001),
    "clipped, on a schedule": lambda: optax.chain(
        optax.clip_by_global_norm(5.0), optax.adam(optax.cosine_decay_schedule(0.02, 300))
    ),
}


def path_of(transform, grad, theta, steps):
    """optax's own run."""
    update = jax.jit(transform.update)
    state, path = transform.init(theta), [theta]
    for _ in range(steps):
        change, state = update(grad(theta), state, theta)
        theta = optax.apply_updates(theta, change)
        path.append(theta)
    return path


@pytest.mark.parametrize("name", LIBRARY)
def test_the_map_is_the_optimizer(name):
    ours = from_optax(LIBRARY[name](), BOWL.grad, BOWL.theta0, h=0.01).iterates(BOWL.theta0, 50)
    path = np.array(path_of(LIBRARY[name](), BOWL.grad, BOWL.theta0, 50))
    np.testing.assert_allclose(ours, path, rtol=0, atol=1e-14)


def test_a_pytree_of_parameters_and_a_loss_of_jax():
    theta0 = {"w": np.array([[1.0, -2.0], [0.5, 1.5]]), "b": np.array(0.3)}
    grad = jax.jit(jax.grad(lambda p: ((p["w"] @ np.ones(2) + p["b"]) ** 2).sum() + (p["w"] ** 4).sum()))
    step = from_optax(optax.adam(0.01), grad, theta0, h=0.01, name="Adam")
    assert step.variables == ("theta", "count", "mu.b", "mu.w", "nu.b", "nu.w")
    assert step.name == "Adam"
    flat = lambda p: np.concatenate([np.ravel(p["b"]), np.ravel(p["w"])])
    path = [flat(p) for p in path_of(optax.adam(0.01), grad, theta0, 20)]
    np.testing.assert_allclose(step.iterates(flat(theta0), 20), path, rtol=0, atol=1e-14)


def test_names_of_the_memory():
    names = lambda transform: from_optax(transform, BOWL.grad, BOWL.theta0, h=0.1).variables
    assert names(optax.adam(0.1)) == ("theta", "count", "mu", "nu")
    assert names(optax.sgd(0.1)) == ("theta",)
    twice = optax.chain(optax.trace(0.5), optax.trace(0.9), optax.scale(-0.1))
    assert names(twice) == ("theta", "0.trace", "1.trace")


def kept(tau, h):
    return float(np.exp(-h / tau))


FAMILIES = {
    "momentum": lambda h: optax.sgd(h * (1 - kept(0.5, h)), momentum=kept(0.5, h)),
    "adam": lambda h: optax.adam(h, kept(0.2, h), kept(1.0, h), 0.01),
}


def deviation(make, h, problem, order):
    flow = oo.modified_flow(from_optax(make(h), problem.grad, problem.theta0, h), order)
    times = h * np.arange(round(1 / h) + 1)
    path = path_of(make(h), problem.grad, problem.theta0, len(times) - 1)
    return np.abs(oo.solve(flow, problem, times, rtol=1e-12, atol=1e-13).check().theta - np.array(path)).max()


@pytest.mark.parametrize("order", [1, 2, pytest.param(3, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", FAMILIES)
def test_followed_with_order_K(name, order):
    steps = np.array([80, 160, 320])
    errors = [deviation(FAMILIES[name], 1 / n, VALLEY, order) for n in steps]
    assert -np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(order, abs=0.25)


def test_adam_is_followed_to_2e_8():
    """As torch's: 2.1e-8, with the step count as the clock; 3.6e-9 if the clock is the bias correction itself."""
    adam = from_optax(optax.adam(0.01), BOWL.grad, BOWL.theta0, h=0.01)
    result = oo.follow(adam, BOWL, 300, order=6, rtol=1e-11, atol=1e-13)
    path = path_of(optax.adam(0.01), BOWL.grad, BOWL.theta0, 300)
    assert np.abs(result.flow.theta - np.array(path)).max() < 3e-8
    assert result.max_indicator < 0.2


def test_the_count_is_a_real_number():
    """A step from count 2.5 is Adam's with b^3.5: the formula, not an integer nearby."""
    step = from_optax(optax.adam(0.01), BOWL.grad, BOWL.theta0, h=0.01).increment(BOWL.grad)
    theta, g = BOWL.theta0, BOWL.grad(BOWL.theta0)
    m, G = 0.1 * g, 0.001 * g**2
    expected = -0.01 * (m / (1 - 0.9**3.5)) / (np.sqrt(G / (1 - 0.999**3.5)) + 1e-8)
    moved, count, *_ = step(0.0, (theta, np.array([2.5]), 0 * g, 0 * g))
    np.testing.assert_allclose(moved, expected, rtol=1e-12)
    assert count == 1.0


REFUSED = {
    "not an optimizer": (lambda: from_optax("adam", BOWL.grad, [1.0], 0.1), TypeError, "GradientTransformation"),
    "no gradient": (lambda: from_optax(optax.adam(0.1), None, [1.0], 0.1), TypeError, "grad must be a function"),
    "a gradient that fails": (
        lambda: from_optax(optax.adam(0.1), lambda theta: theta + "x", np.ones(2), 0.1),
        TypeError,
        "ufunc|unsupported|concatenate",
    ),
    "no step": (lambda: from_optax(optax.adam(0.1), BOWL.grad, [1.0], 0), ValueError, "h must be positive"),
    "several": (
        lambda: from_optax(optax.MultiSteps(optax.sgd(0.1), 3).gradient_transformation(), BOWL.grad, np.ones(2), 0.1),
        ValueError,
        "must be float64 and step counts, got acc_grads of float32",
    ),
    "every third": (
        lambda: from_optax(optax.chain(optax.sgd(0.1), optax.apply_every(3)), BOWL.grad, np.ones(2), 0.1),
        ValueError,
        "count must grow by 1 per step",
    ),
    "when finite": (
        lambda: from_optax(optax.apply_if_finite(optax.sgd(0.1), 3), BOWL.grad, np.ones(2), 0.1),
        ValueError,
        "must be float64 and step counts, got last_finite of bool",
    ),
    "single precision": (
        lambda: from_optax(optax.adam(0.1, mu_dtype="float32"), BOWL.grad, np.ones(2), 0.1),
        ValueError,
        "must be float64 and step counts, got mu of float32",
    ),
    "flag": (
        lambda: from_optax(optax.optimistic_gradient_descent(0.1), BOWL.grad, np.ones(2), 0.1),
        ValueError,
        "got is_initial_step of bool",
    ),
    "random": (
        lambda: from_optax(optax.add_noise(0.1, 0.5, 0), BOWL.grad, np.ones(2), 0.1),
        ValueError,
        "must be float64 and step counts, got rng_key of",
    ),
    "a table of rates": (
        lambda: from_optax(optax.sgd(lambda k: jax.numpy.ones(9)[k]), BOWL.grad, np.ones(2), 0.1),
        ValueError,
        "must take a real step count",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call()


def test_float64_is_demanded():
    with jax.enable_x64(False), pytest.raises(ValueError, match="set JAX_ENABLE_X64=1"):
        from_optax(optax.adam(0.1), BOWL.grad, np.ones(2), 0.1)
