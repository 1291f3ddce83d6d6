"""Each batch of `fit` in micro-batches, then one update: a "soft batch" around any Keras model and optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras

from odeopt import check
from odeopt.weighted import WeightedMean

MEANS = ("sum_over_batch_size", "mean")


@keras.saving.register_keras_serializable(package="odeopt")
class SoftBatch(keras.Model):
    """A model that computes the gradient of a batch `size` samples at a time; `soft_batch` makes it."""

    def __init__(self, model: keras.Model, size: int, **settings: Any) -> None:
        super().__init__(**settings)
        if not isinstance(model, keras.Model):
            raise TypeError(f"model must be a keras.Model, got {model!r}")
        self.model, self.size = model, check.count("size", size, 1)
        check.choice("the backend of Keras", keras.backend.backend(), STEPS)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The model itself."""
        return self.model(inputs, training=training)

    def train_step(self, *arguments: Any) -> Any:
        """One update from all micro-batches of a batch, in the manner of Keras' backend."""
        _refuse_sums(self.loss)
        return STEPS[keras.backend.backend()](self, *arguments)

    def get_config(self) -> dict[str, Any]:
        """Keras' settings, the model and the size."""
        model = keras.saving.serialize_keras_object(self.model)
        return {**super().get_config(), "model": model, "size": self.size}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SoftBatch:
        """The inverse of get_config."""
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects=custom_objects)
        return cls(**{**config, "model": model})


def _step_on_jax(self: SoftBatch, state: Any, data: Any) -> Any:
    """(trainable, fixed, optimizer's, metrics') variables and a batch -> logs and the new ones."""
    import jax

    trainable, fixed, held, metrics = state
    gradient = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)

    def one(carry: Any, micro: Any) -> Any:
        soft, fixed, metrics = carry
        x, y, w = keras.utils.unpack_x_y_sample_weight(micro)
        known = {"training": True, "optimizer_variables": held}
        (_, (loss, y_pred, fixed, metrics)), g = gradient(trainable, fixed, metrics, x, y, w, **known)
        _, metrics = self._update_metrics_variables(metrics, loss, x, y, y_pred, w)
        return (soft.including(g, float(_count(x))), fixed, metrics), None

    empty = WeightedMean.empty(jax.numpy.zeros_like(v) for v in trainable)._replace(weight=0.0)
    k, rest = divmod(_count(data), self.size)
    whole = jax.tree.map(lambda u: u[: k * self.size].reshape(k, self.size, *u.shape[1:]), data)
    carry, _ = jax.lax.scan(one, (empty, fixed, metrics), whole)
    if rest:
        carry, _ = one(carry, jax.tree.map(lambda u: u[k * self.size :], data))
    soft, fixed, metrics = carry
    trainable, held = self.optimizer.stateless_apply(held, list(soft.mean), trainable)
    return _logs(self, metrics), (trainable, fixed, held, metrics)


def _logs(self: SoftBatch, metrics: Any) -> Any:
    """What the metrics' variables say."""
    with keras.StatelessScope(state_mapping=list(zip(self.metrics_variables, metrics, strict=True))):
        return self.get_metrics_result()


def _step_on_torch(self: SoftBatch, data: Any) -> Any:
    """A batch -> logs; the variables change in place."""
    import torch

    trained = self.trainable_weights
    soft = WeightedMean.empty(torch.zeros_like(v.value) for v in trained)
    for micro in _pieces(data, self.size):
        x, y, w = keras.utils.unpack_x_y_sample_weight(micro)
        self.zero_grad()
        y_pred = self(x, training=True)
        loss = self.compute_loss(x, y, y_pred, w, training=True)
        self._loss_tracker.update_state(loss, sample_weight=_count(x))
        self.optimizer.scale_loss(loss).backward()
        g = [torch.zeros_like(v.value) if v.value.grad is None else v.value.grad for v in trained]
        soft = WeightedMean(*_detached(soft.including(g, _count(x))))
        logs = self.compute_metrics(x, y, y_pred, sample_weight=w)
    with torch.no_grad():
        self.optimizer.apply(list(soft.mean), trained)
    return logs


STEPS: dict[str, Callable[..., Any]] = {"jax": _step_on_jax, "torch": _step_on_torch}


def _detached(soft: WeightedMean) -> WeightedMean:
    return WeightedMean(tuple(u.detach() for u in soft.total), soft.weight)


def _pieces(data: Any, size: int) -> Iterator[Any]:
    """The rows of a batch, `size` at a time."""
    for first in range(0, _count(data), size):
        yield keras.tree.map_structure(lambda u, first=first: None if u is None else u[first : first + size], data)


def _count(data: Any) -> int:
    """The samples of a batch."""
    return int(next(u for u in keras.tree.flatten(data) if u is not None).shape[0])


def _refuse_sums(losses: Any) -> None:
    for loss in keras.tree.flatten(losses):
        if isinstance(loss, keras.losses.Loss) and loss.reduction not in MEANS:
            raise ValueError(f"loss must be the mean over samples, got {loss.name} with reduction {loss.reduction!r}")


def soft_batch(model: keras.Model, size: int) -> SoftBatch:
    """The model, to be fitted with batches that do not fit into memory: each is computed `size` samples at a time.

    g = sum_k w_k g_k / sum_k w_k with w_k samples in micro-batch k is exactly the gradient of the batch, and makes one
    update.  Every Keras optimizer then sees updates only, `to_keras`'s or Keras' own: its momentum, decay, clipping,
    averages and schedules count those, and the last batch of an epoch is an update of what it has.  Keras' own
    gradient_accumulation_steps takes the plain mean, leaves a partial window, and its schedules count micro-batches.

    The loss must be the mean over samples, as Keras' losses are by default.  Batch normalisation sees micro-batches.

    >>> import numpy as np
    >>> line = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)])
    >>> soft = soft_batch(line, size=3)
    >>> soft.compile(keras.optimizers.SGD(0.5), loss="mse")
    >>> _ = soft.fit(np.ones((4, 1)), np.array([1.0, 2.0, 6.0, 3.0]), batch_size=4, verbose=0)
    >>> line.get_weights()[0].item()  # 0.5 times 2 mean(y)
    3.0
    """
    return SoftBatch(model, size)
