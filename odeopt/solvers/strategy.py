"""The methods that `solve` tries, in order and with reasons: a plan, made from the eigenvalues at the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from odeopt.core.flow import Flow
from odeopt.core.state import pack
from odeopt.solvers.ending import Reason
from odeopt.solvers.initial_value import Function, Functions, InitialValue, from_diagonals
from odeopt.solvers.tolerances import LEAST_RTOL, sizes
from odeopt.util import check
from odeopt.util.check import Array

METHODS = ("BDF", "DOP853", "LSODA", "RK23", "RK45", "Radau")  # SciPy's
COMPILED = "Rodas5P"  # runs only in a kernel
BACKENDS = ("auto", "numpy", "floats", "columns", "numba")
AUTO_BUDGET = 20_000  # evaluations after which "auto" changes from DOP853 to LSODA
KERNEL_BUDGET = 100_000  # the same if DOP853 is compiled: a millisecond
PER_DECAY = 2  # evaluations of DOP853 per decay time: it is stable up to 6 decay times in a step of 12 stages
STIFFEST = 50_000_000  # evaluations of DOP853; on stiffer flows Rodas5P's errors reach 1000 rtol, LSODA's 50 rtol
DIFFERENCES, STEP = 40, 1e-7  # largest state for finite differences, cheap beside a run; their relative step
LSODA_SIZE = 200  # largest state of a member for which its Jacobian pays
LSODA_NUMBERS = 20_000_000  # largest size of LSODA's matrices


@dataclass(frozen=True)
class Asked:
    """The arguments of `solve` that choose and limit the method."""

    method: str
    rtol: float
    atol: float | None
    budget: int
    dense: bool
    progress: bool | None
    backend: str

    def __post_init__(self) -> None:
        check.choice("method", self.method, (*METHODS, COMPILED, "auto"))
        if check.flag("dense_output", self.dense) and self.method == COMPILED:
            check.choice("method (with dense_output)", self.method, (*METHODS, "auto"))
        if check.scalar("rtol", check.nonnegative("rtol", self.rtol)) < LEAST_RTOL:
            raise ValueError(f"rtol must be at least {LEAST_RTOL}, got {self.rtol!r}")
        if self.atol is not None:
            check.scalar("atol", check.nonnegative("atol", self.atol))
        check.count("max_evaluations", self.budget, 1)
        check.switch("progress", self.progress)
        check.choice("backend", self.backend, BACKENDS)


class Why(StrEnum):
    """Why a method is tried, in the wording of a run's message."""

    NAMED = ""
    LARGE = " (auto: too large for LSODA)"
    OSCILLATES = " (auto: it oscillates)"
    MILD = " (auto: not known to be too stiff for it)"
    STIFF = " (auto: so stiff that DOP853 needs about {:.0e})"
    EXHAUSTED = " (auto: DOP853 needs more than {:.0f})"


@dataclass(frozen=True)
class Attempt:
    """One method of a plan.

    budget:     evaluations of the right-hand side that it may use
    why:        why it is tried; `evaluations` is the number in that sentence
    kernel:     the compiled method, or None
    hands_over: the reasons to stop after which the next attempt starts again from the beginning
    after:      the part of the run, 0 to 1, that the attempt before must have reached for this one to be tried
    """

    method: str
    budget: int
    why: Why = Why.NAMED
    evaluations: float = 0.0
    kernel: Callable[..., None] | None = None
    hands_over: frozenset[Reason] = frozenset()
    after: float = 0.0

    @property
    def remark(self) -> str:
        """The end of the message of its run."""
        return self.why.format(self.evaluations)


EXHAUSTED = frozenset({Reason.BUDGET})
FAILED = EXHAUSTED | {Reason.STEP_FAILED}  # Rodas5P may fail where a formula is finite but its derivative is not


def plan(equation: InitialValue, functions: Functions, asked: Asked) -> tuple[Attempt, ...]:
    """The attempts in order; each is made if none before it reached the end."""
    if asked.method != "auto":
        return (Attempt(asked.method, asked.budget, kernel=_by_name(equation, functions, asked)),)
    kernel: Callable[[str], Any] = lambda method: None if asked.dense else functions.kernel(method, False)[0]
    if not _banded(equation):
        return (Attempt("DOP853", asked.budget, Why.LARGE, kernel=kernel("DOP853")),)
    few = min(AUTO_BUDGET, asked.budget)
    rates = _rates(equation, functions, few / PER_DECAY)
    needed = PER_DECAY * float(np.max(np.abs(rates.real), initial=0.0))  # growth soon turns into decay
    if needed > few:
        return _implicit(asked, Why.STIFF, needed, kernel(COMPILED) if needed <= STIFFEST else None)
    explicit = kernel("DOP853")
    few = min(KERNEL_BUDGET, asked.budget) if explicit else few
    oscillates = _oscillates(rates)
    why = Why.OSCILLATES if oscillates else Why.MILD
    first = Attempt("DOP853", few, why, kernel=explicit, hands_over=EXHAUSTED)
    again = replace(first, budget=asked.budget, after=few / asked.budget)  # enough at the first's pace
    implicit = _implicit(asked, Why.EXHAUSTED, few, kernel(COMPILED))
    return (first, again, *implicit) if oscillates else (first, *implicit)


def _implicit(asked: Asked, why: Why, evaluations: float, kernel: Any) -> tuple[Attempt, ...]:
    """Rodas5P if it can be compiled, then LSODA in case it fails."""
    lsoda = Attempt("LSODA", asked.budget, why, evaluations)
    return (Attempt(COMPILED, asked.budget, why, evaluations, kernel, FAILED), lsoda) if kernel else (lsoda,)


def _by_name(equation: InitialValue, functions: Functions, asked: Asked) -> Any:
    """The kernel of the method that was asked for, or None; ValueError for Rodas5P, which SciPy lacks."""
    found, reason = (None, "") if asked.dense else functions.kernel(asked.method, asked.method == COMPILED)
    if found is None and asked.method == COMPILED:
        others, name = ", ".join(METHODS), equation.flow.name
        raise ValueError(
            f"method must be one of {others} or auto for {name} here, as {COMPILED} runs only in a kernel: {reason}"
        )
    return found


def _banded(equation: InitialValue) -> bool:
    """Whether LSODA's Jacobian pays; it has 3 n diagonals for n numbers per member."""
    n = sum(equation.sizes)
    return n <= LSODA_SIZE and equation.number * n * 3 * n <= LSODA_NUMBERS


def _rates(equation: InitialValue, functions: Functions, bearable: float) -> Any:
    """Eigenvalues of each member's Jacobian at the start, times the length of the run, (M, n), or none, shape (0,).

    There are none if they are unknown, if they change soon, or if no norm exceeds `bearable`: a norm bounds all
    eigenvalues.
    """
    flow = equation.flow
    if not isinstance(flow, Flow) or flow.preconditioner or flow.onset:
        return np.empty(0)
    J = _jacobian(equation, functions)
    if J is None or not np.isfinite(J).all() or np.abs(J).sum(axis=-1).max() <= bearable:
        return np.empty(0)
    return np.linalg.eigvals(J)


def _oscillates(rates: Any) -> bool:
    """Whether the fastest motion oscillates: LSODA must resolve every period too, with more evaluations than DOP853."""
    if not rates.size:
        return False
    fastest = rates.ravel()[np.argmax(np.abs(rates))]
    return bool(abs(fastest.imag) > abs(fastest.real))


def _jacobian(equation: InitialValue, functions: Functions) -> Array | None:
    """d(dy/ds)/dy of each member at the start, (M, n, n), or None if that costs too much."""
    M, n, s, y = equation.number, sum(equation.sizes), equation.begin, pack(equation.y)
    if functions.jacobian is None:
        return _differences(equation, functions.f) if n <= DIFFERENCES else None
    J = np.asarray(functions.jacobian(s, y))
    if not equation.members:
        return J[None]
    return from_diagonals(J, M, n)


def _differences(equation: InitialValue, f: Function) -> Array | None:
    """(f(y + h e_b) - f(y)) / h for all members at once, with h a small fraction of each variable's size."""
    M, n, s, y = equation.number, sum(equation.sizes), equation.begin, pack(equation.y)
    at, columns = y.reshape(M, n), []
    of_variable = zip(sizes(equation, f), equation.y, strict=True)
    h = STEP * np.maximum(
        pack(tuple(np.broadcast_to(size, u.shape) for size, u in of_variable)).reshape(M, n), np.abs(at)
    )
    try:
        slopes = np.reshape(f(s, y), (M, n))
        for e in np.eye(n):
            columns.append((np.reshape(f(s, (at + h * e).ravel()), (M, n)) - slopes) / (h @ e)[:, None])
    except Exception:  # the solver will meet the error too and report it
        return None
    return np.stack(columns, axis=-1)
