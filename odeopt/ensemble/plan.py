"""What an ensemble is asked for, checked before any work."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.driving import is_noisy, width
from odeopt.ensemble.blocks import BLOCK, CHUNK, Watch
from odeopt.ensemble.result import Ensemble
from odeopt.ensemble.statistics import Census
from odeopt.formula import Formula, place, reads
from odeopt.gradient import EvaluationError
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.simulate import initial_point
from odeopt.state import State
from odeopt.trajectory import Status

RECORDS = 100  # by default
NUMBER = 8  # bytes

Observable = Callable[[Any, State], Any]  # (t, state) -> one value per member


@dataclass(frozen=True, eq=False)
class Plan:
    """A checked request: members, steps, strides between records, what to observe and to count."""

    opt: Optimizer
    problem: Problem
    members: int
    steps: int
    theta0: Array
    strides: tuple[int, ...]
    observables: Mapping[str, Observable]
    census: Census
    target: Observable | None
    paths: int

    @classmethod
    def of(
        cls, opt: Any, problem: Any, members: Any, steps: Any, theta0: Any, record_every: Any, observe: Any,
        quantiles: Any, edges: Any, target: Any, paths: Any,
    ) -> Plan:  # fmt: skip
        """The arguments of `ensemble`, or a clear error."""
        if not isinstance(opt, Optimizer):
            raise TypeError(f"opt must be an Optimizer, e.g. odeopt.optimizers.gd(), got {opt!r}")
        if opt.members:
            raise ValueError(f"opt must be a single optimizer, got one with members of shape {opt.members}")
        members, steps = check.count("members", members, 1), check.count("steps", steps)
        every = max(1, -(-steps // RECORDS)) if record_every is None else check.count("record_every", record_every, 1)
        d, start = problem.dim, initial_point((), problem, theta0)
        if start.shape not in ((d,), (members, d)):
            raise ValueError(f"theta0 must have shape ({d},) or ({members}, {d}), got {start.shape}")
        if opt.flow.noisy:
            width(opt, problem)
        strides = (every,) * (steps // every) + ((steps % every,) if steps % every else ())
        census = Census(_probabilities(quantiles), _edges(edges))
        kept = check.count("paths", paths)
        if kept > members:
            raise ValueError(f"paths must be at most the {members} members, got {paths!r}")
        seen = _observables(opt, problem, observe)
        goal = None if target is None else _observable(opt, "target", target)
        return cls(
            opt, problem, members, steps, np.broadcast_to(start, (members, d)), strides, seen, census, goal, kept
        )

    def watch(self, arrivals: Array) -> Watch:
        """Notes when the members of a block first are in the target."""
        if self.target is None:
            return lambda k, y: None
        target, h = self.target, float(self.opt.h)

        def watch(k: int, y: State) -> None:
            inside = np.asarray(target(k * h, y))
            if inside.shape != arrivals.shape:
                raise ValueError(f"target must give one truth value per member, got shape {inside.shape}")
            arrivals[inside & np.isnan(arrivals)] = k * h

        return watch

    def values(self, step: int, y: State) -> Array:
        """The observables, shape (members, k)."""
        with np.errstate(all="ignore"):
            columns = [np.asarray(f(step * self.opt.h, y), dtype=float) for f in self.observables.values()]
        for name, column in zip(self.observables, columns, strict=True):
            if column.shape != (self.members,):
                raise ValueError(f"observable {name!r} must be one number per member, got shape {column.shape}")
        return np.stack(columns, axis=-1)

    def loss(self, theta: Array) -> Array:
        """L of every member."""
        try:
            with np.errstate(all="ignore"):
                blocks = [self.problem.loss(theta[i : i + BLOCK]) for i in range(0, len(theta), BLOCK)]
        except Exception as error:
            raise EvaluationError(f"loss raised {type(error).__name__}: {error}") from error
        return np.concatenate([np.asarray(block, dtype=float) for block in blocks])

    def bytes_needed(self, workers: int) -> int:
        """An estimate: the states and their next ones, the observables, what is recorded, and the noise in hand."""
        d, k, records = self.problem.dim, len(self.observables), len(self.strides) + 1
        state = sum(self.opt.flow.lengths.get(name, d) for name in self.opt.flow.variables)
        noise = workers * CHUNK if is_noisy(self.opt, self.problem) else 0
        counted = k * (2 + k + self.census.probabilities.size + self.census.edges.size) + self.paths * d
        return NUMBER * (self.members * (3 * state + 3 * k + 3) + records * counted + noise)

    def refuse_without_room(self, workers: int) -> None:
        """A MemoryError before the work rather than in the midst of it."""
        needed, there = self.bytes_needed(workers), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if needed > there:
            raise MemoryError(
                f"members = {self.members} need about {needed / 2**30:.1f} GiB, this machine has {there / 2**30:.1f}"
            )

    def result(
        self, rows: list[dict[str, Any]], kept: list[Array], arrivals: Array, status: Status, message: str
    ) -> Ensemble:
        """The rows of the census as arrays."""
        ends = np.cumsum((0, *self.strides))[: len(rows)]
        columns: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        return Ensemble(
            t=ends * float(self.opt.h),
            **columns,
            probabilities=self.census.probabilities,
            edges=self.census.edges,
            first_passage=arrivals if self.target else np.empty(0),
            paths=np.array(kept),
            members=self.members,
            status=status,
            message=message,
            observables=tuple(self.observables),
            name=self.opt.name,
        )


def _observables(opt: Optimizer, problem: Problem, observe: Any) -> dict[str, Observable]:
    if observe is None:
        return {f"theta[{i}]": partial(_coordinate, i) for i in range(problem.dim)}
    if not isinstance(observe, Mapping) or not observe:
        raise TypeError(f"observe must map names to formulas of theta and memory, got {observe!r}")
    return {str(name): _observable(opt, f"observable {name!r}", f) for name, f in observe.items()}


def _coordinate(i: int, t: Any, y: State) -> Array:
    return y[0][..., i]


def _observable(opt: Optimizer, what: str, formula: Formula) -> Observable:
    """A formula that reads the time, variables and parameters of the flow."""
    if not callable(formula):
        raise TypeError(f"{what} must be a formula of {', '.join(opt.flow.variables)}, got {formula!r}")
    for read in reads(formula):
        check.choice(f"argument of {what}", read, ("t", *opt.flow.variables, *opt.flow.params))
    placed = place(formula, opt.flow.variables, tuple(opt.flow.params), list(opt.flow.params.values()))
    return lambda t, y: placed(t, None, y)


def _probabilities(quantiles: Any) -> Array:
    values = check.numbers_of("quantiles", quantiles).reshape(-1)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"quantiles must be probabilities from 0 to 1, got {quantiles!r}")
    return values


def _edges(edges: Any) -> Array:
    values = check.numbers_of("edges", edges).reshape(-1)
    if values.size == 1 or not np.all(np.diff(values) > 0):
        raise ValueError(f"edges must be two or more increasing numbers, got {edges!r}")
    return values
