"""SciPy's ODE solvers, one guarded step at a time: they always return, with a status and the path so far.

What SciPy 1.17 does not survive (NaN at the start, singular or chattering right-hand sides, LSODA on a blow-up,
LAPACK inside Radau and BDF on NaN) ends with a status; bad arguments are refused by `solve` before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.core.state import finite
from odeopt.problems.oracle import EvaluationError
from odeopt.solvers.counted_rhs import Ended, Exhausted, Slope
from odeopt.solvers.initial_value import InitialValue
from odeopt.solvers.recording import Piece, Records
from odeopt.solvers.stiffness_groups import of_like_stiffness
from odeopt.util.check import Array
from odeopt.util.status import Status

HALTS, EARLY = 65, 2.0 ** -np.arange(7, 31, 2)  # pieces of a run that LSODA takes at least; the first are smaller
ADAMS = 6  # the highest order of LSODA's Adams: from 7 on it is a matter of luck whether it finds a flow stiff
STIFF = ("LSODA", "Radau", "BDF", "Rodas5P")  # methods for stiff flows
MANY = 2_000_000_000  # steps: evaluations are what is limited


Solver = Callable[[str, Slope, tuple[float, Array], Records, Any], None]


def solver_of(method: str, dense: bool) -> Solver:
    """SciPy's solver, step by step where interpolants are asked for."""
    return _lsoda if method == "LSODA" and not dense else _steps


def integrate(
    run: Solver, method: str, slope: Slope, tolerances: tuple[float, Array], records: Records, shown: Any
) -> tuple[Status, str]:
    """From s = begin to 1, recording on the way; every way out leaves the last good state recorded."""
    try:
        run(method, slope, tolerances, records, shown)
    except (Ended, EvaluationError, np.linalg.LinAlgError, ValueError, KeyboardInterrupt) as error:
        t = records.close()
        status, reason = _diagnosis(error, method)
        return status, f"{reason} (after t = {np.ravel(t)[0]:g})"
    return Status.DONE, f"{method}, {slope.cost()}"


def _steps(method: str, slope: Slope, tolerances: tuple[float, Array], records: Records, shown: Any) -> None:
    """The solver's accepted steps up to s = 1."""
    from scipy import integrate as scipy_integrate

    known, (rtol, atol) = _jacobian(method, records.equation, slope), tolerances
    for end in (*_anew(method, records.equation), 1.0):
        first = records.last
        solver = getattr(scipy_integrate, method)(slope, first.s, first.y, end, rtol=rtol, atol=atol, **known)
        while solver.status == "running":
            reason = solver.step()
            if solver.status == "failed":
                raise Ended(Status.STEP_FAILED, reason or f"{method} failed")
            if not finite((solver.y,)):
                raise Ended(Status.NOT_FINITE, "the solution is not finite")
            shown.update(solver.t - records.last.s)
            records.take(Piece(solver.t, solver.y.copy(), solver.dense_output()))


def _lsoda(method: str, slope: Slope, tolerances: tuple[float, Array], records: Records, shown: Any) -> None:
    """LSODA from halt to halt: its own loop over the steps is compiled.  Each group of members has one of its own."""
    equation, first, s = records.equation, records.last, _halts(records.equation.s)
    groups = of_like_stiffness(equation, slope.functions)
    slopes = slope.split(groups)
    rows = np.empty((len(s), equation.number, first.y.size // equation.number))
    at = int(np.searchsorted(s, first.s, side="right"))  # what comes before is as good as the start
    rows[:at] = start = first.y.reshape(rows.shape[1:])
    limits = tolerances[0], tolerances[1].reshape(rows.shape[1:])
    solvers = [_begun(equation, each, limits, members) for each, members in zip(slopes, groups, strict=True)]
    for solver, members in zip(solvers, groups, strict=True):
        solver.set_initial_value(start[members].ravel(), first.s)
    anew = _anew(method, equation)
    try:
        for end, piece in zip(s[at:].tolist(), np.diff(s[at:], prepend=first.s).tolist(), strict=True):
            for solver, members in zip(solvers, groups, strict=True):
                y = solver.integrate(end)
                if not solver.successful():
                    raise Ended(Status.STEP_FAILED, "LSODA failed")
                if end in anew:
                    solver.set_initial_value(y.copy(), end)
                rows[at, members] = y.reshape(-1, rows.shape[-1])
            shown.update(piece)
            at += 1
    finally:
        slope.join(slopes, [len(members) for members in groups])
        good = int(np.count_nonzero(np.isfinite(rows[:at].sum(axis=(1, 2)))))
        records.fill(s[:good], rows[:good].reshape(good, first.y.size))
    if good < at:
        raise Ended(Status.NOT_FINITE, "the solution is not finite")


def _begun(equation: InitialValue, slope: Slope, tolerances: tuple[float, Array], members: Any) -> Any:
    """LSODA on these members, of the (M, n) numbers of all that `tolerances` has atol of."""
    from scipy.integrate import ode

    known, (rtol, atol) = _jacobian("LSODA", equation, slope), tolerances
    solver = ode(slope.where_finite(), known.pop("jac"))
    return solver.set_integrator(
        "lsoda", rtol=rtol, atol=atol[members].ravel(), nsteps=MANY, max_order_ns=ADAMS, **known
    )


def _halts(s: Array) -> Array:
    """Where LSODA is interrupted: at the records, and so often, above all early, that little is lost when it fails."""
    often = np.linspace(0, 1, HALTS) if len(s) < HALTS else s
    return np.unique(np.concatenate([s, often, EARLY]))[1:]


def _anew(method: str, equation: InitialValue) -> tuple[float, ...]:
    """Where LSODA begins anew: its Adams bounds its steps by the largest rate that it has met, and never forgets it."""
    early = [s for s in EARLY[::-1].tolist() if s > equation.begin]
    return tuple(early) if method == "LSODA" and equation.fading else ()


def _jacobian(method: str, equation: InitialValue, slope: Slope) -> dict[str, Any]:
    """What the solver may know of the Jacobian: itself, and that no member acts on another."""
    known = slope.functions.jacobian is not None
    if method == "LSODA":
        band = sum(equation.sizes) - 1 if equation.members else None
        return {"jac": slope.jacobian if known else None, "lband": band, "uband": band}
    return {"jac": slope.jacobian} if known and not equation.members and method in ("Radau", "BDF") else {}


def _diagnosis(error: BaseException, method: str) -> tuple[Status, str]:
    if isinstance(error, Exhausted):
        fewer = "larger rtol and atol need fewer" if method in STIFF else "a stiff flow needs fewer with LSODA or Radau"
        return error.status, f"{error}; {fewer}"
    if isinstance(error, Ended):
        return error.status, str(error)
    if isinstance(error, EvaluationError):
        return Status.EVALUATION_FAILED, str(error)
    if isinstance(error, KeyboardInterrupt):
        return Status.INTERRUPTED, "interrupted"
    return Status.NOT_FINITE, f"the linear algebra of {method} failed: {error}"
