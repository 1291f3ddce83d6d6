"""All batches of a given size with their probabilities, or random ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement, islice
from math import comb, factorial, prod

import numpy as np
from numpy.typing import NDArray

from odeopt.noise._minibatches import Minibatches
from odeopt.util.check import Array

Indices = NDArray[np.int64]


def number_of_batches(law: Minibatches) -> int:
    """How many different batches there are: sets of samples, or multisets with replacement."""
    n, size = law.samples.n, law.size
    return comb(n + size - 1, size) if law.replace else comb(n, size)


def every_batch(law: Minibatches, rows: int) -> Iterator[tuple[Indices, Array]]:
    """All batches with their probabilities, `rows` at a time."""
    n, size = law.samples.n, law.size
    every = combinations_with_replacement(range(n), size) if law.replace else combinations(range(n), size)
    probability = _of_multiset if law.replace else _of_set
    while some := list(islice(every, rows)):
        yield np.array(some), np.array([probability(n, batch) for batch in some])


def _of_set(n: int, batch: tuple[int, ...]) -> float:
    return 1 / comb(n, len(batch))


def _of_multiset(n: int, batch: tuple[int, ...]) -> float:
    """The share of its orders among all n^size sequences."""
    orders = factorial(len(batch)) // prod(factorial(k) for k in Counter(batch).values())
    return orders / n ** len(batch)


def random_batches(law: Minibatches, number: int, rng: np.random.Generator) -> Indices:
    """Independent random batches (number, size)."""
    n, size = law.samples.n, law.size
    if law.replace:
        return rng.integers(n, size=(number, size))
    return np.array([rng.choice(n, size, replace=False) for _ in range(number)])
