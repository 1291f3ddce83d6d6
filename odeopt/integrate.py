"""SciPy's ODE solvers, one guarded step at a time: they always return, with a status and the path so far.

What SciPy 1.17 does not survive (NaN at the start, singular or chattering right-hand sides, LSODA on a blow-up,
LAPACK inside Radau and BDF on NaN) ends with a status; bad arguments are refused by `solve` before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from odeopt import check
from odeopt.check import Array
from odeopt.clock import Clock
from odeopt.gradient import EvaluationError
from odeopt.state import Rhs, State, finite, pack, unpack
from odeopt.trajectory import Recorder, Status


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
    """dy/ds as SciPy calls it: flat vectors in and out, counted against a budget."""

    def __init__(self, rhs: Rhs, clock: Clock, start: State, budget: int) -> None:
        self.rhs, self.clock, self.start = rhs, clock, start
        self.budget, self.count = budget, 0

    def __call__(self, s: float, vector: Array) -> Array:
        self.count += 1
        if self.count > self.budget:
            reason = f"{self.budget} evaluations used up; a stiff flow needs fewer with LSODA or Radau"
            raise Ended(Status.TOO_MANY_EVALUATIONS, reason)
        try:
            k = self.rhs(self.clock.time(s), unpack(np.array(vector), self.start))
        except EvaluationError:
            raise
        except Exception as error:
            if self.count == 1:
                raise
            raise EvaluationError(f"the flow raised {type(error).__name__}: {error}") from error
        speed = self.clock.speed(s)
        return pack(tuple(speed * u for u in k))


class Records:
    """What is kept of the accepted steps: the state at each value of s, and the interpolants if `dense`."""

    def __init__(self, path: Recorder, times: Array, s: Array, like: State, dense: bool) -> None:
        self.path, self.times, self.s, self.like, self.dense = path, times, s, like, dense
        self.done = 1  # the start is recorded
        self.pieces: list[Piece] = []

    def take(self, piece: Piece) -> None:
        """All records that fall into this step."""
        while self.done < len(self.s) and self.s[self.done] <= piece.s:
            self.path.append(self.times[self.done], unpack(piece.interpolant(self.s[self.done]), self.like))
            self.done += 1
        if self.dense:
            self.pieces.append(piece)

    def close(self, last: Piece, t: Any) -> None:
        """The last good state of a run that ended early, at a time of its own."""
        if last.s > self.s[self.done - 1]:
            self.path.append(t if self.times.ndim == 1 else t[..., 0], unpack(last.y, self.like))


def integrate(
    slope: Slope, begin: float, method: str, tolerances: tuple[float, Array], records: Records, shown: Any
) -> tuple[Status, str]:
    """Steps from s = begin to 1, recording on the way; every way out leaves the last good state recorded."""
    last = Piece(begin, pack(slope.start), lambda _: pack(slope.start))
    first = slope(begin, last.y)  # a gradient that raises here is the caller's mistake, and propagates
    try:
        if not finite((first,)):
            raise Ended(Status.NOT_FINITE, "the right-hand side is NaN or infinite at the start")
        for piece in _steps(method, slope, last, tolerances):
            records.take(piece)
            shown.update(piece.s - last.s)
            last = piece
    except (Ended, EvaluationError, np.linalg.LinAlgError, ValueError, KeyboardInterrupt) as error:
        t = slope.clock.time(last.s)
        records.close(last, t)
        status, reason = _diagnosis(error, method)
        return status, f"{reason} (after t = {np.ravel(t)[0]:g})"
    return Status.DONE, f"{method}, {slope.count} evaluations of the right-hand side"


def _steps(method: str, slope: Slope, first: Piece, tolerances: tuple[float, Array]) -> Iterator[Piece]:
    """The solver's accepted steps up to s = 1."""
    from scipy import integrate as scipy_integrate

    solver = getattr(scipy_integrate, method)(slope, first.s, first.y, 1.0, rtol=tolerances[0], atol=tolerances[1])
    while solver.status == "running":
        reason = solver.step()
        if solver.status == "failed":
            raise Ended(Status.STEP_FAILED, reason or f"{method} failed")
        if not finite((solver.y,)):
            raise Ended(Status.NOT_FINITE, "the solution is not finite")
        yield Piece(solver.t, solver.y.copy(), solver.dense_output())


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
        times = check.numbers_of("t", t)
        if times.ndim > 1 or not np.all((times >= clock.t0) & (times <= last)):
            raise ValueError(f"t must be a number or (n,) in [{clock.t0:g}, {last:g}], got {t!r}")
        return theta(float(times)) if times.ndim == 0 else np.array([theta(ti) for ti in times])

    return sol
