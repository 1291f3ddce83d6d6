"""Keras models whose train_step can evaluate the same batch again at any theta, for schemes with several gradients.

Each evaluation starts from the state that the layers had before the step: dropout keeps one mask, and only the first
evaluation updates BatchNorm's statistics, the seeds and the metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from odeopt.frameworks.keras.arrays import own
from odeopt.frameworks.keras.optimizer import Elsewhere, FlowOptimizer


class SeveralGradients:
    """A mixin for models that gives `to_keras(opt)` all gradients of a step.  It must precede keras.Model in the bases.

    fit, train_on_batch, callbacks and metrics are Keras' own, and so is the step of any other optimizer.

    >>> import odeopt as oo
    >>> from odeopt.frameworks.keras import SeveralGradients, to_keras
    >>> class Line(SeveralGradients, keras.Sequential):
    ...     pass
    >>> heun = to_keras(oo.Optimizer(oo.flows.gradient_flow(), oo.schemes.heun, h=0.1))
    >>> model = Line([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(heun, loss="mse")
    >>> history = model.fit(keras.ops.ones((6, 1)), keras.ops.ones((6, 1)), batch_size=2, verbose=0)
    >>> heun.ngev  # 3 batches
    6
    """

    optimizer: Any

    def train_step(self, *state_and_data: Any) -> Any:
        """Keras' own step, during which the optimizer can evaluate the batch again."""
        above: Any = super()
        if not isinstance(self.optimizer, FlowOptimizer):
            return above.train_step(*state_and_data)
        again = BACKENDS[keras.backend.backend()](self, *state_and_data)
        with self.optimizer.evaluated_by(again):
            return above.train_step(*state_and_data)


@keras.saving.register_keras_serializable(package="odeopt")
class Model(SeveralGradients, keras.Model):
    """keras.Model(inputs, outputs), or a subclass of it, that can evaluate the same batch again.

    To convert an existing model: Model(model.inputs, model.outputs).
    """


@keras.saving.register_keras_serializable(package="odeopt")
class Sequential(SeveralGradients, keras.Sequential):
    """keras.Sequential that can evaluate the same batch again."""


def _on_jax(model: Any, state: Sequence[Any], data: Any) -> Elsewhere:
    """The gradient of the batch as a pure function: everything that it reads is in `state`, which does not change."""
    import jax

    _, fixed, optimizer, metrics = state
    slope = jax.grad(model.compute_loss_and_updates, has_aux=True)
    batch = keras.utils.unpack_x_y_sample_weight(data)
    return lambda values: slope(values, fixed, metrics, *batch, training=True, optimizer_variables=optimizer)[0]


def _on_torch(model: Any, data: Any) -> Elsewhere:
    """The gradient of the batch at other values: assigns them to the variables and restores the old ones afterwards."""
    import torch

    from odeopt.frameworks.torch.gradient import Draws

    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    weight = own(weight)  # Keras' own step changes the sample weights of the batch in place
    others = [*model.non_trainable_variables, *model.metrics_variables]
    before, draws = [v.value.detach().clone() for v in others], Draws(others[0].value.device)

    def elsewhere(values: list[Any]) -> list[Any]:
        variables = model.optimizer.moved
        present = [v.value.detach().clone() for v in (*variables, *others)]
        _assign((*variables, *others), (*values, *before))
        draws.again()
        try:
            with torch.enable_grad():
                found = model(x, training=True) if model._call_has_training_arg else model(x)
                loss = model._compute_loss(x=x, y=y, y_pred=found, sample_weight=own(weight), training=True)
                scaled, at = model.optimizer.scale_loss(loss), [v.value for v in variables]
                return list(torch.autograd.grad(scaled, at, allow_unused=True))
        finally:
            _assign((*variables, *others), present)

    return elsewhere


BACKENDS: dict[str, Callable[..., Elsewhere]] = {"jax": _on_jax, "torch": _on_torch}


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
