"""What a model is: tables of vectors, and the loss and gradient of a batch in the rows that it reads."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from odeopt.util.check import Array
from odeopt.word2vec.text import Corpus, Ids
from odeopt.word2vec.windows import Windows

Blocks = tuple[Array, ...]  # rows of each table, (rows, width)


@runtime_checkable
class Model(Protocol):
    """Frozen settings and the formulas; `shared` negative words are drawn a batch from the distribution f^power."""

    @property
    def name(self) -> str:
        """As it is printed."""

    @property
    def shared(self) -> int:
        """How many negative words all windows of a batch share."""

    @property
    def power(self) -> float:
        """Their distribution is f^power."""

    def start(self, size: int, dim: int, rng: np.random.Generator) -> Blocks:
        """The tables before training, that of the word vectors first."""

    def batch(self, text: Corpus, windows: Windows, drawn: Ids) -> tuple[tuple[Ids, ...], Any]:
        """The distinct rows of each table that windows and drawn negative words read, and their places in these."""

    def loss(self, blocks: Blocks, batch: Any) -> Any:
        """L, summed over the batch."""

    def grad(self, blocks: Blocks, batch: Any) -> Blocks:
        """dL/d(block), each of its block's shape."""
