"""SciPy's solvers with guards, for `scipy.integrate.solve_ivp(fun, t_span, y0, method=GuardedDOP853, ...)`.

SciPy 1.17 never returns if the right-hand side of RK45 or DOP853 is singular or NaN at the start, or if LSODA blows up.
LSODA reports NaN as a success; Radau and BDF raise from LAPACK.  The guarded solvers always return with the part
computed so far, and `OdeResult.message.reason` says why they stopped.  Up to there they equal SciPy's to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import BDF, DOP853, LSODA, RK23, RK45, DenseOutput, OdeSolver, Radau

from odeopt.problems.oracle import EvaluationError
from odeopt.solvers.counted_rhs import CountedRhs
from odeopt.solvers.ending import EXCEPTIONS, Ended, Ending, Reason, ended_by
from odeopt.solvers.initial_value import Functions
from odeopt.util import check
from odeopt.util.check import Array

MAX_EVALUATIONS = 500_000
FIRST_STEP = 1e-6  # of the interval, where no other is known; too long a step is rejected
STEPS = ("first_step", "min_step")  # options that must be finite if they are given


class Guarded(OdeSolver):
    """A mixin that adds guards to one of SciPy's solvers.

    max_evaluations: limit for evaluations of the right-hand side, including those for finite differences
    on_step:         called with the solver after each accepted step; an exception that it raises ends the integration
    other options:   those of SciPy's solver

    A NaN in a trial stage only rejects the step.  An exception in the first evaluation is the caller's mistake and
    propagates.  A later one, or Ctrl-C, ends the integration.
    """

    t: float
    y: Array
    status: str
    h_abs: float = 0.0  # LSODA has none

    def __init__(
        self,
        fun: Any,
        t0: float,
        y0: Any,
        t_bound: float,
        *,
        max_evaluations: int = MAX_EVALUATIONS,
        on_step: Callable[[OdeSolver], None] | None = None,
        **options: Any,
    ) -> None:
        _check_numbers(t0, t_bound, y0, **options)
        budget = check.count("max_evaluations", max_evaluations, 1)
        self.rhs = fun if isinstance(fun, CountedRhs) else CountedRhs(Functions(fun), budget)
        self._on_step = on_step
        self._ended: Ended | None = None
        self._last: DenseOutput | None = None
        try:
            with np.errstate(all="ignore"):
                super().__init__(self._counted(), t0, y0, t_bound, **options)
            if np.isnan(self.h_abs):  # the trial point of its choice gave NaN: SciPy would shrink NaN for ever
                self.h_abs = FIRST_STEP * abs(t_bound - t0)
        except (Ended, EvaluationError, KeyboardInterrupt) as error:
            OdeSolver.__init__(self, self.rhs, t0, y0, t_bound, vectorized=False)
            self._end(error)

    def _counted(self) -> Any:
        return self.rhs

    def step(self) -> str | None:
        """Makes one step; returns None, or the message if the step failed."""
        t, y = self.t, self.y
        try:
            if self._ended:
                raise self._ended
            with np.errstate(all="ignore"):  # trial points may overflow
                message = super().step()
            if self.status == "failed":
                raise Ended(Reason.STEP_FAILED, message or "")
            if not np.isfinite(self.y).all():
                raise Ended(Reason.NOT_FINITE)
            if self.t == t != self.t_bound:
                raise Ended(Reason.STEP_FAILED)
            if self.status == "finished":  # no later step would show a failing interpolant
                self._last = self.interpolant()
            if self._on_step:
                self._on_step(self)
            return None
        except (Ended, *EXCEPTIONS) as error:
            self.t, self.y, self.status = t, y, "failed"
            return Ending(self._end(error))

    def interpolant(self) -> DenseOutput:
        """The interpolant over the last step, for `on_step`; an exception in its evaluations ends the integration."""
        if self._last:
            return self._last
        with np.errstate(all="ignore"):
            found = super().dense_output()
            if not np.isfinite(found((found.t_min + found.t_max) / 2)).all():
                raise Ended(Reason.RHS_NOT_FINITE)
        return found

    def dense_output(self) -> DenseOutput:
        """The interpolant for solve_ivp.  If an evaluation fails, it is NaN inside the step and the next step fails."""
        try:
            return self.interpolant()
        except (Ended, *EXCEPTIONS) as error:
            self._end(error)
            return Unknown(self.t_old, self.t, self.y)

    def _end(self, error: BaseException) -> Ended:
        """Stores the reason for which no step follows; raises the error if it came from the first evaluation."""
        if self.rhs.count == 1 and isinstance(error, EvaluationError):
            raise error
        self._ended = ended_by(error)
        return self._ended


class Unknown(DenseOutput):
    """An interpolant that knows only the end of the step; it is NaN elsewhere."""

    def __init__(self, t_old: float, t: float, y: Array) -> None:
        super().__init__(t_old, t)
        self.y = y

    def _call_impl(self, t: Array) -> Array:
        found = np.where(t == self.t, self.y[:, None], np.nan)
        return found[:, 0] if t.ndim == 0 else found


class GuardedRK23(Guarded, RK23):
    """Bogacki and Shampine's method of order 3."""


class GuardedRK45(Guarded, RK45):
    """Dormand and Prince's method of order 5."""


class GuardedDOP853(Guarded, DOP853):
    """Dormand and Prince's method of order 8."""


class GuardedRadau(Guarded, Radau):
    """The implicit Runge-Kutta method Radau IIA of order 5."""


class GuardedBDF(Guarded, BDF):
    """Backward differentiation formulas of variable order."""


class GuardedLSODA(Guarded, LSODA):
    """ODEPACK's LSODA, which a NaN would mislead: each evaluation must be finite."""

    def _counted(self) -> Any:
        return self.rhs.where_finite()


GUARDED = {
    "BDF": GuardedBDF,
    "DOP853": GuardedDOP853,
    "LSODA": GuardedLSODA,
    "RK23": GuardedRK23,
    "RK45": GuardedRK45,
    "Radau": GuardedRadau,
}


def _check_numbers(
    t0: float, t_bound: float, y0: Any, rtol: Any = 1e-3, atol: Any = 1e-6, max_step: float = np.inf, **others: Any
) -> None:
    """Refuses NaN, an infinite end and an error bound of 0, with which SciPy would never return."""
    numbers = {"t_span": (t0, t_bound), "rtol": rtol, "atol": atol}
    for name, value in (numbers | {name: others[name] for name in STEPS if others.get(name) is not None}).items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} must be finite, got {value!r}")
    if np.isnan(max_step):
        raise ValueError("max_step must be a number or infinite, got nan")
    if not np.all(np.add(atol, np.multiply(rtol, np.abs(y0)))):
        raise ValueError(f"atol must be positive where y0 is 0, got {atol!r}")
