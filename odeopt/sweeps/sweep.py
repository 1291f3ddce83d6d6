"""sweep: thousands of runs from one call, on one machine or many, which go on where they stopped."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from odeopt.problems import Problem
from odeopt.simulation.simulate import Snapshot
from odeopt.sweeps.cells import MOST, Cell, Root, key
from odeopt.sweeps.grid import Grid
from odeopt.sweeps.identity import identity
from odeopt.sweeps.plan import planned
from odeopt.sweeps.record import OWN, Record
from odeopt.sweeps.result import Sweep, gathered
from odeopt.sweeps.store import HEAD, Found, Store, read_head
from odeopt.sweeps.study import Study
from odeopt.sweeps.together import Run
from odeopt.sweeps.work import Measure, Work, failed, final_loss
from odeopt.sweeps.workers import as_finished, effective, one_thread
from odeopt.util import check
from odeopt.util.check import Seed
from odeopt.util.limits import within_a_day
from odeopt.util.progress import bar
from odeopt.util.status import Status

Records = dict[tuple[str, int], Record]
WORKERS = 100_000  # jobs


def sweep(
    make: Callable[..., Any],
    problem: Problem | Callable[..., Problem] | None,
    grid: Mapping[str, Any] | Sequence[Mapping[str, Any]] | Study,
    *,
    seeds: int = 1,
    steps: int = 300,
    measure: Measure = final_loss,
    path: str | Path | None = None,
    jobs: int | None = None,
    prune: Callable[[Snapshot], bool] | None = None,
    rng: Seed = None,
    progress: bool | None = None,
) -> Sweep:
    """Runs every cell of a grid from every seed, and measures each run.

    make:     make(**cell) is an Optimizer, or a function train(steps, rng) of any framework.  It gets the values of
              the cell that it takes by name
    problem:  a Problem, or a function of values of the cell that returns one; None if all cells train
    grid:     {name: values} for all combinations, a list of cells {name: value}, as from `sweeps.random` and
              `sweeps.sobol`, or an Optuna study by `sweeps.from_study`
    measure:  measure(run), a number or {name: number}, of the Trajectory with each step recorded, or of what
              train(steps, rng) returned; by default the last loss
    path:     a folder for the records.  The same call with the same folder goes on where it stopped; another one is
              refused.  `pandas.read_json(file, lines=True)` reads its files cells-*.jsonl
    jobs:     processes, as n_jobs of joblib (extra `scale`); inside joblib.parallel_config("dask") or ("ray") those
              of the cluster.  None: one process, unless joblib is configured
    prune:    prune(snapshot) is True at a step after which a run is not worth going on; it ends as STOPPED
    rng:      the root of all random numbers; in a folder that has records, None stands for its own

    Cells that differ only in numbers are run as members of one array run, if that gives the same digits.  The noise of
    a run depends on `rng`, its cell and its seed alone.  So no digit depends on jobs, order, batches or restarts.
    A run that fails is a row with its status and message.  Ctrl-C ends the sweep with all that had finished; a killed
    process loses the runs that it had begun.

    >>> import odeopt as oo
    >>> found = oo.sweep(oo.optimizers.momentum, oo.problems.rosenbrock(),
    ...     {"lr": [1e-4, 1e-3, 1e-2], "beta": [0.0, 0.9]}, steps=200)
    >>> found
    Sweep of 6 cells over lr (3), beta (2), 1 seeds: 2 runs failed
    best lr = 0.001, beta = 0.9: loss 0.137 [nan, nan] over 1 seeds
    """
    check.function("make", make, "the names of a cell")
    if not isinstance(problem, Problem | None):
        check.function("problem", problem, "the names of a cell, or a Problem")
    plan = Grid.of(grid)
    plan.check_names(make, problem)
    seeds, steps = check.count("seeds", seeds, 1), within_a_day("steps", check.count("steps", steps))
    if plan.total * seeds > MOST:
        raise ValueError(f"seeds must leave at most {MOST} runs, got {seeds} for each of {plan.total} cells")
    check.function("measure", measure, "a run")
    if jobs is not None and not 0 < abs(check.integer("jobs", jobs)) <= WORKERS:
        raise ValueError(f"jobs must be from 1 to {WORKERS}, or -1, -2, ... as in joblib, got {jobs}")
    if prune is not None:
        check.function("prune", prune, "intermediate_result")
    check.switch("progress", progress)
    folder = None if path is None else check.path("path", path)
    root = Root.of("rng", rng)
    effective(jobs)  # raises where joblib is needed and missing
    if folder is not None and rng is None and (folder / HEAD).exists():
        root = Root.kept(**read_head(folder)["rng"])
    work = Work(make, problem, steps, measure, prune, root)
    if problem is None and plan.all and work.simulates(plan.all[0]):
        raise TypeError("problem must be a Problem, or a function of the cell that returns one, got None")
    records: Records = {}
    store, found = None, Found({}, ())
    if folder is not None:
        store = Store(folder, _head(work, plan, seeds))
        found = store.found(plan.names)
        records |= found.records
    with nullcontext() if store is None else closing(store), one_thread():
        cells, status = _run(work, plan, seeds, records, store, jobs, progress)
    return gathered(cells, seeds, records, damaged=found.damaged, status=status)


def _run(
    work: Work,
    grid: Grid,
    seeds: int,
    records: Records,
    store: Store | None,
    jobs: int | None,
    progress: bool | None,
) -> tuple[list[Cell], Status]:
    """The cells, whose missing runs are added to `records` and to the store, and whether all were run."""
    cells: dict[str, Cell] = {}
    try:
        with bar(grid.total * seeds, "sweep", progress, "run") as shown:
            for several in grid.rounds(partial(_score, records, seeds=seeds)):
                new = {key(cell): cell for cell in several}
                cells |= new
                due = [(cell, s) for k, cell in new.items() for s in range(seeds) if (k, s) not in records]
                shown.update(len(several) * seeds - len(due))
                for finished in _finished(work, due, jobs):
                    if store is not None:
                        store.add(finished)
                    records |= {record.place: record for record in finished}
                    shown.update(len(finished))
    except KeyboardInterrupt:
        if not records:
            raise
        return [*cells.values()], Status.INTERRUPTED
    return [*cells.values()], Status.DONE


def _finished(work: Work, due: Sequence[Run], jobs: int | None) -> Iterator[list[Record]]:
    """The records of each task, as it finishes; of one whose worker died each time, with that as the message."""
    tasks = planned(work, due, effective(jobs))
    for number, found in as_finished({i: task for i, (_, task) in enumerate(tasks)}, jobs):
        runs = tasks[number][0]
        new = [failed(*run, found) for run in runs] if isinstance(found, Exception) else found
        for record in new:
            if twice := set(record.values) & {*record.cell, *OWN}:
                raise ValueError(f"measure must not be called like a name of the cell or {OWN}, got {sorted(twice)}")
        yield new


def _score(records: Records, cell: Cell, *, seeds: int) -> float:
    """The mean of the first measure over the seeds; NaN if one of them failed."""
    values = [[*records[key(cell), s].values.values()] for s in range(seeds)]
    return float(np.mean([each[0] for each in values])) if all(values) else np.nan


def _head(work: Work, grid: Grid, seeds: int) -> dict[str, Any]:
    """What a folder must agree in: everything on which a digit depends."""
    return {
        "format": 1,
        **grid.facts(),
        "seeds": seeds,
        "steps": work.steps,
        "rng": {"entropy": work.root.entropy, "spawn_key": list(work.root.spawn_key)},
        **{name: identity(getattr(work, name)) for name in ("make", "problem", "measure", "prune")},
        "versions": {
            "odeopt": sys.modules["odeopt"].__version__,  # the package itself, which is not imported from inside
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
