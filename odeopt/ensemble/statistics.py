"""Moments, quantiles and histograms of all members at one time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.check import Array


@dataclass(frozen=True)
class Census:
    """What is counted at each record: probabilities of the quantiles, and the edges of the histogram's bins."""

    probabilities: Array
    edges: Array

    def __call__(self, values: Array, loss: Array) -> dict[str, Any]:
        """The statistics of values (members, k) and loss (members,) over the members whose values are all finite."""
        alive = np.isfinite(values).all(axis=-1) & np.isfinite(loss)
        x, L = values[alive], loss[alive]
        with np.errstate(over="ignore"):  # a member on its way to infinity
            of_values, of_loss = moments(x), moments(L[:, None])
        return {
            "alive": len(x),
            **of_values,
            "loss_mean": of_loss["mean"][0],
            "loss_variance": of_loss["covariance"][0, 0],
            "quantiles": np.quantile(x, self.probabilities, axis=0) if len(x) else self._nothing(x.shape[1]),
            "counts": np.array([self._counted(column) for column in x.T]),
        }

    def _counted(self, column: Array) -> Any:
        return np.histogram(column, self.edges)[0] if self.edges.size else np.zeros(0, dtype=int)

    def _nothing(self, k: int) -> Array:
        return np.full((self.probabilities.size, k), np.nan)


def moments(x: Array) -> dict[str, Array]:
    """The mean (k,) and the unbiased covariance (k, k) of x (members, k); NaN where there are too few members."""
    n, k = x.shape
    if n == 0:
        return {"mean": np.full(k, np.nan), "covariance": np.full((k, k), np.nan)}
    mean = x.mean(axis=0)
    offset = x - mean
    return {"mean": mean, "covariance": offset.T @ offset / (n - 1) if n > 1 else np.full((k, k), np.nan)}
