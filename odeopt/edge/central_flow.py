"""The central flow of any optimizer from its step alone: the path around which its iterates oscillate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from odeopt.analysis.sharpness import thresholds
from odeopt.core.state import State
from odeopt.edge.central_path import Path
from odeopt.edge.central_point import Form, Record
from odeopt.edge.covariance import Covariance
from odeopt.edge.published import Published
from odeopt.edge.result import CentralFlow
from odeopt.edge.start import Loss, first_state, quiet_problem, single_optimizer
from odeopt.edge.step.averaged import AveragedStep
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import OneStep
from odeopt.problems import Problem
from odeopt.problems.initial_point import single_point
from odeopt.problems.oracle import Gradient
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_a_day, within_memory
from odeopt.util.status import Status

FORMS = ("step", "published")
MOST = 20  # modes at the edge at once


def central_flow(
    opt: Optimizer | OneStep,
    problem: Problem,
    steps: int = 300,
    *,
    theta0: Any = None,
    memory: Mapping[str, Any] | None = None,
    substeps: int = 4,
    modes: int | None = None,
    form: str = "step",
    order: int = 1,
    record_every: int = 1,
    progress: bool | None = None,
) -> CentralFlow:
    """y' = Phi(y) - y + (1/2) D^2 Phi(y) : [V X V^T],  X >= 0,  S = I + W DPhi(y) V >= 0,  <X, S> = 0.

    Phi is the step that `simulate` runs, on theta and all memory, and one step is one unit of time.  V and W are the
    right and left vectors of its multipliers at -1, where the iterates alternate between y + delta and y - delta, and
    X is the covariance of delta in these modes.  A complex pair that reaches the unit circle turns instead, and X
    averages over its phase.  For gradient descent this is the central flow of Cohen et al. (2024, arXiv 2410.24206).

    theta0, memory: the start, by default that of the optimizer on this problem; memory, {"G": ...}, by name
    substeps:       of Euler's method in a step; a substep is halved where a multiplier would leave the circle
    modes:          the most modes that may oscillate at once, 20 by default
    form:           "step", or "published" for the formulas of Cohen et al. for gd and rmsprop
    order:          2 follows the modified flow of second order beside the modes, and adds to S what a finite
                    oscillation changes, W D^3 Phi[V, V X V^T]/6: exact on the 2-cycle of a quartic
    record_every:   steps between records; the last step is recorded too
    progress:       a bar: True, False, or None for one at a terminal

    The derivatives of the step are exact if the problem's H p products are, and the second derivatives too if the
    problem comes from JAX, torch or Keras; else these are differences.  A step that cannot be recorded, such as one
    with a matrix function, is differentiated by differences and may have at most 600 numbers.  A substep costs about 5
    H p products before the edge, and 20 with one or two modes there.  In a state of more than 60 numbers, pairs are
    looked for only if the optimizer itself leaves its stability limit by a pair.  A start beyond the edge is drawn onto
    it in the first substeps, by a jump that depends on their number.  Where no oscillation keeps the multipliers
    inside, as in a catapult, the path ends with the status STEP_FAILED.

    >>> import odeopt as oo
    >>> valley = oo.Problem(lambda u: 0.5 * u[1] * u[0] ** 2 - 0.05 * u[1], theta0=[0.1, 19.98])
    >>> flow = central_flow(oo.optimizers.gd(lr=0.1), valley, steps=8)
    >>> round(float(flow.theta[-1, 1]), 3), round(float(flow.covariance.trace[-1]), 3)  # 2/lr, 2 a
    (20.0, 0.1)
    """
    opt, problem = single_optimizer(opt), quiet_problem(problem)
    check.switch("progress", progress)
    steps, record_every = check.count("steps", steps), check.count("record_every", record_every, 1)
    substeps, limit = check.count("substeps", substeps, 1), MOST if modes is None else check.count("modes", modes, 1)
    if limit > MOST:
        raise ValueError(f"modes must be None or 1 to {MOST}, got {modes}")
    check.choice("form", form, FORMS)
    if check.count("order", order, 1) > 2 or (order == 2 and form == "published"):
        raise ValueError(f"order must be 1 or 2, and 1 for form='published', got {order}")
    theta = single_point(problem, "theta0", theta0)
    numbers = len(opt.flow.variables) * theta.size * (steps // record_every + 1)
    within_memory("steps", within_a_day("steps", steps), NUMBER * numbers)
    within_a_day("substeps", substeps)
    grad = problem.oracle()
    with np.errstate(all="ignore"):
        y = first_state(opt, grad, theta, memory)
        field = Published(opt, problem, grad, y) if form == "published" else AveragedStep(opt, problem, grad, y, order)
        path = Path(field, Loss(problem), substeps, limit)
        status, message = path.run(steps, record_every, progress)
        if status is Status.STEP_FAILED and len(path.records) == 1:
            message += _from_zero(opt, y)
        return _result(grad, field, form, path.records, status, message)


def _result(
    grad: Gradient,
    field: Form,
    form: str,
    records: list[Record],
    status: Status,
    message: str,
) -> CentralFlow:
    states = [field.split(r.y) for r in records]
    theta = np.array([s["theta"] for s in states])
    opt, multipliers = field.opt, _table([r.multipliers for r in records])
    return CentralFlow(
        name=opt.name,
        form=form,
        t=np.array([r.t for r in records]),
        theta=theta,
        state={name: np.array([s[name] for s in states]) for name in opt.flow.memory},
        loss=np.array([r.loss for r in records]),
        mean_loss=np.array([r.mean_loss for r in records]),
        multipliers=multipliers if multipliers.imag.any() else multipliers.real,
        sharpness=_table([r.sharpness for r in records]),
        threshold=_thresholds(opt, np.array([r.t for r in records])),
        covariance=Covariance(tuple(r.directions for r in records), tuple(r.weights for r in records)),
        residual=np.array([r.residual for r in records]),
        status=status,
        message=message,
        ngev=grad.count,
        nhev=field.hessian.count,
        means=field.means,
    )


def _from_zero(opt: Optimizer, y: State) -> str:
    """What may help a path that cannot begin: the first step from squares of 0 is a jump, which no flow follows."""
    zero = [
        name
        for name, u in zip(opt.flow.variables, y, strict=True)
        if name in opt.flow.preconditioner.split() and not u.any()
    ]
    return f"; the first step from {' = '.join(zero)} = 0 is a jump: give memory={{{zero[0]!r}: ...}}" if zero else ""


def _table(rows: list[Array]) -> Array:
    """Rows of several lengths as one array, completed by NaN."""
    found = np.full((len(rows), max(map(len, rows), default=0)), np.nan, dtype=np.result_type(float, *rows))
    for into, row in zip(found, rows, strict=True):
        into[: len(row)] = row
    return found


def _thresholds(opt: Optimizer, t: Array) -> Array:
    """The sharpness at which the step becomes unstable; NaN for a step that is not linear on a quadratic loss."""
    try:
        return thresholds(opt, t)
    except (TypeError, ValueError):
        return np.full(len(t), np.nan)
