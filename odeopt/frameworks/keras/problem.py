"""L(theta) = mean_i loss(y_i, model(X_i)) of a Keras model as a Problem.                           (extra `keras`)"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src.backend.common import dtypes

from odeopt.frameworks.autodiff import Library, data_rows, pieces, problem_of
from odeopt.frameworks.flatten import joined
from odeopt.frameworks.keras.arrays import own
from odeopt.problems import Problem
from odeopt.problems.parameters import Parameters
from odeopt.util import check
from odeopt.util.check import Array


def problem(model: keras.Model, data: tuple[Any, ...], loss: Any = None, name: str = "") -> Problem:
    """L(theta), the loss of `model.evaluate` on all data in one batch.

    model: Sequential or functional, and built.  A copy of it computes in float64 the loss of `model.evaluate`: no
           dropout, batch normalisation with its moving averages, regularisers included.  Only `load` changes the
           model.  theta is its trainable variables, named by their paths; the other variables are constants
    data:  (X, y) or (X, y, sample_weight), arrays (n, ...) of one length n: numbers become float64, labels int64
    loss:  as `model.compile` takes it; by default the loss that the model was compiled with, and its weight.  Keras
           applies it: masks count, and y is brought to the shape of the output

    Keras must run on JAX, in float64 (JAX_ENABLE_X64=1), or on torch.  Minibatches can be drawn
    (`odeopt.noise.minibatches`) if the loss is the mean of its values on single samples.  A mean over unmasked elements
    is no such mean if samples have different numbers of them.

    >>> import numpy as np
    >>> line, x = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), np.arange(4.0)[:, None]
    >>> fit = problem(line, (x, 2 * x + 1), "mean_squared_error", name="line")
    >>> fit.grad([1.0, 1.0]), [array.shape for array in fit.to_parameters([1.0, 2.0]).values()]
    (array([-7., -3.]), [(1, 1), (1,)])
    >>> fit.load([2.0, 1.0]).predict(np.array([[10.0]]), verbose=0).item()
    21.0
    """
    check.label("name", name)
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model, got {model!r}")
    if not isinstance(data, tuple) or len(data) not in (2, 3):
        raise TypeError(f"data must be a tuple (X, y) or (X, y, sample_weight) of arrays (n, ...), got {data!r}")
    library, rows = _library(), data_rows(tuple(map(keras.ops.convert_to_numpy, data)))
    with exactly():
        ours = _copied(model)
        ours.compile(None, *_loss(model, loss))
    trained = model.trainable_variables
    shapes = {v.path: tuple(v.shape) for v in trained}
    check.distinct("paths of the variables", [v.path for v in trained])
    fixed = [(v, library.tensor(keras.ops.convert_to_numpy(v))) for v in ours.non_trainable_variables]

    def f(theta: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
        moved = zip(ours.trainable_variables, pieces(theta, shapes).values(), strict=True)
        with exactly(), keras.StatelessScope([*moved, *fixed], collect_losses=True):
            return ours.compute_loss(X, y, ours(X, training=False), own(sample_weight), training=False)

    def put(arrays: dict[str, Array]) -> keras.Model:
        for v in trained:
            v.assign(arrays[v.path])
        return model

    theta0 = joined([keras.ops.convert_to_numpy(v) for v in trained])
    return problem_of(library, f, rows, theta0, Parameters(shapes, put), name or model.name)


@contextmanager
def exactly() -> Iterator[None]:
    """Inside this context Keras computes in float64.

    By default it computes tanh, mean and other functions of float64 numbers in float32 on JAX and torch.
    """
    floatx, rounded = keras.config.floatx(), dtypes.BIT64_TO_BIT32_DTYPE["float64"]
    keras.config.set_floatx("float64")
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = rounded


def _library() -> Library:
    """The `Library` of the backend on which Keras runs."""
    backend = keras.backend.backend()
    if backend == "jax":
        from odeopt.frameworks.jax.problem import jax_library, require_float64

        require_float64()
        return jax_library()
    if backend == "torch":
        from odeopt.frameworks.torch.problem import on

        return on(keras.src.backend.torch.core.get_device())
    raise ValueError(f"Keras must run on jax or torch, got the backend {backend}")


def _copied(model: Any) -> Any:
    """A copy of the model in float64."""
    if not isinstance(model, keras.Sequential | keras.src.models.Functional):
        raise TypeError(f"model must be Sequential or functional, to be copied to float64, got {type(model).__name__}")
    if not model.built:
        raise ValueError(
            f"model must be built: call it once, or give it an Input, got {model.name!r} without variables"
        )
    if not model.trainable_variables:
        raise ValueError(f"model must have trainable variables, got none in {model.name!r}")
    ours = type(model).from_config(_double(model.get_config()), {type(u).__name__: type(u) for u in model.layers})
    if not ours.built:
        ours.build(model.input_shape)
    ours.set_weights(model.get_weights())
    return ours


def _double(config: Any) -> Any:
    """The configuration with all floating types replaced by float64."""
    if isinstance(config, list | tuple):
        return type(config)(map(_double, config))
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy":
        return "float64"
    floating = config.get("dtype") in ("bfloat16", "float16", "float32")
    return {key: "float64" if key == "dtype" and floating else _double(value) for key, value in config.items()}


def _loss(model: Any, loss: Any) -> tuple[Any, Any]:
    """The loss in float64, and its weight."""
    if loss is None and model._compile_loss is None:
        raise ValueError(f"loss must be given, for {model.name!r} is not compiled, e.g. loss='mean_squared_error'")
    given, weight = (model.loss, model._compile_loss._user_loss_weights) if loss is None else (loss, None)
    if not (isinstance(given, str) or callable(given)):
        raise TypeError(f"loss must be one loss, e.g. 'mean_squared_error', got {given!r}")
    return _exact(given) if isinstance(given, keras.losses.Loss) else given, weight


def _exact(loss: Any) -> Any:
    """The loss in float64 with all its attributes; its configuration need not list them all."""
    ours = object.__new__(type(loss))
    vars(ours).update(vars(loss), _dtype_policy=keras.dtype_policies.get("float64"), _dtype="float64")
    return ours
