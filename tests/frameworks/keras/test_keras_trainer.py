"""Keras models that evaluate one batch several times in a step: on the backend that Keras runs on, and on torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import training
from support.oracles import keras_in

import odeopt as oo
from odeopt import optimizers as opts

pytestmark = [pytest.mark.keras, pytest.mark.slow]
pytest.importorskip(os.environ["KERAS_BACKEND"])
keras = pytest.importorskip("keras")
from odeopt.frameworks.keras import Model, Sequential, SeveralGradients, to_keras  # noqa: E402

SIZE, BATCHES = 599, 3  # 1797 digits in equal batches
# of a step; Keras always gives one
GRADIENTS = {"Heun": 2, "midpoint": 2, "RK4": 4, "RKC": 5, "Strang Adam": 2, "leapfrog": 2, "AB3": 1}


@pytest.fixture(autouse=True)
def _float64():
    with keras_in("float64"):
        yield


def dense(**more):
    """Softsign, for Keras' own tanh has seven digits on JAX."""
    return [keras.layers.Dense(16, "softsign", **more), keras.layers.Dense(10)]


def compiled(model, optimizer, **more):
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], **more)
    return model


def network(optimizer, layers=dense, kind=Sequential, **more):
    keras.utils.set_random_seed(0)
    return compiled(kind([keras.Input((64,)), *layers()]), optimizer, **more)


def fit(model, epochs=1, size=SIZE):
    x, y = training.digits()
    return model.fit(x, y, batch_size=size, epochs=epochs, shuffle=False, verbose=0).history


def flat(variables):
    return np.concatenate([np.ravel(keras.ops.convert_to_numpy(v)) for v in variables])


def by_hand(theta, x, y):
    """The gradient of the loss of `dense()`, in NumPy."""
    W, b, V, c = np.split(theta, [1024, 1040, 1200])
    W, V = W.reshape(64, 16), V.reshape(16, 10)
    u = x @ W + b
    a = u / (1 + abs(u))
    z = a @ V + c
    p = np.exp(z - z.max(axis=1, keepdims=True))
    dz = (p / p.sum(axis=1, keepdims=True) - np.eye(10)[y]) / len(x)
    du = (dz @ V.T) * (1 - abs(a)) ** 2
    return np.concatenate([(x.T @ du).ravel(), du.sum(axis=0), (a.T @ dz).ravel(), dz.sum(axis=0)])


EXACT = {"jax": 1e-12, "torch": 1e-6}[keras.backend.backend()]  # on torch Keras divides losses in single precision
FEW = ("Heun", "RKC", "AB3")
every = pytest.mark.parametrize("name", [n if n in FEW else pytest.param(n, marks=pytest.mark.long) for n in GRADIENTS])


@every
def test_fit_makes_the_steps_of_simulate_on_one_batch(name):
    opt = training.SEVERAL_GRADIENTS[name]()
    model = network(to_keras(opt))
    theta0 = flat(model.trainable_variables)
    fit(model, 4, size=1797)
    whole = oo.Problem(lambda t: 0 * t[..., 0], lambda t: by_hand(t, *training.digits()), theta0=theta0, batched=False)
    run = oo.simulate(opt, whole, steps=4).check()
    np.testing.assert_allclose(flat(model.trainable_variables), run.theta[-1], rtol=EXACT, atol=EXACT)


@every
def test_the_gradients_are_counted(name):
    """The first two steps of AB3 are RK3."""
    model = network(to_keras(training.SEVERAL_GRADIENTS[name]()))
    fit(model, 2)
    assert model.optimizer.ngev == GRADIENTS[name] * 2 * BATCHES + 4 * (name == "AB3")


def regularised():
    """Layers with a mask, statistics, seeds and a loss of their own."""
    first, last = dense(kernel_regularizer=keras.regularizers.L2(1e-3), activity_regularizer="l2")
    noise = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=1), keras.layers.GaussianNoise(0.1)]
    return [first, *noise, last]


def test_a_step_sees_one_loss():
    """Asked again at the same variables the gradient is the same to a bit, and what moves beside them moves once."""
    optimizer, apart = to_keras(opts.gd(lr=0.1)), []

    def record(grads, learning_rate, elsewhere):
        again = [elsewhere([v.value for v in optimizer._trainable_variables]) for _ in range(2)]
        apart.extend(float(keras.ops.max(abs(g - h))) for one in again for g, h in zip(grads, one, strict=True))

    optimizer.advance = record
    model = network(optimizer, regularised, run_eagerly=True)
    history = fit(model, 2)
    assert len(apart) == 2 * 2 * BATCHES * len(model.trainable_variables)
    assert max(apart) == 0
    plain = network(keras.optimizers.SGD(0.0), regularised, keras.Sequential, run_eagerly=True)
    assert history == fit(plain, 2)
    np.testing.assert_array_equal(flat(model.variables), flat(plain.variables))


def test_the_first_update_of_heun_undone_by_half_is_its_other_form():
    """theta~ = theta - lr g(theta), (theta + theta~ - lr g(theta~))/2: Lookahead with k = 2, alpha = 1/2 on each batch
    twice.                                                                                   [Su, kexue.fm 5879]
    """
    heun = network(to_keras(oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 0.3)))
    other = network(to_keras(opts.lookahead(opts.gd(lr=0.3), alpha=0.5, every=2)), kind=keras.Sequential)
    fit(heun)
    x, y = training.digits()
    for first in range(0, len(x), SIZE):
        for _ in range(2):
            other.train_on_batch(x[first : first + SIZE], y[first : first + SIZE])
    np.testing.assert_allclose(flat(heun.trainable_variables), flat(other.trainable_variables), rtol=1e-12, atol=1e-14)
    assert heun.optimizer.ngev == other.optimizer.ngev == 2 * BATCHES


def functional(optimizer):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64,))
    first, last = dense()
    return compiled(Model(inputs, last(first(inputs))), optimizer)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("Heun", network),
        ("RKC", functional),
        pytest.param("AB3", network, marks=pytest.mark.long),
        pytest.param("AB3", functional, marks=pytest.mark.long),
    ],
)
def test_saved_with_the_model_loaded_and_continued_bit_for_bit(name, make, tmp_path):
    opt = training.SEVERAL_GRADIENTS[name]()
    model = make(to_keras(opt))
    fit(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", custom_objects={opt.name: opt})
    assert type(again) is type(model)
    fit(model)
    fit(again)
    np.testing.assert_array_equal(flat(model.trainable_variables), flat(again.trainable_variables))
    assert model.optimizer.ngev == again.optimizer.ngev


def test_another_optimizer_than_the_saved_one_is_refused(tmp_path):
    network(to_keras(training.SEVERAL_GRADIENTS["Heun"]())).save(tmp_path / "model.keras")
    other = training.SEVERAL_GRADIENTS["RKC"]()
    for given in ({}, {other.name: other}):
        with pytest.raises(ValueError, match="custom_objects must hold the optimizer 'optimizer' that was built by"):
            keras.saving.load_model(tmp_path / "model.keras", custom_objects=given)


def test_a_model_of_your_own_and_any_other_optimizer():
    class Own(SeveralGradients, keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = dense()

        def call(self, x):
            return self.last(self.first(x))

    losses = fit(compiled(Own(), to_keras(training.SEVERAL_GRADIENTS["RKC"]())), 8)["loss"]
    assert losses[-1] < 0.8 * losses[0]
    theirs, plain = network(keras.optimizers.Adam(0.01)), network(keras.optimizers.Adam(0.01), kind=keras.Sequential)
    assert fit(theirs) == fit(plain)


class Spare(SeveralGradients, keras.Model):
    """The loss does not reach its last layer."""

    def __init__(self):
        super().__init__()
        keras.utils.set_random_seed(0)
        self.first, self.last = dense()
        self.spare = keras.layers.Dense(3)

    def build(self, shape):
        for layer, width in ((self.first, 64), (self.last, 16), (self.spare, 2)):
            layer.build((None, width))
        self.built = True

    def call(self, x):
        return self.last(self.first(x))


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("name", ["Heun", "half-start Adam"])
def test_a_layer_that_the_loss_does_not_reach_stays(name):
    opt, model = (training.SEVERAL_GRADIENTS | training.ONE_GRADIENT)[name], Spare()
    model.build((None, 64))
    spare = flat(model.spare.variables)
    fit(compiled(model, to_keras(opt())), 2)
    whole = network(to_keras(opt()))
    fit(whole, 2)
    np.testing.assert_array_equal(flat(model.spare.variables), spare)
    ours = flat([*model.first.variables, *model.last.variables])
    np.testing.assert_allclose(ours, flat(whole.variables), rtol=1e-12, atol=1e-12)


def test_clipping_and_loss_scales_are_of_every_gradient():
    """On one batch, clipped by odeopt inside the step."""
    heun = training.SEVERAL_GRADIENTS["Heun"]()
    ours = network(to_keras(opts.clip_norm(heun, 0.05)))
    theirs = network(to_keras(heun, global_clipnorm=0.05, loss_scale_factor=64.0))
    free = network(to_keras(heun))
    for model in (ours, theirs, free):
        fit(model)
    a, b, c = (flat(model.trainable_variables) for model in (ours, theirs, free))
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # Keras' norm is in single precision on JAX
    assert np.abs(a - c).max() > 1e-3


def test_accumulation_is_refused():
    model = network(to_keras(training.SEVERAL_GRADIENTS["Heun"](), gradient_accumulation_steps=2))
    with pytest.raises(ValueError, match="gradient_accumulation_steps must be None for Heun, got 2"):
        fit(model)


@pytest.mark.parametrize("nan", ["raise", "skip"])
def test_a_gradient_elsewhere_that_is_not_finite(nan):
    """A step so long that the second gradient is."""
    optimizer = to_keras(oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, 1e200), nan=nan)
    model = Sequential([keras.Input((64,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    before = flat(model.trainable_variables)
    if nan == "raise":
        with pytest.raises(Exception, match="not finite in step 1"):
            fit(model)
        return
    fit(model)
    np.testing.assert_array_equal(flat(model.trainable_variables), before)
    assert int(model.optimizer._skipped.value) == BATCHES
    assert model.optimizer.ngev == 2 * BATCHES


@pytest.mark.skipif(os.environ["KERAS_BACKEND"] == "torch", reason="it is on torch")
def test_all_this_on_the_torch_backend():
    """A backend is chosen once in a process."""
    pytest.importorskip("torch")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0", str(Path(__file__))]
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-3000:]
