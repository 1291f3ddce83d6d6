"""theta(t) in closed form: the gradient flow of a problem with a `flow_solution`, such as a quadratic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core.flow import Flow
from odeopt.problems import Problem
from odeopt.simulation.trajectory import Recorder, Source, Trajectory
from odeopt.solvers.initial_value import InitialValue
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.status import Status


def closed_form(equation: InitialValue, dense: bool) -> Trajectory | None:
    """The run of theta' = -grad L(theta) by `problem.flow_solution`, or None where the formula does not apply.

    It does not apply to members with different clocks.  Where it overflows, a solver reports when.
    """
    from odeopt.compiler.rhs_program import is_gradient_flow

    flow, problem, times = equation.flow, equation.problem, equation.times
    solution, theta0 = problem.flow_solution, equation.at_rest[0]
    if solution is None or times.ndim > 1 or not isinstance(flow, Flow) or not is_gradient_flow(flow, theta0):
        return None
    equation.grad(theta0)  # an exception here is the caller's mistake and propagates
    theta = np.asarray(solution(times - times[0], theta0))
    if theta.shape != (len(times), *theta0.shape) or not np.isfinite(theta).all():
        return None
    path = Recorder(len(times), times[0], equation.at_rest)
    (rows,), _, clock = path.room(len(times) - 1)
    rows[...], clock[...] = theta[1:], times[1:]
    path.keep(len(times) - 1, -1)
    message = f"closed form (auto: {problem.name or 'the problem'} knows its gradient flow)"
    sol = ClosedForm(problem, theta0, times[0], times[-1]) if dense else None
    source = Source(flow, problem, equation.grad, flow.name, "closed form")
    return path.trajectory(source, Status.DONE, message, sol)


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """theta(t) for t, a number or (n,), from `first` to `last`, by `problem.flow_solution` from theta0."""

    problem: Problem
    theta0: Array
    first: float
    last: float

    def __call__(self, t: Any) -> Array:
        assert self.problem.flow_solution is not None
        return np.asarray(
            self.problem.flow_solution(check.within("t", t, self.first, self.last) - self.first, self.theta0)
        )
