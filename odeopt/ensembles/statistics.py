"""Moments, quantiles and histograms over members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.util.check import Array

Sums = tuple[Array, Array]  # x_0 (n, ..., k) and the sums of products (n, ..., k + 1, k + 1)


def sums(rows: Sequence[Array], room: Array | None = None) -> Sums:
    """x_0 (n, k) and the sum of (d, 1) (d, 1)^T with d = x - x_0, (n, k + 1, k + 1), from k rows (n, members).

    The sum is over the members whose k entries are all finite.

    room (k + 1, n, members): an array of ones that is overwritten, for callers that do not want new memory
    """
    d = np.ones((len(rows) + 1, *rows[0].shape)) if room is None else room
    first = np.array([row[:, 0] for row in rows])
    total = np.empty((len(d), len(d), len(rows[0])))
    with np.errstate(all="ignore"):  # a member on its way to infinity
        for row, x, offset in zip(rows, first, d, strict=False):
            np.subtract(row, x[:, None], out=offset)
        for i, u in enumerate(d[:-1]):
            total[i, i:] = total[i:, i] = np.vecdot(u, d[i:])
        total[-1, -1] = d.shape[-1]
        for n in np.flatnonzero(~np.isfinite(total.sum(axis=(0, 1)))):
            first[:, n], total[:, :, n] = _of_the_finite(np.array([row[n] for row in rows]))
    return first.T, np.moveaxis(total, -1, 0)


def sums_of_each(rows: Sequence[Array]) -> Sums:
    """`sums` of each row alone, x_0 (n, k, 1) and (n, k, 2, 2), over the members whose entries are finite in all rows.

    These are enough for variances, and need k numbers where `sums` needs k^2.
    """
    alive = np.ones(rows[0].shape, dtype=bool)
    for row in rows:
        alive &= np.isfinite(row)
    found = [[_of_the_finite(x[None, here]) for x, here in zip(row, alive, strict=True)] for row in rows]
    first, total = (np.array([[each[i] for each in times] for times in found]) for i in range(2))
    return first.swapaxes(0, 1), total.swapaxes(0, 1)


def _of_the_finite(x: Array) -> Sums:
    """`sums` at one time, of x (k, members): x_0 (k,) and the sum (k + 1, k + 1)."""
    x = x[:, np.isfinite(x).all(axis=0)]
    if not x.size:
        return np.zeros(len(x)), np.zeros((len(x) + 1, len(x) + 1))
    d = np.vstack([x - x[:, :1], np.ones_like(x[:1])])
    return x[:, 0], d @ d.T


@dataclass(frozen=True)
class Tally:
    """Of groups of members: how many are finite, their mean, and their spread sum (x - mean) (x - mean)^T.

    At n times the shapes are count (n, groups), mean (n, groups, k) and spread (n, groups, k, k).  Where only the
    diagonal of the spread is kept, each of the k numbers stands alone: (n, k, groups), (n, k, groups, 1) and
    (n, k, groups, 1, 1).
    """

    count: Array
    mean: Array
    spread: Array

    @classmethod
    def of(cls, sums: Sequence[Sums]) -> Tally:
        """One group at all these times: S = sum d d^T - (sum d) (sum d)^T/n, d = x - x_0.

        [Chan, Golub and LeVeque 1983, eq. (1.3), with shifted data]
        """
        first, total = (np.concatenate(parts) for parts in zip(*sums, strict=True))
        count, offset = total[..., -1, -1], total[..., :-1, -1]
        shift = offset / np.maximum(count, 1)[..., None]
        with np.errstate(all="ignore"):  # where a member is on its way to infinity
            spread = total[..., :-1, :-1] - offset[..., :, None] * shift[..., None, :]
        return cls(count[..., None], (first + shift)[..., None, :], spread[..., None, :, :])

    @classmethod
    def join(cls, tallies: Sequence[Tally]) -> Tally:
        """The tally of several groups at the same times."""
        count, mean, spread = zip(*((t.count, t.mean, t.spread) for t in tallies), strict=True)
        return cls(np.concatenate(count, -1), np.concatenate(mean, -2), np.concatenate(spread, -3))

    def of_each(self) -> Tally:
        """This tally of each number alone, with the diagonal of the spread."""
        k = self.mean.shape[-1]
        count = np.repeat(self.count[:, None], k, axis=1)
        mean, variance = self.mean, np.diagonal(self.spread, axis1=-2, axis2=-1)
        return Tally(count, np.moveaxis(mean, -1, 1)[..., None], np.moveaxis(variance, -1, 1)[..., None, None])

    def total(self) -> tuple[Array, Array, Array, Array]:
        """Number (n,), mean (n, k), unbiased variance (n, k) and covariance (n, k, k) of all members.

        They join what varies within the groups and between them, and are NaN where there are too few members.  The
        covariance is (n, k, 1, 1) where only the diagonal of the spread is kept.
        """
        with np.errstate(all="ignore"):
            n = self.count.sum(axis=-1)
            share = self.count[..., None]
            mean = (share * self.mean).sum(axis=-2) / n[..., None]
            offset = np.where(share > 0, self.mean - mean[..., None, :], 0.0)
            between = (share * offset).swapaxes(-1, -2) @ offset
            covariance = (self.spread.sum(axis=-3) + between) / np.where(n > 1, n - 1, np.nan)[..., None, None]
        if n.ndim == 2:  # each number alone
            return n[:, 0].astype(int), mean[..., 0], covariance[..., 0, 0], covariance
        return n.astype(int), mean, np.diagonal(covariance, axis1=-2, axis2=-1), covariance


@dataclass(frozen=True)
class Census:
    """Statistics that need all members at once: quantiles at `probabilities`, and histograms with bins at `edges`."""

    probabilities: Array
    edges: Array

    @property
    def asks(self) -> bool:
        """Whether quantiles or histograms are asked for."""
        return bool(self.probabilities.size or self.edges.size)

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Quantiles (q, k) and counts (k, bins) of the members of x (k, members) whose entries are all finite."""
        nothing = np.full((self.probabilities.size, len(x)), np.nan)
        quantiles = np.quantile(x, self.probabilities, axis=1) if x.size else nothing
        return quantiles, np.array([self._counted(row) for row in x])

    def _counted(self, row: Array) -> Any:
        return np.histogram(row, self.edges)[0] if self.edges.size else np.zeros(0, dtype=int)
