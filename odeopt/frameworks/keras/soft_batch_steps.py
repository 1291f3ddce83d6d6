"""A training step of a Keras model whose batch is evaluated in micro-batches, on JAX and on torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from odeopt.frameworks.keras.optimizer import Elsewhere, FlowOptimizer
from odeopt.frameworks.keras.trainer import BACKENDS
from odeopt.util.weighted_mean import WeightedMean


def _step_on_jax(model: Any, size: int, state: Any, data: Any) -> Any:
    """(trainable, fixed, optimizer's, metrics') variables and a batch -> logs and the new ones."""
    import jax

    trainable, fixed, held, metrics = state
    slope = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)
    k, rest = divmod(_count(data), size)
    whole = jax.tree.map(lambda u: u[: k * size].reshape(k, size, *u.shape[1:]), data)

    def gradient(values: list[Any]) -> Any:
        def one(carry: Any, micro: Any) -> Any:
            soft, fixed, metrics = carry
            x, y, w = keras.utils.unpack_x_y_sample_weight(micro)
            known = {"training": True, "optimizer_variables": held}
            (_, (loss, y_pred, fixed, metrics)), g = slope(values, fixed, metrics, x, y, w, **known)
            _, metrics = model._update_metrics_variables(metrics, loss, x, y, y_pred, w)
            return (soft.including(g, float(_count(x))), fixed, metrics), None

        empty = WeightedMean.empty(jax.numpy.zeros_like(v) for v in values)._replace(weight=0.0)
        carry, _ = jax.lax.scan(one, (empty, fixed, metrics), whole)
        return one(carry, jax.tree.map(lambda u: u[k * size :], data))[0] if rest else carry

    soft, fixed_after, metrics_after = gradient(trainable)
    with _evaluated(model.optimizer, lambda values: list(gradient(values)[0].mean)):
        trainable, held = model.optimizer.stateless_apply(held, list(soft.mean), trainable)
    return _logs(model, metrics_after), (trainable, fixed_after, held, metrics_after)


def _logs(model: Any, metrics: Any) -> Any:
    """What the metrics' variables say."""
    with keras.StatelessScope(state_mapping=list(zip(model.metrics_variables, metrics, strict=True))):
        return model.get_metrics_result()


def _step_on_torch(model: Any, size: int, data: Any) -> Any:
    """A batch -> logs; the variables change in place."""
    import torch

    trained, again = model.trainable_weights, []
    soft = WeightedMean.empty(torch.zeros_like(v.value) for v in trained)
    for micro in _pieces(data, size):
        x, y, w = keras.utils.unpack_x_y_sample_weight(micro)
        again.append((BACKENDS["torch"](model, micro), _count(x)))
        model.zero_grad()
        y_pred = model(x, training=True)
        loss = model.compute_loss(x, y, y_pred, w, training=True)
        model._loss_tracker.update_state(loss, sample_weight=_count(x))
        model.optimizer.scale_loss(loss).backward()
        with torch.no_grad():
            soft = soft.including([_gradient(v.value) for v in trained], _count(x))
        logs = model.compute_metrics(x, y, y_pred, sample_weight=w)

    def elsewhere(values: list[Any]) -> list[Any]:
        there = WeightedMean.empty(torch.zeros_like(v.value) for v in trained)
        for gradient, weight in again:
            there = there.including(gradient(values), weight)
        return list(there.mean)

    with torch.no_grad(), _evaluated(model.optimizer, elsewhere):
        model.optimizer.apply(list(soft.mean), trained)
    return logs


def _gradient(value: Any) -> Any:
    """0 where a loss does not reach a variable, as on JAX."""
    return value.detach() * 0 if value.grad is None else value.grad


def _evaluated(optimizer: Any, elsewhere: Elsewhere) -> AbstractContextManager[None]:
    """A scheme of several gradients takes them all in micro-batches."""
    return optimizer.evaluated_by(elsewhere) if isinstance(optimizer, FlowOptimizer) else nullcontext()


STEPS: dict[str, Callable[..., Any]] = {"jax": _step_on_jax, "torch": _step_on_torch}


def _pieces(data: Any, size: int) -> Iterator[Any]:
    """The rows of a batch, `size` at a time."""
    for first in range(0, _count(data), size):
        yield keras.tree.map_structure(lambda u, first=first: None if u is None else u[first : first + size], data)


def _count(data: Any) -> int:
    """The samples of a batch."""
    return int(next(u for u in keras.tree.flatten(data) if u is not None).shape[0])
