"""The weight of a micro-batch: the number of samples or unmasked elements over which its loss is a mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from keras.src.losses import loss as losses

MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
NOTHING = 1e-20  # the weight of a fully masked sample: not 0, so that the variables' penalties remain in a masked batch


class Reduction(NamedTuple):
    """How Keras reduced a loss to one number: the shape of its values, the reduction, and how many values counted.

    count is None if all of them did.
    """

    shape: tuple[int, ...]
    kind: Any
    count: Any


@contextmanager
def reductions() -> Iterator[list[Reduction]]:
    """Inside this context every reduction of a keras.losses.Loss is recorded in the list."""
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
    """The weight of a micro-batch in the mean over a batch; raises ValueError for a loss that is no such mean.

    added: the number of losses that layers have added, by add_loss or activity regularisers
    """
    for reduction in found:
        if reduction.kind not in MEANS:
            raise ValueError(f"loss must be a mean over samples, got the reduction {reduction.kind!r}")
        if reduction.shape[:1] != (samples,):
            raise ValueError(
                f"loss must have a value for each sample, got shape {reduction.shape} for {samples} samples: "
                "one number for a whole batch, as Dice without axis returns, is not a mean over samples"
            )
    counts = [reduction.count for reduction in found if reduction.count is not None]
    if not counts:
        return samples
    if len(found) > 1 or added:
        raise ValueError(
            f"loss must be the only one if a mask, ignore_class or sample weights decide which elements count, got "
            f"{len(found)} losses and {added} that layers add: their micro-batches have different weights"
        )
    return ops.maximum(counts[0], NOTHING * samples)


def refuse(model: keras.Model, loss: Any) -> None:
    """Raises ValueError for a loss that is known not to be a mean over samples, before any loss is evaluated."""
    if type(model).compute_loss is not keras.Model.compute_loss:
        raise ValueError(f"model must have the compute_loss of keras.Model, got that of {type(model).__name__}")
    for each in keras.tree.flatten(loss):
        if isinstance(each, keras.losses.Circle) or each in ("Circle", "circle", keras.losses.circle):
            raise ValueError("loss must not compare the samples of a batch with each other, as Circle does")
        if isinstance(each, keras.losses.Dice | keras.losses.Tversky) and 0 in np.ravel(each.axis or 0):
            raise ValueError(
                f"loss must have a value for each sample, got {each.name} with axis {each.axis}: use axis=-1"
            )
