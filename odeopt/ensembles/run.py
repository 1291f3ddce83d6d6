"""E f(theta_k) over many members, which advance together from record to record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.ensembles.blocks import Crew, Pace, laps
from odeopt.ensembles.crew import crew_of
from odeopt.ensembles.plan import BACKENDS, Plan, Wanted
from odeopt.ensembles.records import Records
from odeopt.ensembles.result import Ensemble
from odeopt.ensembles.statistics import Tally
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.schemes.base import StepFailure
from odeopt.simulation.ending import ENDS, ending
from odeopt.util import check
from odeopt.util.check import Array, Seed
from odeopt.util.interrupts import only_noted
from odeopt.util.progress import bar
from odeopt.util.status import Status

MOST_WORKERS = 1024


def ensemble(
    opt: Optimizer,
    problem: Problem,
    members: int = 10_000,
    steps: int = 300,
    theta0: ArrayLike | None = None,
    *,
    record_every: int | None = None,
    observe: Mapping[str, Callable[..., Any]] | None = None,
    quantiles: Any = (),
    edges: Any = (),
    target: Callable[..., Any] | None = None,
    paths: int = 0,
    final: bool = False,
    covariance: bool | None = None,
    rng: Seed = None,
    generator: str = "auto",
    workers: int | None = None,
    backend: str = "auto",
    progress: bool | None = None,
) -> Ensemble:
    """Statistics of many members of a noisy optimizer or a stochastic flow, whose paths are not kept.

    theta0:       (d,) for all, or (members, d)
    record_every: the number of steps between records; by default there are about 100 records
    observe:      {name: formula} of one number per member that reads theta or memory, {"energy": lambda v: (v**2)
                  .sum(-1) / 2}; the coordinates of theta by default
    quantiles:    probabilities, exact over the members
    edges:        of the bins of a histogram of each observable
    target:       a formula of one truth value per member.  The run finds the time at which it is first true for each
                  member, at the resolution of a step, and ends when all members have arrived
    paths:        the number of members whose paths are kept
    final:        whether to keep theta of all members at the end
    covariance:   whether to keep the covariance of the k observables, k^2 numbers a record; None keeps it for up to 100
                  observables.  The variances are always kept
    rng:          None, a seed or a Generator
    generator:    the source of the normals.  "threefry" computes each normal from the seed, the member and the step
                  alone: a seed gives the same normals on every machine, for any number of members, steps and records.
                  "sfc64" is a stream for each block of members, several times faster in plain NumPy.  "auto" is
                  "threefry" where Numba (extra `fast`) is installed, and else "sfc64".  Name the generator if the
                  digits must be the same with and without that extra.  Batches are always drawn by "sfc64".
                  `run.generator` names the one in use
    workers:      the number of threads, which does not change a digit.  The default is all cores where all functions
                  can be traced to a program, else 1; for more the functions of the problem must be pure
    backend:      "numpy" calls the step itself on one block of members after another.  "blocks" and "numba" trace the
                  step to a program, and run it by NumPy or in a compiled kernel, which draws with "threefry".  "auto"
                  takes the cheapest for this length.  All agree to rounding; `run.backend` names the one in use

    Memory does not grow with the steps.  Moments at every step are cheap; quantiles, histograms and paths need
    the states of all members at one time, and cost more.
    A run that needs more than the machine's memory is refused before it starts.  Ctrl-C ends it within a second or
    two, or two steps if they take longer, and the state of all members is recorded there.  A gradient that fails or a
    step without solution ends it with a status and the records up to there.  Members that diverge are left out of the
    statistics; `alive` counts the others.

    >>> import odeopt as oo
    >>> noisy = oo.noise.gaussian(oo.problems.quadratic(eigenvalues=(1.0, 2.0), angle=0), sigma=1.0)
    >>> run = ensemble(oo.optimizers.gd(lr=0.1), noisy, members=2000, steps=200, rng=0)
    >>> exact = 0.1 / (1.0 * (2 - 0.1))  # lr sigma^2/(lambda (2 - lr lambda))
    >>> bool(abs(run.variance[-1, 0] - exact) < 4 * exact * (2 / 2000) ** 0.5)
    True
    """
    wanted = Wanted(record_every, observe, quantiles, edges, target, paths, final, covariance)
    plan = Plan.of(opt, problem, members, steps, theta0, wanted)
    rng, workers = check.generator("rng", rng), None if workers is None else check.count("workers", workers, 1)
    if workers is not None and workers > MOST_WORKERS:
        raise ValueError(f"workers must be at most {MOST_WORKERS} threads, got {workers}")
    check.switch("progress", progress)
    check.choice("backend", backend, BACKENDS)
    generator = plan.generator(generator, find_spec("numba") is not None)
    plan.refuse_without_room()
    arrivals, records = np.full(plan.members if plan.target else 0, np.nan), Records(plan)
    crew = crew_of(plan, generator, rng, arrivals, backend, progress)
    with ThreadPoolExecutor(workers or crew.threads) as pool, bar(plan.steps, opt.name, progress) as shown:
        status, message, whole = _march(crew, pool, arrivals, records, shown)
    theta = crew.theta() if plan.final and whole else np.empty((0, problem.dim))
    return records.result(arrivals, theta, status, message, backend=crew.means, generator=generator)


def _march(crew: Crew, pool: Any, arrivals: Array, records: Records, shown: Any) -> tuple[Status, str, bool]:
    """Lap after lap: the status, the message, and whether all members stand at the last record."""
    plan, done, pace = records.plan, 0, Pace()
    several = crew.several and not records.alone and plan.target is None
    try:
        with only_noted() as ctrl_c:
            records.count(0, crew)
            for n, every in laps(plan.strides, pace, several=several):
                steps, begun = max(n, 1) * every, perf_counter()
                tasks = [pool.submit(block.advance, done, n, every) for block in crew.blocks]
                tallies = [task.result() for task in tasks]
                pace.took(steps, perf_counter() - begun)
                done += steps
                shown.update(steps)
                if n:
                    records.moments(Tally.join(tallies))
                    records.census(done, crew)
                if records.alive == 0:
                    return Status.NOT_FINITE, f"no member is finite at step {records.step}", False
                if n and plan.target and np.isfinite(arrivals).all():
                    return Status.DONE, f"all members arrived within {done} steps", True
                if ctrl_c.asked and done < plan.steps:
                    records.count(done, crew)
                    return Status.INTERRUPTED, f"interrupted after step {done} of {plan.steps}", True
    except ENDS as error:  # raised by a function of the problem
        if not (records.size or isinstance(error, StepFailure)):
            raise
        return *ending(error, done, plan.steps), False
    lost = plan.members - records.alive
    if lost:
        return Status.NOT_FINITE, f"{lost} of {plan.members} members are not finite at the end", True
    return Status.DONE, f"{plan.steps} steps", True
