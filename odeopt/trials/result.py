"""The result of `bench`: every trial, and what it says about the optimizers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from odeopt.trials.standing import LEVEL, Standing, best_of, standing
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved
from odeopt.util.status import Status


@dataclass(frozen=True, eq=False)
class Bench(Saved):
    """Optimizers on problems, each tuned with the same effort; printing it shows a table for each problem.

    names, problems: of the o optimizers and p problems
    ranges:    {optimizer: {hyperparameter: (low, high)}};  settings: {optimizer: {hyperparameter: (trials,)}}
    gradients: (r,), after which losses are recorded
    tuning:    (p, o, trials, seeds), the last losses from the seeds that choose the best trial
    loss:      (p, o, trials, seeds, r), the losses from the other seeds; inf after a divergence, NaN if not run
    ended:     (p, o, trials), the Status of each trial as an integer
    targets:   (p,), the losses to reach; NaN for the largest of the tuned medians
    status:    INTERRUPTED if Ctrl-C ended the search: all that had been tried is kept
    """

    names: tuple[str, ...]
    problems: tuple[str, ...]
    ranges: Mapping[str, Mapping[str, tuple[float, float]]] = field(repr=False)
    settings: Mapping[str, Mapping[str, Array]] = field(repr=False)
    gradients: Array = field(repr=False)
    tuning: Array = field(repr=False)
    loss: Array = field(repr=False)
    ended: Array = field(repr=False)
    targets: Array = field(repr=False)
    status: Status

    @property
    def trials(self) -> int:
        """The number of settings tried for each optimizer."""
        return self.tuning.shape[2]

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """The standing of the optimizers on each problem."""
        tuning, loss = (np.where(np.isnan(u), np.inf, u) for u in (self.tuning, self.loss))
        targets = [None if np.isnan(target) else float(target) for target in self.targets]
        each = zip(tuning, loss, targets, strict=True)
        return tuple(standing(first, last, self.gradients, target) for first, last, target in each)

    def standing(self, problem: str) -> Standing:
        """The standing of the optimizers on the problem of this name."""
        return self.standings[self._index(problem)]

    def winner(self, problem: str) -> str | None:
        """The optimizer that alone may be the best on this problem; None if several may be."""
        found = self.standing(problem).winner
        return None if found is None else self.names[found]

    def best(self, problem: str, optimizer: str) -> dict[str, float]:
        """The chosen settings."""
        i = self.names.index(check.choice("optimizer", optimizer, self.names))
        trial = self.standing(problem).best[i]
        return {name: float(values[trial]) for name, values in self.settings[optimizer].items()}

    def effort(self, problem: str) -> dict[str, Array]:
        """For each optimizer the median loss (trials,) after the best of k = 1, 2, ... settings has been chosen."""
        p = self._index(problem)
        score = np.median(np.where(np.isnan(self.tuning[p]), np.inf, self.tuning[p]), axis=-1)
        final = np.median(np.where(np.isnan(self.loss[p]), np.inf, self.loss[p])[..., -1], axis=-1)
        return {name: best_of(score[i], final[i]) for i, name in enumerate(self.names)}

    def _index(self, problem: str) -> int:
        return self.problems.index(check.choice("problem", problem, self.problems))

    def __str__(self) -> str:
        seeds, total = self.tuning.shape[-1], self.gradients[-1]
        head = f"{self.trials} settings of {total} gradients each, chosen by {seeds} seeds, shown for {seeds} others"
        ended = [] if self.status is Status.DONE else [f"{self.status}: not all settings were tried"]
        return "\n".join([f"{head}; intervals of {LEVEL:.0%}", *ended, *map(self._table, self.problems)])

    __repr__ = __str__

    def _table(self, problem: str) -> str:
        found, wide = self.standing(problem), max(map(len, self.names))
        rows = [f"\n{problem}, gradients to the loss {found.target:.4g}"]
        for i in np.argsort(found.loss, kind="stable"):
            settings = ", ".join(f"{key} {value:.3g}" for key, value in self.best(problem, self.names[i]).items())
            ended = self.ended[self._index(problem), i]
            lost = int(np.count_nonzero((ended < 0) & (ended != Status.INTERRUPTED)))
            loss = f"{found.loss[i]:.4g} [{found.low[i]:.4g}, {found.high[i]:.4g}]"
            steps = f"{found.gradients[i]:.0f} [{found.gradients_low[i]:.0f}, {found.gradients_high[i]:.0f}]"
            failed = f"  ({lost} of {self.trials} failed)" if lost else ""
            mark = "*" if found.may_win[i] else " "
            rows.append(f"{mark} {self.names[i]:<{wide}}  {loss:<26}  {steps:<16}  {settings}{failed}")
        able = [self.names[i] for i in np.flatnonzero(found.may_win)]
        none = f"no winner: each of {', '.join(able)} may be the best"
        return "\n".join([*rows, f"{able[0]} is the best" if found.winner is not None else none])

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The tuned losses with their intervals; returns the artists."""
        return plotted(self, ax=ax, **options)
