"""Moments, quantiles and histograms of all members at one time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.check import Array


@dataclass(frozen=True)
class Tally:
    """Of groups of members: how many are finite, their mean, and their spread sum (x - mean) (x - mean)^T.

    count (..., groups), mean (..., groups, k), spread (..., groups, k, k)
    """

    count: Array
    mean: Array
    spread: Array

    @classmethod
    def of(cls, rows: Sequence[Array], room: Array | None = None) -> Tally:
        """One group, k rows (members,); members of which an entry is not finite are left out.

        room (k, members): what may be overwritten, where memory shall not be asked for.
        """
        with np.errstate(all="ignore"):  # a member on its way to infinity
            sums = np.array([row.sum() for row in rows])
            if not np.isfinite(sums).all():
                alive = np.isfinite(rows).all(axis=0)
                rows, room = [row[alive] for row in rows], None
                sums = np.array([row.sum() for row in rows])
            mean = sums / max(len(rows[0]), 1)
            offsets = np.empty((len(rows), len(rows[0]))) if room is None else room
            for row, m, offset in zip(rows, mean, offsets, strict=True):
                np.subtract(row, m, out=offset)
            spread = np.zeros((len(rows), len(rows)))
            for i, a in enumerate(offsets):
                spread[i, : i + 1] = spread[: i + 1, i] = [a @ b for b in offsets[: i + 1]]
        return cls(np.array([float(len(rows[0]))]), mean[None], spread[None])

    @classmethod
    def stack(cls, tallies: Sequence[Tally]) -> Tally:
        """Of one group at several times."""
        return cls(*(np.stack(parts) for parts in _parts(tallies)))

    @classmethod
    def join(cls, tallies: Sequence[Tally]) -> Tally:
        """Of several groups at the same times."""
        count, mean, spread = _parts(tallies)
        return cls(np.concatenate(count, -1), np.concatenate(mean, -2), np.concatenate(spread, -3))

    def total(self) -> tuple[Array, Array, Array]:
        """n (...), mean (..., k) and unbiased covariance (..., k, k) of all: within the groups and between them.

        NaN where there are too few members.
        """
        with np.errstate(all="ignore"):
            n = self.count.sum(axis=-1)
            share = self.count[..., None]
            mean = (share * self.mean).sum(axis=-2) / n[..., None]
            offset = np.where(share > 0, self.mean - mean[..., None, :], 0.0)
            between = (share * offset).swapaxes(-1, -2) @ offset
            covariance = (self.spread.sum(axis=-3) + between) / np.where(n > 1, n - 1, np.nan)[..., None, None]
        return n.astype(int), mean, covariance


def _parts(tallies: Sequence[Tally]) -> tuple[list[Array], list[Array], list[Array]]:
    return [t.count for t in tallies], [t.mean for t in tallies], [t.spread for t in tallies]


@dataclass(frozen=True)
class Census:
    """What needs all members at once: probabilities of the quantiles, and the edges of the histogram's bins."""

    probabilities: Array
    edges: Array

    @property
    def asks(self) -> bool:
        """Whether there is anything to count."""
        return bool(self.probabilities.size or self.edges.size)

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Quantiles (q, k) and counts (k, bins) of the members of x (k, members) whose entries are all finite."""
        nothing = np.full((self.probabilities.size, len(x)), np.nan)
        quantiles = np.quantile(x, self.probabilities, axis=1) if x.size else nothing
        return quantiles, np.array([self._counted(row) for row in x])

    def _counted(self, row: Array) -> Any:
        return np.histogram(row, self.edges)[0] if self.edges.size else np.zeros(0, dtype=int)
