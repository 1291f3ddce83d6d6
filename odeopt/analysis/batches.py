"""Compares batch sizes by the loss against steps and against samples, and makes schedules of growing batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core.symbols import short
from odeopt.noise._minibatches import minibatches
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.schedules.base import checked as checked_schedule
from odeopt.problems.base import Problem, a_problem
from odeopt.simulation.simulate import simulate
from odeopt.util import check
from odeopt.util.check import Array, Seed
from odeopt.util.limits import NUMBER, within_a_day, within_memory
from odeopt.util.saved import Saved
from odeopt.util.status import Status

RECORDS = 200
BATCH = 40  # bytes of one number in a list


@dataclass(frozen=True, eq=False)
class BatchComparison(Saved):
    """E[L] of runs with several batch sizes that see the same number of samples; printing it shows a table.

    Each of `steps`, `samples`, `loss` and `error` (its standard error over the members) maps a batch size to an array
    over the records of its run.
    """

    optimizers: Mapping[int, Optimizer]
    steps: Mapping[int, Array]
    samples: Mapping[int, Array]
    loss: Mapping[int, Array]
    error: Mapping[int, Array]

    def steps_to(self, loss: float) -> dict[int, float]:
        """The steps until E[L] is first recorded at or below `loss`; inf if it never is."""
        level = check.scalar("loss", check.finite("loss", loss))
        return {size: _first(self.steps[size], found <= level) for size, found in self.loss.items()}

    def samples_to(self, loss: float) -> dict[int, float]:
        """The samples seen until E[L] is first recorded at or below `loss`; inf if it never is."""
        return {size: size * steps for size, steps in self.steps_to(loss).items()}

    def __str__(self) -> str:
        rows = [f"{'batch':>6}  {'lr':>10}  {'steps':>8}  {'samples':>9}  {'E[L]':>10}  {'+-':>8}"]
        for size, opt in self.optimizers.items():
            end = f"{self.steps[size][-1]:8d}  {self.samples[size][-1]:9d}  {self.loss[size][-1]:10.5g}"
            rows.append(f"{size:6d}  {short(opt.lr):>10}  {end}  {self.error[size][-1]:8.1e}")
        return "\n".join(rows)

    __repr__ = __str__


def _first(at: Array, reached: Any) -> float:
    return float(at[np.argmax(reached)]) if reached.any() else np.inf


def compare_batches(
    optimizers: Mapping[int, Optimizer], problem: Problem, samples: int, *, members: int = 20, rng: Seed = None
) -> BatchComparison:
    """E[L] over `members` runs for each {batch size: optimizer}; every run sees `samples` samples.

    Use the same optimizer for every size, or optimizers rescaled by `scale_batch`.  A run that diverges has loss inf.

    >>> from odeopt import optimizers, problems
    >>> compare_batches({1: optimizers.gd(0.1), 8: optimizers.gd(0.8)}, problems.least_squares(), 80, rng=0).samples[8]
    array([ 0,  8, 16, 24, 32, 40, 48, 56, 64, 72, 80])
    """
    samples, members = within_a_day("samples", check.count("samples", samples, 1)), check.count("members", members, 2)
    a_problem(problem)
    within_memory("members", members, NUMBER * members * problem.dim)
    if not isinstance(optimizers, Mapping) or not optimizers:
        raise TypeError(f"optimizers must be {{batch size: optimizer}}, got {optimizers!r}")
    noisy = {size: minibatches(problem, size) for size in optimizers}
    if samples < max(optimizers):
        raise ValueError(f"samples must be at least {max(optimizers)}, the largest batch, got {samples}")
    for size, opt in optimizers.items():
        if not isinstance(opt, Optimizer) or opt.members:
            raise ValueError(f"optimizers must be {{batch size: one optimizer}}, got {opt!r} for {size}")
    if problem.theta0.ndim != 1:
        raise ValueError(f"problem must have one start of shape ({problem.dim},), got {problem.theta0.shape}")
    generator = check.generator("rng", rng)
    theta0 = np.broadcast_to(problem.theta0, (members, problem.dim))
    found = {size: _loss(opt, noisy[size], samples // size, theta0, generator) for size, opt in optimizers.items()}
    steps, loss, error = ({size: each[i] for size, each in found.items()} for i in range(3))
    return BatchComparison(optimizers, steps, {size: size * k for size, k in steps.items()}, loss, error)


def _loss(opt: Optimizer, noisy: Problem, steps: int, theta0: Array, rng: np.random.Generator) -> tuple[Any, ...]:
    """(step counts, E[L], its standard error) at the records of a run, about RECORDS of them."""
    every = max(1, steps // RECORDS)
    run = simulate(opt, noisy, steps, theta0, rng=rng, record_every=every, progress=False)
    with np.errstate(all="ignore"):
        loss = np.where(np.isfinite(run.loss), run.loss, np.inf)
        error = loss.std(axis=-1, ddof=1) / np.sqrt(loss.shape[-1])
    if run.status is Status.NOT_FINITE:
        loss[-1] = np.inf
    at = np.rint(run.t / check.scalar("h", opt.h)).astype(int)
    return at, loss.mean(axis=-1), error


def batch_schedule(schedule: Any, size: int, samples: int) -> list[int]:
    """B_k = size/s(samples seen so far/size): growing batches in place of a shrinking learning rate lr s(k).

    For SGD the two have the same temperature lr/B and the same time (lr per step) after equally many samples; the
    growing batch takes fewer steps.                                                     [Smith et al. 2018, sec. 3]
    `schedule` is the schedule of the rate, as for `optimizers.scheduled` with batches of `size`.  Run the result with
    `simulate(opt, problem, len(sizes), noise=odeopt.noise.batches(problem, sizes))`.

    >>> from odeopt import schedules
    >>> batch_schedule(schedules.step(every=2, factor=1 / 4), size=8, samples=80)
    [8, 8, 32, 32]
    """
    s, size, samples = (
        checked_schedule("schedule", schedule),
        check.count("size", size, 1),
        check.count("samples", samples, 1),
    )
    within_memory("samples", samples, samples // size * BATCH)
    sizes: list[int] = []
    seen = 0
    while seen < samples:
        factor = float(s(seen // size))
        if not factor > 0:
            raise ValueError(f"schedule must be positive while samples are seen, got {factor:g} after {seen}")
        batch = max(1, min(round(size / factor), samples - seen))
        sizes.append(batch)
        seen += batch
    return sizes
