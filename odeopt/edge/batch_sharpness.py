"""E_B[g_B.H_B g_B/|g_B|^2], the curvature of a batch along its own gradient: at the edge of SGD it is 2/lr.

[Andreyev and Beneventano 2024, "Edge of stochastic stability"]  With momentum it ends at 2 (1 - beta)/lr for small
batches, where an update is the sum of many independent gradients, and at 2 (1 + beta)/lr, the limit of full batches,
for large ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odeopt.analysis.stability import stability_limit
from odeopt.edge.transfer_function import transfer_function
from odeopt.noise._every_batch import Indices, every_batch, number_of_batches, random_batches
from odeopt.noise._minibatches import Minibatches, minibatches_of
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.problems.derivatives import Derived, hvp_rule
from odeopt.problems.differences import typical
from odeopt.problems.members import probe_points
from odeopt.simulation.trajectory import Trajectory, a_run
from odeopt.util import check
from odeopt.util.check import Array, Seed
from odeopt.util.limits import NUMBER, within_memory
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved
from odeopt.util.status import Status

BLOCK = 2**20  # numbers of gradients held in memory at a time


@dataclass(frozen=True, eq=False)
class BatchSharpness(Saved):
    """`value` (n,) at the times `t` (n,), and its standard `error` (n,): 0 where `batches` are all that there are.

    still:  the most batches of a record whose gradient is 0: they have no quotient and are left out of the mean, which
            is NaN where no other is left
    limits: (2/(lr Q(1)), stability limit/lr) of the optimizer, for small and for large batches; both 2/lr for gradient
    descent, NaN without an optimizer.  Q is its `transfer_function`.
    """

    name: str
    t: Array = field(repr=False)
    value: Array = field(repr=False)
    error: Array = field(repr=False)
    batches: int
    limits: tuple[float, float]
    still: int = 0
    status: Status = Status.DONE
    message: str = ""

    def __repr__(self) -> str:
        small, large = self.limits
        still = f"; in up to {self.still} batches the gradient is 0, and they are left out" if self.still else ""
        ended = "" if self.status is Status.DONE else f"; {self.status.name}: {self.message}"
        last = f"last {self.value[-1]:.4g} +- {self.error[-1]:.1g}" if len(self.t) else "none"
        return (
            f"BatchSharpness along {self.name}: {len(self.t)} values from {self.batches} batches, "
            f"{last}; limits {small:.4g} and {large:.4g}{still}{ended}"
        )

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The batch sharpness against time with its limits; returns the artists."""
        return plotted(self, ax=ax, **options)


def batch_sharpness(
    run: Trajectory, opt: Optimizer | None = None, *, every: int = 1, batches: int = 1000, rng: Seed = 0
) -> BatchSharpness:
    """E_B[g_B.H_B g_B/|g_B|^2] at every `every`-th record of a run with minibatches, by products of batch losses.

    opt:     the optimizer of the run, for its limits; without preconditioner and weight decay
    batches: how many random batches are taken at each record, drawn by `rng`.  Where no more than these exist all of
             them are taken once, and the mean is exact.  All have the size of the noise: the shorter one that ends an
             epoch is left out, and so are batches whose gradient is 0, for which the quotient does not exist

    After Ctrl-C, or where a function raises after the first record, the result has the records so far.  Its status
    says so.

    >>> import odeopt as oo
    >>> noisy = oo.noise.minibatches(oo.problems.least_squares(), 1)
    >>> opt = oo.optimizers.gd(lr=0.1)
    >>> batch_sharpness(oo.simulate(opt, noisy, 20, rng=0), opt, every=10)
    BatchSharpness along gd: 3 values from 442 batches, last 11 +- 0; limits 20 and 20
    """
    problem, law = _checked(run, opt)
    every, batches = check.count("every", every, 1), check.count("batches", batches, 2)
    generator = check.generator("rng", rng)
    taken = min(batches, number_of_batches(law))
    within_memory("batches", taken, NUMBER * taken)
    records = np.arange(0, len(run), min(every, len(run)))
    limits, status, message = _limits(opt), Status.DONE, f"{len(records)} records"
    found: list[tuple[float, float, int]] = []
    try:
        for theta in run.theta[records]:
            found.append(_at(problem, theta, batches, generator))
    except KeyboardInterrupt:
        status, message = Status.INTERRUPTED, f"interrupted at record {len(found)} of {len(records)}"
    except Exception as error:  # whatever a user's function raises
        if not found:
            raise
        status, message = Status.EVALUATION_FAILED, f"{type(error).__name__}: {error} (at record {len(found)})"
    value, spread, still = np.reshape(found, (-1, 3)).T
    most = int(still.max(initial=0))
    return BatchSharpness(run.name, run.t[records[: len(found)]], value, spread, taken, limits, most, status, message)


def _at(problem: Problem, theta: Array, batches: int, rng: np.random.Generator) -> tuple[float, float, int]:
    """The mean of the quotient, its standard error, and how many batches have none, at one theta (d,)."""
    law, rule = minibatches_of(problem), hvp_rule(problem.grad, probe_points(theta), typical(theta))
    rows = max(1, BLOCK // max(theta.size, law.size))
    if number_of_batches(law) <= batches:
        total, weight, still = 0.0, 0.0, 0
        for some, weights in every_batch(law, rows):
            values, moving = _quotients(law, rule, theta, some)
            total, weight = total + float(weights[moving] @ values), weight + float(np.sum(weights[moving]))
            still += int(np.count_nonzero(~moving))
        return (total / weight if weight else np.nan), 0.0, still
    drawn = (
        _quotients(law, rule, theta, random_batches(law, min(rows, batches - first), rng))
        for first in range(0, batches, rows)
    )
    values = np.concatenate([values for values, _ in drawn])
    still = batches - len(values)
    if len(values) < 2:
        return (float(values[0]) if len(values) else np.nan), np.nan, still
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), still


def _quotients(
    law: Minibatches, rule: Callable[[Any], Derived], theta: Array, some: Indices
) -> tuple[Array, NDArray[np.bool_]]:
    """g_B.H_B g_B/|g_B|^2 of the batches (m, size) whose gradient is not 0, and which those are (m,)."""
    at = np.broadcast_to(theta, (len(some), theta.size))

    def grad(theta: Array) -> Array:
        return law.samples.batch_grad(theta, some)

    g = grad(at)
    moving = np.any(g != 0, axis=-1)
    with np.errstate(invalid="ignore"):
        values = np.sum(g * rule(grad)(at, g), axis=-1)[moving] / np.sum(g**2, axis=-1)[moving]
    return values, moving


def _limits(opt: Optimizer | None) -> tuple[float, float]:
    if opt is None:
        return np.nan, np.nan
    lr = check.scalar("lr", opt.lr)
    return 2 / (lr * transfer_function(opt, 1).real), stability_limit(opt) / lr


def _checked(run: Any, opt: Any) -> tuple[Problem, Minibatches]:
    if a_run(run).problem is None:
        raise TypeError(f"run must be made by odeopt.simulate, got {run!r}")
    if opt is not None and not isinstance(opt, Optimizer):
        raise TypeError(f"opt must be the Optimizer of the run or None, got {opt!r}")
    if run.theta.ndim != 2:
        raise ValueError(f"run must be of one member, with theta (n, {run.problem.dim}), got {run.theta.shape}")
    if opt is not None and opt.flow.preconditioner:
        raise ValueError(f"opt must not have a preconditioner, {opt.name} has {opt.flow.preconditioner}")
    return run.problem, minibatches_of(run.problem)
