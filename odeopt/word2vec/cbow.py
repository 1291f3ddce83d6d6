"""CBOW, the continuous bag of words, with a random softmax: loss and gradient of a batch, by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_memory
from odeopt.word2vec.model import Blocks
from odeopt.word2vec.text import Corpus, Ids, power_of
from odeopt.word2vec.windows import Windows, local


@dataclass(frozen=True, eq=False)
class BagBatch:
    """Windows i with target t_i, context words j_p in window i_p, and negative words l, each drawn q_l times."""

    i: Ids
    j: Ids
    t: Ids
    l: Ids  # noqa: E741
    q: Array


@dataclass(frozen=True)
class CBOW:
    """L = -sum_i log(e^(z_it)/(e^(z_it) + sum_l q_l e^(z_il))),  z_il = h_i.w_l + b_l,  h_i = sum_(j around i) x_j.

    The "random softmax" runs over the target and a few words drawn uniformly, word l q_l times, instead of over all
    words.                                                       [Su Jianlin, kexue.fm 4402 (the loss) and 4515 (h, b)]
    There the words are drawn anew for each window; here `shared` = K words are drawn once for all windows of a batch.
    In both the target may be among them.
    """

    shared: int = 128
    power: float = 0.0
    name: ClassVar[str] = "CBOW"

    def __post_init__(self) -> None:
        within_memory("shared", check.count("shared", self.shared, 1), 3 * NUMBER * self.shared)
        power_of(self.power)

    def start(self, size: int, dim: int, rng: np.random.Generator) -> Blocks:
        """x uniform in +-1/(2 dim), w = 0, b = 0."""
        return rng.uniform(-0.5 / dim, 0.5 / dim, (size, dim)), np.zeros((size, dim)), np.zeros((size, 1))

    def batch(self, text: Corpus, windows: Windows, drawn: Ids) -> tuple[tuple[Ids, ...], BagBatch]:
        """The rows of the three tables that the windows and the drawn words read, and the batch in these rows."""
        size = len(text.words)
        contexts, (j,) = local(size, windows.context)
        outputs, (t, l) = local(size, windows.target, drawn)  # noqa: E741
        times = np.bincount(l).astype(np.float64)
        negative = np.flatnonzero(times)
        return (contexts, outputs, outputs), BagBatch(windows.of, j, t, negative, times[negative])

    def loss(self, blocks: Blocks, batch: BagBatch) -> Any:
        """L of a batch, from its rows x (m, d), w (n, d), b (n, 1) of the tables."""
        _, target, negative, _ = self._forward(blocks, batch)
        return np.log1p(np.exp(negative - target) @ batch.q).sum()

    def grad(self, blocks: Blocks, batch: BagBatch) -> Blocks:
        """dz_t = p_t - 1,  dz_l = p_l:  dh_i = dz_it w_t + sum_l dz_il w_l,  dx_j = sum_(i around j) dh_i,
        dw_t = sum_i dz_it h_i,  dw_l = sum_i dz_il h_i; db likewise with h = 1.  p is the softmax.
        """
        _, w, _ = blocks
        h, target, negative, around = self._forward(blocks, batch)
        odds = batch.q * np.exp(negative - target)
        p = odds / (1 + odds.sum(axis=1, keepdims=True))
        pull = -p.sum(axis=1)  # p_t - 1
        at = _incidence(np.arange(len(h)), batch.t, pull, (len(h), len(w)))
        dh = at @ w + p @ w[batch.l]
        dw, db = at.T @ h, at.sum(axis=0)[:, None]
        dw[batch.l] += p.T @ h
        db[batch.l] += p.sum(axis=0)[:, None]
        return around.T @ dh, dw, db

    def _forward(self, blocks: Blocks, batch: BagBatch) -> tuple[Array, Array, Array, Any]:
        """h, z_t as a column, z_l, and the sparse incidence matrix of context words in windows."""
        x, w, b = blocks
        around = _incidence(batch.i, batch.j, np.ones(len(batch.i)), (len(batch.t), len(x)))
        h = around @ x
        target = np.sum(h * w[batch.t], axis=1, keepdims=True) + b[batch.t]
        return h, target, h @ w[batch.l].T + b[batch.l].T, around


def _incidence(i: Ids, j: Ids, values: Array, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array

    return csr_array((values, (i, j)), shape=shape)
