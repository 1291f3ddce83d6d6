"""theta(t) of a flow on a problem: the continuous counterpart of `simulate`, and the one door to SciPy's solvers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.clock import clock_of, record_times
from odeopt.flow import Flow
from odeopt.gradient import Gradient
from odeopt.integrate import Slope, integrate, interpolant
from odeopt.problems import Problem
from odeopt.progress import bar
from odeopt.schemes.base import refuse_projections
from odeopt.simulate import initial_point
from odeopt.state import State
from odeopt.trajectory import Recorder, Trajectory

METHODS = ("BDF", "DOP853", "LSODA", "RK23", "RK45", "Radau")
ONSET = 1e-6  # s at which the expansion after a singular start hands over to the solver


def solve(
    flow: Flow,
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
    if not isinstance(flow, Flow):
        raise TypeError(f"flow must be a Flow, e.g. odeopt.flows.gradient_flow(), got {flow!r}")
    refuse_projections("solve", flow)
    check.choice("method", method, METHODS)
    tolerances = {"rtol": _tolerance("rtol", rtol, 1e-13), "atol": _tolerance("atol", atol, 0.0)}
    check.count("max_evaluations", max_evaluations, 1)
    times = record_times(t)
    members = np.broadcast_shapes(flow.members, times.shape[1:])
    theta0 = initial_point(members, problem, theta0)
    y = flow.start(theta0, **{name: check.point(name, value) for name, value in (memory or {}).items()})

    grad = Gradient(problem.grad)
    singular = flow.onset is not None and not times[0].any() and not any(u.any() for u in y[1:])
    clock, s = clock_of(times, flow.onset.power if singular and flow.onset else 1)
    path = Recorder(len(times) + 1, times[0], y)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = 0.0
        if singular:
            begin, y = ONSET, _onset(flow, grad, theta0, clock.time(ONSET))
        slope = Slope(flow.rhs(grad), clock, y, max_evaluations, strict=method == "LSODA")
        with bar(1.0, flow.name, progress, "T") as shown:
            status, message, pieces = integrate(slope, begin, method, tolerances, path, times, s, shown)
    sol = interpolant(pieces, clock, y) if dense_output and pieces else None
    return path.trajectory(flow.variables, problem.loss, grad, status, message, flow.name, sol)


def _tolerance(name: str, value: Any, least: float) -> float:
    number = check.scalar(name, check.nonnegative(name, value))
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return number


def _onset(flow: Flow, grad: Gradient, theta0: Array, t: Any) -> State:
    """The state a short time t after a singular start."""
    assert flow.onset is not None
    y = flow.start(theta0)
    state = flow.placed(flow.onset.state)(t, grad, y)
    return tuple(np.broadcast_to(u, v.shape).copy() for u, v in zip(state, y, strict=True))
