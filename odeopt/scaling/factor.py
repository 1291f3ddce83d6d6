"""A factor of a learning rate with the range in which it may lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Factor:
    """The factor `best`, and the range from `low` to `high`.

    >>> Factor(2.0, 1.0, 4.0) * Factor(0.5, 0.25, 1.0)
    Factor(best=1.0, low=0.25, high=4.0)
    """

    best: float
    low: float
    high: float

    def __mul__(self, other: Factor) -> Factor:
        """Both, independently of each other."""
        return Factor(self.best * other.best, self.low * other.low, self.high * other.high)
