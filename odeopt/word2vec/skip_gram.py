"""Skip-gram with negative sampling: loss and gradient of a batch, by hand."""

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
class PairBatch:
    """Pairs p of a word i_p and a context word j_p; negative words l of weights q_l.  Words are rows of the blocks."""

    i: Ids
    j: Ids
    l: Ids  # noqa: E741
    q: Array


@dataclass(frozen=True)
class SkipGram:
    """L = -sum_p [log s(c_i.x_j) + sum_l q_l log s(-c_i.x_l)],   s(z) = 1/(1 + e^-z).   [Mikolov et al. 2013, eq. 4]

    c are vectors of words, x vectors of contexts.  The paper draws `negatives` = k words per pair from the distribution
    f^power.  Here `shared` = K words are drawn once for all pairs of a batch, with weight q_l = (k/K) times the number
    of draws of l.  The expectation is the same, and the sum becomes a product of matrices.
    """

    negatives: int = 5
    shared: int = 128
    power: float = 0.75
    name: ClassVar[str] = "skip-gram"

    def __post_init__(self) -> None:
        check.count("negatives", self.negatives, 1)
        within_memory("shared", check.count("shared", self.shared, 1), 3 * NUMBER * self.shared)
        power_of(self.power)

    def start(self, size: int, dim: int, rng: np.random.Generator) -> Blocks:
        """c uniform in +-1/(2 dim), x = 0, as in word2vec.c."""
        return rng.uniform(-0.5 / dim, 0.5 / dim, (size, dim)), np.zeros((size, dim))

    def batch(self, text: Corpus, windows: Windows, drawn: Ids) -> tuple[tuple[Ids, ...], PairBatch]:
        """The rows of the two tables that the windows and the drawn words read, and the batch in these rows."""
        size = len(text.words)
        centres, (target,) = local(size, windows.target)
        contexts, (j, l) = local(size, windows.context, drawn)  # noqa: E741
        times = np.bincount(l).astype(np.float64)
        negative = np.flatnonzero(times)
        q = self.negatives / len(drawn) * times[negative]
        return (centres, contexts), PairBatch(target[windows.of], j, negative, q)

    def loss(self, blocks: Blocks, batch: PairBatch) -> Any:
        """L of a batch, from its rows c (n, d) and x (m, d) of the tables."""
        c, x = blocks
        pairs = np.bincount(batch.i, minlength=len(c))
        positive = np.einsum("pd,pd->p", c[batch.i], x[batch.j])
        negative = c @ x[batch.l].T
        return np.log1p(np.exp(-positive)).sum() + pairs @ np.log1p(np.exp(negative)) @ batch.q

    def grad(self, blocks: Blocks, batch: PairBatch) -> Blocks:
        """dL/dc = A x + B x_l,   dL/dx = A^T c + (B^T c at l),   A_ij = -s(-c_i.x_j),   B_il = n_i q_l s(c_i.x_l).

        A is sparse: only pairs (i, j) that occur have entries, repeated pairs are added.  n_i counts the pairs of i.
        """
        from scipy.sparse import csr_array

        c, x = blocks
        i, j, xl = batch.i, batch.j, x[batch.l]
        pull = -logistic(-np.einsum("pd,pd->p", c.take(i, axis=0), x.take(j, axis=0)))
        A = csr_array((pull, (i, j)), shape=(len(c), len(x)))
        B = np.bincount(i, minlength=len(c))[:, None] * batch.q * logistic(c @ xl.T)
        dc, dx = A @ x + B @ xl, A.T @ c
        dx[batch.l] += B.T @ c
        return dc, dx


def logistic(z: Array) -> Array:
    """1/(1 + e^-z)."""
    return 1 / (1 + np.exp(-z))
