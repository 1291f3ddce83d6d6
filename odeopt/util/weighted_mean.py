"""g = sum_k w_k g_k / sum_k w_k: the gradient of a batch from the gradients of its micro-batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class WeightedMean(NamedTuple):
    """The sums sum_k w_k g_k, where g_k is a list of arrays of any library, and sum_k w_k.

    The weight of a micro-batch is its number of samples if its gradient is the mean over them.  The plain mean over
    micro-batches is wrong if the last one has fewer samples.

    >>> soft = WeightedMean.empty([0.0]).including([4.0], weight=3).including([8.0], weight=1)
    >>> soft.weight, soft.mean
    (4, (5.0,))
    """

    total: tuple[Any, ...]
    weight: Any

    @classmethod
    def empty(cls, zeros: Iterable[Any]) -> WeightedMean:
        """The sums before the first micro-batch."""
        return cls(tuple(zeros), 0)

    def including(self, gradients: Iterable[Any], weight: Any) -> WeightedMean:
        """New sums that include one more micro-batch."""
        total = (t + weight * g for t, g in zip(self.total, gradients, strict=True))
        return WeightedMean(tuple(total), self.weight + weight)

    @property
    def mean(self) -> tuple[Any, ...]:
        """The gradient of all samples so far."""
        return tuple(t / self.weight for t in self.total)
