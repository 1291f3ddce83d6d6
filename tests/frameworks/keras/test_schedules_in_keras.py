"""Schedules as Keras schedules, saved with a model, and recorded from Keras."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.oracles import keras_in
from support.schedules import EVERY

import odeopt as oo
from odeopt import schedules

pytestmark = pytest.mark.keras
pytest.importorskip("jax")
keras = pytest.importorskip("keras")
from odeopt.frameworks.keras import from_schedule, schedule, to_keras  # noqa: E402

K = np.arange(120)
S = schedules.warm_up(3, schedules.wsd(12, 6))


@pytest.mark.parametrize("s", EVERY, ids=str)
def test_the_same_numbers(s):
    exported = schedule(s, 0.1)
    rates = keras.ops.convert_to_numpy(exported(keras.ops.arange(120)))
    assert rates.dtype == np.float32
    np.testing.assert_allclose(rates, 0.1 * s(K), rtol=1e-5, atol=1e-8)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(exported))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(keras.ops.arange(120))), rates)
    assert repr(again.schedule) == repr(s)


@pytest.mark.parametrize("own", [keras.optimizers.SGD, lambda lr: to_keras(oo.optimizers.gd(0.1), lr)])
def test_saved_with_a_model(own, tmp_path):
    """Two epochs; and one epoch, saved, loaded, one more: the same weights, those of odeopt under the schedule."""

    def fitted(model, epochs):
        model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=1, epochs=epochs, verbose=0, shuffle=False)
        return keras.ops.convert_to_numpy(model.weights[0])

    def network():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
        model.compile(optimizer=own(schedule(S, 0.1)), loss="mse")
        return model

    whole, half = fitted(network(), 2), network()
    fitted(half, 1)
    half.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(fitted(loaded, 1), whole)
    problem = oo.Problem(lambda w: (w.sum(-1) - 1) ** 2, theta0=[0.0, 0.0], batched=True)
    run = oo.simulate(oo.optimizers.scheduled(oo.optimizers.gd(0.1), S), problem, 16)
    np.testing.assert_allclose(whole[:, 0], run.theta[-1], rtol=1e-5)


def test_and_back():
    import jax

    with keras_in("float64"), jax.enable_x64(True):
        theirs = keras.optimizers.schedules.PolynomialDecay(0.1, 50, 0.01, 1.5)
        ours = from_schedule(theirs, 120, lr=0.1)
        np.testing.assert_allclose(ours(K), schedules.polynomial(50, 1.5, 0.1)(K), rtol=0, atol=1e-12)
        again = from_schedule(schedule(EVERY[-1], 0.3), 120, lr=0.3)
    np.testing.assert_allclose(again(K), EVERY[-1](K), rtol=1e-12)
    ours = from_schedule(keras.optimizers.schedules.CosineDecayRestarts(1.0, 20, 2.0), 120)
    np.testing.assert_allclose(ours(K), schedules.restarts(schedules.cosine(20), 20, 2)(K), atol=1e-6)


def test_half_precision_does_not_round_the_counts():
    with keras_in("float16"):
        ours = from_schedule(keras.optimizers.schedules.PolynomialDecay(0.5, 4000, 0.0), 4001, lr=0.5)
    np.testing.assert_allclose(ours(np.arange(4001)), schedules.linear(4000)(np.arange(4001)), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: from_schedule(lambda k: 0.5 if k < 3 else 0.1, 9), TypeError, "theirs must be a function that Keras"),
        (lambda: schedule(3, 0.1), TypeError, "s must be one of odeopt.schedules .* got 3"),
        (lambda: schedule(lambda k: 1.0, 0.1), ValueError, r"s must be a schedule of odeopt.schedules, got custom\(\)"),
        (lambda: schedule(EVERY[0], -1), ValueError, "lr must be positive, .* got -1"),
        (lambda: from_schedule(0.1, 3), TypeError, "theirs must be a Keras schedule, .* got 0.1"),
        (lambda: from_schedule(lambda k: -k, 3), ValueError, "theirs must give rates that are finite and not negative"),
    ],
)
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


ON_TORCH = """
import numpy as np
import test_schedules_in_keras as tests
assert tests.keras.backend.backend() == "torch"
for s in tests.EVERY:
    tests.test_the_same_numbers(s)
theirs = tests.keras.optimizers.schedules.PolynomialDecay(0.1, 50, 0.01, 1.5)
ours = tests.from_schedule(theirs, 120, lr=0.1)
np.testing.assert_allclose(ours(tests.K), tests.schedules.polynomial(50, 1.5, 0.1)(tests.K), atol=1e-6)
print("equal")
"""


@pytest.mark.slow
def test_on_the_torch_backend():
    """A backend is chosen once in a process."""
    pytest.importorskip("torch")
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    out = subprocess.run([sys.executable, "-c", ON_TORCH], env=environment, capture_output=True, text=True)
    assert out.stdout == "equal\n", out.stderr
