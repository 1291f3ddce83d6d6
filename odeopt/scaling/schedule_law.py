"""Laws of the loss under a schedule: a power of the sum of all rates, and a sum over steps that made or saved noise.

L = L0 + A S^-alpha + B sum_k weight_k g(S_k, eta_k), where S is the sum of all rates up to the record and S_k its part
since step k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from odeopt.util.check import Array

BLOCK = 2**20  # numbers in memory at a time
LEAST = 1e-12  # of the largest rate: a rate of 0 counts as this


@dataclass(frozen=True, eq=False)
class Sums:
    """What a law reads of the rates eta (n,): `total` (r,) up to each record; of each step that it sums over, (c,):

    weight, rate:  weight_k and eta_k
    before:        the sum of the rates at which S_k = 0; the law sums over the steps with `before` <= total
    """

    total: Array
    weight: Array
    rate: Array
    before: Array

    def merged(self, most: int) -> Sums:
        """With at most this many steps: neighbours become one, at their mean weighted by |weight|."""
        if len(self.weight) <= most:
            return self
        begins, size = np.linspace(0, len(self.weight), most, endpoint=False).astype(int), np.abs(self.weight)
        parts = (self.weight, size, size * np.log(self.rate), size * self.before)
        weight, sizes, rate, before = (np.add.reduceat(u, begins) for u in parts)
        return Sums(self.total, weight, np.exp(rate / sizes), before / sizes)


@dataclass(frozen=True, eq=False)
class ScheduleLaw:
    """A law by the parameters of its g, after L0, A, alpha and B.

    shape:    the names of the parameters of g;  exponents: those that are powers
    response: (values of shape, eta_k, S_k) -> (g, its derivative by the logarithm of each)
    reads:    (eta (n,), records (r,)) -> Sums;  a record is the index of the last step before it
    starts:   the largest rate -> values of shape from which a fit begins
    """

    name: str
    shape: tuple[str, ...]
    exponents: tuple[str, ...]
    response: Callable[[Array, Array, Array], tuple[Array, ...]]
    reads: Callable[[Array, Array], Sums]
    starts: Callable[[float], Sequence[tuple[float, ...]]]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of all p parameters."""
        return ("L0", "A", "alpha", "B", *self.shape)

    def loss(self, p: Array, sums: Sums) -> Array:
        """L at each record, (r,)."""
        return self.values_and_slopes(p, sums)[0]

    def values_and_slopes(self, p: Array, sums: Sums) -> tuple[Array, Array]:
        """L at each record, (r,), and its derivatives by the logarithms of the parameters, (r, p)."""
        L0, A, alpha, B = p[:4]
        power, noise = A * sums.total**-alpha, B * self.responses(p, sums)
        slopes = [np.full_like(power, L0), power, -alpha * np.log(sums.total) * power, *noise.T]
        return L0 + power + noise[:, 0], np.stack(slopes, axis=-1)

    def responses(self, p: Array, sums: Sums) -> Array:
        """sum_k weight_k g, and its derivatives by the logarithms of the parameters of g, (r, 1 + shape)."""
        found = np.zeros((len(sums.total), 1 + len(self.shape)))
        rows = max(1, BLOCK // max(1, len(sums.weight)))
        for first in range(0, len(found), rows):
            travelled = sums.total[first : first + rows, None] - sums.before
            weight = np.where(travelled >= 0, sums.weight, 0.0)
            each = self.response(p[4:], sums.rate, np.maximum(travelled, 0))
            found[first : first + rows] = np.stack([np.sum(weight * u, axis=-1) for u in each], axis=-1)
        return found


def warm_up_end(eta: Array) -> int:
    """The step that ends the warm-up: the first at the rate from which the first fall is."""
    falls = np.flatnonzero(np.diff(eta) < 0)
    return int(np.argmax(eta == eta[falls[0] if len(falls) else -1]))


def positive(eta: Array) -> Array:
    """The rates, those that are 0 by a tiny one."""
    return np.maximum(eta, LEAST * eta.max())
