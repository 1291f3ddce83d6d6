"""A "soft batch" around any Keras model and optimizer: `fit` makes one update per batch, computed in micro-batches."""

from __future__ import annotations

from typing import Any

import keras

from odeopt.frameworks.keras.arrays import own
from odeopt.frameworks.keras.soft_batch_counts import refuse
from odeopt.frameworks.keras.soft_batch_steps import STEPS
from odeopt.util import check


@keras.saving.register_keras_serializable(package="odeopt")
class SoftBatch(keras.Model):
    """A model that computes the gradient of a batch `size` samples at a time; `soft_batch` makes it."""

    def __init__(self, model: keras.Model, size: int, **settings: Any) -> None:
        super().__init__(**settings)
        if not isinstance(model, keras.Model):
            raise TypeError(f"model must be a keras.Model, got {model!r}")
        self.model, self.size, self.added = model, check.count("size", size, 1), 0
        check.choice("the backend of Keras", keras.backend.backend(), STEPS)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The output of the wrapped model."""
        return self.model(inputs, training=training)

    def train_step(self, *arguments: Any) -> Any:
        """One update from all micro-batches of a batch, by the training step for Keras' backend."""
        refuse(self.model, self.loss)
        return STEPS[keras.backend.backend()](self, self.size, *arguments)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Keras' own loss.  Sets `added`, the number of losses added by layers besides the variables' penalties."""
        self.added = len(self.losses) - sum(v.regularizer is not None for v in self.trainable_variables)
        return super().compute_loss(x, y, y_pred, own(sample_weight), training)

    def get_config(self) -> dict[str, Any]:
        """The settings of keras.Model, the wrapped model and the size."""
        model = keras.saving.serialize_keras_object(self.model)
        return {**super().get_config(), "model": model, "size": self.size}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SoftBatch:
        """The inverse of get_config."""
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects=custom_objects)
        return cls(**{**config, "model": model})


def soft_batch(model: keras.Model, size: int) -> SoftBatch:
    """The model, to be fitted with batches too large for memory: each is computed `size` samples at a time.

    g = sum_k w_k g_k / sum_k w_k is exactly the gradient of the batch and makes one update.  The weight w_k is the
    number of samples in micro-batch k.  If a mask (mask_zero) or ignore_class leaves elements out, w_k is the number
    of remaining elements; for the reduction "mean_with_sample_weight" it is the sum of the sample weights.

    Any Keras optimizer, from `to_keras` or Keras' own, sees whole updates only: its momentum, decay, clipping, averages
    and schedules count updates, and the last batch of an epoch, however small, is one update.  By contrast, Keras' own
    gradient_accumulation_steps takes the plain mean, leaves a partial window, and its schedules count micro-batches.
    A scheme that needs several gradients (Heun, RKC) computes each of them in micro-batches.

    The loss must be a mean of one value per sample, as Keras' losses are by default.  These are refused: sums, one
    number for a whole batch (Dice without axis), a comparison of samples (Circle), and several losses of which one
    leaves elements out.  A loss of your own must not compare samples; this cannot be checked.  Batch normalisation
    takes its statistics from micro-batches.

    >>> import numpy as np
    >>> line = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)])
    >>> soft = soft_batch(line, size=3)
    >>> soft.compile(keras.optimizers.SGD(0.5), loss="mse")
    >>> _ = soft.fit(np.ones((4, 1)), np.array([1.0, 2.0, 6.0, 3.0]), batch_size=4, verbose=0)
    >>> round(line.get_weights()[0].item(), 6)  # 0.5 times 2 mean(y)
    3.0
    """
    return SoftBatch(model, size)
