"""Each batch of `fit` in micro-batches, then one update: a "soft batch" around any Keras model and optimizer."""

from __future__ import annotations

from typing import Any

import keras

from odeopt.frameworks.keras.soft_batch_steps import STEPS
from odeopt.util import check

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
        return STEPS[keras.backend.backend()](self, self.size, *arguments)

    def get_config(self) -> dict[str, Any]:
        """Keras' settings, the model and the size."""
        model = keras.saving.serialize_keras_object(self.model)
        return {**super().get_config(), "model": model, "size": self.size}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SoftBatch:
        """The inverse of get_config."""
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects=custom_objects)
        return cls(**{**config, "model": model})


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
    A scheme of several gradients (Heun, RKC) takes all of them in micro-batches.

    The loss must be the mean over samples, as Keras' losses are by default.  Batch normalisation sees micro-batches.

    >>> import numpy as np
    >>> line = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)])
    >>> soft = soft_batch(line, size=3)
    >>> soft.compile(keras.optimizers.SGD(0.5), loss="mse")
    >>> _ = soft.fit(np.ones((4, 1)), np.array([1.0, 2.0, 6.0, 3.0]), batch_size=4, verbose=0)
    >>> round(line.get_weights()[0].item(), 6)  # 0.5 times 2 mean(y)
    3.0
    """
    return SoftBatch(model, size)
