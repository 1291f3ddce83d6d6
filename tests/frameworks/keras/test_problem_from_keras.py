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


RNG = np.random.default_rng(0)
WORDS = np.where(np.arange(5) < RNG.integers(1, 6, (8, 1)), RNG.integers(1, 6, (8, 5)), 0)  # 0 is no word
TAGS, POINTS, VALUES = RNG.integers(0, 4, (8, 5)), RNG.normal(size=(8, 2)), RNG.normal(size=8)


def tagger(activation=None):
    words = [keras.Input((5,), dtype="int32"), layers.Embedding(6, 3, mask_zero=True)]
    return keras.Sequential([*words, layers.Dense(4, activation=activation)])


def points(width=1, **more):
    return keras.Sequential([keras.Input((2,)), layers.Dense(width, **more)])


class Scaled(keras.losses.Loss):
    """A loss by a user, whose configuration does not list what it was made with."""

    def __init__(self, scale=1.0, **more):
        super().__init__(**more)
        self.scale = scale

    def call(self, y, found):
        return self.scale * keras.ops.mean((y - found) ** 2, axis=-1)


EVALUATED = {  # model, data, loss, whether it is a mean over samples
    "a mask": (tagger, (WORDS, TAGS), ENTROPY, False),
    "a mask, by name": (lambda: tagger("softmax"), (WORDS, TAGS), "sparse_categorical_crossentropy", False),
    "a mask and weights": (tagger, (WORDS, TAGS, RNG.random((8, 5))), ENTROPY, False),
    "ignore_class": (
        tagger,
        (np.ones_like(WORDS), np.where(WORDS > 0, TAGS, 3)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=3),
        False,
    ),
    "y without its last axis, by name": (points, (POINTS, VALUES), "mean_squared_error", True),
    "by function": (points, (POINTS, VALUES), keras.losses.mean_absolute_error, True),
    "by a function of one's own": (points, (POINTS, VALUES), lambda y, z: keras.ops.mean((y - z) ** 4, -1), True),
    "an alias": (lambda: points(4, activation="softmax"), (POINTS, TAGS[:, 0]), "crossentropy", True),
    "weights": (points, (POINTS, VALUES, RNG.random(8)), "mse", True),
    "integers for weights": (points, (POINTS, VALUES, np.arange(8)), "huber", True),
    "a mean with weights": (
        points,
        (POINTS, VALUES, RNG.random(8)),
        keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
        False,
    ),
    "Dice": (lambda: points(4, activation="sigmoid"), (POINTS, np.eye(4)[TAGS[:, 0]]), keras.losses.Dice(), False),
    "an activity": (lambda: points(activity_regularizer="l2"), (POINTS, VALUES), "mse", True),
    "a class": (points, (POINTS, VALUES[:, None]), Scaled(3.0), True),
}


@pytest.mark.parametrize("name", EVALUATED)
def test_the_loss_is_that_of_evaluate_and_the_gradient_that_of_a_step(name):
    """Of the model as it was compiled, with a weight of its loss; a step of SGD with rate 1 is the gradient."""
    make, (X, y, *weights), loss, mean = EVALUATED[name]
    model = make()
    model.compile(keras.optimizers.SGD(1.0), loss, loss_weights=2.0)
    problem = problem_of(model, (X, y, *weights))
    theta = problem.theta0
    for _ in range(2):  # the second time, too
        value = model.evaluate(X, y, sample_weight=(*weights, None)[0], batch_size=8, verbose=0)
        assert problem.loss(theta) == pytest.approx(value, rel=1e-5)
    model.train_on_batch(X, y, *weights)
    step = theta - np.concatenate([np.ravel(w) for w in model.get_weights()])
    np.testing.assert_allclose(problem.grad(theta), step, rtol=1e-4, atol=1e-6)
    assert (problem.samples is not None) == mean


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
    "no pair": (lambda: (line(), LINE[:1], "mse"), TypeError, r"data must be a tuple \(X, y\) or \(X, y, s"),
    "NaN": (lambda: (line(), (LINE[0] * np.nan, LINE[1]), "mse"), ValueError, r"data\[0\] must be finite"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    make, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        problem_of(*make())


ELSEWHERE = """
import sys
sys.path[:0] = {here!r}
import keras
if keras.backend.backend() == "torch":
    import test_problem_from_keras as tests
    for name in tests.EVALUATED:
        tests.test_the_loss_is_that_of_evaluate_and_the_gradient_that_of_a_step(name)
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
        here=[str(Path(__file__).parent), str(Path(digits.__file__).parents[1])],
        loss="keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
    )
    environment = {**os.environ, "KERAS_BACKEND": backend, **settings}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert said in out.stdout + out.stderr
