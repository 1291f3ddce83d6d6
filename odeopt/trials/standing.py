"""Medians, their intervals and who may be the best, by the bootstrap over settings and seeds.        [Efron 1979]

A resampling draws as many settings as were tried, with replacement, chooses the best of them by the tuning seeds, and
takes the median of its loss over as many of the other seeds, drawn with replacement.  So the interval has in it the
luck of the seeds and the luck of the search.  All optimizers see the same seeds, so differences are of pairs.

No resampling finds a better setting than the search did, so for the luck of the search it is too sure: of two equal
optimizers with 16 settings each it would name a winner in one of ten comparisons.  A winner must pass a second test
as well.  j of its settings are better than the best of the other's; by chance alone, the two being equal and with n
settings each, P(j or more) = 2 C(2n - j, n)/C(2n, n).                              [Epstein 1954; Rosenbaum 1954]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from odeopt.util.check import Array

LEVEL = 0.95  # of the intervals
RESAMPLINGS = 2000
SEED = 0  # of the resampling: the same result has the same intervals


@dataclass(frozen=True, eq=False)
class Standing:
    """On one problem, for each optimizer (o,): the best trial, and medians from `low` to `high` over the other seeds.

    loss:      at the end;  gradients: the first at which the loss is at most `target`, inf if it never is
    leader:    the optimizer with the least loss
    may_win:   whether an optimizer may be the best: in more than (1 - LEVEL)/2 of the resamplings its loss is at most
               the leader's, or the leader's settings that are better than all of its own are as few as chance leaves
    """

    best: Array
    loss: Array
    low: Array
    high: Array
    target: float
    gradients: Array
    gradients_low: Array
    gradients_high: Array
    leader: int
    may_win: Array

    @property
    def winner(self) -> int | None:
        """The optimizer that alone may be the best, if there is one."""
        return self.leader if self.may_win.sum() == 1 and np.isfinite(self.loss[self.leader]) else None


def standing(tuning: Array, loss: Array, gradients: Array, target: float | None) -> Standing:
    """The standing from the last losses (o, trials, seeds) of the tuning seeds and the losses (o, trials, seeds, r).

    target: a loss; None for the largest median of the best trials, which all optimizers reach
    """
    rng = np.random.default_rng(SEED)
    optimizers, trials, seeds, _ = loss.shape
    score = np.median(tuning, axis=-1)
    best, rows = score.argmin(axis=1), np.arange(optimizers)
    final = np.median(loss[rows, best, :, -1], axis=-1)
    level = float(final.max()) if target is None else target
    reached = np.where((loss <= level).any(axis=-1), gradients[(loss <= level).argmax(axis=-1)], np.inf)

    drawn = rng.integers(trials, size=(RESAMPLINGS, optimizers, trials))
    seen = rng.integers(seeds, size=(RESAMPLINGS, 1, seeds))
    scores = score[rows[:, None], drawn]
    chosen = np.take_along_axis(drawn, scores.argmin(axis=-1)[..., None], -1)  # (resamplings, o, 1)
    losses = np.median(loss[rows[:, None], chosen, seen, -1], axis=-1)
    arrivals = _lower_median(reached[rows[:, None], chosen, seen])
    leader = int(final.argmin())
    as_good = (losses <= losses[:, [leader]]).mean(axis=0) > (1 - LEVEL) / 2
    each = np.median(loss[..., -1], axis=-1)
    by_luck = np.array([exceedance(each[leader], other) for other in each]) > 1 - LEVEL
    may_win = as_good | by_luck
    return Standing(
        best, final, *_interval(losses), level, _lower_median(reached[rows, best]), *_interval(arrivals), leader,
        may_win,
    )  # fmt: skip


def exceedance(a: Array, b: Array) -> float:
    """P(j or more of either sample are below all of the other), j the number of a (n,) below all of b (n,).

    >>> exceedance(np.arange(8.0), np.arange(5.0, 13.0))  # 0, 1, 2, 3, 4: 2 C(11, 8)/C(16, 8)
    0.02564102564102564
    """
    n, j = len(a), int(np.count_nonzero(a < b.min()))
    return min(1.0, 2 * math.comb(2 * n - j, n) / math.comb(2 * n, n))


def _lower_median(values: Array) -> Array:
    """The least value that half of the last axis does not exceed: finite if half of the seeds arrive."""
    return np.quantile(values, 0.5, axis=-1, method="inverted_cdf")


def _interval(values: Array) -> tuple[Array, Array]:
    """The quantiles of the resamplings (n, o) between which a share LEVEL of them lies; values may be infinite."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0, method="inverted_cdf")
    return low, high


def best_of(score: Array, loss: Array) -> Array:
    """(trials,): the median loss of the best of k = 1, 2, ... random settings, from their scores and losses (trials,).

    The best of k, drawn with replacement out of n, is the j-th best of all with probability
    ((n - j + 1)/n)^k - ((n - j)/n)^k.                                             [Dodge et al. 2019, sec. 3.1]
    """
    n, order = len(score), np.argsort(loss, kind="stable")
    rank = np.argsort(np.argsort(score, kind="stable"))
    k = np.arange(1, n + 1)[:, None]
    weights = ((n - rank) / n) ** k - ((n - rank - 1) / n) ** k
    return loss[order][(np.cumsum(weights[:, order], axis=1) >= 0.5 - 1e-12).argmax(axis=1)]
