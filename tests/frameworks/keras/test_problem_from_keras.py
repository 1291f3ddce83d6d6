"""Losses of Keras models as problems."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import digits
from support.oracles import keras_in

import odeopt as oo

pytestmark = pytest.mark.keras
jax = pytest.importorskip("jax")
keras = pytest.importorskip("keras")
pytest.importorskip("sklearn")
from odeopt.frameworks.keras import problem as problem_of  # noqa: E402

X, Y = digits.digits()
layers = keras.layers
ENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
LINE = (np.arange(6.0)[:, None], 2 * np.arange(6.0)[:, None] + 1)


@pytest.fixture(autouse=True)
def _float32():
    """As Keras is when nobody has changed it."""
    keras.utils.set_random_seed(0)
    with keras_in("float32"):
        yield


def network():
    return keras.Sequential([keras.Input((16,)), layers.Dense(8, activation="tanh"), layers.Dense(10)])


def line(*inner):
    return keras.Sequential([keras.Input((1,)), *inner, layers.Dense(1)])


def test_it_is_our_network():
    digits.agrees(problem_of(network(), (X, Y), ENTROPY))
    assert keras.config.floatx() == "float32"


@pytest.mark.slow
def test_an_optimizer_beside_its_flow():
    digits.runs(problem_of(network(), (X, Y), ENTROPY).at(digits.OURS.theta0))


MODELS = {
    "dropout": lambda: [layers.Dense(5, activation="tanh"), layers.Dropout(0.5)],
    "batch norm": lambda: [layers.Dense(5), layers.BatchNormalization(), layers.Activation("tanh")],
    "regularised": lambda: [layers.Dense(5, activation="gelu", kernel_regularizer=keras.regularizers.L2(0.1))],
    "layer norm": lambda: [layers.Dense(5, activation="sigmoid"), layers.LayerNormalization()],
    "convolution": lambda: [layers.Reshape((4, 4, 1)), layers.Conv2D(2, 2, activation="softplus"), layers.Flatten()],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_derivatives(name):
    """Against differences; the loss is that of `evaluate`, which Keras computes in float32."""
    model = keras.Sequential([keras.Input((16,)), *MODELS[name](), layers.Dense(10)])
    model.compile(loss=ENTROPY)
    problem = problem_of(model, (X[:12], Y[:12]))
    assert problem.loss(problem.theta0) == pytest.approx(model.evaluate(X[:12], Y[:12], verbose=0), rel=1e-5)
    assert digits.error_of_gradient(problem) < 3e-9
    rng = np.random.default_rng(0)
    theta, p, h = (
        problem.theta0 + 0.1 * rng.standard_normal((2, problem.dim)),
        np.full(problem.dim, problem.dim**-0.5),
        1e-5,
    )
    central = (problem.grad(theta + h * p) - problem.grad(theta - h * p)) / (2 * h)
    np.testing.assert_allclose(problem.hvp(theta, p), central, rtol=0, atol=1e-7)
    grads = problem.samples.grads(theta[0])
    np.testing.assert_allclose(problem.grad(theta)[0], grads.mean(0), rtol=0, atol=1e-13)


def test_a_training_loop_by_keras():
    """Keras's own SGD on recorded batches, in float32."""
    model = line()
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mean_squared_error", run_eagerly=True)
    problem = oo.noise.minibatches(problem_of(model, LINE), 2)
    batches = [np.random.default_rng(k).permutation(6)[:2] for k in range(10)]
    run = oo.simulate(oo.optimizers.momentum(lr=0.01, beta=0.9, like="keras"), problem, 10, noise=batches)
    for batch in batches:
        model.train_on_batch(LINE[0][batch], LINE[1][batch])
    for ours, theirs in zip(problem.to_parameters(run.theta[-1]).values(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-6)


def test_the_model_is_changed_by_load_alone():
    model = network()
    before = model.get_weights()
    problem = problem_of(model, (X, Y), ENTROPY)
    theta = problem.theta0 + 0.1
    problem.grad(theta)
    for value, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)
    named = problem.to_parameters(theta)
    assert list(named) == [v.path for v in model.trainable_variables]
    assert problem.load(theta) is model
    for value, array in zip(model.get_weights(), named.values(), strict=True):
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, array.astype(np.float32))


def test_what_is_not_trainable_is_constant():
    frozen = layers.Dense(3, activation="tanh", trainable=False)
    problem = problem_of(line(frozen), LINE, "mse")
    assert [array.shape for array in problem.to_parameters(problem.theta0).values()] == [(3, 1), (1,)]


def test_inputs_keep_their_digits():
    """A functional model casts its inputs to the type of its Input, here float64 as all else; labels stay integers."""
    words = keras.Input((1,), dtype="int32")
    out = layers.Dense(1)(layers.Flatten()(layers.Embedding(5, 2)(words)))
    problem = problem_of(keras.Model(words, out), (np.array([[0], [3], [4]]), np.ones((3, 1))), "mse")
    assert digits.error_of_gradient(problem) < 3e-9
    third = (np.full((1, 1), 1 / 3), np.zeros((1, 1)))
    plain = problem_of(line(), third, "mse")
    assert plain.loss([1.0, 0.0]) == pytest.approx(1 / 9, rel=1e-15)


def test_a_sum_has_no_minibatches():
    problem = problem_of(line(), LINE, keras.losses.MeanSquaredError(reduction="sum"))
    assert problem.samples is None


class Mine(keras.Model):
    pass


REFUSED = {
    "no model": (lambda: ("net", LINE, "mse"), TypeError, "model must be a keras.Model, got 'net'"),
    "your own class": (lambda: (Mine(), LINE, "mse"), TypeError, "model must be Sequential or functional.*got Mine"),
    "not built": (lambda: (keras.Sequential([layers.Dense(1)]), LINE, "mse"), ValueError, "model must be built"),
    "not compiled": (lambda: (line(), LINE, None), ValueError, "loss must be given.*is not compiled"),
    "no loss": (lambda: (line(), LINE, "mze"), ValueError, "mze"),
    "two losses": (lambda: (line(), LINE, ["mse", "mse"]), TypeError, "loss must be one loss"),
    "nothing to train": (
        lambda: (keras.Sequential([keras.Input((1,)), layers.Flatten()]), LINE, "mse"),
        ValueError, "model must have trainable variables",
    ),
    "no pair": (lambda: (line(), LINE[:1], "mse"), TypeError, r"data must be a tuple \(X, y\)"),
    "NaN": (lambda: (line(), (LINE[0] * np.nan, LINE[1]), "mse"), ValueError, r"data\[0\] must be finite"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    make, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        problem_of(*make())


ELSEWHERE = """
import sys
sys.path.insert(0, {here!r})
import keras
from support import digits
from odeopt.frameworks.keras import problem as problem_of
model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(10)])
digits.agrees(problem_of(model, digits.digits(), {loss}))
print("they agree")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "settings", "said"),
    [
        ("torch", {}, "they agree"),
        ("jax", {"JAX_ENABLE_X64": "0"}, "JAX must compute in float64: set JAX_ENABLE_X64=1"),
        ("numpy", {}, "Keras must run on jax or torch, got the backend numpy"),
    ],
)
def test_backends(backend, settings, said):
    """A backend is chosen once in a process."""
    if backend == "torch":
        pytest.importorskip("torch")
    code = ELSEWHERE.format(
        here=str(Path(digits.__file__).parents[1]), loss="keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
    )
    environment = {**os.environ, "KERAS_BACKEND": backend, **settings}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert said in out.stdout + out.stderr
