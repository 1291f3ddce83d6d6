"""The paths that `compare_at_edge` compares: each ends with a status, and after an interruption no other begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from odeopt.analysis.modified import modified_flow
from odeopt.core.state import State, finite, named, plus
from odeopt.edge.result import CentralFlow
from odeopt.edge.rod_result import RodFlow
from odeopt.edge.start import Loss
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import of_optimizer
from odeopt.problems import Problem
from odeopt.problems.oracle import EvaluationError, proven
from odeopt.simulation.ending import ENDS, ending
from odeopt.solvers.solve import solve
from odeopt.util.check import Array
from odeopt.util.status import Status

RTOL = 1e-6  # of the own flow


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


def as_model(run: CentralFlow | RodFlow) -> Model:
    return Model(run.theta, run.mean_loss, run.status, run.message)


def not_begun(theta: Array, status: Status = Status.INTERRUPTED, message: str = "not begun") -> Model:
    return Model(np.empty((0, theta.size)), np.empty(0), status, message)


def all_of(makers: Mapping[str, Callable[[], Model]], theta: Array, ended: set[Status]) -> dict[str, Model]:
    """The models in their order; after an interruption no other begins."""
    found: dict[str, Model] = {}
    with proven():
        for name, make in makers.items():
            if Status.INTERRUPTED in ended:
                found[name] = not_begun(theta)
                continue
            try:
                found[name] = make()
            except EvaluationError as error:
                found[name] = not_begun(theta, Status.EVALUATION_FAILED, str(error))
            except KeyboardInterrupt:
                found[name] = not_begun(theta, message="interrupted at its start")
            ended = ended | {found[name].status}
    return found


def own_flow(opt: Optimizer, problem: Problem, times: Array, y: State) -> Model:
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


def iterated(opt: Optimizer, problem: Problem, y: State, steps: int, at: int, kick: Array) -> Model:
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
