"""g = sum_k (B_k/B) g_{B_k}: one update from several micro-batches, exactly that of the big batch."""

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
from odeopt.util.weighted_mean import WeightedMean


@dataclass(frozen=True)
class Accumulated:
    """The batches of `big`, whose gradients are computed `size` samples at a time, all at the same theta."""

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
        """The micro-batches of an update, each (*members, B_k)."""
        return (list(pieces(batch, self.size)) for batch in self.big.draws(rng, members))

    def grad(self, theta: Array, draw: list[Array]) -> Array:
        """Each micro-batch weighs as many samples as it has."""
        soft = WeightedMean.empty([np.zeros_like(theta)])
        for micro in draw:
            soft = soft.including([self.big.grad(theta, micro)], weight=micro.shape[-1])
        return soft.mean[0]


def accumulated(problem: Problem, micro: int) -> Problem:
    """The problem with minibatches, `micro` of which make one update: a "soft batch", for any optimizer.

    Step for step it is `minibatches` of micro x size, from the same random numbers, with the memory of a micro-batch:
    momentum, decay, clipping and schedules see updates.  Updates do not reach across epochs: an epoch's last has what
    is left of it.

    >>> from odeopt import noise, problems
    >>> accumulated(noise.minibatches(problems.logistic_regression(), 32), micro=4)
    Problem logistic regression: d = 31, gradient by hand, batched, 4 micro-batches of 32
    """
    small, micro = minibatches_of(problem), check.count("micro", micro, 1)
    total = micro * small.size
    size = total if small.replace else min(total, small.samples.n)
    return dataclasses.replace(problem, noise=Accumulated(dataclasses.replace(small, size=size), small.size))
