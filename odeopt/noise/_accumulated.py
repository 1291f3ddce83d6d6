"""g = sum_k (B_k/B) g_{B_k}: one update from several micro-batches, equal to that of the whole batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.noise._minibatches import Minibatches, minibatches_of, pieces
from odeopt.problems import Problem
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_memory
from odeopt.util.weighted_mean import WeightedMean


@dataclass(frozen=True)
class Accumulated:
    """The batches of `big`, with gradients computed from `size` samples at a time, all at the same theta."""

    big: Minibatches
    size: int

    @property
    def name(self) -> str:
        return f"{-(-self.big.size // self.size)} micro-batches of {self.size}"

    @property
    def width(self) -> int:
        return self.big.width

    @property
    def independent(self) -> bool:
        return self.big.independent

    def root(self, theta: Array, xi: Array) -> Array:
        return self.big.root(theta, xi)

    def variance(self, theta: Array) -> Array:
        return self.big.variance(theta)

    def covariance(self, theta: Array) -> Array:
        return self.big.covariance(theta)

    def draws(self, rng: np.random.Generator, members: tuple[int, ...]) -> Iterator[Any]:
        """For each update the list of its micro-batches, each (*members, B_k)."""
        return (list(pieces(batch, self.size)) for batch in self.big.draws(rng, members))

    def grad(self, theta: Array, draw: list[Array]) -> Array:
        """The mean over micro-batches, weighted by their numbers of samples."""
        soft = WeightedMean.empty([np.zeros_like(theta)])
        for micro in draw:
            soft = soft.including([self.big.grad(theta, micro)], weight=micro.shape[-1])
        return soft.mean[0]


def accumulated(problem: Problem, micro: int) -> Problem:
    """The problem with updates from `micro` minibatches each: a "soft batch", for any optimizer.

    Every step equals that of `minibatches` of size micro x size with the same random numbers, but needs only the memory
    of one micro-batch.  Momentum, decay, clipping and schedules act once per update.  An update does not extend across
    epochs: the last one of an epoch uses the remaining samples.

    >>> from odeopt import noise, problems
    >>> accumulated(noise.minibatches(problems.logistic_regression(), 32), micro=4)
    Problem logistic regression: d = 31, gradient by hand, batched, 4 micro-batches of 32
    """
    small, micro = minibatches_of(problem), check.count("micro", micro, 1)
    total = micro * small.size
    size = total if small.replace else min(total, small.samples.n)
    within_memory("micro", micro, NUMBER * size)
    return dataclasses.replace(problem, noise=Accumulated(dataclasses.replace(small, size=size), small.size))
