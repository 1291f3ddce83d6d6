"""One run of one method, by SciPy's `solve_ivp`, by LSODA's compiled loop, or by a kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.problems.oracle import EvaluationError
from odeopt.solvers.counted_rhs import CountedRhs
from odeopt.solvers.ending import Ended, Reason, ended_by
from odeopt.solvers.initial_value import InitialValue
from odeopt.solvers.recording import Records
from odeopt.solvers.stiffness_groups import of_like_stiffness
from odeopt.solvers.strategy import Attempt
from odeopt.solvers.tolerances import tolerances
from odeopt.util.check import Array

HALTS, EARLY = 65, 2.0 ** -np.arange(7, 31, 2)  # least number of LSODA's halts in a run, and extra ones early
ADAMS = 6  # highest order of LSODA's Adams methods: from 7 on LSODA detects stiffness only by chance
STIFF = ("LSODA", "Radau", "BDF", "Rodas5P")  # methods for stiff flows
MANY = 2_000_000_000  # limit for LSODA's steps, never reached: the budget limits evaluations


@dataclass(frozen=True, eq=False)
class Task:
    """One attempt with everything its solver needs: f, the records, and the progress bar."""

    attempt: Attempt
    rhs: CountedRhs
    records: Records
    shown: Any


Solver = Callable[[Task, float, Array], None]  # called with rtol, and atol for each number in the state


def integrate(task: Task, rtol: float, atol: float | None) -> tuple[Reason | None, str]:
    """Integrates from s = begin to 1 and records on the way; returns None or the reason to stop, and the message.

    However the run ends, its last good state is recorded.
    """
    attempt, rhs, equation = task.attempt, task.rhs, task.records.equation
    try:
        bounds = tolerances(equation, rhs, rtol, atol, attempt.method, own_steps=attempt.kernel is not None)
        _solver(attempt, task.records.dense)(task, *bounds)
    except (Ended, EvaluationError, KeyboardInterrupt) as error:
        ended, t = ended_by(error), task.records.close()
        return ended.reason, f"{ended}{_advice(ended, attempt.method)} (after t = {np.ravel(t)[0]:g}){attempt.remark}"
    return None, f"{attempt.method}, {rhs.cost()}{attempt.remark}"


def _solver(attempt: Attempt, dense: bool) -> Solver:
    """The kernel if there is one; for LSODA its compiled loop, which has no interpolants; else `solve_ivp`."""
    return attempt.kernel or (_lsoda if attempt.method == "LSODA" and not dense else _solve_ivp)


def _advice(ended: Ended, method: str) -> str:
    if ended.reason is not Reason.BUDGET:
        return ""
    return "; " + (
        "larger rtol and atol need fewer" if method in STIFF else "a stiff flow needs fewer with LSODA or Radau"
    )


def _solve_ivp(task: Task, rtol: float, atol: Array) -> None:
    """SciPy's `solve_ivp` with a guarded solver, up to s = 1."""
    from scipy.integrate import solve_ivp

    from odeopt.solvers.guarded import GUARDED

    method, records = task.attempt.method, task.records
    known = _jacobian(method, records.equation, task.rhs)

    def on_step(solver: Any) -> None:
        task.shown.update(solver.t - records.last.s)
        records.take(solver)

    for end in (*_anew(method, records.equation), 1.0):
        span, y0 = (records.last.s, end), records.last.y
        settings = dict(t_eval=(), rtol=rtol, atol=atol, on_step=on_step, **known)  # records are kept by `on_step`
        found = solve_ivp(task.rhs, span, y0, GUARDED[method], **settings)
        if not found.success:
            raise Ended(found.message.reason, found.message)


def _lsoda(task: Task, rtol: float, atol: Array) -> None:
    """LSODA from halt to halt, with its compiled loop over the steps; each group of members has its own solver."""
    records, rhs = task.records, task.rhs
    equation, first, s = records.equation, records.last, _halts(records.equation.s)
    groups = of_like_stiffness(equation, rhs.functions)
    slopes = rhs.split(groups)
    rows = np.empty((len(s), equation.number, first.y.size // equation.number))
    at = int(np.searchsorted(s, first.s, side="right"))  # before first.s the state is still the start
    rows[:at] = start = first.y.reshape(rows.shape[1:])
    bounds = atol.reshape(rows.shape[1:])
    solvers = [_begun(equation, f, rtol, bounds[members].ravel()) for f, members in zip(slopes, groups, strict=True)]
    for solver, members in zip(solvers, groups, strict=True):
        solver.set_initial_value(start[members].ravel(), first.s)
    anew = _anew("LSODA", equation)
    try:
        for end, piece in zip(s[at:].tolist(), np.diff(s[at:], prepend=first.s).tolist(), strict=True):
            for solver, members in zip(solvers, groups, strict=True):
                y = solver.integrate(end)
                if not solver.successful():
                    raise Ended(Reason.STEP_FAILED, "LSODA failed")
                if end in anew:
                    solver.set_initial_value(y.copy(), end)
                rows[at, members] = y.reshape(-1, rows.shape[-1])
            task.shown.update(piece)
            at += 1
    finally:
        rhs.join(slopes, [len(members) for members in groups])
        good = int(np.count_nonzero(np.isfinite(rows[:at].sum(axis=(1, 2)))))
        records.fill(s[:good], rows[:good].reshape(good, first.y.size))
    if good < at:
        raise Ended(Reason.NOT_FINITE)


def _begun(equation: InitialValue, rhs: CountedRhs, rtol: float, atol: Array) -> Any:
    """SciPy's LSODA for the members of `rhs`, without an initial value yet."""
    from scipy.integrate import ode

    known = _jacobian("LSODA", equation, rhs)
    solver = ode(rhs.where_finite(), known.pop("jac"))
    return solver.set_integrator("lsoda", rtol=rtol, atol=atol, nsteps=MANY, max_order_ns=ADAMS, **known)


def _halts(s: Array) -> Array:
    """The values of s at which LSODA halts: the records, and more, mostly early, so that a failure loses little."""
    often = np.linspace(0, 1, HALTS) if len(s) < HALTS else s
    return np.unique(np.concatenate([s, often, EARLY]))[1:]


def _anew(method: str, equation: InitialValue) -> tuple[float, ...]:
    """The values of s at which LSODA restarts, for flows whose rates fall from infinity.

    Its Adams methods bound the step by the largest rate seen since the last restart.
    """
    early = [s for s in EARLY[::-1].tolist() if s > equation.begin]
    return tuple(early) if method == "LSODA" and equation.fading else ()


def _jacobian(method: str, equation: InitialValue, rhs: CountedRhs) -> dict[str, Any]:
    """The solver's options for the Jacobian: the function, and the band of members that do not interact."""
    known = rhs.functions.jacobian is not None
    if method == "LSODA":
        band = sum(equation.sizes) - 1 if equation.members else None
        return {"jac": rhs.jacobian if known else None, "lband": band, "uband": band}
    return {"jac": rhs.jacobian} if known and not equation.members and method in ("Radau", "BDF") else {}
