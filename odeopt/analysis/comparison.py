"""max_n |theta_n - theta(t_n)|: an optimizer's iterates beside the flow that they discretise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from odeopt.core.state import State, named
from odeopt.flows import gradient_flow
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.schemes.base import projections_that_are_read, refuse_noise, refuse_without_flow
from odeopt.simulation.simulate import initial_point, simulate
from odeopt.simulation.trajectory import Trajectory
from odeopt.solvers.solve import checked_solver, solve
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.status import Status

FINE = 64  # a power of 2, so that the times of records stay the same to the last bit


def distance(iterates: Trajectory, flow: Trajectory) -> Array:
    """|theta_n - theta(t_n)| by its largest coordinate, shape (n+1, ...), as far as both runs reached."""
    n = min(len(iterates), len(flow))
    same = (iterates.t[:n] == flow.t[:n]).reshape(n, -1).all(axis=1)  # an early end has a time of its own
    return np.abs(iterates.theta[:n] - flow.theta[:n]).max(axis=-1)[same]


def largest(error: Array, flow: Trajectory) -> Any:
    """Its maximum over n, a float or (...); NaN if the flow ended before the iterates did."""
    found = error.max(axis=0) + (0.0 if flow.success else np.nan)
    return float(found) if np.ndim(found) == 0 else found


@dataclass(frozen=True, eq=False)
class Comparison:
    """The iterates, their own flow from the matched start, and plain gradient flow in lr-time, step for step.

    error (n+1, ...): the largest coordinate of |theta_n - theta(t_n)|, as far as both runs reached
    max_error:        its maximum over n; NaN if the flow ended before the iterates did
    """

    iterates: Trajectory
    flow: Trajectory
    gradient_flow: Trajectory
    optimizer: Optimizer
    problem: Problem

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
        return self.iterates.success and self.flow.success and self.gradient_flow.success

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Path in the plane (d = 2) or loss against time, the error in the title; returns the artists."""
        return plotted(self, ax=ax, **options)

    def __repr__(self) -> str:
        return (
            f"Comparison of {self.optimizer.name} with its flow on {self.problem.name or 'a problem'}: "
            f"{len(self.error) - 1} steps, max error {np.max(self.max_error):.3g}\n"
            f"  iterates       {self.iterates!r}\n"
            f"  flow           {self.flow!r}\n"
            f"  gradient flow  {self.gradient_flow!r}"
        )


def compare(
    opt: Optimizer,
    problem: Problem,
    steps: int = 300,
    theta0: Any = None,
    *,
    method: str = "auto",
    rtol: float = 1e-10,
    atol: float | None = None,
) -> Comparison:
    """Run an optimizer, its own flow from the matched start, and plain gradient flow, over the same steps.

    method, rtol and atol are those of `solve`.  If the iterates leave the finite numbers, the flows end with them.
    A flow with projections (AMSGrad's maximum) is followed by 64 times as many steps, and known to that order only.

    >>> import odeopt as oo
    >>> oo.compare(oo.optimizers.adam(lr=0.01), oo.problems.quadratic(), steps=300).max_error < 2e-4
    True
    """
    check.count("steps", steps, 1)
    if isinstance(opt, Optimizer):
        refuse_without_flow("compare", opt.flow)
        refuse_noise("compare", opt.flow)
    solver = {**checked_solver(method, rtol, atol, dense=True), "dense_output": True}
    run = simulate(opt, problem, steps, theta0)
    if len(run) < 2:
        raise ValueError(f"there is no finite step to compare: {run.message}")
    if run.status in (Status.INTERRUPTED, Status.EVALUATION_FAILED):
        unsolved = _beginning(run)
        return Comparison(run, unsolved, unsolved, opt, problem)
    with np.errstate(all="ignore"):
        y = opt.matched_state(problem.oracle(), initial_point(opt.members, problem, theta0))
    if projections_that_are_read(opt.flow):
        flow = _by_small_steps(opt, problem, len(run) - 1, y)
    else:
        flow = solve(opt.flow, problem, run.t, y[0], memory=named(opt.flow.memory, y), **solver)
    lr_time = np.asarray(opt.lr_time) / np.asarray(opt.h)
    plain = solve(gradient_flow(), problem, run.t * lr_time, y[0], **solver)
    return Comparison(run, flow, plain, opt, problem)


def _by_small_steps(opt: Optimizer, problem: Problem, steps: int, y: State) -> Trajectory:
    """The flow of an optimizer with projections, which have no right-hand side: its own steps, FINE times as many."""
    fine = replace(opt.with_step(np.asarray(opt.h) / FINE), start=lambda flow, grad, theta0, h: y)
    run = simulate(fine, problem, steps * FINE, y[0], record_every=FINE, progress=False)
    return replace(run, name=opt.flow.name, message=f"{run.message} of h/{FINE}: {opt.flow.name} has projections")


def _beginning(run: Trajectory) -> Trajectory:
    """The first record of a run, for the flows that were not solved because it broke off."""
    memory = {name: value[:1] for name, value in run.state.items()}
    t, theta, loss = run.t[:1], run.theta[:1], run.loss[:1]
    return replace(run, t=t, theta=theta, loss=loss, state=memory, message=f"not solved: {run.message}", nfev=0, ngev=0)
