"""g = sum_k w_k g_k / sum_k w_k: the gradient of a big batch from those of its micro-batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class WeightedMean(NamedTuple):
    """sum_k w_k g_k of lists of arrays g_k, of any library, and sum_k w_k; each call returns a new one.

    A micro-batch whose gradient is the mean over its w samples weighs w: the plain mean over micro-batches is wrong
    where the last has fewer.

    >>> soft = WeightedMean.empty([0.0]).including([4.0], weight=3).including([8.0], weight=1)
    >>> soft.weight, soft.mean
    (4, (5.0,))
    """

    total: tuple[Any, ...]
    weight: Any

    @classmethod
    def empty(cls, zeros: Iterable[Any]) -> WeightedMean:
        """Of nothing yet."""
        return cls(tuple(zeros), 0)

    def including(self, gradients: Iterable[Any], weight: Any) -> WeightedMean:
        """With one micro-batch more."""
        total = (t + weight * g for t, g in zip(self.total, gradients, strict=True))
        return WeightedMean(tuple(total), self.weight + weight)

    @property
    def mean(self) -> tuple[Any, ...]:
        """The gradient of all samples so far."""
        return tuple(t / self.weight for t in self.total)
