"""max_n |theta_n - theta(t_n)|: an optimizer's iterates compared with the flow that they discretise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import numpy as np

from odeopt.analysis.modified import modified_flow, series_radius
from odeopt.analysis.smoothness import difficulties, jumps
from odeopt.core.state import State, finite, named
from odeopt.flows import gradient_flow
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.foreign import ForeignStep
from odeopt.optimizers.one_step import OneStep, as_optimizer, of_optimizer
from odeopt.problems import Problem
from odeopt.problems.initial_point import initial_point
from odeopt.problems.oracle import EvaluationError, proven
from odeopt.schemes import euler
from odeopt.schemes.base import projections_that_are_read, refuse_noise, refuse_without_flow
from odeopt.simulation.simulate import simulate
from odeopt.simulation.trajectory import Trajectory
from odeopt.solvers.solve import checked_solver, solve
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.deadline import time_is_up, time_limit
from odeopt.util.plotted import plotted
from odeopt.util.progress import lines
from odeopt.util.saved import Saved
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


def distance(iterates: Trajectory, flow: Trajectory) -> Array:
    """max_i |theta_n - theta(t_n)|_i, shape (n+1, ...), up to the last record of the shorter run."""
    n = min(len(iterates), len(flow))
    same = (iterates.t[:n] == flow.t[:n]).reshape(n, -1).all(axis=1)  # a run that ended early may have one more time
    return np.abs(iterates.theta[:n] - flow.theta[:n]).max(axis=-1)[same]


def largest(error: Array, flow: Trajectory) -> Any:
    """The maximum of an error over n, a float or (...); NaN if the flow ended early."""
    found = error.max(axis=0) + (0.0 if flow.success else np.nan)
    return float(found) if np.ndim(found) == 0 else found


@dataclass(frozen=True, eq=False)
class Comparison(Saved):
    """The iterates, their own flow from the matched start, and plain gradient flow in lr-time, at the same steps.

    error (n+1, ...): max_i |theta_n - theta(t_n)|_i, up to the last record of the shorter run
    max_error:        its maximum over n; NaN if the flow ended early
    remarks:          sentences about what makes the flow hard to solve, such as kinks of the loss
    """

    iterates: Trajectory
    flow: Trajectory
    gradient_flow: Trajectory
    optimizer: Optimizer
    problem: Problem
    remarks: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """The status of the first of the three runs that did not reach its end; DONE if all of them did."""
        return next((run.status for run in self._runs if not run.success), Status.DONE)

    @property
    def message(self) -> str:
        """The name of that run and the reason."""
        return next(
            (f"{run.name}: {run.message}" for run in self._runs if not run.success), "all three runs are complete"
        )

    @property
    def _runs(self) -> tuple[Trajectory, ...]:
        return self.iterates, self.flow, self.gradient_flow

    @property
    def error(self) -> Array:
        return distance(self.iterates, self.flow)

    @property
    def max_error(self) -> Any:
        """A float, or (...) for an ensemble."""
        return largest(self.error, self.flow)

    @property
    def success(self) -> bool:
        """True if all three runs reached their end."""
        return all(run.success for run in self._runs)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The paths in the plane (d = 2) or the losses against time, and the error as title; returns the artists."""
        return plotted(self, ax=ax, **options)

    def __repr__(self) -> str:
        return (
            f"Comparison of {self.optimizer.name} with its flow on {self.problem.name or 'a problem'}: "
            f"{len(self.error) - 1} steps, max error {np.max(self.max_error):.3g}\n"
            f"  iterates       {self.iterates!r}\n"
            f"  flow           {self.flow!r}\n"
            f"  gradient flow  {self.gradient_flow!r}" + "".join(f"\n  {remark}" for remark in self.remarks)
        )


def compare(
    opt: Optimizer | OneStep,
    problem: Problem,
    steps: int = 300,
    theta0: Any = None,
    *,
    method: str = "auto",
    rtol: float = 1e-10,
    atol: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float = 60.0,
    progress: bool | None = None,
) -> Comparison:
    """Runs an optimizer, its own flow from the matched start, and plain gradient flow, over the same steps.

    method, rtol and atol are those of `solve`.  If the iterates stop being finite, the flows end at the last finite
    record.  A step from `from_step` is compared with its `modified_flow` of order 3; a remark says if the series of
    that flow diverges.

    max_evaluations: the budget of right-hand sides for each method that `solve` tries.  The default is 500,000 for up
                     to 200 coordinates, 20,000 for more, and 2000 if the gradient of such a problem jumps.  When the
                     budget is spent, the optimizer's own steps of h/64 replace the solver, or steps of gradient descent
                     for plain gradient flow.  They also replace it for a flow with projections (AMSGrad's maximum),
                     which no solver can integrate.  This reference is as accurate as the scheme at h/64, and its
                     message says so
    max_seconds:     the time limit for everything.  When it is reached, the current run ends with the status
                     OUT_OF_TIME and its records so far, and no other run begins; Ctrl-C does the same with INTERRUPTED.
                     The limit changes no digit of a record
    progress:        True or False; None shows bars at a terminal or in Jupyter, and elsewhere a line on stderr every
                     ten seconds

    For up to 200 coordinates, `flow.sol(t)` interpolates.

    >>> import odeopt as oo
    >>> oo.compare(oo.optimizers.adam(lr=0.01), oo.problems.quadratic(), steps=300).max_error < 2e-4
    True
    """
    check.count("steps", steps, 1)
    made = as_optimizer(opt)
    if isinstance(made, Optimizer) and not isinstance(made.scheme, ForeignStep):
        refuse_without_flow("compare", made.flow)
        refuse_noise("compare", made.flow)
    small = isinstance(problem, Problem) and problem.dim <= SMALL
    budget = None if max_evaluations is None else check.count("max_evaluations", max_evaluations, 1)
    solver = {**checked_solver(method, rtol, atol, dense=small), "dense_output": small, "max_evaluations": budget}
    stage = Stage(check.scalar("max_seconds", check.positive("max_seconds", max_seconds)), progress)
    with time_limit(stage.max_seconds), lines(stage.text, progress):
        return _compared(made, problem, steps, theta0, solver, stage)


def _compared(
    opt: Optimizer, problem: Problem, steps: int, theta0: Any, solver: dict[str, Any], stage: Stage
) -> Comparison:
    """The iterates, and where the gradient works the flows."""
    stage.begin("its steps")
    run = stage.ended(simulate(opt, problem, steps, theta0, progress=stage.progress))
    if len(run) < 2 or run.status in (*ENDS, Status.EVALUATION_FAILED):
        flow, plain = _unsolved(opt, run, run.status, run.message)
        return Comparison(run, flow, plain, opt, problem)
    with proven():
        return _beside(opt, problem, run, theta0, solver, stage)


def _beside(
    opt: Optimizer, problem: Problem, run: Trajectory, theta0: Any, solver: dict[str, Any], stage: Stage
) -> Comparison:
    """The flows beside the iterates, of which none is begun after Ctrl-C or the end of the time."""
    flow, plain = _unsolved(opt, run, Status.INTERRUPTED, "interrupted")
    try:
        stage.begin("looking for kinks")
        grad = problem.oracle()
        with np.errstate(all="ignore"):
            y = opt.matched_state(grad, initial_point(opt.members, problem, theta0))
            if not finite(y):
                flow, plain = _unsolved(opt, run, Status.NOT_FINITE, "its matched start is not finite")
                return Comparison(run, flow, plain, opt, problem)
            kinked = jumps(grad, y[0], run.final)
            stage.remarks = difficulties(opt.flow, grad, y[0], kinked) + _without_series(opt, problem, y)
        if solver["max_evaluations"] is None:
            solver["max_evaluations"] = _budget(problem, kinked)
        stage.begin(f"its flow, by {solver['max_evaluations']} evaluations at most")
        flow = stage.ended(_flow(opt, problem, run, y, solver, stage))
        if flow.status not in ENDS:
            stage.begin("plain gradient flow")
            plain = stage.ended(_gradient_flow(opt, problem, run, y[0], solver, stage))
    except KeyboardInterrupt:  # between two runs; during a run, `simulate` and `solve` catch it
        pass
    except EvaluationError as error:
        first, plain = _unsolved(opt, run, Status.EVALUATION_FAILED, str(error))
        flow = first if flow.status is Status.INTERRUPTED else flow
    flow, plain = stage.ended(flow), stage.ended(plain)
    return Comparison(run, flow, plain, opt, problem, stage.remarks)


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


def _gradient_flow(
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


def _unsolved(opt: Optimizer, run: Trajectory, status: Status, why: str) -> list[Trajectory]:
    """Stand-ins for the two flows if they were not solved; they have the first record of the iterates."""
    flow = unsolved(run, opt.flow.name, status, why)
    return [flow, replace(flow, name=gradient_flow().name, flow=gradient_flow(), state={})]


def unsolved(run: Trajectory, name: str, status: Status, why: str) -> Trajectory:
    """A stand-in for a flow that was not solved; it has the first record of the iterates."""
    memory = {key: value[:1] for key, value in run.state.items()}
    path = replace(run, t=run.t[:1], theta=run.theta[:1], loss=run.loss[:1], state=memory, optimizer=None, name=name)
    return replace(path, status=status, message=f"not solved: {why}", nfev=0, ngev=0)
