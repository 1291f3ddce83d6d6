"""Compares an optimizer with its modified flow of order K, and warns where the flow's series diverges."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.analysis.compared_runs import CONVERGENT, unsolved
from odeopt.analysis.comparison import distance, largest
from odeopt.analysis.modified import ModifiedFlow, modified_flow, series_radius
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import OneStep
from odeopt.problems import Problem
from odeopt.problems.initial_point import initial_point
from odeopt.problems.oracle import EvaluationError, proven
from odeopt.simulation.simulate import simulate
from odeopt.simulation.trajectory import Trajectory
from odeopt.solvers.solve import checked_solver, solve
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved
from odeopt.util.status import Status


@dataclass(frozen=True, eq=False)
class Following(Saved):
    """The iterates and their modified flow from the same first state, step by step.

    error (n+1,):   the largest coordinate of |theta_n - theta(t_n)|, up to the end of the shorter run
    max_error:      its maximum over n; NaN if the flow ended before the iterates did
    indicator (k,): |mu - 1|, the spectral radius of DPhi - I, after the steps `checked` (k,); NaN where unknown
    max_indicator:  the largest known value; above 1 the modified flow is meaningless
    """

    iterates: Trajectory
    flow: Trajectory
    modified: ModifiedFlow
    problem: Problem
    checked: Array = field(repr=False)
    indicator: Array = field(repr=False)

    @property
    def error(self) -> Array:
        return distance(self.iterates, self.flow)

    @property
    def max_error(self) -> float:
        return float(largest(self.error, self.flow))

    @property
    def max_indicator(self) -> float:
        return float(np.max(self.indicator, where=np.isfinite(self.indicator), initial=0.0))

    @property
    def success(self) -> bool:
        """True if both runs reached their end and the flow's series converges at all checked steps."""
        return self.iterates.success and self.flow.success and self.max_indicator <= CONVERGENT

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Plots the path (d = 2) or the loss against time, with error and indicator as title; returns the artists."""
        return plotted(self, ax=ax, **options)

    def __repr__(self) -> str:
        beyond = _beyond(self.modified.map.name, self.checked, self.indicator)
        return (
            f"{self.modified.map.name} beside its modified flow of order {self.modified.order} "
            f"on {self.problem.name or 'a problem'}: {len(self.error) - 1} steps, max error {self.max_error:.3g}, "
            f"|mu - 1| up to {self.max_indicator:.3g}\n"
            + (f"  {beyond}\n" if beyond else "")
            + f"  iterates  {self.iterates!r}\n  flow      {self.flow!r}"
        )


def follow(
    opt: Optimizer | OneStep,
    problem: Problem,
    steps: int = 300,
    order: int = 3,
    theta0: ArrayLike | None = None,
    *,
    checks: int = 9,
    rtol: float = 1e-10,
    atol: float | None = None,
) -> Following:
    """Runs an optimizer, or any one-step map, and its modified flow from the same state over the same steps.

    |mu - 1|, the spectral radius of DPhi - I, is computed at `checks` steps along the path; each check costs two steps
    per entry of the state.  If it exceeds 1, the series of the modified flow diverges there, the flow need not follow
    the iterates at any order, and a UserWarning says so.  `order` is that of `modified_flow`, rtol and atol are those
    of `solve`.

    >>> import odeopt as oo
    >>> adam = follow(oo.optimizers.adam(lr=0.01), oo.problems.quadratic((1, 20)).at([1, -1]), order=6)
    >>> adam.max_error < 1e-8, round(adam.max_indicator, 2)
    (True, 0.11)
    """
    flow = modified_flow(opt, order)
    solver = checked_solver("auto", rtol, atol)
    check.count("steps", steps, 1), check.count("checks", checks, 1)
    if initial_point(flow.members, problem, theta0).ndim > 1:
        raise ValueError("opt and theta0 must have a single member here, got an ensemble")
    run = simulate(opt, problem, steps, theta0)
    checked = np.unique(np.linspace(0, len(run) - 1, min(checks, len(run))).round().astype(int))
    if len(run) < 2:
        path = unsolved(run, flow.name, run.status, run.message)
        return Following(run, path, flow, problem, checked, np.full(len(checked), np.nan))
    with proven():
        found = np.array([_radius(flow.map, problem, run, k) for k in checked])
        if beyond := _beyond(flow.map.name, checked, found):
            warnings.warn(beyond, stacklevel=2)  # before the flow is solved, which may take long there
        first = {name: v[0] for name, v in run.state.items()}
        try:
            path = solve(flow, problem, run.t, run.theta[0], memory=first, **solver)
        except EvaluationError as error:
            path = unsolved(run, flow.name, Status.EVALUATION_FAILED, str(error))
    return Following(run, path, flow, problem, checked, found)


def _radius(step: OneStep, problem: Problem, run: Trajectory, k: int) -> float:
    """|mu - 1| at a record; NaN where the gradient fails."""
    try:
        return series_radius(step, problem, run.t[k], (run.theta[k], *(v[k] for v in run.state.values())))
    except EvaluationError:
        return np.nan


def _beyond(name: str, checked: Array, indicator: Array) -> str:
    """The warning if the indicator exceeds 1, else an empty string."""
    over = np.flatnonzero(indicator > CONVERGENT)  # NaN is not
    if not len(over):
        return ""
    return (
        f"|mu - 1| of {name} reaches {np.nanmax(indicator):.3g} and first exceeds 1 after {checked[over[0]]} steps: "
        "there the series of the modified flow diverges, and a higher order need not be more accurate"
    )
