"""a g_1 + b g_2 with a, b = (1 +- sqrt(2l - 1))/2: from SGD, l = 1, to its stochastic differential equation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.noise.base import noise_of
from odeopt.problems import Problem
from odeopt.problems.gradient_noise import GradientNoise
from odeopt.util import check
from odeopt.util.check import Array


@dataclass(frozen=True)
class SVAG:
    """Two independent gradients combined: mean g, as a + b = 1, and covariance l Sigma, as a^2 + b^2 = l."""

    law: GradientNoise
    l: int  # noqa: E741  the letter of the paper

    @property
    def name(self) -> str:
        return f"SVAG of {self.law.name}, l = {self.l}"

    @property
    def width(self) -> int:
        return self.law.width

    @property
    def independent(self) -> bool:
        return True

    def root(self, theta: Array, xi: Array) -> Array:
        return np.sqrt(self.l) * self.law.root(theta, xi)

    def variance(self, theta: Array) -> Array:
        return self.l * self.law.variance(theta)

    def covariance(self, theta: Array) -> Array:
        return self.l * self.law.covariance(theta)

    def draws(self, rng: np.random.Generator, members: tuple[int, ...]) -> Iterator[Any]:
        """Pairs of independent draws."""
        one_by_one = self.law.draws(rng, members)
        return zip(one_by_one, one_by_one, strict=True)

    def grad(self, theta: Array, draw: tuple[Any, Any]) -> Array:
        root = np.sqrt(2 * self.l - 1)
        first, second = (self.law.grad(theta, half) for half in draw)
        return (1 + root) / 2 * first + (1 - root) / 2 * second


def svag(problem: Problem, l: int) -> Problem:  # noqa: E741
    """The noisy gradient a g_1 + b g_2, of covariance l Sigma, for steps of length h/l.     [Li, Malladi, Arora 2021]

    Run it with `opt.with_step(opt.h / l)` and l times as many steps.  l = 1 is the optimizer itself; for l to infinity
    the run converges to its stochastic differential equation, for any distribution of the noise.  Draws must be
    independent: the noise of minibatches without replacement cancels within an epoch and would vanish with the step.

    >>> import odeopt as oo
    >>> noisy = oo.noise.minibatches(oo.problems.least_squares(), 8, replace=True)
    >>> opt = oo.optimizers.gd(lr=0.1)
    >>> oo.simulate(opt.with_step(opt.h / 4), svag(noisy, 4), steps=4 * 10, rng=0).t[-1].round(12)
    np.float64(1.0)
    """
    law = noise_of(problem)
    if not law.independent:
        raise ValueError(f"problem must have independent draws, e.g. minibatches(..., replace=True), got {problem!r}")
    return dataclasses.replace(problem, noise=SVAG(law, check.count("l", l, 1)))
