"""rtol and atol of each number in the state, so that every member alone keeps the error that was asked for.

By default atol is a hundredth of rtol of the size of each variable in each member: a run with c theta0 in the place of
theta0, or k L in that of L, takes the same steps.
"""

from __future__ import annotations

import numpy as np

from odeopt.state import pack, unpack
from odeopt.initial_value import Function, InitialValue
from odeopt.check import Array

ATOL = 0.01  # the default atol over rtol, of a variable of size 1
LSODA_MEMORY = 1e-6  # LSODA's atol of the memory over that of theta
LEAST_RTOL = 1e-13  # SciPy's solvers do not reach less
EARLY, PROBE = 1e-3, 1e-7  # parts of the run: the movement from rest that gives a size; a difference along the slope


def tolerances(
    equation: InitialValue, f: Function, rtol: float, atol: float | None, method: str, own_steps: bool
) -> tuple[float, Array]:
    """rtol, and atol of each number in the flat state.

    LSODA bounds the largest error, SciPy's other solvers the mean square, of which one member may make up all unless
    each has its own steps.  LSODA takes long steps over a memory below atol, whose root sets the speed.
    """
    memory = LSODA_MEMORY if method == "LSODA" else 1.0
    share = 1.0 if own_steps or method == "LSODA" else equation.number**-0.5
    bounds = sizes(equation, f) if atol is None else [1.0] * len(equation.y)
    unit = (ATOL * rtol if atol is None else atol) * share
    each = [np.full_like(u, unit) * bound for u, bound in zip(equation.y, bounds, strict=True)]
    return max(rtol * share, LEAST_RTOL), pack((each[0], *(memory * u for u in each[1:])))


def sizes(equation: InitialValue, f: Function) -> list[Array]:
    """The size of each variable in each member, (..., 1): its largest coordinate at the start, or where the variable
    is 0 there, how far it moves early in the run."""
    at_start = [_largest(u) for u in equation.y]
    if all(size.all() for size in at_start):
        return at_start
    return [np.where(size > 0, size, moved) for size, moved in zip(at_start, _moved(equation, f), strict=True)]


def _moved(equation: InitialValue, f: Function) -> list[Array]:
    """|F| min(T, |F|/|JF|) early in the run: a decay ends the movement before the run does.  Where F is 0, |JF| T^2."""
    s, y = equation.begin, pack(equation.y)
    T, F = 1 - s, np.array(f(s, y))
    JF = _along(f, s, y, F)
    found = []
    for first, second in zip(*(map(_largest, unpack(u, equation.y)) for u in (F, JF)), strict=True):
        slow = second * T <= first  # no decay within the run
        lasting = np.where(slow, T * first, first * (first / np.where(slow, 1.0, second)))
        moved = np.where(first > 0, EARLY * lasting, (EARLY * T) ** 2 * second)
        found.append(np.where((moved > 0) & np.isfinite(moved), moved, 1.0))  # 1: what does not move has any size
    return found


def _along(f: Function, s: float, y: Array, F: Array) -> Array:
    """(f(y + p F) - F)/p, as large as F/p where f has no finite value there."""
    try:
        JF = (np.asarray(f(s, y + PROBE * F)) - F) / PROBE
    except Exception:  # a point that the solver need not meet
        JF = np.full_like(F, np.nan)
    return np.where(np.isfinite(JF), JF, F / PROBE)


def _largest(u: Array) -> Array:
    return np.abs(u).max(axis=-1, keepdims=True)
