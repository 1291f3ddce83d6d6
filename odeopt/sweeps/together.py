"""Many cells as one array run, where the digits are those of each cell alone.

Elementary operations on arrays give each member the digits that it has alone.  Matrix products and some sums may not:
they depend on the number of rows.  So a few cells of a group are run both ways, and the bits are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odeopt.core.state import finite_members
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.simulation.simulate import simulate
from odeopt.simulation.trajectory import Trajectory
from odeopt.sweeps.cells import Cell, Streams
from odeopt.sweeps.record import Record
from odeopt.sweeps.stacking import stacked, structure
from odeopt.sweeps.work import NOT_FINITE, Work, failed, final_loss
from odeopt.util.status import Status

Run = tuple[Cell, int]  # a cell and the number of its seed
PROBE = 32  # steps that are compared
ALONE = 4  # cells that are run alone for the comparison
WIDTHS = (2, 3, 5, 8, 16, 33, 64)  # rows of the points at which the gradient is compared
WIDEST = 1024  # cells in one array run
NUMBERS = 2**21  # in the records of one array run


def records(work: Work, runs: Sequence[Run]) -> list[Record]:
    """The records of runs of one group, in the order in which they are given."""
    opts: dict[int, Optimizer] = {}
    found: dict[int, Record] = {}
    for i, (cell, seed) in enumerate(runs):
        try:
            opts[i] = work.made(cell)
        except Exception as error:
            found[i] = failed(cell, seed, error)
    kinds: dict[object, list[int]] = {}
    for i, opt in opts.items():
        kinds.setdefault(structure(opt), []).append(i)
    for kind, places in kinds.items():
        joined = stacked([opts[i] for i in places]) if kind is not None and len(places) > 1 else None
        run = None if joined is None else array_run(work, joined, [runs[i] for i in places], work.steps)
        if run is None or run.status not in (Status.DONE, Status.NOT_FINITE):
            found |= {i: work.record(*runs[i]) for i in places}
            continue
        with np.errstate(all="ignore"):
            whole = finite_members((run.theta[-1], *(u[-1] for u in run.state.values())))
        for n, i in enumerate(places):
            cell, seed = runs[i]
            if whole[n]:
                found[i] = work.measured(cell, seed, Status.DONE, "", member(run, n, opts[i], work.steps))
            else:
                found[i] = Record(cell, seed, Status.NOT_FINITE, NOT_FINITE, {})
    return [found[i] for i in range(len(runs))]


def array_run(work: Work, opt: Optimizer, runs: Sequence[Run], steps: int) -> Trajectory | None:
    """All runs as members of one; None if that raises.  KeyboardInterrupt if it was interrupted."""
    try:
        problem = work.posed(runs[0][0])
        rng = np.random.default_rng(Streams(work.root.stream(*run) for run in runs))
        theta0 = np.broadcast_to(problem.theta0, (len(runs), problem.dim))
        every = max(1, steps) if work.measure is final_loss else 1
        run = simulate(opt, problem, steps, theta0, record_every=every, rng=rng, progress=False, backend="numpy")
    except Exception:
        return None
    if run.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    return run


def member(run: Trajectory, i: int, opt: Optimizer, steps: int) -> Trajectory:
    """Member i as a run of its own, as `simulate` gives it."""
    t = np.ascontiguousarray(run.t[:, i]) if run.t.ndim > 1 else run.t
    theta, loss = (np.ascontiguousarray(u[:, i]) for u in (run.theta, run.loss))
    state = {name: np.ascontiguousarray(u[:, i]) for name, u in run.state.items()}
    whole = replace(run, t=t, theta=theta, loss=loss, state=state, optimizer=opt, flow=opt.flow)
    return replace(whole, status=Status.DONE, message=f"{steps} steps")


def joins(work: Work, runs: Sequence[Run]) -> bool:
    """Whether runs of one group may be members of one: tried on a few of them, to the last bit."""
    if work.prune is not None or len(runs) < 2:
        return False
    few = [runs[i] for i in np.unique(np.linspace(0, len(runs) - 1, WIDTHS[-1]).astype(int))]
    try:
        opts, problem = [work.made(cell) for cell, _ in few], work.posed(few[0][0])
        if problem.theta0.ndim > 1 or not all(isinstance(opt, Optimizer) for opt in opts):
            return False
        kinds = {structure(opt) for opt in opts}
        opt = stacked(opts) if len(kinds) == 1 and None not in kinds else None
        return opt is not None and _same_gradient(problem) and _same_runs(replace(work, measure=np.size), opt, few)
    except Exception:  # what is wrong is then said for each cell
        return False


def _same_runs(work: Work, opt: Optimizer, runs: Sequence[Run]) -> bool:
    """Whether each member has the states and losses of its cell alone; those up to a divergence."""
    steps = min(work.steps, PROBE)
    run = array_run(work, opt, runs, steps)
    if run is None:
        return False
    for i in np.unique(np.linspace(0, len(runs) - 1, ALONE).astype(int)):
        cell, seed = runs[i]
        made = work.made(cell)
        alone, joined = work.run(made, work.posed(cell), work.generator(cell, seed), steps), member(run, i, made, steps)
        pairs = [(alone.theta, joined.theta), (alone.loss, joined.loss)]
        pairs += [(alone.state[name], joined.state[name]) for name in alone.state]
        if not all(np.array_equal(u, v[: len(u)], equal_nan=True) for u, v in pairs):
            return False
    return True


def _same_gradient(problem: Problem) -> bool:
    """Whether gradient and loss of a row do not depend on the number of rows, at points about the start."""
    rng = np.random.default_rng(0)
    points = problem.theta0 * rng.uniform(-1, 1, (WIDTHS[-1], 1)) + rng.standard_normal((WIDTHS[-1], problem.dim))
    with np.errstate(all="ignore"):
        for f in (problem.grad, problem.loss):
            alone = np.array([f(point) for point in points])
            for width in WIDTHS:
                rows = points[-width:]
                if not np.array_equal(np.asarray(f(rows)), alone[-width:], equal_nan=True):
                    return False
    return True


def width(work: Work, dim: int) -> int:
    """How many cells of so many coordinates run at once."""
    kept = 1 if work.measure is final_loss else work.steps + 1
    return int(np.clip(NUMBERS // (4 * dim * kept), 1, WIDEST))
