"""Windows: each word of the text with the words around it, drawn anew in each epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odeopt.word2vec.text import Corpus, Ids


@dataclass(frozen=True, eq=False)
class Windows:
    """B words with their contexts, as P pairs.

    target:  (B,) the word at the centre of each window
    context: (P,) the context words
    of:      (P,) the window, 0 .. B - 1, of each context word
    """

    target: Ids
    context: Ids
    of: Ids


@dataclass(frozen=True, eq=False)
class Epoch:
    """One pass through the text, with frequent words thinned out, random widths of windows, and random order."""

    ids: Ids
    document: Ids
    reach: Ids
    order: Ids
    window: int

    @staticmethod
    def of(text: Corpus, window: int, threshold: float, rng: np.random.Generator) -> Epoch:
        """Draws an epoch: words stay with probability `text.kept(threshold)`; windows reach 1 .. `window` words."""
        stays = rng.random(len(text.ids)) < text.kept(threshold)[text.ids]
        ids, document = text.ids[stays], text.document[stays]
        reach = rng.integers(1, window + 1, size=len(ids))
        edge = np.full(window, -1, dtype=np.int32)  # document -1: places beyond the text are no context
        return Epoch(
            np.concatenate([edge, ids, edge]),
            np.concatenate([edge, document, edge]),
            reach,
            rng.permutation(len(ids)),
            window,
        )

    def batches(self, size: int) -> int:
        """The number of batches of this size; the last may be smaller.  An epoch without words is one empty batch."""
        return max(1, -(-len(self.order) // size))

    def batch(self, number: int, size: int) -> Windows:
        """The windows of one batch."""
        at = self.order[number * size : (number + 1) * size]
        offset = np.concatenate([np.arange(-self.window, 0), np.arange(1, self.window + 1)])
        place = at[:, None] + self.window + offset
        within = np.abs(offset) <= self.reach[at][:, None]
        within &= self.document[place] == self.document[at + self.window][:, None]
        of, column = np.nonzero(within)
        return Windows(self.ids[at + self.window], self.ids[place[of, column]], of)


def local(size: int, *words: Ids) -> tuple[Ids, list[Ids]]:
    """The distinct words among 0 .. size - 1, ascending, and for each given word its index among them.

    >>> local(9, np.array([7, 2, 7]), np.array([5]))
    (array([2, 5, 7]), [array([2, 0, 2]), array([1])])
    """
    seen = np.zeros(size, dtype=bool)
    for group in words:
        seen[group] = True
    rows = np.flatnonzero(seen)
    place = np.empty(size, dtype=np.intp)
    place[rows] = np.arange(len(rows))
    return rows, [place[group] for group in words]
