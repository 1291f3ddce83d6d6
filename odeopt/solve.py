"""theta(t) of a flow on a problem: the continuous counterpart of `simulate`, and the one door to SciPy's solvers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.clock import clock_of, record_times
from odeopt.flow import Field, Flow, Onset
from odeopt.gradient import Gradient
from odeopt.integrate import Records, Slope, integrate, interpolant
from odeopt.problems import Problem
from odeopt.progress import bar
from odeopt.schemes.base import refuse_projections
from odeopt.simulate import initial_point
from odeopt.state import State
from odeopt.trajectory import Recorder, Trajectory

METHODS = ("BDF", "DOP853", "LSODA", "RK23", "RK45", "Radau")
LEAST_RTOL = 1e-13  # SciPy's solvers do not reach less
ONSET = 1e-6  # s at which the expansion after a singular start hands over to the solver


def solve(
    flow: Field,
    problem: Problem,
    t: Any,
    theta0: Any = None,
    *,
    memory: Mapping[str, Any] | None = None,
    method: str = "DOP853",
    rtol: float = 1e-10,
    atol: float = 1e-12,
    max_evaluations: int = 500_000,
    dense_output: bool = False,
    progress: bool | None = None,
) -> Trajectory:
    """The flow of a problem, as a Trajectory at the times t.

    t:               an end (201 records from 0), or increasing times (n+1,); (n+1, ...) for one clock per member
    theta0:          shape (d,) or (..., d), the problem's by default
    memory:          other variables at t[0] by name; at rest by default.  A flow whose start at rest is singular
                     (RMSprop, Adagrad, Su-Boyd-Candes) is started by its expansion there
    method:          BDF, DOP853, LSODA, RK23, RK45 or Radau
    max_evaluations: of the right-hand side; when they are used up the run ends with a status
    dense_output:    `run.sol(times)` then interpolates theta between the records

    >>> import odeopt as oo
    >>> run = oo.solve(oo.flows.gradient_flow(), oo.problems.quadratic(), t=1.0)
    >>> bool(abs(run.final - oo.problems.quadratic().flow_solution(1.0, run.theta[0])).max() < 1e-10)
    True
    """
    if not isinstance(flow, Field):
        raise TypeError(f"flow must be a Flow, e.g. odeopt.flows.gradient_flow(), got {flow!r}")
    if isinstance(flow, Flow):
        refuse_projections("solve", flow)
    checked_solver(method, rtol, atol)
    check.count("max_evaluations", max_evaluations, 1)
    times = record_times(t)
    members = np.broadcast_shapes(flow.members, times.shape[1:])
    theta0 = initial_point(members, problem, theta0)
    y = flow.start(theta0, **{name: check.point(name, value) for name, value in (memory or {}).items()})

    grad = Gradient(problem.grad)
    onset = _singular_start(flow, times[0], y)
    clock, s = clock_of(times, onset.power if onset else 1)
    path = Recorder(len(times) + 1, times[0], y)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = 0.0
        if onset:
            begin, y = ONSET, _after(onset, flow, grad, y, clock.time(ONSET))
        slope = Slope(flow.rhs(grad), clock, y, max_evaluations)
        records = Records(path, times, s, y, dense_output)
        with bar(1.0, flow.name, progress, "T") as shown:
            status, message = integrate(slope, begin, method, dict(rtol=rtol, atol=atol), records, shown)
    sol = interpolant(records.pieces, clock, y) if records.pieces else None
    return path.trajectory(flow.variables, problem.loss, grad, status, message, flow.name, sol)


def checked_solver(method: str, rtol: float, atol: float) -> dict[str, Any]:
    """These arguments of `solve`, checked, for those who pass them on."""
    check.choice("method", method, METHODS)
    for name, value, least in (("rtol", rtol, LEAST_RTOL), ("atol", atol, 0.0)):
        if check.scalar(name, check.nonnegative(name, value)) < least:
            raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return {"method": method, "rtol": float(rtol), "atol": float(atol)}


def _singular_start(flow: Field, t0: Array, y: State) -> Onset | None:
    """The onset of a flow that starts at rest at t = 0, if it has one."""
    at_rest = not np.any(t0) and not any(u.any() for u in y[1:])
    return flow.onset if isinstance(flow, Flow) and at_rest else None


def _after(onset: Onset, flow: Field, grad: Gradient, y: State, t: Any) -> State:
    """The state a short time t after a singular start."""
    assert isinstance(flow, Flow)
    state = flow.placed(onset.state)(t, grad, y)
    return tuple(np.broadcast_to(u, v.shape).copy() for u, v in zip(state, y, strict=True))
