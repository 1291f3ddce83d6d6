"""odeopt optimizers that train a Keras model, against Keras' own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from support import oracles, training
from support.oracles import keras_in

import odeopt as oo
from odeopt import optimizers as opts

pytestmark = pytest.mark.keras
FEW = ("adam", "momentum", "adamw")  # the others compile for minutes: `make test-all`
jax = pytest.importorskip("jax")
keras = pytest.importorskip("keras")
from odeopt.frameworks.keras import to_keras  # noqa: E402
from odeopt.frameworks.keras.optimizer import FlowOptimizer  # noqa: E402

ALL = training.ONE_GRADIENT | training.SEVERAL_GRADIENTS


@pytest.fixture(autouse=True)
def _float64():
    with keras_in("float64"):
        yield


def variables():
    return [keras.Variable(w, dtype="float64", name=f"w{i}") for i, w in enumerate(training.weights())]


def loss(weights, x, y):
    W1, b1, W2, b2 = weights
    logits = jax.numpy.tanh(x @ W1 + b1) @ W2 + b2
    return -(jax.nn.log_softmax(logits)[jax.numpy.arange(len(y)), y]).mean()


gradient = jax.jit(jax.value_and_grad(loss))


def train(optimizer, weights, steps, first=0):
    """The losses."""
    losses = []
    for k in range(first, first + steps):
        value, g = gradient([w.value for w in weights], *training.batch(k))
        optimizer.apply(g, weights)
        losses.append(float(value))
    return losses


def flat(weights):
    return np.concatenate([np.ravel(w.numpy()) for w in weights])


def kerass(name, settings, **more):
    kind, arguments = oracles.KERAS[name](settings)
    return getattr(keras.optimizers, kind)(learning_rate=settings["lr"], **{**arguments, **more})


def make(name, **settings):
    lr = {"adadelta": 1.0, "gd": 0.1, "momentum": 0.1, "nesterov": 0.1}.get(name, 0.01)
    return getattr(opts, name)(lr=lr, like="keras", **settings)


@contextmanager
def in_double():
    """Keras' own means and norms are in float32 on JAX."""

    def mean(x, axis=None, keepdims=False):
        return jax.numpy.mean(keras.ops.convert_to_tensor(x), axis, keepdims=keepdims)

    def norm(x, ord=None, axis=None, keepdims=False):
        return jax.numpy.linalg.norm(keras.ops.convert_to_tensor(x), ord, axis, keepdims)

    with mock.patch.multiple(keras.src.ops, mean=mean, norm=norm):
        yield


def assert_equal_runs(ours, theirs, steps=50):
    mine, yours = variables(), variables()
    train(ours, mine, steps)
    with in_double():
        train(theirs, yours, steps)
    assert np.abs(flat(yours) - flat(variables())).max() > 1e-4
    np.testing.assert_allclose(flat(mine), flat(yours), rtol=1e-12, atol=1e-12)


EQUAL = [name for name in oracles.KERAS if name != "muon"]  # Keras' leaves the vectors to Adam


@pytest.mark.parametrize("name", [n if n in FEW else pytest.param(n, marks=pytest.mark.long) for n in EQUAL])
def test_equal_to_keras_itself(name):
    opt = make(name)
    assert_equal_runs(to_keras(opt), kerass(name, opt.settings))


def test_muon_is_kerass_on_matrices():
    """On the kernels alone: Keras leaves vectors to AdamW, ours makes columns of them."""
    ours, theirs = (variables()[::2] for _ in range(2))
    opt = make("muon")
    _, b1, _, b2 = (w.value for w in variables())
    with in_double():
        for weights, optimizer in ((ours, to_keras(opt)), (theirs, kerass("muon", opt.settings))):
            for k in range(10):
                W1, W2 = (w.value for w in weights)
                optimizer.apply(gradient([W1, b1, W2, b2], *training.batch(k))[1][::2], weights)
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12, atol=1e-12)


def test_a_schedule_of_keras():
    rate = keras.optimizers.schedules.ExponentialDecay(0.02, 5, 0.5, staircase=True)
    opt = make("momentum")
    theirs = keras.optimizers.SGD(rate, momentum=opt.settings["beta"])
    assert_equal_runs(to_keras(opt, rate), theirs, 20)


SETTINGS = {
    "weight decay": dict(weight_decay=0.01),
    "clipnorm": dict(clipnorm=0.1),
    "global_clipnorm": dict(global_clipnorm=0.1),
    "clipvalue": dict(clipvalue=0.01),
    "accumulation": dict(gradient_accumulation_steps=3),
    "average": dict(use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=4),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_what_keras_does_around_a_step(case):
    opt = make("adam")
    assert_equal_runs(to_keras(opt, **SETTINGS[case]), kerass("adam", opt.settings, **SETTINGS[case]), 12)


@pytest.mark.long
@pytest.mark.parametrize("name", training.ONE_GRADIENT)
def test_it_trains(name):
    losses = train(to_keras(ALL[name]()), variables(), 80)
    assert np.mean(losses[-5:]) < 0.5 * losses[0]


SHAPES = [(2, 3), (3, 2), (6,), (1,)]  # kernels and biases of one size


def shuffled(optimizer, way):
    """The variables after some steps whose gradients come in another order, or for some variables only."""
    rng, weights = np.random.default_rng(0), [keras.Variable(np.ones(shape), dtype="float64") for shape in SHAPES]
    optimizer.build([weights[i] for i in (2, 0, 3, 1)])
    for _ in range(6):
        slopes = [keras.ops.convert_to_tensor(rng.standard_normal(shape)) for shape in SHAPES]
        chosen = rng.permutation(4)[: 4 if way == "another order" else rng.integers(1, 5)]
        if way == "None for the others":
            optimizer.apply([slopes[i] if i in chosen else None for i in range(4)], weights)
        else:
            optimizer.apply_gradients([(slopes[i], weights[i]) for i in chosen])
    return np.concatenate([np.ravel(keras.ops.convert_to_numpy(w)) for w in weights])


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("way", ["another order", "some", "None for the others"])
@pytest.mark.parametrize("case", ["plain", *SETTINGS])
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_each_gradient_moves_its_own_variable(name, case, way):
    opt, more = make(name), SETTINGS.get(case, {})
    with in_double():
        theirs = shuffled(kerass(name, opt.settings, **more), way)
    np.testing.assert_allclose(shuffled(to_keras(opt, **more), way), theirs, rtol=1e-12, atol=1e-12)


def some(name, given, steps=4):
    """The variables that get a gradient, and the others, of an optimizer that is built for both or for `given`."""
    weights = variables()
    optimizer = to_keras(training.ONE_GRADIENT[name]())
    optimizer.build([w for i, w in enumerate(weights) if i in given])
    for k in range(steps):
        slopes = gradient([w.value for w in variables()], *training.batch(k))[1]
        optimizer.apply([slopes[2], slopes[0]], [weights[2], weights[0]])
    return flat(weights[::2]), flat(weights[1::2])


@pytest.mark.parametrize("name", training.ONE_GRADIENT)
def test_a_variable_without_a_gradient_is_as_if_it_were_not_there(name):
    """Whatever the formula, a norm of all gradients or a matrix of each, does to the others."""
    moved, still = some(name, range(4))
    np.testing.assert_allclose(moved, some(name, (0, 2))[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(still, flat(variables()[1::2]))


def problem_of(k):
    split = np.cumsum([w.size for w in training.weights()])[:-1]

    def grad(theta):
        pieces = [p.reshape(w.shape) for p, w in zip(np.split(theta, split), training.weights(), strict=True)]
        return np.concatenate([np.ravel(g) for g in gradient(pieces, *training.batch(k))[1]])

    return oo.problems.Problem(lambda theta: 0.0 * theta[..., 0], grad, theta0=flat(variables()))


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in ALL if name not in training.MATRICES])
def test_the_same_steps_as_simulate(name):
    """On one batch, by `advance`, which gives a scheme all the gradients that it asks for."""
    opt, weights = ALL[name](), variables()
    optimizer, elsewhere = to_keras(opt), lambda values: gradient(values, *training.batch(0))[1]
    optimizer.build(weights)
    for _ in range(8):
        optimizer.advance(elsewhere([w.value for w in weights]), optimizer.learning_rate, elsewhere)
    run = oo.simulate(opt, problem_of(0), steps=8).check()
    np.testing.assert_allclose(flat(weights), run.theta[-1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", training.SEVERAL_GRADIENTS)
def test_one_gradient_is_not_enough(name):
    with pytest.raises(ValueError, match="keras.Model computes one gradient per step: make the model an"):
        train(to_keras(ALL[name]()), variables(), 3)


def network(optimizer, **constraints):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(16, "tanh", **constraints), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((64,)), *layers])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def fit(model, epochs):
    x, y = training.digits()
    return model.fit(x, y, batch_size=256, epochs=epochs, shuffle=False, verbose=0).history["accuracy"][-1]


SAVED = {
    "half-start Adam": lambda: to_keras(opts.half_start_adam(0.01), weight_decay=1e-3),
    "wrapped": lambda: to_keras(
        opts.clip_norm(opts.lookahead(opts.scheduled(opts.momentum(0.1), oo.schedules.cosine(60)), every=3), 1.0)
    ),
    "its schedule and accumulation": lambda: to_keras(
        opts.nesterov(0.1), keras.optimizers.schedules.CosineDecay(0.1, 60), gradient_accumulation_steps=2, nan="skip"
    ),
    "Rprop": lambda: to_keras(opts.rprop(0.01)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAVED)
def test_saved_with_the_model_loaded_and_continued_bit_for_bit(name, tmp_path):
    model = network(SAVED[name](), kernel_constraint=keras.constraints.MaxNorm(0.8))
    fit(model, 2)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    before, after = model.optimizer.get_config(), again.optimizer.get_config()
    assert before == after
    assert type(again.optimizer) is type(model.optimizer)
    fit(model, 2)
    fit(again, 2)
    np.testing.assert_array_equal(flat(model.trainable_variables), flat(again.trainable_variables))


def test_the_accuracy_of_kerass_own_in_single_precision():
    """On data that it has not seen, within 1.25 %, five of 400."""
    keras.config.set_floatx("float32")
    found = []
    for optimizer in (to_keras(opts.half_start_adam(0.01)), keras.optimizers.Adam(0.01)):
        model = network(optimizer)
        fit(model, 40)
        found.append(model.evaluate(*training.held_out(), batch_size=400, verbose=0)[1])
    ours, theirs = found
    assert theirs > 0.95
    assert ours == pytest.approx(theirs, abs=0.0126)


@pytest.mark.slow
def test_constraints_are_kept():
    model = network(to_keras(opts.adam(0.05)), kernel_constraint=keras.constraints.MaxNorm(0.5))
    fit(model, 1)
    assert np.linalg.norm(model.layers[0].kernel.numpy(), axis=0).max() <= 0.5 + 1e-12


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_skipped_or_stops(value):
    weights = variables()
    optimizer = to_keras(opts.half_start_adam(0.01), nan="skip")
    bad = [np.full(w.shape, value) for w in weights]
    optimizer.apply(bad, weights)
    np.testing.assert_array_equal(flat(weights), flat(variables()))
    train(optimizer, weights, 3)
    clean = variables()
    train(to_keras(opts.half_start_adam(0.01)), clean, 3)
    np.testing.assert_array_equal(flat(weights), flat(clean))
    with pytest.raises(FloatingPointError, match="not finite in step 1"):
        to_keras(opts.adam(0.01)).apply(bad, weights)
    np.testing.assert_array_equal(flat(weights), flat(clean))


def spoiled(nan):
    """A model after an epoch on whole data, the same weights by themselves, and data of which the first row is NaN."""
    x, y = (part[:256].copy() for part in training.digits())
    model = network(to_keras(opts.adam(0.01), nan=nan, weight_decay=0.1))
    model.fit(x, y, batch_size=128, verbose=0)
    x[0] = np.nan
    return model, [w.copy() for w in model.get_weights()], x, y


def test_data_that_are_not_finite_are_skipped_by_fit():
    """The second of two batches is a step of its own."""
    model, before, x, y = spoiled("skip")
    model.fit(x[:128], y[:128], batch_size=128, shuffle=False, verbose=0)
    for w, v in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(w, v)
    model.fit(x, y, batch_size=128, shuffle=False, verbose=0)
    assert int(model.optimizer._skipped.value) == 2
    assert int(model.optimizer._count.value) == 3
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_data_that_are_not_finite_stop_fit():
    model, before, x, y = spoiled("raise")
    with pytest.raises(FloatingPointError, match="not finite in step 3"):
        model.fit(x, y, batch_size=128, shuffle=False, verbose=0)
    for w, v in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(w, v)
    again, *_ = spoiled("raise")
    for each in (model, again):
        fit(each, 1)
    np.testing.assert_array_equal(flat(model.trainable_variables), flat(again.trainable_variables))


def one(dtype="float64", shape=(2,)):
    return keras.Variable(np.ones(shape), dtype=dtype)


REFUSED = {
    "a name": (lambda: to_keras("adam"), TypeError, "opt must be an Optimizer.*'adam'"),
    "nan": (lambda: to_keras(opts.adam(), nan="stop"), ValueError, "nan must be one of raise, skip"),
    "integers": (lambda: to_keras(opts.adam()).build([one("int32")]), TypeError, "real and floating, got .* of int32"),
    "an ensemble": (lambda: to_keras(opts.adam(np.ones(3))), ValueError, r"members of shape \(3,\)"),
    "implicit": (lambda: to_keras(training.by_scheme(oo.schemes.bdf2, 0.1)), ValueError, "explicit scheme: BDF2"),
    "complex": (lambda: to_keras(opts.adam()).build([one("complex64")]), TypeError, "floating, got .* of complex64"),
    "a negative rate": (lambda: to_keras(opts.adam(), -0.1), ValueError, "learning_rate must be non-neg.* got -0.1"),
    "no rate": (lambda: to_keras(opts.adam(), np.nan), ValueError, "learning_rate must be non-negative and finite"),
    "a rate in words": (lambda: to_keras(opts.adam(), "fast"), TypeError, "learning_rate must be numbers"),
    "a rate of Rprop": (lambda: to_keras(opts.rprop(), 0.1), ValueError, "learning_rate must be None for rprop"),
    "no gradient at all": (lambda: applied([None, None]), ValueError, "No gradients provided for any variable"),
    "a variable twice": (lambda: applied([np.ones(2)] * 2, [0, 0]), ValueError, "variables must differ, got .* twice"),
    "too few gradients": (
        lambda: applied([np.ones(2)]),
        ValueError,
        "grads must be one for each of 2 variables, got 1",
    ),
    "another shape": (
        lambda: applied([np.ones(2), np.ones((2, 1))]),
        ValueError,
        r"the gradient of .* must have its shape \(2,\), got \(2, 1\)",
    ),
}


def applied(gradients, places=(0, 1)):
    weights, optimizer = [one(), one()], to_keras(opts.adam())
    optimizer.build(weights)
    optimizer.apply(gradients, [weights[i] for i in places])


def test_variables_without_numbers():
    """And none at all, as Keras has it."""
    weights = [one(shape=(0, 2)), one()]
    optimizer = to_keras(opts.gd(0.5))
    optimizer.apply([np.ones((0, 2)), np.ones(2)], weights)
    assert weights[1].numpy().tolist() == [0.5, 0.5]
    to_keras(opts.gd(0.5)).build([])


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call()


def test_an_optimizer_by_hand_is_a_custom_object():
    opt = training.momentum_by_hand()
    config = json.loads(json.dumps(to_keras(opt, weight_decay=0.1).get_config()))
    with keras.saving.custom_object_scope({opt.name: opt}):
        again = FlowOptimizer.from_config(config)
    assert again.opt is opt
    assert again.get_config() == config
    for given in ({}, {opt.name: training.momentum_by_hand(lr=0.02)}, {opt.name: "momentum"}):
        with (
            keras.saving.custom_object_scope(given),
            pytest.raises(ValueError, match="custom_objects must hold the optimizer 'optimizer' that was built by"),
        ):
            FlowOptimizer.from_config(config)


ON_TORCH = """
import keras, numpy as np, tempfile
from support import training
import test_to_keras as tests
from pathlib import Path
from odeopt import optimizers as opts
from odeopt.frameworks.keras import to_keras
keras.config.set_floatx("float64")
x, y = training.digits()

def network(optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(10)])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model

def fit(model):
    model.fit(x, y, batch_size=256, epochs=1, shuffle=False, verbose=0)
    return np.concatenate([np.ravel(keras.ops.convert_to_numpy(w)) for w in model.trainable_variables])

model, theirs = network(to_keras(opts.adam(0.01, like="keras"))), network(keras.optimizers.Adam(0.01))
assert np.abs(fit(model) - fit(theirs)).max() < 1e-12
for name in tests.SAVED:
    with tempfile.TemporaryDirectory() as folder:
        tests.test_saved_with_the_model_loaded_and_continued_bit_for_bit(name, Path(folder))
tests.test_constraints_are_kept()
tests.test_variables_without_numbers()
for name in ("momentum", "adam"):
    for way in ("another order", "some", "None for the others"):
        for more in ({}, tests.SETTINGS["weight decay"], tests.SETTINGS["accumulation"]):
            opt = tests.make(name)
            theirs = tests.shuffled(tests.kerass(name, opt.settings, **more), way)
            assert np.abs(tests.shuffled(to_keras(opt, **more), way) - theirs).max() < 1e-12
tests.test_data_that_are_not_finite_are_skipped_by_fit()
tests.test_data_that_are_not_finite_stop_fit()
tests.test_the_accuracy_of_kerass_own_in_single_precision()
keras.config.set_floatx("float64")
for opt in (opts.half_start_adam(0.01), opts.lookahead(opts.muon(0.05)), opts.lamb(0.02)):
    fit(network(to_keras(opt)))
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
