"""The protocol of a model: its tables of vectors, and loss and gradient of a batch in the rows that it reads."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from odeopt.util.check import Array
from odeopt.word2vec.text import Corpus, Ids
from odeopt.word2vec.windows import Windows

Blocks = tuple[Array, ...]  # rows of each table, (rows, width)


@runtime_checkable
class Model(Protocol):
    """Frozen settings and formulas.  For each batch `shared` negative words are drawn from the distribution f^power."""

    @property
    def name(self) -> str:
        """The printed name."""

    @property
    def shared(self) -> int:
        """The number of negative words that all windows of a batch share."""

    @property
    def power(self) -> float:
        """The exponent of the distribution f^power of the negative words, f being the frequency of a word."""

    def start(self, size: int, dim: int, rng: np.random.Generator) -> Blocks:
        """The tables before training; the first one holds the word vectors."""

    def batch(self, text: Corpus, windows: Windows, drawn: Ids) -> tuple[tuple[Ids, ...], Any]:
        """The distinct rows of each table that windows and drawn words read, and the batch as places in these rows."""

    def loss(self, blocks: Blocks, batch: Any) -> Any:
        """L, the sum over the batch."""

    def grad(self, blocks: Blocks, batch: Any) -> Blocks:
        """dL/d(block) for each block, of the block's shape."""
