"""The rod flow of an optimizer: the middle of consecutive iterates and the rods between them, from its step alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.state import Grad, State, pack, unpack
from odeopt.edge.rod_result import Records, RodFlow
from odeopt.edge.rods import Increments, RodMotion, Rods
from odeopt.edge.start import first_state, quiet_problem, single_optimizer
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.foreign import ForeignStep
from odeopt.optimizers.one_step import OneStep, of_optimizer
from odeopt.problems import Problem
from odeopt.problems.initial_point import single_point
from odeopt.problems.oracle import Gradient
from odeopt.simulation.ending import ENDS, ending
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_a_day, within_memory
from odeopt.util.progress import bar
from odeopt.util.status import Status


def rod_flow(
    opt: Optimizer | OneStep,
    problem: Problem,
    steps: int = 300,
    *,
    theta0: ArrayLike | None = None,
    delta0: ArrayLike | None = None,
    memory: Mapping[str, Any] | None = None,
    smooth: Iterable[str] | None = None,
    substeps: int = 4,
    order: int = 2,
    rank: int = 4,
    record_every: int = 1,
    progress: bool | None = None,
) -> RodFlow:
    """y' = F - DF F/2,  Sigma' = (F F^T + sum_i a_i a_i^T)/2 - 2 Sigma: see `odeopt.edge.rods`; one step is a unit.

    For gradient descent with one rod, g+- = grad L(theta +- delta):
        theta' = -(lr/2) (g+ + g-) - (lr^2/8) (H+ + H-) (g+ + g-),
        Sigma' = (lr^2/4) (g+ g+^T + g- g-^T) - 2 Sigma.                  [Regis and Chewi 2026, without H]
    It is exact where the iterates alternate between two points.  Here y is theta and all memory, so that the same holds
    for every optimizer whose `smooth` variables do not alternate.  Nothing but increments of the step is evaluated: at
    most 6 substeps (2 rank + 1) in a step, which are 216 by default and 60 with rank=2, substeps=2.

    theta0, memory: the start, by default that of the optimizer on this problem; memory, {"G": ...}, by name
    delta0:         the rods' halves at the start, (d,) or (k, d), with theta0 in their middle.  By default the first
                    two iterates are the ends of one rod; record 0 is then their first, and the flow begins between them
    smooth:         names of variables without rods, which see the mean over those of the others.  By default the
                    preconditioner and the clocks of the optimizer: rods could make these squares negative
    substeps:       of order 3 in each step, at least 2
    order:          1 without the term -DF F/2, as published
    rank:           the most rods at once.  Smooth motion needs one or two, and each oscillating direction one.  An
                    oscillation that is smaller than `rank` others is not followed yet.  The rods of smooth motion
                    seed oscillations, which therefore begin earlier than those of iterates that grow from rounding
    progress:       a bar: True, False, or None for one at a terminal

    >>> import odeopt as oo
    >>> quartic = oo.Problem(lambda w: w[0] ** 2 / 2 - w[0] ** 4 / 8, theta0=[0.0])
    >>> flow = rod_flow(oo.optimizers.gd(lr=2.2), quartic, steps=100, delta0=[0.1])
    >>> round(float(flow.covariance.trace[-1]), 6)  # gradient descent alternates between +-.426
    0.181818
    """
    opt, problem = single_optimizer(opt), quiet_problem(problem)
    steps, record_every = check.count("steps", steps), check.count("record_every", record_every, 1)
    substeps, rank = check.count("substeps", substeps, 2), check.count("rank", rank, 1)
    if check.count("order", order, 1) > 2:
        raise ValueError(f"order must be 1 or 2, got {order}")
    check.switch("progress", progress)
    theta = single_point(problem, "theta0", theta0)
    given = None if delta0 is None else _halves(delta0, problem.dim, rank)
    size = len(opt.flow.variables) * theta.size
    rank, records_made = min(rank, size), -(-steps // record_every) + 1
    within_a_day("steps", steps)
    within_a_day("substeps", substeps)
    within_memory("steps", steps, NUMBER * records_made * (size + rank * theta.size))
    still = _still(opt, smooth)
    counted = Counted(problem.grad)
    grad = Gradient(counted, problem.hvp)
    with np.errstate(all="ignore"):
        like = first_state(opt, grad, theta, memory)
        motion = RodMotion(_increments(opt, grad, like), order, rank, _blocks(opt, like, still))
        records = Records(opt, problem, like)
        status, message = _run(motion, records, pack(like), given, substeps, steps, record_every, progress)
    return records.result(counted.count, status, message)


class Counted:
    """A gradient on stacks that counts their members."""

    def __init__(self, grad: Grad) -> None:
        self._grad, self.count = grad, 0

    def __call__(self, theta: Array) -> Array:
        self.count += theta.size // theta.shape[-1]
        return self._grad(theta)


def _halves(delta0: Any, d: int, rank: int) -> Array:
    """delta0 as rows (k, d)."""
    delta = check.point("delta0", delta0)
    if delta.ndim > 2 or delta.shape[-1] != d:
        raise ValueError(f"delta0 must have shape ({d},) or (k, {d}), got {delta.shape}")
    rows = np.atleast_2d(delta)
    if len(rows) > rank:
        raise ValueError(f"delta0 must have at most rank = {rank} rows, got {len(rows)}")
    return rows


def _still(opt: Optimizer, smooth: Iterable[str] | None) -> set[str]:
    """The names of the variables without rods."""
    if smooth is None:
        return {*opt.flow.preconditioner.split(), *opt.flow.clocks}
    if isinstance(smooth, str) or not isinstance(smooth, Iterable):
        raise TypeError(f"smooth must be None or names of variables, got {smooth!r}")
    return {check.choice("smooth variable", name, opt.flow.memory) for name in smooth}


def _blocks(opt: Optimizer, like: State, still: set[str]) -> list[slice]:
    """The other variables as slices of a packed state."""
    ends = accumulate(u.size for u in like)
    return [
        slice(end - u.size, end)
        for name, u, end in zip(opt.flow.variables, like, ends, strict=True)
        if name not in still
    ]


def _increments(opt: Optimizer, grad: Gradient, like: State) -> Increments:
    """Phi(y) - y of states packed into rows: all at once, or one by one for a step that may know single states only."""
    d, h = of_optimizer(opt).increment(grad), float(np.asarray(opt.h))

    def at_once(t: float, rows: Array) -> Array:
        y = unpack(rows, like)
        return np.concatenate([np.broadcast_to(du, u.shape) for du, u in zip(d(t * h, y), y, strict=True)], axis=-1)

    if isinstance(opt.scheme, ForeignStep):
        return lambda t, rows: np.array([at_once(t, row) for row in rows])
    return at_once


def _run(
    motion: RodMotion,
    records: Records,
    y: Array,
    given: Array | None,
    substeps: int,
    steps: int,
    record_every: int,
    progress: bool | None,
) -> tuple[Status, str]:
    """Follows the rods and records them; returns how that ended."""
    n, last, begin = 0, 0, 0.0
    u = Rods(y, np.empty((0, y.size)) if given is None else np.pad(given, ((0, 0), (0, y.size - given.shape[1]))))
    records.append(0.0, u)
    try:
        with bar(steps, "rod flow", progress) as shown:
            if given is None:
                begin, u = _first_rod(motion, y)
            for n in range(1, steps + 1):
                width = n - begin
                number = int(np.ceil(substeps * width))
                for i in range(number):
                    u = motion.after(begin + i * width / number, u, width / number)
                if not u.finite:
                    return Status.NOT_FINITE, f"not finite in step {n}; ends with the last record, step {last}"
                begin = float(n)
                if n % record_every == 0 or n == steps:
                    records.append(begin, u)
                    last = n
                shown.update(1)
    except ENDS as error:
        return ending(error, max(n - 1, 0), steps)
    return Status.DONE, f"{steps} steps"


def _first_rod(motion: RodMotion, y: Array) -> tuple[float, Rods]:
    """The time, in steps, and the rod there that joins the first two iterates."""
    half = motion.increments(0.0, y[None])[0] / 2
    return 0.5, Rods(y + half, motion.swinging(half[None]))
