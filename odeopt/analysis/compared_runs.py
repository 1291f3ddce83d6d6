"""The three runs of a comparison; a flow is solved by a solver, or by small steps where no solver succeeds."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.analysis.modified import modified_flow, series_radius
from odeopt.core.state import State, finite, named
from odeopt.flows import gradient_flow
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.foreign import ForeignStep
from odeopt.optimizers.one_step import of_optimizer
from odeopt.problems import Problem
from odeopt.problems.initial_point import initial_point
from odeopt.problems.oracle import EvaluationError, proven
from odeopt.schemes import euler
from odeopt.schemes.base import projections_that_are_read
from odeopt.simulation.simulate import simulate
from odeopt.simulation.trajectory import Trajectory
from odeopt.solvers.smoothness import difficulties, jumps
from odeopt.solvers.solve import solve
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.deadline import time_is_up
from odeopt.util.status import Status

ORDER = 3  # of the modified flow that a foreign step is compared with
CONVERGENT = 1 + 1e-6  # |mu - 1| is 1, up to rounding, for a variable that a step overwrites, e.g. by a projection
FINE = 64  # a power of 2, so that the record times keep all their bits
SMALL = 200  # coordinates; a larger problem has a smaller budget and no interpolants, which take much memory
EVALUATIONS = 500_000  # the budget for a small problem
FEW_EVALUATIONS, KINKED_EVALUATIONS = 20_000, 2_000  # for a large one, and for one whose gradient jumps
ENDS = (Status.INTERRUPTED, Status.OUT_OF_TIME)  # after a run with one of these, no other run begins


class Stage:
    """The run of a comparison that is in progress, for the lines on stderr."""

    def __init__(self, max_seconds: float, progress: bool | None) -> None:
        self.max_seconds, self.progress = max_seconds, check.switch("progress", progress)
        self.name, self.begun, self.remarks = "", monotonic(), tuple[str, ...]()

    def begin(self, name: str) -> None:
        """Names the run that begins now."""
        self.name = name

    def text(self) -> str:
        """The progress line."""
        found = "".join(f"; {remark}" for remark in self.remarks)
        return f"compare: {self.name}: {monotonic() - self.begun:.0f} s of at most {self.max_seconds:g} s{found}"

    def ended(self, run: Trajectory) -> Trajectory:
        """The run, with the status OUT_OF_TIME if the time limit interrupted it."""
        if run.status is not Status.INTERRUPTED or not time_is_up():
            return run
        message = f"{run.message}: the limit max_seconds = {self.max_seconds:g} s was reached"
        return replace(run, status=Status.OUT_OF_TIME, message=message)


def three_runs(
    opt: Optimizer, problem: Problem, steps: int, theta0: ArrayLike | None, solver: dict[str, Any], stage: Stage
) -> tuple[Trajectory, Trajectory, Trajectory]:
    """The iterates, their flow and plain gradient flow."""
    stage.begin("its steps")
    run = stage.ended(simulate(opt, problem, steps, theta0, progress=stage.progress))
    if len(run) < 2 or run.status in (*ENDS, Status.EVALUATION_FAILED):
        return run, *_unsolved(opt, run, run.status, run.message)
    with proven():
        return run, *_two_flows(opt, problem, run, initial_point(opt.members, problem, theta0), solver, stage)


def _two_flows(
    opt: Optimizer, problem: Problem, run: Trajectory, theta0: Array, solver: dict[str, Any], stage: Stage
) -> tuple[Trajectory, Trajectory]:
    """The flow and plain gradient flow.  After Ctrl-C or at the time limit no further run begins."""
    flow, plain = _unsolved(opt, run, Status.INTERRUPTED, "interrupted")
    try:
        stage.begin("looking for kinks")
        grad = problem.oracle()
        with np.errstate(all="ignore"):
            y = opt.matched_state(grad, theta0)
            if not finite(y):
                return _unsolved(opt, run, Status.NOT_FINITE, "its matched start is not finite")
            kinked = jumps(grad, y[0], run.final)
            stage.remarks = difficulties(opt.flow, grad, y[0], kinked) + _without_series(opt, problem, y)
        if solver["max_evaluations"] is None:
            solver["max_evaluations"] = _budget(problem, kinked)
        stage.begin(f"its flow, by {solver['max_evaluations']} evaluations at most")
        flow = stage.ended(_flow(opt, problem, run, y, solver, stage))
        if flow.status not in ENDS:
            stage.begin("plain gradient flow")
            plain = stage.ended(_plain_flow(opt, problem, run, y[0], solver, stage))
    except KeyboardInterrupt:  # between two runs; during a run, `simulate` and `solve` catch it
        pass
    except EvaluationError as error:  # in the first evaluation of a flow; a later one gives a status
        first, plain = _unsolved(opt, run, Status.EVALUATION_FAILED, str(error))
        flow = first if flow.status is Status.INTERRUPTED else flow
    return stage.ended(flow), stage.ended(plain)


def _flow(
    opt: Optimizer, problem: Problem, run: Trajectory, y: State, solver: dict[str, Any], stage: Stage
) -> Trajectory:
    """The flow of an optimizer, by a solver or by small steps of the optimizer."""
    if isinstance(opt.scheme, ForeignStep):
        return solve(modified_flow(opt, ORDER), problem, run.t, y[0], memory=named(opt.flow.memory, y), **solver)
    why = f"{opt.flow.name} has projections"
    if not projections_that_are_read(opt.flow):
        memory = named(opt.flow.memory, y)
        solved = solve(opt.flow, problem, run.t, y[0], memory=memory, **solver, progress=stage.progress)
        if solved.status is not Status.TOO_MANY_EVALUATIONS:
            return solved
        why = solved.message
    stage.begin(f"its flow, by steps of h/{FINE}")
    return _by_small_steps(opt, problem, len(run) - 1, y, why)


def _without_series(opt: Optimizer, problem: Problem, y: State) -> tuple[str, ...]:
    """A remark if the series of the modified flow diverges for a foreign step."""
    if not isinstance(opt.scheme, ForeignStep) or y[0].ndim > 1:
        return ()
    radius = series_radius(of_optimizer(opt), problem, 0.0, y)
    if radius <= CONVERGENT:
        return ()
    return (
        f"the series of the modified flow diverges: a multiplier mu of the first step has |mu - 1| = {radius:.3g}, "
        "as for a memory that every step replaces",
    )


def _plain_flow(
    opt: Optimizer, problem: Problem, run: Trajectory, theta: Array, solver: dict[str, Any], stage: Stage
) -> Trajectory:
    """Plain gradient flow in lr-time, by a solver or by small steps of gradient descent."""
    times = run.t * (np.asarray(opt.lr_time) / np.asarray(opt.h))
    solved = solve(gradient_flow(), problem, times, theta, **solver, progress=stage.progress)
    if solved.status is not Status.TOO_MANY_EVALUATIONS:
        return solved
    stage.begin(f"plain gradient flow, by steps of lr/{FINE}")
    descent = Optimizer(gradient_flow(), euler, np.asarray(opt.lr_time)[()])
    return replace(_by_small_steps(descent, problem, len(run) - 1, (theta,), solved.message), t=times)


def _by_small_steps(opt: Optimizer, problem: Problem, steps: int, y: State, why: str) -> Trajectory:
    """A flow by the optimizer's own steps, FINE times as many; `why` is the reason for not using a solver."""
    fine = replace(opt.with_step(np.asarray(opt.h) / FINE), start=lambda flow, grad, theta0, h: y)
    run = simulate(fine, problem, steps * FINE, y[0], record_every=FINE, progress=False)
    return replace(run, name=opt.flow.name, optimizer=None, message=f"{run.message} of h/{FINE}: {why}")


def _budget(problem: Problem, kinked: bool) -> int:
    """The default budget of evaluations."""
    if problem.dim <= SMALL:
        return EVALUATIONS
    return KINKED_EVALUATIONS if kinked else FEW_EVALUATIONS


def _unsolved(opt: Optimizer, run: Trajectory, status: Status, why: str) -> tuple[Trajectory, Trajectory]:
    """Stand-ins for the two flows if they were not solved."""
    flow = unsolved(run, opt.flow.name, status, why)
    return flow, replace(flow, name=gradient_flow().name, flow=gradient_flow(), state={})


def unsolved(run: Trajectory, name: str, status: Status, why: str) -> Trajectory:
    """A stand-in for a flow that was not solved; it has the first record of the iterates."""
    memory = {key: value[:1] for key, value in run.state.items()}
    path = replace(run, t=run.t[:1], theta=run.theta[:1], loss=run.loss[:1], state=memory, optimizer=None, name=name)
    return replace(path, status=status, message=f"not solved: {why}", nfev=0, ngev=0)
