"""What the loss of a micro-batch is the mean of: samples, or elements that are not masked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from keras.src.losses import loss as losses

MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
NOTHING = 1e-20  # the weight of a sample of which nothing counts: penalties of the variables stay where nothing does


class Reduction(NamedTuple):
    """How Keras made one number of a loss: of values of this shape, and of how many, None where all of them count."""

    shape: tuple[int, ...]
    kind: Any
    count: Any


@contextmanager
def reductions() -> Iterator[list[Reduction]]:
    """Inside it each reduction of a keras.losses.Loss is recorded."""
    found: list[Reduction] = []
    reduce = losses.reduce_weighted_values

    def recorded(
        values: Any,
        sample_weight: Any = None,
        mask: Any = None,
        reduction: Any = "sum_over_batch_size",
        dtype: Any = None,
    ) -> Any:
        count = None
        if reduction == "mean_with_sample_weight":
            count = reduce(ops.ones_like(values), sample_weight, mask, "sum", dtype)
        elif mask is not None:
            count = ops.sum(ops.cast(mask, values.dtype))
        found.append(Reduction(tuple(values.shape), reduction, count))
        return reduce(values, sample_weight, mask, reduction, dtype)

    losses.reduce_weighted_values = recorded
    try:
        yield found
    finally:
        losses.reduce_weighted_values = reduce


def weight(found: Sequence[Reduction], samples: int, added: int) -> Any:
    """The weight of a micro-batch in the mean over a batch; ValueError for a loss that is no such mean.

    added: how many losses layers have added to it, by add_loss or of their activity
    """
    for reduction in found:
        if reduction.kind not in MEANS:
            raise ValueError(f"loss must be a mean over samples, got the reduction {reduction.kind!r}")
        if reduction.shape[:1] != (samples,):
            raise ValueError(
                f"loss must have a value for each sample, got shape {reduction.shape} for {samples} samples: "
                "one number for a whole batch, as of Dice without axis, is no mean over micro-batches"
            )
    counts = [reduction.count for reduction in found if reduction.count is not None]
    if not counts:
        return samples
    if len(found) > 1 or added:
        raise ValueError(
            f"loss must be the only one where a mask, ignore_class or sample weights say what it is the mean of, got "
            f"{len(found)} losses and {added} that layers add: their micro-batches have different weights"
        )
    return ops.maximum(counts[0], NOTHING * samples)


def refuse(model: keras.Model, loss: Any) -> None:
    """Raises ValueError for what is known to be no mean over samples, before any loss is evaluated."""
    if type(model).compute_loss is not keras.Model.compute_loss:
        raise ValueError(f"model must have the compute_loss of keras.Model, got that of {type(model).__name__}")
    for each in keras.tree.flatten(loss):
        if isinstance(each, keras.losses.Circle) or each in ("Circle", "circle", keras.losses.circle):
            raise ValueError("loss must not compare the samples of a batch with each other, as Circle does")
        if isinstance(each, keras.losses.Dice | keras.losses.Tversky) and 0 in np.ravel(each.axis or 0):
            raise ValueError(
                f"loss must have a value for each sample, got {each.name} with axis {each.axis}: use axis=-1"
            )
