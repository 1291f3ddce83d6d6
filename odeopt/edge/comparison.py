"""Iterates at the edge of stability beside the models of their mean: own flow, central flows and rod flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from odeopt.analysis.modified import modified_flow
from odeopt.core.state import State, finite, named, plus
from odeopt.edge.central_flow import central_flow
from odeopt.edge.published import is_published
from odeopt.edge.result import CentralFlow, EdgeComparison
from odeopt.edge.rod_flow import rod_flow
from odeopt.edge.rod_result import RodFlow
from odeopt.edge.start import Loss, first_state, quiet_problem, single_optimizer
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import OneStep, of_optimizer
from odeopt.problems import Problem
from odeopt.problems.initial_point import single_point
from odeopt.problems.oracle import EvaluationError, proven
from odeopt.simulation.ending import ENDS, ending
from odeopt.solvers.solve import solve
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_a_day, within_memory
from odeopt.util.status import Status

RTOL = 1e-6  # of the own flow


def compare_at_edge(
    opt: Optimizer | OneStep,
    problem: Problem,
    steps: int = 300,
    *,
    theta0: Any = None,
    memory: Mapping[str, Any] | None = None,
    substeps: int = 4,
    size: float | None = 1e-3,
    seed: int = 0,
    progress: bool | None = None,
) -> EdgeComparison:
    """The iterates, filtered by (w- + 2 w + w+)/4, beside own flow, central flows and rod flow.

    The central flow is followed with orders 1 and 2, and as published where it is.

    The oscillation of iterates grows from rounding, and so begins at an arbitrary time.  Here theta is perturbed when
    the central flow first comes to the edge, by `size` times its root mean square times standard normals of this seed.
    From a small kick the oscillation needs tens of steps to grow, during which the iterates go beyond the edge.  With
    size=None theta is kicked by the oscillation that the central flow predicts there.
    "own flow" is y' = Phi(y) - y, solved to rtol 1e-6.

    >>> import odeopt as oo
    >>> valley = oo.Problem(lambda u: 0.5 * u[1] * u[0] ** 2 - 0.02 * u[1], theta0=[0.0, 19.99])
    >>> seen = compare_at_edge(oo.optimizers.gd(lr=0.1), valley, steps=10)
    >>> sorted(seen.models)
    ['central flow', 'central, order 2', 'own flow', 'published', 'rod flow']
    """
    opt, problem = single_optimizer(opt), quiet_problem(problem)
    steps = check.count("steps", steps, 3)
    size = None if size is None else check.scalar("size", check.nonnegative("size", size))
    generator = np.random.default_rng(check.count("seed", seed))
    theta = single_point(problem, "theta0", theta0)
    within_memory("steps", within_a_day("steps", steps), NUMBER * (steps + 1) * theta.size * len(opt.flow.variables))
    given: dict[str, Any] = {"theta0": theta, "memory": memory, "progress": progress}
    y = first_state(opt, problem.oracle(), theta, memory)
    times: Array = float(np.asarray(opt.h)) * np.arange(steps + 1, dtype=np.float64)
    central = central_flow(opt, problem, steps, substeps=substeps, **given)
    at = int(np.argmax(central.oscillating > 0)) if central.oscillating.any() else -1
    kick = (
        _predicted_kick(central, at)
        if size is None
        else size * np.sqrt(np.mean(theta**2)) * generator.standard_normal(theta.shape)
    )
    first = _model(central)
    if first.status is Status.INTERRUPTED:
        iterates = _not_begun(theta)
    else:
        with proven():
            iterates = _iterates(opt, problem, y, steps, at, kick)
    makers: dict[str, Callable[[], Model]] = {
        "own flow": lambda: _own_flow(opt, problem, times, y),
        "central, order 2": lambda: _model(central_flow(opt, problem, steps, substeps=substeps, order=2, **given)),
        "rod flow": lambda: _model(rod_flow(opt, problem, steps, substeps=max(substeps, 2), **given)),
    }
    if is_published(opt, y):
        published = partial(central_flow, opt, problem, steps, substeps=substeps, form="published", **given)
        makers["published"] = lambda: _model(published())
    found = {"central flow": first, **_others(makers, theta, {first.status, iterates.status})}
    n = max(len(iterates.theta) - 2, 0)
    return EdgeComparison(
        name=opt.name,
        problem=problem.name or "a problem",
        t=times[1 : n + 1],
        theta=_filtered(iterates.theta),
        loss=_filtered(iterates.mean_loss),
        start=theta,
        models={name: run.theta[1 : n + 1] for name, run in found.items()},
        mean_loss={name: run.mean_loss[1 : n + 1] for name, run in found.items()},
        endings={name: run.ending for name, run in {**found, "iterates": iterates}.items()},
        perturbed=at,
        beyond=central.beyond,
        size=size,
        seed=seed,
    )


def _predicted_kick(central: CentralFlow, at: int) -> Array:
    """sum_i sqrt(weight_i) u_i, the oscillation of the central flow at a record; 0 where it never comes to the edge."""
    if at < 0:
        return np.zeros(central.theta.shape[1])
    return central.covariance.modes[at] @ np.sqrt(central.covariance.weights[at])


@dataclass(frozen=True, eq=False)
class Model:
    """A path theta (n+1, d) with its mean loss (n+1,), and how it ended."""

    theta: Array
    mean_loss: Array
    status: Status
    message: str

    @property
    def ending(self) -> str:
        return f"{self.status.name}: {self.message}" if self.message else self.status.name


def _model(run: CentralFlow | RodFlow) -> Model:
    return Model(run.theta, run.mean_loss, run.status, run.message)


def _not_begun(theta: Array, status: Status = Status.INTERRUPTED, message: str = "not begun") -> Model:
    return Model(np.empty((0, theta.size)), np.empty(0), status, message)


def _others(makers: Mapping[str, Callable[[], Model]], theta: Array, ended: set[Status]) -> dict[str, Model]:
    """The models in their order; after an interruption no other begins."""
    found: dict[str, Model] = {}
    with proven():
        for name, make in makers.items():
            if Status.INTERRUPTED in ended:
                found[name] = _not_begun(theta)
                continue
            try:
                found[name] = make()
            except EvaluationError as error:
                found[name] = _not_begun(theta, Status.EVALUATION_FAILED, str(error))
            except KeyboardInterrupt:
                found[name] = _not_begun(theta, message="interrupted at its start")
            ended = ended | {found[name].status}
    return found


def _own_flow(opt: Optimizer, problem: Problem, times: Array, y: State) -> Model:
    """y' = Phi(y) - y, as far as its loss can be had."""
    run = solve(modified_flow(opt, 1), problem, times, y[0], memory=named(opt.flow.memory, y), rtol=RTOL)
    theta, status, message, loss = run.theta, Status(run.status), run.message, Loss(problem)
    losses: list[float] = []
    try:
        for u in theta:
            losses.append(float(loss(u)))
    except EvaluationError as error:
        status, message = Status.EVALUATION_FAILED, str(error)
    return Model(theta[: len(losses)], np.array(losses), status, message)


def _filtered(u: Array) -> Array:
    """(w- + 2 w + w+)/4, from which an oscillation of period 2 is gone."""
    with np.errstate(all="ignore"):
        return (u[:-2] + 2 * u[1:-1] + u[2:]) / 4


def _iterates(opt: Optimizer, problem: Problem, y: State, steps: int, at: int, kick: Array) -> Model:
    """The iterates from y, with a kick to theta before step `at`, up to the last finite one."""
    d, h, loss = of_optimizer(opt).increment(problem.oracle()), float(np.asarray(opt.h)), Loss(problem)
    path: list[Array] = []
    losses: list[float] = []
    status, message = Status.DONE, ""
    try:
        with np.errstate(all="ignore"):
            for k in range(steps + 1):
                if k:
                    y = plus(y, d((k - 1) * h, y))
                if not finite(y):
                    status, message = Status.NOT_FINITE, f"not finite in step {k}"
                    break
                losses.append(float(loss(y[0])))
                path.append(y[0])
                if k == at:
                    y = (y[0] + kick, *y[1:])
    except ENDS as error:
        status, message = ending(error, max(k - 1, 0), steps)
    return Model(np.reshape(path, (-1, kick.size)), np.array(losses[: len(path)]), status, message)
