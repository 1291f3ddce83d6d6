"""Which method `solve` tries, in which order and why: method="auto" asks for the eigenvalues at the start."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from odeopt.core.flow import Flow
from odeopt.core.state import pack
from odeopt.solvers.initial_value import Function, Functions, InitialValue, from_diagonals
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.status import Status

METHODS = ("BDF", "DOP853", "LSODA", "RK23", "RK45", "Radau")  # SciPy's
COMPILED = "Rodas5P"  # in a kernel only
BACKENDS = ("auto", "numpy", "floats", "columns", "numba")
AUTO_BUDGET = 20_000  # evaluations after which "auto" turns from DOP853 to LSODA
KERNEL_BUDGET = 100_000  # the same where DOP853 is compiled: a millisecond
PER_DECAY = 2  # evaluations of DOP853 for each unit of time over decay time: it bears 6 in a step of 12
STIFFEST = 50_000_000  # evaluations of DOP853: on what is stiffer, Rodas5P's errors add up to 1000 rtol, LSODA's to 50
DIFFERENCES, STEP = 40, 1e-7  # coordinates whose differences cost little beside a run; their relative step
LEAST_RTOL = 1e-13  # SciPy's solvers do not reach less
LSODA_MEMORY = 1e-6  # LSODA's atol of the memory over that of theta
LSODA_SIZE = 200  # numbers in a member's state up to which its Jacobian pays
LSODA_NUMBERS = 20_000_000  # of which LSODA's matrices may consist


@dataclass(frozen=True)
class Asked:
    """The arguments of `solve` that say how."""

    method: str
    rtol: float
    atol: float
    budget: int
    dense: bool
    progress: bool | None
    backend: str

    def __post_init__(self) -> None:
        check.choice("method", self.method, (*METHODS, COMPILED, "auto"))
        if self.dense and self.method == COMPILED:
            check.choice("method (with dense_output)", self.method, (*METHODS, "auto"))
        for name, value, least in (("rtol", self.rtol, LEAST_RTOL), ("atol", self.atol, 0.0)):
            if check.scalar(name, check.nonnegative(name, value)) < least:
                raise ValueError(f"{name} must be at least {least}, got {value!r}")
        check.count("max_evaluations", self.budget, 1)
        check.switch("progress", self.progress)
        check.choice("backend", self.backend, BACKENDS)


class Attempt(NamedTuple):
    """A method, the evaluations that it may use, why it is tried, and its kernel, if it runs in one."""

    method: str
    budget: int
    why: str
    kernel: Any = None

    def leaves_it(self, status: Status) -> bool:
        """Whether one that ends so leaves the run to the next; a formula's derivatives, not it, may be infinite."""
        return status is Status.TOO_MANY_EVALUATIONS or (self.method == COMPILED and status is Status.STEP_FAILED)


def attempts(equation: InitialValue, functions: Functions, asked: Asked) -> Generator[Attempt, float | None, None]:
    """What to try, one after the other until one reaches the end; it is sent how far the last one came, 0 to 1."""
    kernel = lambda method: None if asked.dense else functions.kernel(method, False)[0]
    if asked.method != "auto":
        yield Attempt(asked.method, asked.budget, "", _by_name(equation, functions, asked))
        return
    if not _banded(equation):
        yield Attempt("DOP853", asked.budget, "auto: too large for LSODA", kernel("DOP853"))
        return
    few = min(AUTO_BUDGET, asked.budget)
    rates = _rates(equation, functions, few / PER_DECAY)
    needed = PER_DECAY * float(np.max(np.abs(rates.real), initial=0.0))  # what grows so fast decays as fast soon
    why = f"auto: so stiff that DOP853 needs about {needed:.0e}"
    if needed <= few:
        explicit, oscillates = kernel("DOP853"), _oscillates(rates)
        few = min(KERNEL_BUDGET, asked.budget) if explicit else few
        why = "auto: it oscillates" if oscillates else "auto: not known to be stiffer than it can bear"
        reached = yield Attempt("DOP853", few, why, explicit)
        if oscillates and reached and few / reached < asked.budget:  # and at this pace it will arrive
            yield Attempt("DOP853", asked.budget, why, explicit)
        why = f"auto: DOP853 needs more than {few}"
    if needed <= STIFFEST and (implicit := kernel(COMPILED)):
        yield Attempt(COMPILED, asked.budget, why, implicit)
    yield Attempt("LSODA", asked.budget, why)


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
        return _differences(functions.f, s, y, M, n) if n <= DIFFERENCES else None
    J = np.asarray(functions.jacobian(s, y))
    if not equation.members:
        return J[None]
    return from_diagonals(J, M, n)


def _differences(f: Function, s: float, y: Array, M: int, n: int) -> Array | None:
    """(f(y + h e_b) - f(y)) / h for all members at once."""
    at, columns = y.reshape(M, n), []
    h = STEP * np.maximum(1.0, np.abs(at))
    try:
        slopes = np.reshape(f(s, y), (M, n))
        for e in np.eye(n):
            columns.append((np.reshape(f(s, (at + h * e).ravel()), (M, n)) - slopes) / (h @ e)[:, None])
    except Exception:  # a solver will meet it too, and keep what there is
        return None
    return np.stack(columns, axis=-1)


def error_scales(equation: InitialValue, asked: Asked, attempt: Attempt) -> tuple[float, Array]:
    """rtol, and atol for each number, so that every member alone keeps them.

    LSODA bounds the largest error, SciPy's other solvers the mean square, of which one member may make up all.  LSODA
    takes long steps over a memory below atol, whose root sets the speed.
    """
    memory = LSODA_MEMORY if attempt.method == "LSODA" else 1.0
    share = 1.0 if attempt.kernel or attempt.method == "LSODA" else equation.number**-0.5
    scales = (asked.atol * share, *[asked.atol * share * memory] * (len(equation.y) - 1))
    each = pack(tuple(np.full_like(u, scale) for u, scale in zip(equation.y, scales, strict=True)))
    return max(asked.rtol * share, LEAST_RTOL), each
