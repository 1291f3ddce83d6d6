"""max_n |theta_n - theta(t_n)|: an optimizer's iterates compared with the flow that they discretise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.analysis.compared_runs import SMALL, Stage, three_runs
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.foreign import ForeignStep
from odeopt.optimizers.one_step import OneStep, as_optimizer
from odeopt.problems import Problem
from odeopt.schemes.base import refuse_noise, refuse_without_flow
from odeopt.simulation.trajectory import Trajectory
from odeopt.solvers.solve import checked_solver
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.deadline import time_limit
from odeopt.util.plotted import plotted
from odeopt.util.progress import lines
from odeopt.util.saved import Saved
from odeopt.util.status import Status


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
    theta0: ArrayLike | None = None,
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
        runs = three_runs(made, problem, steps, theta0, solver, stage)
        return Comparison(*runs, made, problem, stage.remarks)
