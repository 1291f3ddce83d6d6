"""g_B = 1/B sum_{i in batch} grad L_i: the gradient of randomly drawn samples."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from odeopt.noise._streams import per_member
from odeopt.noise.base import noise_of
from odeopt.problems.base import Problem, a_problem
from odeopt.problems.samples import Samples
from odeopt.util import check
from odeopt.util.check import Array, Seed
from odeopt.util.limits import NUMBER, within_memory


@dataclass(frozen=True)
class Minibatches:
    """Batches of `size` samples, with noise covariance Sigma = f S/size; S is that of one sample's gradient.

    f = 1 with replacement, and (n - size)/(n - 1) without, for a batch of full size.         [Cochran 1977, thm 2.2]
    """

    samples: Samples
    size: int
    replace: bool

    @property
    def name(self) -> str:
        return f"minibatches of {self.size}" + (" with replacement" if self.replace else "")

    @property
    def width(self) -> int:
        return self.samples.n

    @property
    def independent(self) -> bool:
        return self.replace

    @property
    def share(self) -> float:
        """Sigma/S."""
        n = self.samples.n
        return (1.0 if self.replace else (n - self.size) / max(n - 1, 1)) / self.size

    def root(self, theta: Array, xi: Array) -> Array:
        """sqrt(share/n) sum_i xi_i (g_i - g), which is smooth in theta; a matrix factor of Sigma may not be."""
        centred = xi - np.mean(xi, axis=-1, keepdims=True)
        return np.sqrt(self.share * self.samples.n) * self.samples.combined_grad(theta, centred)

    def variance(self, theta: Array) -> Array:
        return self.share * self.samples.variance(theta)

    def covariance(self, theta: Array) -> Array:
        return self.share * self.samples.covariance(theta)

    def draws(self, rng: np.random.Generator, members: tuple[int, ...]) -> Iterator[Array]:
        """The indices of each batch, (*members, B)."""
        for row in self.rows(rng, members, self.size):
            yield from pieces(row, self.size)

    def rows(self, rng: np.random.Generator, members: tuple[int, ...], length: int) -> Iterator[Array]:
        """Indices in order of use: one epoch (*members, n) at a time, or `length` independent ones with replacement."""
        n = self.samples.n
        if self.replace:
            return per_member(lambda stream, k: stream.integers(n, size=(k, length)), rng, members)
        order = np.arange(n)
        return per_member(lambda stream, k: stream.permuted(np.tile(order, (k, 1)), axis=1), rng, members)

    def grad(self, theta: Array, draw: Array) -> Array:
        return self.samples.batch_grad(theta, draw)


def pieces(indices: Array, size: int) -> Iterator[Array]:
    """Batches (..., size) of the indices (..., B); the last one has the remainder."""
    for first in range(0, indices.shape[-1], size):
        yield indices[..., first : first + size]


def minibatches(problem: Problem, size: int, replace: bool = False) -> Problem:
    """The problem with the gradient of `size` of its samples, a new batch in every step.

    replace=False goes through the samples epoch by epoch, each epoch and each member in a new random order.  If `size`
    does not divide n, the last batch of an epoch has the remaining samples, and its gradient is the mean over them:
    also unbiased, with more noise.  The noise over an epoch sums to 0, so SGD ends with a smaller variance than the
    covariance Sigma of a single batch predicts.  replace=True draws each sample independently, as stochastic
    differential equations assume.

    >>> from odeopt import problems
    >>> minibatches(problems.logistic_regression(), 32)
    Problem logistic regression: d = 31, gradient by hand, batched, minibatches of 32
    """
    samples = _samples(problem)
    size = check.count("size", size, 1)
    if not check.flag("replace", replace) and size > samples.n:
        raise ValueError(f"size must be at most {samples.n}, the number of samples, got {size}")
    return dataclasses.replace(problem, noise=Minibatches(samples, size, replace))


def batches(problem: Problem, sizes: Iterable[int], rng: Seed = None, members: tuple[int, ...] = ()) -> list[Array]:
    """Batches of changing sizes for `simulate(..., noise=batches(...))`, each an array of indices (*members, B_k).

    The problem must have minibatches, with or without replacement.  Without replacement, a batch may extend from one
    epoch into the next.

    >>> from odeopt import problems
    >>> [len(batch) for batch in batches(minibatches(problems.least_squares(), 2), [2, 4, 8])]
    [2, 4, 8]
    """
    law, found = minibatches_of(problem), check.counts("sizes", sizes)
    n, total = law.samples.n, sum(found)
    if not law.replace and max(found) > n:
        raise ValueError(f"sizes must be at most {n}, the number of samples, got {max(found)}")
    shape = check.members("members", members)
    within_memory("sizes", total, 2 * NUMBER * total * math.prod(shape))
    rows = islice(law.rows(check.generator("rng", rng), shape, n), -(-total // n))
    return np.split(np.concatenate(list(rows), axis=-1)[..., :total], np.cumsum(found)[:-1], axis=-1)


def minibatches_of(problem: Problem) -> Minibatches:
    """The noise of a problem, which must be that of minibatches."""
    law = noise_of(problem)
    if not isinstance(law, Minibatches):
        raise ValueError(f"problem must have minibatches, see odeopt.noise.minibatches, got {problem!r}")
    return law


def _samples(problem: Any) -> Samples:
    a_problem(problem)
    if problem.samples is None:
        raise ValueError(f"problem must have samples, see odeopt.problems.finite_sum, got {problem!r}")
    return problem.samples
