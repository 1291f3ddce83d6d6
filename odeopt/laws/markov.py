"""p' = Q p: a finite Markov chain in continuous time with rates Q[i, j] >= 0 from j to i, i != j.

Stationary densities and hitting times are computed by eliminating one state after the other.  The elimination subtracts
nothing, so every entry is accurate to rounding at any temperature.              [Grassmann, Taksar & Heyman 1985]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from odeopt.util.check import Array

BATCH = 500.0  # jumps per series: exp(-500) is far from underflow
MOST = 1e8  # largest number of jumps in all: minutes, even on a small grid
LARGE = 1e200


def evolved(Q: Any, p: Array, t: float) -> Array:
    """exp(t Q) p = sum_k e^(-rt) (rt)^k/k! (1 + Q/r)^k p with the largest exit rate r.                [Jensen 1953]

    No term is negative, so p stays non-negative.  The truncated rest is below rounding.  It takes about r t products
    with Q.
    """
    rate = -Q.diagonal().min()
    if rate * t > MOST:
        raise ValueError(f"times must be at most {MOST / rate:.3g} apart on this grid, got {t:g}; or take fewer cells")
    batches = int(np.ceil(rate * t / BATCH))
    for _ in range(batches):
        p = _series(Q / rate, p, rate * t / batches)
    return p


def _series(jumps: Any, p: Array, x: float) -> Array:
    """sum_k e^(-x) x^k/k! (1 + jumps)^k p, up to twelve standard deviations beyond the mean number of jumps."""
    weight = np.exp(-x)
    total, mass = weight * p, weight
    for k in range(1, int(x + 12 * np.sqrt(x) + 30)):
        p = np.maximum(p + jumps @ p, 0.0)  # rounding of the diagonal may give values below 0
        weight *= x / k
        total += weight * p
        mass += weight
    return total / mass


def stationary(Q: Any) -> Array:
    """The p with Q p = 0 and sum 1; ValueError if it is not unique."""
    home = _closed_class(Q)
    chain = _Chain(Q[home][:, home], np.zeros(home.size), np.zeros(home.size))
    kept = np.ones(home.size)
    for k in range(1, home.size):
        near = chain.near(k)
        kept[k] = kept[near] @ chain.rates[near, k] / chain.leaving[k]
        if kept[k] > LARGE:
            kept[: k + 1] /= kept[k]
    p = np.zeros(Q.shape[0])
    p[home[chain.order]] = kept
    return p / p.sum()


def hitting_times(Q: Any, leak: Array) -> Array:
    """u with sum_j Q[j, i] (u_j - u_i) - leak_i u_i = -1: the mean times until the chain leaves at the rates `leak`.

    ValueError if it never leaves from some state, or if a time exceeds the range of floats.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        chain, u = _Chain(Q, leak, np.ones(leak.size)), np.zeros(leak.size)
    if not (np.all(chain.leaving > 0) and np.all(np.isfinite(chain.waiting))):
        raise ValueError("target must be within reach of every cell, got a mean time that is infinite or above 1e308")
    for k in range(leak.size):
        near = chain.near(k)
        u[k] = (chain.waiting[k] + chain.rates[k, near] @ u[near]) / chain.leaving[k]
    return u[np.argsort(chain.order)]


class _Chain:
    """The chain after elimination of its states n - 1, ..., 1, in an order of small bandwidth.

    `rates[k, j]` and `rates[j, k]`, j < k, are the rates between k and the earlier states when k was eliminated, and
    `leaving[k]` is the total rate of going there or leaking.  `waiting[k]` is its given value plus the share of the
    states eliminated before; for a given value of 1, waiting/leaving is the mean time until the chain leaves k.
    """

    def __init__(self, Q: Any, leak: Array, waiting: Array) -> None:
        self.order, self.band, self.rates = _banded(Q)
        self.leaving, self.waiting = leak[self.order], waiting[self.order]
        for k in range(leak.size - 1, -1, -1):
            near = self.near(k)
            out, leaks = self.rates[k, near], self.leaving[k]
            self.leaving[k] += out.sum()
            share = self.rates[near, k] / (self.leaving[k] or 1.0)
            self.rates[near, near] += share[:, None] * out
            self.leaving[near] += share * leaks
            self.waiting[near] += share * self.waiting[k]

    def near(self, k: int) -> slice:
        """The earlier states that may have rates from or to k."""
        return slice(max(0, k - self.band), k)


def _banded(Q: Any) -> tuple[NDArray[np.intp], int, Array]:
    """(order, b, W): W[i, j] is the rate from i to j in this order, stored only where abs(i - j) <= b."""
    from scipy.sparse import coo_array, csr_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    n, order = Q.shape[0], reverse_cuthill_mckee(csr_array(abs(Q) + abs(Q.T)), symmetric_mode=True)
    place, rates = np.argsort(order), coo_array(Q)
    to, start = place[rates.row], place[rates.col]
    b = int(np.max(np.abs(to - start), initial=1))
    diagonals = np.zeros((n, 2 * b + 1))
    off = to != start
    diagonals[start[off], b + (to - start)[off]] = rates.data[off]
    step = diagonals.itemsize
    W = np.lib.stride_tricks.as_strided(diagonals.ravel()[b:], shape=(n, n), strides=(2 * b * step, step))
    return order, b, W


def _closed_class(Q: Any) -> NDArray[np.intp]:
    """The states of the only closed class; ValueError if there are several."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    count, label = connected_components(csr_array(Q.T), connection="strong")
    to, start = Q.nonzero()
    left = set(label[start[label[to] != label[start]]].tolist())
    closed = sorted(set(range(count)) - left)
    if len(closed) > 1:
        raise ValueError(f"stationary needs exactly one part of the box that paths never leave, got {len(closed)}")
    return np.flatnonzero(label == closed[0])
