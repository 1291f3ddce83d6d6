"""The multi-power law: the loss of a run from the learning rates of its steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odeopt.util.check import Array

PARAMETERS = ("L0", "A", "alpha", "B", "C", "beta", "gamma")
BLOCK = 2**21  # numbers in memory at a time
LEAST = 1e-12  # of the largest rate: a rate of 0 counts as this


@dataclass(frozen=True, eq=False)
class Annealing:
    """What the law reads of the rates eta (n,) up to each record, (r,), and at each change of the rate, (c,).

    total:   sum of eta_i up to the record, warm-up included
    drop:    eta_(k-1) - eta_k, after the warm-up, where it is not 0
    rate:    eta_k
    before:  sum of eta_i up to k - 1
    """

    total: Array
    drop: Array
    rate: Array
    before: Array

    def merged(self, most: int) -> Annealing:
        """With at most this many changes: neighbours become one, at their mean weighted by |drop|."""
        if len(self.drop) <= most:
            return self
        begins = np.linspace(0, len(self.drop), most, endpoint=False).astype(int)
        weight = np.abs(self.drop)
        of = [np.add.reduceat(u, begins) for u in (self.drop, weight, weight * np.log(self.rate), weight * self.before)]
        return Annealing(self.total, of[0], np.exp(of[2] / of[1]), of[3] / of[1])


def annealing(eta: Array, records: Array) -> Annealing:
    """Of the rates eta (n,) at the records, the indices (r,) of the last step before each.

    Changes of the rate in the warm-up, which is all before the first fall, do not count.
    """
    total, falls = np.cumsum(eta), np.flatnonzero(np.diff(eta) < 0)
    changed = np.flatnonzero(np.diff(eta)) + 1
    changed = changed[changed > falls[0]] if len(falls) else changed[:0]
    rate = np.maximum(eta, LEAST * eta.max())
    return Annealing(total[records], eta[changed - 1] - eta[changed], rate[changed], total[changed - 1])


def warm_up_end(eta: Array) -> int:
    """The step that ends the warm-up: the first at the rate from which the first fall is."""
    falls = np.flatnonzero(np.diff(eta) < 0)
    return int(np.argmax(eta == eta[falls[0] if len(falls) else -1]))


def loss(p: Array, curve: Annealing) -> Array:
    """L = L0 + A S^-alpha - B sum_k (eta_(k-1) - eta_k) [1 - (1 + C eta_k^-gamma S_k)^-beta] at each record, (r,).

    S is the sum of all rates and S_k that from step k on, both up to the record; p are the PARAMETERS, (7,).
    [Luo et al. 2025, "A multi-power law for loss curve prediction across learning rate schedules"]
    """
    return values_and_slopes(p, curve)[0]


def values_and_slopes(p: Array, curve: Annealing) -> tuple[Array, Array]:
    """The loss (r,), and its derivatives by the logarithms of the parameters, (r, 7)."""
    L0, A, alpha, B, *_ = p
    power = A * curve.total**-alpha
    sums = terms(p, curve)
    slopes = [np.full_like(power, L0), power, -alpha * np.log(curve.total) * power, *(-B * u for u in sums.T)]
    return L0 + power - B * sums[:, 0], np.stack(slopes, axis=-1)


def terms(p: Array, curve: Annealing) -> Array:
    """sum_k drop_k G(x), G = 1 - (1 + x)^-beta, and its derivatives by log C, log beta and log gamma, (r, 4)."""
    *_, C, beta, gamma = p
    found = np.empty((len(curve.total), 4))
    rows = max(1, BLOCK // max(1, len(curve.drop)))
    for first in range(0, len(found), rows):
        part = slice(first, first + rows)
        travelled = np.maximum(curve.total[part, None] - curve.before, 0)  # S_k, 0 before step k
        x = C * curve.rate**-gamma * travelled
        logarithm = np.log1p(x)
        left = np.exp(-beta * logarithm)
        slope = beta * left * (x / (1 + x)) @ np.stack([curve.drop, -gamma * np.log(curve.rate) * curve.drop], axis=-1)
        found[part, 0], found[part, 2] = (1 - left) @ curve.drop, beta * (left * logarithm) @ curve.drop
        found[part, 1], found[part, 3] = slope.T
    return found
