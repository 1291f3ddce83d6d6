"""SciPy's ODE solvers, one guarded step at a time: they always return, with a status and the path so far.

What SciPy 1.17 does not survive (NaN at the start, singular or chattering right-hand sides, LSODA on a blow-up,
LAPACK inside Radau and BDF on NaN) ends with a status; bad arguments are refused by `solve` before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.clock import Clock
from odeopt.gradient import EvaluationError
from odeopt.initial_value import Function, Functions, InitialValue
from odeopt.state import State, finite, pack, unpack
from odeopt.trajectory import Recorder, Status

HALTS, EARLY = 65, 2.0 ** -np.arange(7, 31, 2)  # pieces of a run that LSODA takes at least; the first are smaller
ADAMS = 6  # the highest order of LSODA's Adams: from 7 on it is a matter of luck whether it finds a flow stiff
MANY = 2_000_000_000  # steps: evaluations are what is limited


class Ended(Exception):
    """The integration cannot go on."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Piece(NamedTuple):
    """One accepted step: its end, the state there, and SciPy's interpolant over it."""

    s: float
    y: Array
    interpolant: Callable[[float], Array]


class Slope:
    """dy/ds as SciPy calls it, counted against a budget."""

    def __init__(self, functions: Functions, budget: int) -> None:
        self.functions, self.budget = functions, budget
        self.count, self.jacobians = 0, 0
        self.mean: float | None = None  # of the members' own counts, where they have them

    def __call__(self, s: float, vector: Array) -> Any:
        self.count += 1
        if self.count > self.budget:
            raise self._exhausted()
        try:
            return self.functions.f(s, vector)
        except Exception as error:
            raise _failed(error) from error

    def where_finite(self) -> Function:
        """The same for a solver that a NaN would mislead; in one call, as LSODA does little but call it."""
        f, budget, isfinite = self.functions.f, self.budget, math.isfinite
        total: Any = sum if self.functions.means == "floats" else np.sum

        def slopes(s: float, vector: Array) -> Any:
            self.count += 1
            if self.count > budget:
                raise self._exhausted()
            try:
                found = f(s, vector)
            except Exception as error:
                raise _failed(error) from error
            if not isfinite(total(found)):
                raise Ended(Status.NOT_FINITE, "the right-hand side is NaN or infinite")
            return found

        return slopes

    def _exhausted(self) -> Ended:
        reason = f"{self.budget} evaluations used up; a stiff flow needs fewer with LSODA or Radau"
        return Ended(Status.TOO_MANY_EVALUATIONS, reason)

    def jacobian(self, s: float, vector: Array) -> Any:
        """d(dy/ds)/dy."""
        assert self.functions.jacobian is not None
        self.jacobians += 1
        return self.functions.jacobian(s, vector)

    def cost(self) -> str:
        """As a message has it."""
        own = f" at most, {self.mean:.0f} on average" if self.mean not in (None, self.count) else ""
        by_hand = f", {self.jacobians} of its Jacobian" if self.jacobians else ""
        return f"{self.count} evaluations of the right-hand side{own}{by_hand}"


def _failed(error: Exception) -> Exception:
    """What the problem's gradient raises says so already."""
    if isinstance(error, EvaluationError):
        return error
    return EvaluationError(f"the flow raised {type(error).__name__}: {error}")


class Records:
    """What is kept of the accepted steps: the state at each value of s, and the interpolants if `dense`."""

    def __init__(self, path: Recorder, equation: InitialValue, dense: bool) -> None:
        self.path, self.equation, self.dense = path, equation, dense
        self.done = 1  # the start is recorded
        self.pieces: list[Piece] = []
        start = pack(equation.y)
        self.last = Piece(equation.begin, start, lambda _: start)

    def take(self, piece: Piece) -> None:
        """All records that fall into this step."""
        s = self.equation.s
        while self.done < len(s) and s[self.done] <= piece.s:
            self._append(self.equation.times[self.done], piece.interpolant(s[self.done]))
            self.done += 1
        if self.dense:
            self.pieces.append(piece)
        self.last = piece

    def fill(self, s: Array, rows: Array) -> None:
        """The states at these values of s, where every record up to the last of them is among them."""
        due = rows if np.array_equal(s, self.equation.s[1 : len(s) + 1]) else rows[np.isin(s, self.equation.s)]
        here = slice(self.done, self.done + len(due))
        states, _, times = self.path.room(len(due))
        for into, u in zip(states, unpack(due, self.equation.y), strict=True):
            into[...] = u
        times[...] = self.equation.times[here]
        self.path.keep(len(due), -1)
        self.done = here.stop
        if len(s):
            self.last = Piece(float(s[-1]), rows[-1], lambda _: rows[-1])

    def close(self) -> Any:
        """The last good state of a run that ended early, at a time of its own, which is returned."""
        t = self.equation.clock.time(self.last.s)
        if self.last.s > self.equation.s[self.done - 1]:
            self._append(t if self.equation.times.ndim == 1 else t[..., 0], self.last.y)
        return t

    def _append(self, t: Any, vector: Array) -> None:
        self.path.append(t, unpack(vector, self.equation.y))


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

    first, (rtol, atol) = records.last, tolerances
    known = _jacobian(method, records.equation, slope)
    solver = getattr(scipy_integrate, method)(slope, first.s, first.y, 1.0, rtol=rtol, atol=atol, **known)
    while solver.status == "running":
        reason = solver.step()
        if solver.status == "failed":
            raise Ended(Status.STEP_FAILED, reason or f"{method} failed")
        if not finite((solver.y,)):
            raise Ended(Status.NOT_FINITE, "the solution is not finite")
        shown.update(solver.t - records.last.s)
        records.take(Piece(solver.t, solver.y.copy(), solver.dense_output()))


def _lsoda(method: str, slope: Slope, tolerances: tuple[float, Array], records: Records, shown: Any) -> None:
    """LSODA from halt to halt: its own loop over the steps is compiled."""
    from scipy.integrate import ode

    first, (rtol, atol), s = records.last, tolerances, _halts(records.equation.s)
    known = _jacobian(method, records.equation, slope)
    solver = ode(slope.where_finite(), known.pop("jac"))
    solver.set_integrator("lsoda", rtol=rtol, atol=atol, nsteps=MANY, max_order_ns=ADAMS, **known)
    solver.set_initial_value(first.y.copy(), first.s)
    rows = np.empty((len(s), first.y.size))
    at = int(np.searchsorted(s, first.s, side="right"))  # what comes before is as good as the start
    rows[:at] = first.y
    try:
        for end, piece in zip(s[at:].tolist(), np.diff(s[at:], prepend=first.s).tolist(), strict=True):
            rows[at] = solver.integrate(end)
            if not solver.successful():
                raise Ended(Status.STEP_FAILED, "LSODA failed")
            shown.update(piece)
            at += 1
    finally:
        good = int(np.count_nonzero(np.isfinite(rows[:at].sum(axis=1))))
        records.fill(s[:good], rows[:good])
    if good < at:
        raise Ended(Status.NOT_FINITE, "the solution is not finite")


def _halts(s: Array) -> Array:
    """Where LSODA is interrupted: at the records, and so often, above all early, that little is lost when it fails."""
    often = np.linspace(0, 1, HALTS) if len(s) < HALTS else s
    return np.unique(np.concatenate([s, often, EARLY]))[1:]


def _jacobian(method: str, equation: InitialValue, slope: Slope) -> dict[str, Any]:
    """What the solver may know of the Jacobian: itself, and that no member acts on another."""
    known = slope.functions.jacobian is not None
    if method == "LSODA":
        band = sum(equation.sizes) - 1 if equation.members else None
        return {"jac": slope.jacobian if known else None, "lband": band, "uband": band}
    return {"jac": slope.jacobian} if known and not equation.members and method in ("Radau", "BDF") else {}


def _diagnosis(error: BaseException, method: str) -> tuple[Status, str]:
    if isinstance(error, Ended):
        return error.status, str(error)
    if isinstance(error, EvaluationError):
        return Status.EVALUATION_FAILED, str(error)
    if isinstance(error, KeyboardInterrupt):
        return Status.INTERRUPTED, "interrupted"
    return Status.NOT_FINITE, f"the linear algebra of {method} failed: {error}"


def interpolant(pieces: list[Piece], clock: Clock, like: State) -> Callable[[Any], Array]:
    """theta(t), t a number or (n,) within the run, from the solver's own interpolants."""
    ends = np.array([piece.s for piece in pieces])
    last = clock.time(ends[-1])

    def theta(t: float) -> Array:
        s = float(clock.s_of(t))
        piece = pieces[min(int(np.searchsorted(ends, s)), len(pieces) - 1)]
        return unpack(piece.interpolant(s), like)[0]

    def sol(t: Any) -> Array:
        times = check.within("t", t, clock.t0, last)
        return theta(float(times)) if times.ndim == 0 else np.array([theta(ti) for ti in times])

    return sol
