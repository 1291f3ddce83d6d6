"""One trial: the losses of one setting from all seeds, at given numbers of gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.simulation.simulate import simulate
from odeopt.util.check import Array
from odeopt.util.status import Status

RECORDS = 50  # of a run


def recorded_gradients(steps: int) -> Array:
    """The numbers of gradients (r,) after which losses are recorded: equally spaced from 0, and `steps` itself.

    >>> recorded_gradients(107)[-3:].tolist()
    [102, 105, 107]
    """
    return np.unique([*range(0, steps, -(-steps // RECORDS)), steps])


@dataclass(frozen=True)
class Course:
    """What all optimizers run over: a problem, the numbers of gradients (r,) at which losses count, and the noise.

    seeds: the number of runs;  noise: the seed of their noise, which is the same for all optimizers and settings
    """

    problem: Problem
    gradients: Array
    seeds: int
    noise: np.random.SeedSequence

    def losses(self, opt: Optimizer, per_step: int) -> tuple[Array, Status]:
        """(seeds, r): the losses, inf from where a run is not finite or has failed, and how the trial ended."""
        total, members = int(self.gradients[-1]), self.seeds if self._differ else 1
        theta0 = np.broadcast_to(self.problem.theta0, (members, self.problem.dim))
        steps = total // per_step
        apart = int(self.gradients[1])  # all but the last
        every = 1 if apart % per_step else apart // per_step
        rng = np.random.default_rng(np.random.SeedSequence(self.noise.entropy, spawn_key=self.noise.spawn_key))
        run = simulate(opt, self.problem, steps, theta0, record_every=every, rng=rng, progress=False, backend="numpy")
        taken = np.rint(run.t / float(opt.h)).astype(int)
        found = np.where(np.isfinite(run.loss), run.loss, np.inf)
        losses = found[np.searchsorted(taken * per_step, self.gradients, side="right") - 1].T
        if taken[-1] < steps:
            losses[:, self.gradients > taken[-1] * per_step] = np.inf
        return np.broadcast_to(losses, (self.seeds, len(self.gradients))), run.status

    @property
    def _differ(self) -> bool:
        """Whether runs from different seeds differ."""
        return self.problem.noise is not None or self.problem.theta0.ndim > 1


def gradients_per_step(opt: Optimizer, problem: Problem) -> int:
    """The gradients that a step of the optimizer takes, at least 1, counted over two steps less one."""
    theta0 = problem.theta0.reshape(-1, problem.dim)[0]
    one, two = (simulate(opt, problem, n, theta0, rng=0, progress=False, backend="numpy").ngev for n in (1, 2))
    return max(1, two - one)
