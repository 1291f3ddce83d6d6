"""E f(theta_k) over many members: all advance from record to record, and are counted there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.ensemble.blocks import advance, block_draws, block_streams, blocks
from odeopt.ensemble.plan import Plan
from odeopt.ensemble.result import Ensemble
from odeopt.gradient import EvaluationError
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.progress import bar
from odeopt.schemes.base import StepFailure
from odeopt.state import State
from odeopt.trajectory import Status


def ensemble(
    opt: Optimizer,
    problem: Problem,
    members: int = 10_000,
    steps: int = 300,
    theta0: Any = None,
    *,
    record_every: int | None = None,
    observe: Mapping[str, Callable[..., Any]] | None = None,
    quantiles: Any = (),
    edges: Any = (),
    target: Callable[..., Any] | None = None,
    paths: int = 0,
    rng: Any = None,
    workers: int = 1,
    progress: bool | None = None,
) -> Ensemble:
    """Statistics of many members of a noisy optimizer or a stochastic flow, whose paths are not kept.

    theta0:       (d,) for all, or (members, d)
    record_every: steps between records, about 100 records by default
    observe:      {name: formula} of one number per member that reads theta or memory, {"energy": lambda v: (v**2)
                  .sum(-1) / 2}; the coordinates of theta by default
    quantiles:    probabilities, exact over the members
    edges:        of the bins of a histogram of each observable
    target:       a formula of one truth value per member: its first-passage times are found, at the resolution of a
                  step, and the run ends when all members have arrived
    paths:        how many members' paths to keep
    rng:          None, a seed or a Generator; blocks of members have child streams, so that the number of `workers`
                  (threads; the problem's functions must then be pure) does not change a digit

    A run that needs more than the machine's memory is refused before it starts.  Ctrl-C, a failing gradient or a step
    without solution end it with a status and what was counted so far; members that diverge are left out, and counted.

    >>> import odeopt as oo
    >>> noisy = oo.noise.gaussian(oo.problems.quadratic(eigenvalues=(1.0, 2.0), angle=0), sigma=1.0)
    >>> run = ensemble(oo.optimizers.gd(lr=0.1), noisy, members=2000, steps=200, rng=0)
    >>> exact = 0.1 / (1.0 * (2 - 0.1))  # lr sigma^2/(lambda (2 - lr lambda))
    >>> bool(abs(run.variance[-1, 0] - exact) < 4 * exact * (2 / 2000) ** 0.5)
    True
    """
    plan = Plan.of(opt, problem, members, steps, theta0, record_every, observe, quantiles, edges, target, paths)
    generator, workers = check.generator("rng", rng), check.count("workers", workers, 1)
    check.switch("progress", progress)
    plan.refuse_without_room(workers)
    arrivals = np.full(plan.members, np.nan)
    runs = [
        advance(opt, problem, plan.theta0[part], block_draws(opt, problem, stream, part.stop - part.start),
                plan.strides, plan.watch(arrivals[part]))
        for part, stream in zip(blocks(plan.members), block_streams(generator, len(blocks(plan.members))), strict=True)
    ]  # fmt: skip
    rows: list[dict[str, Any]] = []
    kept: list[Array] = []
    with ThreadPoolExecutor(workers) as pool, bar(plan.steps, opt.name, progress) as shown:
        status, message = _count(plan, lambda: list(pool.map(next, runs)), arrivals, rows, kept, shown)
    return plan.result(rows, kept, arrivals, status, message)


def _count(
    plan: Plan, advance_all: Callable[[], list[State]], arrivals: Array, rows: list[Any], kept: list[Array], shown: Any
) -> tuple[Status, str]:
    """The census at each record; every way out leaves those that were made."""
    done = 0
    try:
        for stride in (0, *plan.strides):
            states = advance_all()
            y = tuple(np.concatenate(parts) for parts in zip(*states, strict=True))
            rows.append(plan.census(plan.values(done, y), plan.loss(y[0])))
            kept.append(y[0][: plan.paths].copy())
            done += stride
            shown.update(stride)
            if rows[-1]["alive"] == 0:
                return Status.NOT_FINITE, f"no member is finite at step {done}"
            if plan.target and np.isfinite(arrivals).all():
                return Status.DONE, f"all members arrived within {done} steps"
    except KeyboardInterrupt:
        if not rows:
            raise
        return Status.INTERRUPTED, f"interrupted after step {done} of {plan.steps}"
    except EvaluationError as error:
        if not rows:
            raise
        return Status.EVALUATION_FAILED, f"{error} (after step {done})"
    except StepFailure as error:
        return Status.STEP_FAILED, f"a step after step {done} failed: {error}"
    lost = plan.members - rows[-1]["alive"]
    if lost:
        return Status.NOT_FINITE, f"{lost} of {plan.members} members are not finite at the end"
    return Status.DONE, f"{plan.steps} steps"
