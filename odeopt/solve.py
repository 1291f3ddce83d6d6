"""theta(t) of a flow on a problem: the continuous counterpart of `simulate`, and the one door to SciPy's solvers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.clock import clock_of, record_times
from odeopt.flow import Field, Flow, Onset, Relax
from odeopt.gradient import Gradient
from odeopt.integrate import Records, Slope, integrate, interpolant
from odeopt.problems import Problem
from odeopt.progress import bar
from odeopt.schemes.base import projections_that_are_read, refuse_noise, refuse_without_flow
from odeopt.simulate import initial_point
from odeopt.state import State, pack
from odeopt.trajectory import Recorder, Status, Trajectory

METHODS = ("BDF", "DOP853", "LSODA", "RK23", "RK45", "Radau")
AUTO_BUDGET = 20_000  # evaluations after which "auto" turns from DOP853 to LSODA
LEAST_RTOL = 1e-13  # SciPy's solvers do not reach less
LSODA_MEMORY = 1e-6  # LSODA's atol of the memory over that of theta
LSODA_SIZE = 200  # numbers in a state up to which its dense Jacobian pays
ONSET = 1e-6  # s at which the expansion after a singular start hands over to the solver


def solve(
    flow: Field,
    problem: Problem,
    t: Any,
    theta0: Any = None,
    *,
    memory: Mapping[str, Any] | None = None,
    method: str = "auto",
    rtol: float = 1e-10,
    atol: float = 1e-12,
    max_evaluations: int = 500_000,
    dense_output: bool = False,
    progress: bool | None = None,
) -> Trajectory:
    """The flow of a problem, as a Trajectory at the times t.

    A variable that is projected and that no part reads (ASGD's average) rests here.
    Where a component of the first gradient is 0, the adaptive flows are singular in that coordinate however they
    start; expect many evaluations there, or an early end with a status.

    t:               an end (201 records from 0), or increasing times (n+1,); (n+1, ...) for one clock per member
    theta0:          shape (d,) or (..., d), the problem's by default
    memory:          other variables at t[0] by name; at rest by default.  A flow whose start at rest is singular
                     (RMSprop, Adagrad) is started by its expansion there
    method:          BDF, DOP853, LSODA, RK23, RK45, Radau, or "auto": DOP853, and for small states LSODA
                     if that needs more than 20 000 evaluations; the message says which
    rtol, atol:      relative and absolute error of theta in a solver's step
    max_evaluations: of the right-hand side; when they are used up the run ends with a status
    dense_output:    `run.sol(t)` then interpolates theta between the records
    progress:        True, False, or None: on long runs at a terminal or in Jupyter

    >>> import odeopt as oo
    >>> run = oo.solve(oo.flows.gradient_flow(), oo.problems.quadratic(), t=1.0)
    >>> bool(abs(run.final - oo.problems.quadratic().flow_solution(1.0, run.theta[0])).max() < 1e-10)
    True
    """
    if not isinstance(flow, Field):
        shown = repr(flow).splitlines()[0]
        raise TypeError(f"flow must be a Flow, e.g. odeopt.flows.gradient_flow() or opt.flow, got {shown}")
    if isinstance(flow, Flow):
        refuse_without_flow("solve", flow)
        refuse_noise("solve", flow)
        for name in projections_that_are_read(flow):
            raise ValueError(
                f"solve needs y' = f(y), but part {name!r} of {flow.name} is a projection that others read"
            )
    checked_solver(method, rtol, atol)
    check.count("max_evaluations", max_evaluations, 1)
    check.switch("progress", progress)
    times = record_times(t)
    theta0 = initial_point(_members(flow, times), problem, theta0)
    if not isinstance(memory, Mapping | None):
        raise TypeError(f"memory must map names to arrays, got {memory!r}")
    y = flow.start(theta0, **(memory or {}))
    if isinstance(flow, Flow):
        _check_start(flow, times, y)
    for name, budget in _attempts(method, pack(y).size, max_evaluations):
        run = _attempt(flow, problem, times, y, name, (rtol, atol), budget, dense_output, progress)
        if run.status is not Status.TOO_MANY_EVALUATIONS:
            break
    return run


def _attempts(method: str, size: int, budget: int) -> list[tuple[str, int]]:
    """The methods to try in turn, each with its budget."""
    if method != "auto":
        return [(method, budget)]
    if size > LSODA_SIZE:
        return [("DOP853", budget)]
    return [("DOP853", min(AUTO_BUDGET, budget)), ("LSODA", budget)]


def _attempt(
    flow: Field, problem: Problem, times: Array, y: State, method: str, tolerances: tuple[float, float], budget: int,
    dense_output: bool, progress: bool | None,
) -> Trajectory:  # fmt: skip
    """One run of one method."""
    grad = problem.oracle()
    onset = _singular_start(flow, times[0], y)
    clock, s = clock_of(times, onset.power if onset else 1)
    path = Recorder(len(times) + 1, times[0], y)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = 0.0
        if onset:
            begin, y = ONSET, _after(onset, flow, grad, y, clock.time(ONSET))
        slope = Slope(flow.rhs(grad), clock, y, budget)
        records = Records(path, times, s, y, dense_output)
        with bar(1.0, flow.name, progress, "T") as shown:
            status, message = integrate(slope, begin, method, _error_scales(method, y, *tolerances), records, shown)
    sol = interpolant(records.pieces, clock, y) if records.pieces and times.ndim == 1 else None
    return path.trajectory(flow, problem, grad, status, message, flow.name, sol)


def checked_solver(method: str, rtol: float, atol: float) -> dict[str, Any]:
    """These arguments of `solve`, checked, for those who pass them on."""
    check.choice("method", method, (*METHODS, "auto"))
    for name, value, least in (("rtol", rtol, LEAST_RTOL), ("atol", atol, 0.0)):
        if check.scalar(name, check.nonnegative(name, value)) < least:
            raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return {"method": method, "rtol": float(rtol), "atol": float(atol)}


def _error_scales(method: str, y: State, rtol: float, atol: float) -> tuple[float, Array]:
    """rtol, and atol for each number.  LSODA takes long steps over a memory below atol, whose root sets the speed."""
    memory = LSODA_MEMORY if method == "LSODA" else 1.0
    scales = (atol, *[atol * memory] * (len(y) - 1))
    return rtol, pack(tuple(np.full_like(u, scale) for u, scale in zip(y, scales, strict=True)))


def _members(flow: Field, times: Array) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(flow.members, times.shape[1:])
    except ValueError as error:
        raise ValueError(f"t must have members {flow.members} like the flow, got {times.shape[1:]}") from error


def _check_start(flow: Flow, times: Array, y: State) -> None:
    """Where a rate is infinite at t = 0 (friction 3/t), time starts there or later, and from rest there."""
    for part in flow.terms():
        if isinstance(part, Relax) and part.limit is not None:
            if np.any(times[0] < 0):
                raise ValueError(f"t must be 0 or later for {flow.name}, got {np.min(times[0]):g}")
            if not np.all(times[0]) and np.any(y[flow.variables.index(part.slot)]):
                raise ValueError(f"memory must have {part.slot} = 0 at t = 0, where {flow.name} has infinite friction")


def _singular_start(flow: Field, t0: Array, y: State) -> Onset | None:
    """The onset of a flow that starts at rest at t = 0, if it has one."""
    at_rest = not np.any(t0) and not any(u.any() for u in y[1:])
    return flow.onset if isinstance(flow, Flow) and at_rest else None


def _after(onset: Onset, flow: Field, grad: Gradient, y: State, t: Any) -> State:
    """The state a short time t after a singular start."""
    assert isinstance(flow, Flow)
    state = flow.placed(onset.state)(t, grad, y)
    return tuple(np.broadcast_to(u, v.shape).copy() for u, v in zip(state, y, strict=True))
