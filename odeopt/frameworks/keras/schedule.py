"""Schedules of odeopt as Keras schedules, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from odeopt.frameworks.keras.arrays import library
from odeopt.frameworks.schedules import factor, named, rate, recorded, table_length, untraceable
from odeopt.optimizers.schedules import Schedule, of_config
from odeopt.util import check


@keras.saving.register_keras_serializable(package="odeopt")
class FlowSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """lr s(step), saved with the model; `schedule` makes it."""

    def __init__(self, s: Schedule, lr: float) -> None:
        super().__init__()
        self.schedule, self.lr = s, lr

    def __call__(self, step: Any) -> Any:
        """The rate at this step, in Keras' floatx but at least in single precision."""
        return self.lr * factor(self.schedule, _counts(step), library())

    def get_config(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        return {"s": self.schedule.get_config(), "lr": self.lr}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FlowSchedule:
        """The schedule of a saved model."""
        return cls(of_config(config["s"]), config["lr"])


def _counts(step: Any) -> Any:
    """Step counts in Keras' floatx, but at least in single precision: half precision ends at 2048."""
    return ops.cast(step, "float64" if keras.config.floatx() == "float64" else "float32")


def schedule(s: Any, lr: float) -> FlowSchedule:
    """step -> lr s(step): a Keras LearningRateSchedule, which is saved with the model.

    >>> from odeopt import schedules
    >>> float(schedule(schedules.linear(4), lr=0.5)(1))
    0.375
    """
    return FlowSchedule(named(s), rate("lr", lr))


def from_schedule(theirs: Callable[[Any], Any], steps: int, lr: float = 1.0) -> Schedule:
    """The factors theirs(k)/lr of the first `steps` steps, as a table; the last one stays.

    >>> theirs = keras.optimizers.schedules.PolynomialDecay(0.5, 4, end_learning_rate=0.0)
    >>> from_schedule(theirs, steps=5, lr=0.5)([0, 1, 4]).tolist()
    [1.0, 0.75, 0.0]
    """
    if not callable(theirs):
        raise TypeError(f"theirs must be a Keras schedule, a function of the step, got {check.shown(theirs)}")
    steps, lr = table_length(steps), rate("lr", lr)
    try:
        rates = ops.vectorized_map(theirs, _counts(np.arange(steps)))
    except (TypeError, RuntimeError) as error:  # of JAX and of torch
        raise untraceable("Keras", "keras.ops.where", theirs) from error
    return recorded(np.asarray(ops.convert_to_numpy(rates), dtype=float), lr)
