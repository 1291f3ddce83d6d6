"""The checked request of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.formula import Formula
from odeopt.core.state import State
from odeopt.ensembles.observables import Observable, observable, observables
from odeopt.ensembles.random.normals import GENERATORS
from odeopt.ensembles.statistics import Census, Sums, sums, sums_of_each
from odeopt.noise._gaussian import Gaussian
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.problems.base import Problem, a_problem
from odeopt.problems.initial_point import initial_point
from odeopt.problems.oracle import EvaluationError
from odeopt.simulation.noisy_step import is_noisy, normals_per_step, width
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_a_day, within_memory

RECORDS = 100  # the default number
WIDEST_COVARIANCE = 100  # observables up to which the covariance is kept by default

BACKENDS = ("auto", "numpy", "blocks", "numba")

Watch = Callable[[int, State], None]  # called after every step of a block


@dataclass(frozen=True)
class Wanted:
    """The arguments of `ensemble` that say what to record, unchecked."""

    record_every: Any
    observe: Any
    quantiles: Any
    edges: Any
    target: Any
    paths: Any
    final: Any
    covariance: Any

    def every(self, steps: int) -> int:
        """The number of steps between records."""
        if self.record_every is None:
            return max(1, -(-steps // RECORDS))
        return check.count("record_every", self.record_every, 1)


@dataclass(frozen=True, eq=False)
class Plan:
    """A checked request: members, steps, strides between records, and the quantities to record.

    `formulas`:      the observables and the target as the user gave them
    `rows`, `width`: a step reads `rows` rows of `width` normals; both are 0 where the noise is not made of normals
    """

    opt: Optimizer
    problem: Problem
    members: int
    steps: int
    theta0: Array
    strides: tuple[int, ...]
    observables: Mapping[str, Observable]
    census: Census
    target: Observable | None
    formulas: tuple[Formula, ...]
    paths: int
    final: bool
    covariance: bool
    rows: int
    width: int

    @classmethod
    def of(cls, opt: Any, problem: Any, members: Any, steps: Any, theta0: ArrayLike | None, wanted: Wanted) -> Plan:
        """The plan for these arguments of `ensemble`; raises an error that names the wrong one."""
        an_optimizer(opt)
        if opt.members:
            raise ValueError(f"opt must be a single optimizer, got one with members of shape {opt.members}")
        a_problem(problem)
        members, steps = check.count("members", members, 1), within_a_day("steps", check.count("steps", steps))
        within_memory("members", members, NUMBER * members * problem.dim)
        every = wanted.every(steps)
        d, start = problem.dim, initial_point((), problem, theta0)
        if start.shape not in ((d,), (members, d)):
            raise ValueError(f"theta0 must have shape ({d},) or ({members}, {d}), got {start.shape}")
        rows, wide = _normals(opt, problem)
        within_memory("steps", steps, NUMBER * problem.dim * (steps // every))
        strides = (every,) * (steps // every) + ((steps % every,) if steps % every else ())
        census = Census(_probabilities(wanted.quantiles), _edges(wanted.edges))
        paths, final, observe, target = check.count("paths", wanted.paths), wanted.final, wanted.observe, wanted.target
        if paths > members:
            raise ValueError(f"paths must be at most the {members} members, got {wanted.paths!r}")
        seen = observables(opt, problem, observe)
        goal = None if target is None else observable(opt, "target", target)
        formulas = (*(observe.values() if observe else ()), *(() if target is None else (target,)))
        check.switch("covariance", wanted.covariance)
        check.flag("final", final)
        covariance = len(seen) <= WIDEST_COVARIANCE if wanted.covariance is None else wanted.covariance
        theta0 = np.broadcast_to(start, (members, d))
        return cls(
            opt, problem, members, steps, theta0, strides, seen, census, goal, formulas, paths, final, covariance, rows,
            wide,
        )  # fmt: skip

    def watch(self, arrivals: Array) -> Watch:
        """A function that notes in `arrivals` when each member of a block is first in the target."""
        if self.target is None:
            return lambda k, y: None
        target, h = self.target, float(self.opt.h)

        def watch(k: int, y: State) -> None:
            inside = np.asarray(target(k * h, y))
            if inside.shape != arrivals.shape:
                raise ValueError(f"target must give one truth value per member, got shape {inside.shape}")
            arrivals[inside & np.isnan(arrivals)] = k * h

        return watch

    def observed(self, step: int, y: State) -> list[Array]:
        """The k observables of these members and their loss, k + 1 rows (members,)."""
        with np.errstate(all="ignore"):
            rows = [np.asarray(f(step * self.opt.h, y)) for f in self.observables.values()]
        members = len(y[0])
        for name, row in zip(self.observables, rows, strict=True):
            if row.dtype.kind not in "biuf":
                raise TypeError(f"observable {name!r} must be real numbers, got {row.dtype}")
            if row.shape != (members,):
                raise ValueError(
                    f"observable {name!r} must be one number per member, got shape {row.shape} for {members} of them"
                )
        return [*(row.astype(float, copy=False) for row in rows), self._loss(y[0])]

    def counted(self, step: int, y: State) -> Sums:
        """The sums over these members at one time, with all products where the covariance is kept."""
        rows = [row[None] for row in self.observed(step, y)]
        return sums(rows) if self.covariance else sums_of_each(rows)

    def _loss(self, theta: Array) -> Array:
        try:
            with np.errstate(all="ignore"):
                return np.asarray(self.problem.loss(theta), dtype=float)
        except Exception as error:
            raise EvaluationError(f"loss raised {type(error).__name__}: {error}") from error

    def generator(self, asked: Any, fast: bool) -> str:
        """The generator of the noise, "" for none; "auto" is "threefry" with a compiler (`fast`), else "sfc64"."""
        check.choice("generator", asked, GENERATORS)
        if not is_noisy(self.opt, self.problem):
            return ""
        if self.rows:
            return asked if asked != "auto" else "threefry" if fast else "sfc64"
        if asked == "threefry":
            raise ValueError(f"generator must be 'auto' or 'sfc64' for {self.problem!r}, got {asked!r}")
        return "sfc64"

    def bytes_needed(self) -> int:
        """An estimate for the current and next states, the noise of a step, the records, and the work of counting."""
        d, k, records = self.problem.dim, len(self.observables), len(self.strides) + 1
        state = sum(self.opt.flow.lengths.get(name, d) for name in self.opt.flow.variables)
        counted = (
            k * (3 + k * self.covariance + self.census.probabilities.size + self.census.edges.size) + self.paths * d
        )
        at_once = 3 * (k + 1) if self.census.asks else 0
        return NUMBER * (self.members * (3 * state + at_once + 1) + records * counted)

    def refuse_without_room(self) -> None:
        """Raises a ValueError if the machine has too little memory for the run."""
        within_memory("members", self.members, self.bytes_needed())


def _normals(opt: Optimizer, problem: Problem) -> tuple[int, int]:
    if opt.flow.noisy:
        return normals_per_step(opt), width(opt.flow, problem)
    return (1, problem.noise.width) if isinstance(problem.noise, Gaussian) else (0, 0)


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
