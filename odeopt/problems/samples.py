"""L = 1/n sum_i L_i: a loss that is a mean over samples, from which batches can be drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.util.check import Array

EQUAL = np.ones(1)  # the weights of a plain mean
BLOCK = 2**22  # entries of per-sample gradients held in memory at a time


@dataclass(frozen=True, eq=False)
class Samples:
    """A mean over the rows of data arrays (n, ...), and over any batch of rows.

    mean_loss(theta, *rows) = mean_i L_i(theta), shape (...), and
    mean_grad(theta, w, *rows) = mean_i w_i grad L_i(theta), shape (..., d),
    accept both rows (n, ...) shared by all members and batches (..., B, ...) of each member.
    """

    data: tuple[Array, ...]
    mean_loss: Callable[..., Any]
    mean_grad: Callable[..., Array]

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.data[0])

    def loss(self, theta: Array) -> Any:
        """The mean over all samples, (...)."""
        return self.mean_loss(theta, *self.data)

    def grad(self, theta: Array) -> Array:
        """The gradient of `loss`, (..., d)."""
        return self.mean_grad(theta, EQUAL, *self.data)

    def batch_grad(self, theta: Array, indices: Any) -> Array:
        """The mean gradient of the samples with these indices: theta (..., d), indices (..., B) -> (..., d)."""
        return self.mean_grad(theta, EQUAL, *(a[indices] for a in self.data))

    def combined_grad(self, theta: Array, w: Array) -> Array:
        """mean_i w_i grad L_i(theta) over all samples: w (..., n) -> (..., d)."""
        return self.mean_grad(theta, w, *self.data)

    def losses(self, theta: Array) -> Array:
        """L_i(theta) of every sample, (..., n)."""
        return np.asarray(self.mean_loss(theta[..., None, :], *self._singly(slice(None))))

    def grads(self, theta: Array, which: slice = slice(None)) -> Array:
        """grad L_i(theta) of every sample (or of a slice of them), (..., n, d)."""
        return self.mean_grad(theta[..., None, :], EQUAL, *self._singly(which))

    def variance(self, theta: Array) -> Array:
        """mean_i (g_i - g)^2, (..., d): the diagonal of `covariance`."""
        total = np.zeros(theta.shape)
        for apart in self._deviations(theta):
            total += np.sum(apart**2, axis=-2)
        return total / self.n

    def covariance(self, theta: Array) -> Array:
        """mean_i (g_i - g) (g_i - g)^T, (..., d, d): the covariance of the gradient of one random sample."""
        total = np.zeros((*theta.shape, theta.shape[-1]))
        for apart in self._deviations(theta):
            total += np.swapaxes(apart, -1, -2) @ apart
        return total / self.n

    def _singly(self, which: slice) -> list[Array]:
        """The data with each sample as its own batch."""
        return [a[which, None] for a in self.data]

    def _deviations(self, theta: Array) -> Iterator[Array]:
        """g_i - g in blocks of samples."""
        g, rows = self.grad(theta)[..., None, :], max(1, BLOCK // theta.size)
        for first in range(0, self.n, rows):
            yield self.grads(theta, slice(first, first + rows)) - g
