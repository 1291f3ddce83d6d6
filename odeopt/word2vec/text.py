"""Texts as word numbers: the Wikipedia sample that comes with gensim, or your own documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odeopt.util import check
from odeopt.util.check import Array

Ids = NDArray[np.integer[Any]]  # words, as indices into a vocabulary
SAMPLE = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
STEEPEST = 20  # power of the frequencies
SHORTEST = 50  # least number of words in an article, as in gensim's WikiCorpus


def wikipedia() -> list[list[str]]:
    """Articles of English Wikipedia from gensim's test data, as lower-case words of 2 to 15 letters.

    There are 106 articles with 452,944 words; reading takes about 5 seconds.  ImportError without gensim.
    """
    import bz2

    with bz2.open(sample(SAMPLE)) as file:
        from gensim.corpora import wikicorpus

        pages = [text for _, text, _ in wikicorpus.extract_pages(file, ("0",))]
        articles = [wikicorpus.tokenize(wikicorpus.filter_wiki(text), 2, 15, True) for text in pages]
    return [article for article in articles if len(article) >= SHORTEST]


def sample(name: str) -> Path:
    """The path of a file in gensim's test data."""
    try:
        from gensim.test.utils import datapath
    except ImportError as error:
        raise ImportError("these data come with gensim: install odeopt-toolkit[words]") from error
    return Path(datapath(name))


@dataclass(frozen=True, eq=False)
class Corpus:
    """Documents in sequence, over a vocabulary of the frequent words.

    words:    (V,) the vocabulary, the most frequent word first
    counts:   (V,) how often each word occurs in the text
    ids:      (n,) the text, as indices into the vocabulary
    document: (n,) the document number of each word of the text
    """

    words: tuple[str, ...]
    counts: Array
    ids: Ids
    document: Ids

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of each word in the vocabulary."""
        return {word: i for i, word in enumerate(self.words)}

    def kept(self, threshold: float) -> Array:
        """min(1, sqrt(s/f) + s/f): the probability of keeping a word of frequency f, s the threshold.  [word2vec.c]"""
        check.scalar("threshold", check.positive("threshold", threshold))
        ratio = threshold / (self.counts / self.counts.sum())
        return np.minimum(1.0, np.sqrt(ratio) + ratio)

    def noise(self, power: float) -> Array:
        """f^power, normalised: the distribution of negative words; (V,).      [Mikolov et al. 2013, sec. 2.2]"""
        weight = self.counts ** power_of(power)
        return weight / weight.sum()

    def __repr__(self) -> str:
        return f"Corpus: {len(self.ids):,} words, {len(self.words):,} distinct"


def power_of(value: Any) -> float:
    """The power of the frequencies by which words are drawn, which keeps f^power finite."""
    return check.number_within("power", value, 0, STEEPEST)


def corpus(documents: Iterable[Iterable[str]], min_count: int = 5) -> Corpus:
    """A Corpus from documents, each a list of words, without words that occur less than `min_count` times.

    >>> text = corpus([["the", "cat", "the", "dog"], ["the", "dog"]], min_count=2)
    >>> text, text.words, text.ids.tolist()
    (Corpus: 5 words, 2 distinct, ('the', 'dog'), [0, 0, 1, 0, 1])
    """
    min_count = check.count("min_count", min_count, 1)
    if not isinstance(documents, Iterable):
        raise TypeError(f"documents must be lists of words, got {check.shown(documents)}")
    texts = [_document(document) for document in documents]
    counter = Counter(word for text in texts for word in text)
    frequent = sorted((-n, word) for word, n in counter.items() if n >= min_count)
    if len(frequent) < 2:
        raise ValueError(f"documents must have two words that occur min_count = {min_count} times, got {len(frequent)}")
    words = tuple(word for _, word in frequent)
    index = {word: i for i, word in enumerate(words)}
    known = [[index[word] for word in text if word in index] for text in texts]
    counts = np.array([-n for n, _ in frequent], dtype=np.float64)
    ids = np.array([i for text in known for i in text], dtype=np.int32)
    return Corpus(words, counts, ids, np.repeat(np.arange(len(known), dtype=np.int32), [len(text) for text in known]))


def _document(document: Any) -> list[str]:
    if isinstance(document, str):
        raise TypeError(f"documents must be lists of words, got the text {document[:30]!r}: split it first")
    try:
        words = list(document)
    except TypeError as error:
        raise TypeError(f"documents must be lists of words, got {check.shown(document)} among them") from error
    if strangers := [word for word in words if not isinstance(word, str)]:
        raise TypeError(f"documents must be lists of words, got {strangers[0]!r} among the words")
    return words
