"""theta(t) of a flow on a problem: the continuous counterpart of `simulate`, by SciPy's solvers or their kernels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.flow import Field
from odeopt.core.state import finite
from odeopt.core.time_map import record_times
from odeopt.problems import Problem
from odeopt.simulation.trajectory import Recorder, Source, Trajectory
from odeopt.solvers.closed_form import closed_form
from odeopt.solvers.counted_rhs import CountedRhs
from odeopt.solvers.ending import Reason
from odeopt.solvers.initial_value import Functions, InitialValue, initial_value
from odeopt.solvers.recording import Interpolant, Records
from odeopt.solvers.scipy_solvers import Task, integrate
from odeopt.solvers.starting import checked_start
from odeopt.solvers.strategy import Asked, Attempt, plan
from odeopt.util.progress import bar
from odeopt.util.status import Status


def solve(
    flow: Field,
    problem: Problem,
    t: Any,
    theta0: ArrayLike | None = None,
    *,
    memory: Mapping[str, Any] | None = None,
    method: str = "auto",
    rtol: float = 1e-10,
    atol: float | None = None,
    max_evaluations: int = 500_000,
    dense_output: bool = False,
    progress: bool | None = None,
    backend: str = "auto",
) -> Trajectory:
    """The flow of a problem, as a Trajectory at the times t.

    SciPy's `solve_ivp` with the guarded methods of `odeopt.solvers` is the reference.  Compiled methods agree with it
    within the tolerances.  The arguments and the installed packages determine the method, so the same call gives the
    same bits.  `odeopt.ivp` returns the equation for a solver that you call yourself.

    A projected variable that no part reads (ASGD's average) stays constant here.
    Where a component of the first gradient is 0, the adaptive flows are singular in that coordinate, with any start.
    Expect many evaluations there, or an early end with a status.

    t:               the end (201 records from 0), or increasing times (n+1,); (n+1, ...) for one clock per member
    theta0:          shape (d,) or (..., d), the problem's by default
    memory:          values of the other variables at t[0], by name; at rest by default.  A flow that is singular at
                     rest (RMSprop, Adagrad) is started by its expansion there
    method:          BDF, DOP853, LSODA, RK23, RK45 or Radau; Rodas5P, for stiff flows, which is compiled (extra
                     `fast`); or "auto".  "auto" uses the closed form of the gradient flow if the problem has one.
                     Otherwise it uses LSODA if the flow is stiff at the start, else DOP853.  It changes from DOP853 to
                     LSODA after 20 000 evaluations (100 000 if compiled) unless the flow oscillates.  Before LSODA it
                     tries Rodas5P if that can be compiled.  The message names the method and the reason.  LSODA treats
                     members of very different time scales in groups of like stiffness
    rtol, atol:      relative and absolute error per step of each number in the state, for each member.  The default
                     atol is rtol/100 times the size of the variable in that member.  The size of theta is its largest
                     coordinate at the start.  The size of another variable is the larger of two numbers: its largest
                     coordinate at the start, and its movement in the first hundredth of the run or until it has
                     decayed (|g| for an average of gradients, g^2 for RMSprop's G).  A given atol applies to all
                     variables
    max_evaluations: limit for the evaluations of the right-hand side by each method that is tried; a run that exceeds
                     it ends with a status
    dense_output:    if True, `run.sol(t)` interpolates theta between the records
    progress:        True, False, or None: a bar on long runs at a terminal or in Jupyter
    backend:         "numpy" evaluates the flow as written.  "floats" (one member) and "columns" (many) generate code
                     from it.  "numba" (extra `fast`) also compiles DOP853 or Rodas5P, for at most 10 numbers per member
                     and formulas that do not branch on their values.  "auto" compiles for ensembles so large that one
                     run pays for the compilation

    >>> import odeopt as oo
    >>> run = oo.solve(oo.flows.gradient_flow(), oo.problems.quadratic(), t=1.0)
    >>> bool(abs(run.final - oo.problems.quadratic().flow_solution(1.0, run.theta[0])).max() < 1e-10)
    True
    """
    asked = Asked(method, rtol, atol, max_evaluations, dense_output, progress, backend)
    times = record_times(t)
    y = checked_start("solve", flow, problem, times[0], theta0, memory)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        equation = initial_value(flow, problem, times, y)
        if atol == 0 and not all(u.all() for u in equation.y):
            raise ValueError(f"atol must be positive where the state is 0 at the start, got {atol!r}")
        return _solved(equation, asked)


def _solved(equation: InitialValue, asked: Asked) -> Trajectory:
    """The run in closed form if there is one; else by the methods of the plan, until one reaches the end."""
    from odeopt.solvers.compiled import functions_of

    if asked.method == "auto" and (known := closed_form(equation, asked.dense)):
        return known
    functions, first = functions_of(equation, asked.backend, asked.progress)
    if not finite((first,)):
        path = Recorder(1, equation.times[0], equation.at_rest)
        return _trajectory(equation, path, Reason.RHS_NOT_FINITE.status, f"{Reason.RHS_NOT_FINITE} at the start")
    reached = 0.0
    for attempt in plan(equation, functions, asked):
        if reached >= attempt.after:
            run, reason, reached = _attempt(equation, functions, asked, attempt)
            if reason not in attempt.hands_over:
                break
    return run


def _attempt(
    equation: InitialValue, functions: Functions, asked: Asked, attempt: Attempt
) -> tuple[Trajectory, Reason | None, float]:
    """The run of one method, the reason if it stopped early, and the part of the run that it reached, 0 to 1."""
    path = Recorder(len(equation.times) + 1, equation.times[0], equation.at_rest)
    rhs, records = CountedRhs(functions, attempt.budget), Records(path, equation, asked.dense)
    with bar(1.0, equation.flow.name, asked.progress, "T") as shown:
        reason, message = integrate(Task(attempt, rhs, records, shown), asked.rtol, asked.atol)
    equation.grad.count += functions.gradients * rhs.count
    pieces = records.pieces if equation.times.ndim == 1 else []
    sol = Interpolant(pieces, equation.clock, equation.y) if pieces else None
    means = "numba" if attempt.kernel else functions.refused() or functions.means
    status = reason.status if reason else Status.DONE
    return _trajectory(equation, path, status, message, sol, means), reason, records.last.s


def _trajectory(
    equation: InitialValue, path: Recorder, status: Status, message: str, sol: Any = None, means: str = "numpy"
) -> Trajectory:
    source = Source(equation.flow, equation.problem, equation.grad, equation.flow.name, means)
    return path.trajectory(source, status, message, sol)


def checked_solver(method: str, rtol: float, atol: float | None, dense: bool = False) -> dict[str, Any]:
    """These arguments of `solve`, checked, for functions that pass them on to it."""
    Asked(method, rtol, atol, 1, dense, None, "auto")
    return {"method": method, "rtol": float(rtol), "atol": atol}
