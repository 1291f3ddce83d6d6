"""The tasks of a sweep: array runs of cells that differ in numbers, and single runs of all others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from odeopt.problems import Problem
from odeopt.sweeps.cells import Cell
from odeopt.sweeps.record import Record
from odeopt.sweeps.together import Run, joins, records, width
from odeopt.sweeps.work import Work
from odeopt.sweeps.workers import Task, parts

ROUNDS = 4  # array runs for each job, so that none waits long for the last


def planned(work: Work, runs: Sequence[Run], jobs: int) -> list[tuple[Sequence[Run], Task[list[Record]]]]:
    """The tasks, each with its runs.  Which runs share a task does not change their digits."""
    groups: dict[str, list[Run]] = {}
    for cell, seed in runs:
        groups.setdefault(json.dumps(_group(work, cell)), []).append((cell, seed))
    tasks: list[tuple[Sequence[Run], Task[list[Record]]]] = []
    for group in groups.values():
        if joins(work, group):
            size = min(width(work, _dim(work, group[0])), -(-len(group) // (ROUNDS * jobs if jobs > 1 else 1)))
            tasks += [(part, partial(records, work, part)) for part in parts(group, size)]
        else:
            tasks += [([run], partial(_single, work, run)) for run in group]
    return tasks


def _single(work: Work, run: Run) -> list[Record]:
    return [work.record(*run)]


def _group(work: Work, cell: Cell) -> list[Cell]:
    """What the cells of an array run have in common: the problem, and all that is no number."""
    fixed: Cell = {name: given for name, given in cell.items() if not isinstance(given, float)}
    return [work.of_problem(cell), fixed]


def _dim(work: Work, run: Run) -> int:
    problem: Problem = work.posed(run[0])
    return problem.dim
