"""The records of an ensemble, in arrays that are made once."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.ensembles.blocks import Crew
from odeopt.ensembles.plan import Plan
from odeopt.ensembles.result import Ensemble
from odeopt.ensembles.statistics import Tally
from odeopt.util.check import Array
from odeopt.util.status import Status


class Records:
    """The arrays of an `Ensemble`, of which `size` rows are filled."""

    def __init__(self, plan: Plan) -> None:
        n, k, d, census = len(plan.strides) + 1, len(plan.observables), plan.problem.dim, plan.census
        self.plan, self.size = plan, 0
        self.ends = np.cumsum((0, *plan.strides))  # the step of each record
        self.arrays: dict[str, Array] = {
            "mean": np.empty((n, k)),
            "variance": np.empty((n, k)),
            "covariance": np.empty((n, k, k) if plan.covariance else (0, 0, 0)),
            "loss_mean": np.empty(n),
            "loss_variance": np.empty(n),
            "alive": np.empty(n, dtype=int),
            "quantiles": np.empty((n, census.probabilities.size, k)),
            "counts": np.empty((n, k, max(census.edges.size - 1, 0)), dtype=int),
            "paths": np.empty((n, plan.paths, d)),
        }

    @property
    def alone(self) -> bool:
        """Whether a record needs the states of all members at its time, and not only moments."""
        return self.plan.census.asks or bool(self.plan.paths)

    @property
    def step(self) -> int:
        """The step of the last record."""
        return int(self.ends[self.size - 1])

    @property
    def alive(self) -> int:
        """The number of finite members at the last record."""
        return int(self.arrays["alive"][self.size - 1])

    def count(self, k: int, crew: Crew) -> None:
        """Record the current state, after step k, unless the last record is of that step."""
        if self.size and self.step == k:
            return
        self.ends[self.size] = k
        self.moments(Tally.join([Tally.of([self.plan.counted(k, y)]) for y in crew.states()]))
        self.census(k, crew)

    def moments(self, tally: Tally) -> None:
        """Append a row of moments for each time in the tally, up to the first at which no member is finite."""
        count, mean, variance, covariance = tally.total()
        n = min(len(count), int(np.argmin(count > 0)) + 1) if not count.all() else len(count)
        rows = slice(self.size, self.size + n)
        self.arrays["alive"][rows] = count[:n]
        self.arrays["mean"][rows], self.arrays["loss_mean"][rows] = mean[:n, :-1], mean[:n, -1]
        self.arrays["variance"][rows], self.arrays["loss_variance"][rows] = variance[:n, :-1], variance[:n, -1]
        if self.plan.covariance:
            self.arrays["covariance"][rows] = covariance[:n, :-1, :-1]
        self.size += n

    def census(self, k: int, crew: Crew) -> None:
        """Add quantiles, histograms and paths to the last record, from the states after step k."""
        if not self.alone:
            return
        states = crew.states()
        x = np.concatenate([self.plan.observed(k, y) for y in states], axis=1)
        x = x[:-1, np.isfinite(x).all(axis=0)]
        self.arrays["quantiles"][self.size - 1], self.arrays["counts"][self.size - 1] = self.plan.census(x)
        start = 0
        for y in states:
            end = min(start + len(y[0]), self.plan.paths)
            self.arrays["paths"][self.size - 1, start:end] = y[0][: end - start]
            start = end

    def result(self, arrivals: Array, final: Array, status: Status, message: str, **facts: Any) -> Ensemble:
        """The filled rows as an Ensemble."""
        plan = self.plan
        ends = self.ends[: self.size]
        rows: dict[str, Any] = dict(self.arrays)
        if self.size < len(plan.strides) + 1:
            rows = {name: array[: self.size].copy() for name, array in self.arrays.items()}
        return Ensemble(
            t=ends * float(plan.opt.h),
            **rows,
            probabilities=plan.census.probabilities,
            edges=plan.census.edges,
            first_passage=arrivals,
            members=plan.members,
            status=status,
            message=message,
            observables=tuple(plan.observables),
            name=plan.opt.name,
            final=final,
            **facts,
        )
