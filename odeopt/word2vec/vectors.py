"""Word vectors: nearest neighbours, and agreement of their cosines with human judgements of similarity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.saved import Saved
from odeopt.word2vec.text import sample


@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation with human judgements, over the pairs in which both words are known."""

    spearman: float
    pvalue: float
    pairs: int
    unknown: int


@dataclass(frozen=True, eq=False)
class Vectors(Saved):
    """The vectors of a vocabulary: words (V,), vectors (V, dim), one row per word.

    `len`, `in` and iteration are those of the words, as in a dictionary from words to vectors.

    >>> small = Vectors(("up", "high", "low"), np.array([[1.0, 1.0], [1.0, 0.8], [-1.0, -0.9]]))
    >>> small.most_similar("up", 1)[0][0], round(small.similarity("up", "low"), 4)
    ('high', -0.9986)
    >>> len(small), "up" in small, list(small)
    (3, True, ['up', 'high', 'low'])
    """

    words: tuple[str, ...]
    vectors: Array

    def __post_init__(self) -> None:
        words = self.words
        if not isinstance(words, tuple | list) or not words or not all(isinstance(word, str) for word in words):
            raise TypeError(f"words must be a tuple of one or more str, got {check.shown(words)}")
        check.distinct("words", words)
        vectors = check.point("vectors", self.vectors)
        if vectors.ndim != 2 or len(vectors) != len(words):
            raise ValueError(f"vectors must have shape ({len(words)}, dim), a row for each word, got {vectors.shape}")
        object.__setattr__(self, "words", tuple(words))
        object.__setattr__(self, "vectors", vectors)

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word in `vectors`."""
        return {word: i for i, word in enumerate(self.words)}

    @cached_property
    def directions(self) -> Array:
        """The vectors scaled to length 1; zero vectors stay zero."""
        length = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return self.vectors / np.where(length > 0, length, 1)

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and word in self.index

    def __getitem__(self, word: str) -> Array:
        """The vector of a word; KeyError for an unknown word."""
        return self.vectors[self._row("word", word)]

    def similarity(self, a: str, b: str) -> float:
        """The cosine of the angle between the vectors of two words."""
        return float(self.directions[self._row("a", a)] @ self.directions[self._row("b", b)])

    def most_similar(self, word: str, count: int = 10) -> list[tuple[str, float]]:
        """The `count` other words with the largest cosines, with these cosines."""
        row, count = self._row("word", word), check.count("count", count, 1)
        cosine = self.directions @ self.directions[row]
        order = np.argsort(-cosine, kind="stable")
        return [(self.words[i], float(cosine[i])) for i in order[order != row][:count]]

    def agreement(self, pairs: Sequence[tuple[str, str, float]]) -> Agreement:
        """Spearman's rank correlation of cosines and scores over pairs (word, word, score)."""
        from scipy.stats import spearmanr

        if not isinstance(pairs, list | tuple) or not all(map(_is_pair, pairs)):
            raise TypeError(f"pairs must be a list of (word, word, score), got {check.shown(pairs)}")
        known = [pair for pair in pairs if pair[0] in self.index and pair[1] in self.index]
        if len(known) < 3:
            raise ValueError(f"pairs must hold three pairs of known words, got {len(known)} among {len(pairs)}")
        found = spearmanr([self.similarity(a, b) for a, b, _ in known], [score for _, _, score in known])
        return Agreement(float(found.statistic), float(found.pvalue), len(known), len(pairs) - len(known))

    def wordsim353(self) -> Agreement:
        """Agreement with the 353 pairs of WordSim.                                     [Finkelstein et al. 2002]"""
        return self.agreement(wordsim353())

    def _row(self, name: str, word: str) -> int:
        if check.label(name, word) not in self.index:
            raise KeyError(f"{name} must be in the vocabulary of {len(self.words)} words, got {word!r}")
        return self.index[word]


def _is_pair(value: Any) -> bool:
    """Whether this is (word, word, score)."""
    if not isinstance(value, tuple | list) or len(value) != 3:
        return False
    a, b, score = value
    return isinstance(a, str) and isinstance(b, str) and isinstance(score, int | float | np.number)


def wordsim353() -> list[tuple[str, str, float]]:
    """Pairs of lower-case words with human scores of similarity, from 0 to 10.  ImportError without gensim."""
    lines = sample("wordsim353.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(a.lower(), b.lower(), float(score)) for a, b, score in rows]
