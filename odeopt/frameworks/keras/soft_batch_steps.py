"""A training step of a Keras model whose batch is evaluated in micro-batches, on JAX and on torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from odeopt.frameworks.keras.optimizer import Elsewhere, FlowOptimizer
from odeopt.frameworks.keras.soft_batch_counts import reductions, weight
from odeopt.frameworks.keras.trainer import BACKENDS
from odeopt.util.weighted_mean import WeightedMean


def _step_on_jax(model: Any, size: int, state: Any, data: Any) -> Any:
    """Maps the variables (trainable, fixed, optimizer, metrics) and a batch to the logs and the new variables."""
    import jax

    trainable, fixed, held, metrics = state
    k, rest = divmod(_count(data), size)
    whole = jax.tree.map(lambda u: u[: k * size].reshape(k, size, *u.shape[1:]), data)
    kind = jax.numpy.result_type(jax.numpy.float32, *trainable)

    def loss_of(values: list[Any], fixed: Any, metrics: Any, x: Any, y: Any, w: Any) -> Any:
        with reductions() as found:
            known = {"training": True, "optimizer_variables": held}
            scaled, after = model.compute_loss_and_updates(values, fixed, metrics, x, y, w, **known)
        return scaled, (*after, jax.numpy.asarray(weight(found, _count(x), model.added), kind))

    slope = jax.value_and_grad(loss_of, has_aux=True)

    def gradient(values: list[Any]) -> Any:
        def one(carry: Any, micro: Any) -> Any:
            soft, fixed, metrics = carry
            x, y, w = keras.utils.unpack_x_y_sample_weight(micro)
            (_, (loss, y_pred, fixed, metrics, weighs)), g = slope(values, fixed, metrics, x, y, w)
            metrics = _told(model, metrics, lambda: model.compute_metrics(x, y, y_pred, w))[1]
            return (soft.including([loss.astype(kind), *(u.astype(kind) for u in g)], weighs), fixed, metrics), None

        zeros = (jax.numpy.zeros(shape, kind) for shape in [(), *(v.shape for v in values)])
        empty = WeightedMean.empty(zeros)._replace(weight=jax.numpy.zeros((), kind))
        carry, _ = jax.lax.scan(one, (empty, fixed, metrics), whole)
        return one(carry, jax.tree.map(lambda u: u[k * size :], data))[0] if rest else carry

    def mean(soft: WeightedMean) -> list[Any]:
        return [u.astype(v.dtype) for u, v in zip(soft.mean[1:], trainable, strict=True)]

    soft, fixed_after, metrics = gradient(trainable)
    with _evaluated(model.optimizer, lambda values: mean(gradient(values)[0])):
        trainable, held = model.optimizer.stateless_apply(held, mean(soft), trainable)
    logs, metrics = _told(model, metrics, lambda: _logs(model, soft.mean[0], _count(data)))
    return logs, (trainable, fixed_after, held, metrics)


def _told(model: Any, metrics: Any, tell: Callable[[], Any]) -> Any:
    """The result of tell(), which may update metrics, and the metrics' variables after it."""
    with keras.StatelessScope(state_mapping=list(zip(model.metrics_variables, metrics, strict=True))) as scope:
        found = tell()
    return found, [scope.get_current_value(v) for v in model.metrics_variables]


def _logs(model: Any, loss: Any, samples: int) -> Any:
    """The results of the metrics at the end of a batch with this loss."""
    model._loss_tracker.update_state(loss, sample_weight=samples)
    return model.get_metrics_result()


def _step_on_torch(model: Any, size: int, data: Any) -> Any:
    """Trains on a batch and returns the logs; the variables change in place."""
    import torch

    from odeopt.arrays.torch import at_least_single

    trained, again = model.trainable_weights, []
    used = [False for _ in trained]
    zeros = [at_least_single(torch.zeros_like(v.value.detach())) for v in trained]
    soft = WeightedMean.empty([torch.zeros((), device=zeros[0].device), *zeros])
    for micro in _pieces(data, size):
        x, y, w = keras.utils.unpack_x_y_sample_weight(micro)
        elsewhere = BACKENDS["torch"](model, micro)
        model.zero_grad()
        y_pred = model(x, training=True)
        with reductions() as found:
            loss = model.compute_loss(x, y, y_pred, w, training=True)
        weighs = weight(found, _count(x), model.added)
        model.optimizer.scale_loss(loss).backward()
        used = [reached or v.value.grad is not None for reached, v in zip(used, trained, strict=True)]
        with torch.no_grad():
            soft = soft.including([loss, *_gradients([v.value.grad for v in trained], zeros)], weighs)
        model.compute_metrics(x, y, y_pred, sample_weight=w)
        again.append((elsewhere, weighs))

    def everywhere(values: list[Any]) -> list[Any]:
        there = WeightedMean.empty(zeros)
        for elsewhere, weighs in again:
            there = there.including(_gradients(elsewhere(values), zeros), weighs)
        return list(there.mean)

    loss, *mean = soft.mean
    given = [g.to(v.value.dtype) if reached else None for g, v, reached in zip(mean, trained, used, strict=True)]
    with torch.no_grad(), _evaluated(model.optimizer, everywhere):
        model.optimizer.apply(given, trained)
    return _logs(model, loss, _count(data))


def _gradients(found: list[Any], zeros: list[Any]) -> list[Any]:
    """The gradients in the precision of their sum; 0 for a variable that the loss does not depend on, as on JAX."""
    return [zero if g is None else g.to(zero.dtype) for g, zero in zip(found, zeros, strict=True)]


def _evaluated(optimizer: Any, elsewhere: Elsewhere) -> AbstractContextManager[None]:
    """The context in which a scheme with several gradients computes each of them in micro-batches."""
    return optimizer.evaluated_by(elsewhere) if isinstance(optimizer, FlowOptimizer) else nullcontext()


STEPS: dict[str, Callable[..., Any]] = {"jax": _step_on_jax, "torch": _step_on_torch}


def _pieces(data: Any, size: int) -> Iterator[Any]:
    """The rows of a batch, `size` at a time."""
    for first in range(0, _count(data), size):
        yield keras.tree.map_structure(lambda u, first=first: None if u is None else u[first : first + size], data)


def _count(data: Any) -> int:
    """The samples of a batch."""
    return int(next(u for u in keras.tree.flatten(data) if u is not None).shape[0])
