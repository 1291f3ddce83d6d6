"""Soft batches in Keras: a batch of `fit` in micro-batches, against the whole; Keras' own accumulation."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support import training
from support.oracles import keras_in

import odeopt as oo
from odeopt import optimizers as opts

pytestmark = pytest.mark.keras
jax = pytest.importorskip("jax")
keras = pytest.importorskip("keras")
from support.scripts import load, script  # noqa: E402
from test_to_keras import flat  # noqa: E402

from odeopt.frameworks.keras import Model, soft_batch, to_keras  # noqa: E402
from odeopt.frameworks.keras.problem import exactly  # noqa: E402

MICRO = training.UNEVEN[0]
BATCH, SAMPLES = sum(training.UNEVEN), 400  # batches of 113, 113, 113 and 61 = 48 + 13 samples


@pytest.fixture(autouse=True)
def _float64():
    with keras_in("float64"), exactly():
        yield


def network(**constraints):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(16, "tanh", **constraints), keras.layers.Dense(10, "softmax")]
    return keras.Sequential([keras.Input((64,)), *layers])


def fitted(model, optimizer, loss="categorical_crossentropy"):
    """The history of a model that is compiled and fitted, batch after batch in the same order."""
    model.compile(optimizer, loss, metrics=["accuracy"])
    return fit(model)


def fit(model):
    x, y = (part[:SAMPLES] for part in training.digits())
    return model.fit(x, np.eye(10)[y], batch_size=BATCH, epochs=2, shuffle=False, verbose=0).history


OPTIMIZERS = {
    "all at once": lambda: to_keras(
        opts.half_start_adam(0.02),
        keras.optimizers.schedules.ExponentialDecay(0.02, 2, 0.5),
        weight_decay=0.1,
        global_clipnorm=0.5,
        use_ema=True,
        ema_momentum=0.9,
        ema_overwrite_frequency=3,
    ),
    "wrapped": lambda: to_keras(opts.lookahead(opts.scheduled(opts.momentum(0.1), oo.schedules.cosine(8)), every=3)),
    "Heun": lambda: to_keras(training.SEVERAL_GRADIENTS["Heun"]()),
    "Keras' own": lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.02, 2, 0.5)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_exactly_the_whole_batch(name):
    whole, model = (network(kernel_constraint="max_norm") for _ in range(2))
    whole = Model(whole.inputs, whole.outputs)  # Heun needs a second gradient of the batch
    truth, found = (fitted(net, OPTIMIZERS[name]()) for net in (whole, soft_batch(model, size=MICRO)))
    assert np.abs(flat(whole.trainable_variables) - flat(network().trainable_variables)).max() > 1e-2
    np.testing.assert_allclose(flat(model.trainable_variables), flat(whole.trainable_variables), rtol=1e-12, atol=1e-12)
    for key in ("loss", "accuracy"):
        np.testing.assert_allclose(found[key], truth[key], rtol=1e-6)  # metrics are kept in float32


def test_a_size_that_is_larger_than_the_batch_is_no_split():
    whole, model = network(), network()
    fitted(whole, keras.optimizers.SGD(0.1))
    fitted(soft_batch(model, size=1000), keras.optimizers.SGD(0.1))
    np.testing.assert_allclose(flat(model.variables), flat(whole.variables), rtol=1e-12, atol=1e-12)


def test_a_penalty_of_the_weights_is_not_added_up():
    models = [network(kernel_regularizer=keras.regularizers.L2(0.1)) for _ in range(2)]
    for model in (models[0], soft_batch(models[1], size=MICRO)):
        fitted(model, keras.optimizers.SGD(0.1))
    np.testing.assert_allclose(flat(models[1].variables), flat(models[0].variables), rtol=1e-12, atol=1e-12)


RNG = np.random.default_rng(0)
SENTENCES = 17  # of five words each, 0 is none
WORDS = np.where(np.arange(5) < RNG.integers(1, 6, (SENTENCES, 1)), RNG.integers(1, 6, (SENTENCES, 5)), 0)
TAGS = RNG.integers(0, 4, (SENTENCES, 5))
SILENT = np.where(np.isin(np.arange(SENTENCES), range(4, 8))[:, None], 0, WORDS)  # a micro-batch of nothing
POINTS, VALUES = RNG.normal(size=(SENTENCES, 2)), RNG.normal(size=SENTENCES)
ENTROPY = keras.losses.SparseCategoricalCrossentropy
SUM_OF_WEIGHTS = "mean_with_sample_weight"


def tagger(**more):
    words = [keras.Input((5,), dtype="int32"), keras.layers.Embedding(6, 3, mask_zero=True)]
    return keras.Sequential([*words, keras.layers.Dense(4, **more)])


def points(width=1, **more):
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(width, **more)])


def two_heads(body, width):
    inputs = body.inputs[0]
    return keras.Model(inputs, [keras.layers.Dense(width)(body(inputs)) for _ in range(2)])


def absolute(y, found):
    return keras.ops.mean(abs(y - found), axis=-1)


COUNTED = {  # model, data, loss: made in the test, in its precision
    "mask_zero": (tagger, (WORDS, TAGS), partial(ENTROPY, from_logits=True)),
    "a micro-batch of which nothing counts": (tagger, (SILENT, TAGS), partial(ENTROPY, from_logits=True)),
    "nothing counts at all": (
        lambda: tagger(kernel_regularizer="l2"), (0 * WORDS, TAGS), partial(ENTROPY, from_logits=True)
    ),
    "a mask and a penalty": (
        lambda: tagger(kernel_regularizer="l2"), (WORDS, TAGS), partial(ENTROPY, from_logits=True)
    ),
    "a mask and weights": (tagger, (WORDS, TAGS, RNG.random((SENTENCES, 5))), partial(ENTROPY, from_logits=True)),
    "ignore_class": (
        tagger,
        (np.ones_like(WORDS), np.where(WORDS > 0, TAGS, -1)),
        partial(ENTROPY, from_logits=True, ignore_class=-1),
    ),
    "sample weights": (points, (POINTS, VALUES, RNG.random(SENTENCES)), "mse"),
    "a mean with sample weights": (
        points, (POINTS, VALUES[:, None], RNG.random(SENTENCES)), partial(keras.losses.Huber, reduction=SUM_OF_WEIGHTS)
    ),
    "a mask in it": (
        tagger,
        (WORDS, TAGS, RNG.random((SENTENCES, 5))),
        partial(ENTROPY, from_logits=True, reduction=SUM_OF_WEIGHTS),
    ),
    "an activity": (lambda: points(activity_regularizer="l2"), (POINTS, VALUES), "mse"),
    "a function": (points, (POINTS, VALUES), absolute),
    "Dice of each sample": (
        lambda: points(3, activation="sigmoid"),
        (POINTS, np.eye(3)[TAGS[:, 0] % 3]),
        partial(keras.losses.Dice, axis=-1),
    ),
    "two losses": (lambda: two_heads(points(2), 1), (POINTS, [VALUES, VALUES]), ["mse", absolute]),
}  # fmt: skip


def trained(model, data, loss, heun):
    x, y, w = (*data, None)[:3]
    optimizer = to_keras(training.SEVERAL_GRADIENTS["Heun"]()) if heun else keras.optimizers.SGD(0.5)
    model.compile(optimizer, loss() if isinstance(loss, partial) else loss)
    return model.fit(x, y, sample_weight=w, batch_size=11, epochs=2, shuffle=False, verbose=0).history["loss"]


def made(make):
    keras.utils.set_random_seed(0)
    return make()


@pytest.mark.parametrize("heun", [False, True])
@pytest.mark.parametrize("case", COUNTED)
def test_a_micro_batch_weighs_what_its_loss_is_the_mean_of(case, heun):
    """Batches of 11 and 6 samples in micro-batches of 4, 4, 3 and 4, 2: the weights and the loss of the whole batch."""
    make, data, loss = COUNTED[case]
    whole, model, before = made(make), made(make), flat(made(make).trainable_variables)
    outputs = whole.outputs if len(whole.outputs) > 1 else whole.outputs[0]
    truth = trained(Model(whole.inputs, outputs), data, loss, heun)
    found = trained(soft_batch(model, 4), data, loss, heun)
    assert np.abs(flat(whole.trainable_variables) - before).max() > 1e-2
    np.testing.assert_allclose(flat(model.trainable_variables), flat(whole.trainable_variables), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found, truth, rtol=1e-6)


@pytest.mark.slow
def test_saved_loaded_and_continued_bit_for_bit(tmp_path):
    soft = soft_batch(network(), size=MICRO)
    fitted(soft, to_keras(opts.half_start_adam(0.01), weight_decay=1e-3))
    soft.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.size == MICRO
    fit(soft)
    fit(again)
    np.testing.assert_array_equal(flat(soft.trainable_variables), flat(again.trainable_variables))


@pytest.fixture(scope="module")
def figure():
    pytest.importorskip("sklearn")
    return load(script("22"))


def accumulation(figure, optimizer, stream):
    """theta after each micro-batch, on the figure's problem."""
    theta, path = keras.Variable(figure.PROBLEM.theta0, dtype="float64"), [figure.PROBLEM.theta0]
    for micro in stream:
        optimizer.apply([figure.PROBLEM.noise.grad(path[-1], micro)], [theta])
        path.append(theta.numpy().copy())
    return np.array(path)


KERAS_OWN = {
    "gd": lambda **more: keras.optimizers.SGD(0.2, **more),  # a momentum of 0 has no variable in Keras 3
    "momentum": lambda **more: keras.optimizers.SGD(0.02, momentum=0.9, **more),
    "adam": lambda **more: keras.optimizers.Adam(0.005, **more),
}


@pytest.mark.parametrize("name", KERAS_OWN)
def test_gradient_accumulation_steps_is_the_figures_plain_mean(figure, name):
    stream = figure.micro_batches(5 * figure.K)
    optimizer = KERAS_OWN[name](gradient_accumulation_steps=figure.K)
    ours = figure.run(figure.OPTIMIZERS[name], figure.PlainMean, stream)
    np.testing.assert_allclose(ours, accumulation(figure, optimizer, stream)[:: figure.K], rtol=0, atol=1e-12)


def repaired_by_keras(figure, name, stream):
    """AccumOptimizer around Keras' own: lr and betas are switched, as its K.switch does, before each micro-batch."""
    optimizer, given = KERAS_OWN[name](**({"momentum": 1e-300} if name == "gd" else {})), figure.OPTIMIZERS[name]
    betas = {key: vars(optimizer)[key] for key in ("momentum", "beta_1", "beta_2") if key in vars(optimizer)}
    theta, path = keras.Variable(figure.PROBLEM.theta0, dtype="float64"), []
    optimizer.build([theta])
    total, updates = np.zeros(figure.PROBLEM.dim), 0
    for n, micro in enumerate(stream):
        g, now = figure.PROBLEM.noise.grad(theta.numpy(), micro), n % figure.K == 0
        vars(optimizer).update({key: value if now else figure.STILL for key, value in betas.items()})
        optimizer.learning_rate = given.lr if now else 0.0
        optimizer.iterations.assign(updates)
        optimizer.apply([total / figure.K], [theta])
        total, updates = (0 * g, updates + 1) if now else (total + g, updates)
        path.append(theta.numpy().copy())
    return np.array(path[:: figure.K])


@pytest.mark.parametrize("name", KERAS_OWN)
def test_the_figures_repair_is_kerass_optimizer_with_switched_hyperparameters(figure, name):
    stream = figure.micro_batches(4 * figure.K + 1)
    theirs = repaired_by_keras(figure, name, stream)
    np.testing.assert_allclose(figure.repaired(name, stream), theirs, rtol=0, atol=1e-12)
    assert np.abs(theirs - figure.run(figure.OPTIMIZERS[name], figure.Accumulated, stream[:-1])).max() > 1e-4


def test_kerass_schedules_count_micro_batches_and_ours_updates(figure):
    """Theirs falls K times as often."""
    stream, schedule = figure.micro_batches(5 * figure.K), oo.schedules.step(every=2, factor=0.5)
    micro = keras.optimizers.schedules.ExponentialDecay(0.2, 2, 0.5, staircase=True)
    true = figure.run(opts.scheduled(opts.gd(0.2), schedule), figure.PlainMean, stream)
    theirs, ours = (
        accumulation(figure, optimizer, stream)[:: figure.K]
        for optimizer in (
            keras.optimizers.SGD(micro, gradient_accumulation_steps=figure.K),
            to_keras(opts.scheduled(opts.gd(0.2), schedule), gradient_accumulation_steps=figure.K),
        )
    )
    np.testing.assert_allclose(ours, true, rtol=0, atol=1e-12)
    off = np.linalg.norm(theirs[-1] - true[-1]) / np.linalg.norm(true[-1] - true[0])
    assert 0.5 < off < 0.8  # measured .66


def test_keras_leaves_a_partial_window(figure):
    """What is left at the end moves nothing, now or in the next fit."""
    stream = figure.micro_batches(2 * figure.K + 3)
    path = accumulation(figure, keras.optimizers.Adam(0.005, gradient_accumulation_steps=figure.K), stream)
    assert np.array_equal(path[-1], path[2 * figure.K])


class Own(keras.Model):
    """With a loss of its own, which a soft batch would not see."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.sum(y_pred)


def inputs_and_outputs(model):
    return model.inputs, model.outputs[0]


def soft(make, data, loss):
    return lambda: trained(soft_batch(made(make), 3), data, loss, False)


CLASSES = (POINTS, np.eye(3)[TAGS[:, 0] % 3])
REFUSED = {
    "a function": (lambda: soft_batch(len, 2), TypeError, "model must be a keras.Model, got <built-in"),
    "none": (lambda: soft_batch(network(), 0), ValueError, "size must be at least 1, got 0"),
    "a sum": (
        soft(points, (POINTS, VALUES), keras.losses.MeanSquaredError(reduction="sum")),
        ValueError, "loss must be a mean over samples, got the reduction 'sum'",
    ),
    "one number": (
        soft(points, (POINTS, VALUES), lambda y, found: keras.ops.mean((y - found) ** 2)),
        ValueError, r"loss must have a value for each sample, got shape \(\) for 3 samples",
    ),
    "Dice": (soft(lambda: points(3), CLASSES, keras.losses.Dice()), ValueError, "got dice with axis None"),
    "Dice of classes": (
        soft(lambda: points(3), CLASSES, keras.losses.Dice(axis=0)), ValueError, "got dice with axis 0"
    ),
    "Tversky by name": (soft(lambda: points(3), CLASSES, "tversky"), ValueError, r"for each sample, got shape \(\)"),
    "Circle": (
        soft(lambda: points(3), (POINTS, TAGS[:, 0]), keras.losses.Circle()), ValueError, "must not compare the samples"
    ),
    "Circle by name": (soft(lambda: points(3), (POINTS, TAGS[:, 0]), "circle"), ValueError, "must not compare"),
    "a mask of two losses": (
        soft(lambda: two_heads(tagger(), 4), (WORDS, [TAGS, TAGS]), ENTROPY(from_logits=True)),
        ValueError, "loss must be the only one if a mask, .* got 2 losses and 0 that layers add",
    ),
    "a mask and an activity": (
        soft(lambda: tagger(activity_regularizer="l2"), (WORDS, TAGS), ENTROPY(from_logits=True)),
        ValueError, "got 1 losses and 1 that layers add",
    ),
    "a model's own loss": (
        soft(lambda: Own(*inputs_and_outputs(points())), (POINTS, VALUES), "mse"),
        ValueError, "model must have the compute_loss of keras.Model, got that of Own",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call()


ON_TORCH = """
import test_soft_keras as tests
with tests.exactly():
    for name in tests.OPTIMIZERS:
        tests.test_exactly_the_whole_batch(name)
    tests.test_a_penalty_of_the_weights_is_not_added_up()
    for case in tests.COUNTED:
        for heun in (False, True):
            tests.test_a_micro_batch_weighs_what_its_loss_is_the_mean_of(case, heun)
print("equal")
"""


@pytest.mark.slow
def test_on_the_torch_backend():
    """A backend is chosen once in a process."""
    pytest.importorskip("torch")
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(training.__file__).parents[1]), *sys.path])
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    out = subprocess.run([sys.executable, "-c", ON_TORCH], env=environment, capture_output=True, text=True)
    assert out.stdout == "equal\n", out.stderr
