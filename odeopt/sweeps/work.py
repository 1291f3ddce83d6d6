"""One run of one cell: made, run and measured, with its failures as a record."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import OneStep
from odeopt.problems import Problem
from odeopt.simulation.simulate import Snapshot, simulate
from odeopt.simulation.trajectory import Trajectory
from odeopt.sweeps.cells import Cell, Root
from odeopt.sweeps.record import Record
from odeopt.util import check
from odeopt.util.check import Number
from odeopt.util.status import Status

Measure = Callable[[Any], float | Mapping[str, float]]
NOT_FINITE = "a number was not finite"  # without the step, which a run of many members does not know


def final_loss(result: Any) -> Any:
    """{"loss": the last loss of a run, or the number that a training function returned}; a mapping as it is."""
    found = result.loss[-1] if isinstance(result, Trajectory) else result
    return found if isinstance(found, Mapping) else {"loss": found}


@dataclass(frozen=True, eq=False)
class Work:
    """What all cells have in common."""

    make: Callable[..., Any]
    problem: Problem | Callable[..., Problem] | None
    steps: int
    measure: Measure
    prune: Callable[[Snapshot], bool] | None
    root: Root

    def made(self, cell: Cell) -> Any:
        """make(...) with those values of the cell that it takes: an optimizer, or train(steps, rng)."""
        found = self.make(**taken(self.make, cell))
        if not isinstance(found, Optimizer | OneStep) and not callable(found):
            raise TypeError(f"make must return an Optimizer or a function train(steps, rng), got {check.shown(found)}")
        return found

    def simulates(self, cell: Cell) -> bool:
        """Whether a cell is an optimizer, which needs a problem."""
        try:
            return isinstance(self.made(cell), Optimizer | OneStep)
        except Exception:  # the record of the cell says what is wrong
            return False

    def of_problem(self, cell: Cell) -> Cell:
        """The values of the cell that the problem depends on."""
        return {} if isinstance(self.problem, Problem | None) else taken(self.problem, cell)

    def posed(self, cell: Cell) -> Problem:
        """The problem of a cell."""
        found = self.problem if isinstance(self.problem, Problem | None) else self.problem(**self.of_problem(cell))
        return check.instance("problem", found, Problem, "a Problem, or a function of the cell that returns one")

    def generator(self, cell: Cell, seed: int) -> np.random.Generator:
        """The random numbers of one run."""
        return np.random.default_rng(self.root.stream(cell, seed))

    def run(self, opt: Optimizer | OneStep, problem: Problem, rng: np.random.Generator, steps: int) -> Trajectory:
        """The run of one cell, always by the same engine."""
        pruned = None if self.prune is None else _stop(self.prune)
        every = max(1, steps) if self.measure is final_loss and pruned is None else 1
        return simulate(
            opt, problem, steps, rng=rng, record_every=every, callback=pruned, progress=False, backend="numpy"
        )

    def record(self, cell: Cell, seed: int) -> Record:
        """The record of one run; KeyboardInterrupt if it was interrupted, and no other exception."""
        try:
            made = self.made(cell)
            if not isinstance(made, Optimizer | OneStep):
                return self.measured(
                    cell, seed, Status.DONE, "", made(steps=self.steps, rng=self.generator(cell, seed))
                )
            run = self.run(made, self.posed(cell), self.generator(cell, seed), self.steps)
        except Exception as error:
            return failed(cell, seed, error)
        if run.status is Status.INTERRUPTED:
            raise KeyboardInterrupt
        if run.status is Status.NOT_FINITE:
            return Record(cell, seed, run.status, NOT_FINITE, {})
        if run.status < 0:
            return Record(cell, seed, run.status, run.message, {})
        return self.measured(cell, seed, run.status, run.message if run.status is Status.STOPPED else "", run)

    def measured(self, cell: Cell, seed: int, status: Status, message: str, result: Any) -> Record:
        """The record of a result."""
        try:
            return Record(cell, seed, status, message, numbers(self.measure(result)))
        except Exception as error:
            return failed(cell, seed, error)


def taken(function: Callable[..., Any], cell: Cell) -> Cell:
    """The values of the cell that a function takes by name."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(cell)
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return {name: given for name, given in cell.items() if name in names}


def numbers(found: Any) -> dict[str, float]:
    """What was measured, by name; a single number is called "value"."""
    named = dict(found) if isinstance(found, Mapping) else {"value": found}
    return {check.label("name in measure", name): _number(name, x) for name, x in named.items()}


def _number(name: str, x: Number) -> float:
    return float(check.scalar(f"{name} in measure", check.numbers_of(f"{name} in measure", x)))


def failed(cell: Cell, seed: int, error: Exception) -> Record:
    """The record of a cell that raised."""
    return Record(cell, seed, Status.EVALUATION_FAILED, f"{type(error).__name__}: {error}", {})


def _stop(prune: Callable[[Snapshot], bool]) -> Callable[[Snapshot], None]:
    def callback(intermediate_result: Snapshot) -> None:
        if prune(intermediate_result):
            raise StopIteration

    return callback
