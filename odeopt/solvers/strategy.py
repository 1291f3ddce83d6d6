"""Which methods `solve` tries, in which order and why: a plan is data, made from the eigenvalues at the start."""

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
COMPILED = "Rodas5P"  # in a kernel only
BACKENDS = ("auto", "numpy", "floats", "columns", "numba")
AUTO_BUDGET = 20_000  # evaluations after which "auto" turns from DOP853 to LSODA
KERNEL_BUDGET = 100_000  # the same where DOP853 is compiled: a millisecond
PER_DECAY = 2  # evaluations of DOP853 for each unit of time over decay time: it bears 6 in a step of 12
STIFFEST = 50_000_000  # evaluations of DOP853: on what is stiffer, Rodas5P's errors add up to 1000 rtol, LSODA's to 50
DIFFERENCES, STEP = 40, 1e-7  # coordinates whose differences cost little beside a run; their relative step
LSODA_SIZE = 200  # numbers in a member's state up to which its Jacobian pays
LSODA_NUMBERS = 20_000_000  # of which LSODA's matrices may consist


@dataclass(frozen=True)
class Asked:
    """The arguments of `solve` that say how."""

    method: str
    rtol: float
    atol: float | None
    budget: int
    dense: bool
    progress: bool | None
    backend: str

    def __post_init__(self) -> None:
        check.choice("method", self.method, (*METHODS, COMPILED, "auto"))
        if self.dense and self.method == COMPILED:
            check.choice("method (with dense_output)", self.method, (*METHODS, "auto"))
        if check.scalar("rtol", check.nonnegative("rtol", self.rtol)) < LEAST_RTOL:
            raise ValueError(f"rtol must be at least {LEAST_RTOL}, got {self.rtol!r}")
        if self.atol is not None:
            check.scalar("atol", check.nonnegative("atol", self.atol))
        check.count("max_evaluations", self.budget, 1)
        check.switch("progress", self.progress)
        check.choice("backend", self.backend, BACKENDS)


class Why(StrEnum):
    """Why a method is tried, as the message of a run says it."""

    NAMED = ""
    LARGE = " (auto: too large for LSODA)"
    OSCILLATES = " (auto: it oscillates)"
    MILD = " (auto: not known to be stiffer than it can bear)"
    STIFF = " (auto: so stiff that DOP853 needs about {:.0e})"
    EXHAUSTED = " (auto: DOP853 needs more than {:.0f})"


@dataclass(frozen=True)
class Attempt:
    """One method of a plan.

    budget:     evaluations of the right-hand side that it may use
    why:        why it is tried; evaluations: the number in that sentence
    kernel:     the method compiled, where it runs so
    hands_over: reasons to stop for which the next attempt takes over, from the start
    after:      it is tried only if the attempt before reached this part of the run, 0 to 1
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
        """What the message of its run ends with."""
        return self.why.format(self.evaluations)


EXHAUSTED = frozenset({Reason.BUDGET})
FAILED = EXHAUSTED | {Reason.STEP_FAILED}  # of Rodas5P: a formula's derivatives may be infinite where it is finite


def plan(equation: InitialValue, functions: Functions, asked: Asked) -> tuple[Attempt, ...]:
    """The attempts, of which each is made if those before did not reach the end."""
    if asked.method != "auto":
        return (Attempt(asked.method, asked.budget, kernel=_by_name(equation, functions, asked)),)
    kernel: Callable[[str], Any] = lambda method: None if asked.dense else functions.kernel(method, False)[0]
    if not _banded(equation):
        return (Attempt("DOP853", asked.budget, Why.LARGE, kernel=kernel("DOP853")),)
    few = min(AUTO_BUDGET, asked.budget)
    rates = _rates(equation, functions, few / PER_DECAY)
    needed = PER_DECAY * float(np.max(np.abs(rates.real), initial=0.0))  # what grows so fast decays as fast soon
    if needed > few:
        return _implicit(asked, Why.STIFF, needed, kernel(COMPILED) if needed <= STIFFEST else None)
    explicit = kernel("DOP853")
    few = min(KERNEL_BUDGET, asked.budget) if explicit else few
    oscillates = _oscillates(rates)
    why = Why.OSCILLATES if oscillates else Why.MILD
    first = Attempt("DOP853", few, why, kernel=explicit, hands_over=EXHAUSTED)
    again = replace(first, budget=asked.budget, after=few / asked.budget)  # at the pace of the first it will arrive
    implicit = _implicit(asked, Why.EXHAUSTED, few, kernel(COMPILED))
    return (first, again, *implicit) if oscillates else (first, *implicit)


def _implicit(asked: Asked, why: Why, evaluations: float, kernel: Any) -> tuple[Attempt, ...]:
    """Rodas5P, where it is compiled, and LSODA for what that cannot do."""
    lsoda = Attempt("LSODA", asked.budget, why, evaluations)
    return (Attempt(COMPILED, asked.budget, why, evaluations, kernel, FAILED), lsoda) if kernel else (lsoda,)


def _by_name(equation: InitialValue, functions: Functions, asked: Asked) -> Any:
    """The kernel of the method that was asked for, if it runs in one; SciPy has no other for Rodas5P."""
    found, reason = (None, "") if asked.dense else functions.kernel(asked.method, asked.method == COMPILED)
    if found is None and asked.method == COMPILED:
        others, name = ", ".join(METHODS), equation.flow.name
        raise ValueError(
            f"method must be one of {others} or auto for {name} here, as {COMPILED} runs only in a kernel: {reason}"
        )
    return found


def _banded(equation: InitialValue) -> bool:
    """Whether LSODA's Jacobian pays: n numbers a member, and 3 n diagonals."""
    n = sum(equation.sizes)
    return n <= LSODA_SIZE and equation.number * n * 3 * n <= LSODA_NUMBERS


def _rates(equation: InitialValue, functions: Functions, bearable: float) -> Any:
    """The eigenvalues of each member's Jacobian at the start, times the time, (M, n); none where they are not known, or
    soon others, and where the norm of the Jacobian, which none of them exceeds, is bearable."""
    flow = equation.flow
    if not isinstance(flow, Flow) or flow.preconditioner or flow.onset:
        return np.empty(0)
    J = _jacobian(equation, functions)
    if J is None or not np.isfinite(J).all() or np.abs(J).sum(axis=-1).max() <= bearable:
        return np.empty(0)
    return np.linalg.eigvals(J)


def _oscillates(rates: Any) -> bool:
    """Whether the fastest motion is an oscillation: of that LSODA follows each period too, with more evaluations."""
    if not rates.size:
        return False
    fastest = rates.ravel()[np.argmax(np.abs(rates))]
    return bool(abs(fastest.imag) > abs(fastest.real))


def _jacobian(equation: InitialValue, functions: Functions) -> Array | None:
    """Each member's d(dy/ds)/dy at the start, (M, n, n), or None where that costs too much."""
    M, n, s, y = equation.number, sum(equation.sizes), equation.begin, pack(equation.y)
    if functions.jacobian is None:
        return _differences(equation, functions.f) if n <= DIFFERENCES else None
    J = np.asarray(functions.jacobian(s, y))
    if not equation.members:
        return J[None]
    return from_diagonals(J, M, n)


def _differences(equation: InitialValue, f: Function) -> Array | None:
    """(f(y + h e_b) - f(y)) / h for all members at once, h a small part of each variable's size."""
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
    except Exception:  # a solver will meet it too, and keep what there is
        return None
    return np.stack(columns, axis=-1)
