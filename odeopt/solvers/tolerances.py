"""rtol and atol for each number in the state, such that each single member meets the requested error.

The default atol is rtol/100 times the size of each variable in each member.  A run with c theta0 in place of theta0, or
with k L in place of L, takes the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from odeopt.core.state import State, pack, unpack
from odeopt.solvers.initial_value import Function, InitialValue
from odeopt.util.check import Array

ATOL = 0.01  # default atol/rtol for a variable of size 1
LSODA_MEMORY = 1e-6  # LSODA's atol for memory over its atol for theta
LEAST_RTOL = 1e-13  # SciPy's solvers do not reach smaller values
EARLY = 0.01  # fraction of the run; a variable's movement within it is the size of one that starts at rest
PROBE = 1e-5  # fraction of the run; step of a finite difference along the slope


def tolerances(
    equation: InitialValue, f: Function, rtol: float, atol: float | None, method: str, own_steps: bool
) -> tuple[float, Array]:
    """rtol, and atol for each number in the flat state.

    LSODA bounds the largest error.  SciPy's other solvers bound the mean square over all members, which may come from
    one member alone, so their bounds are divided by sqrt(members) unless each member has its own steps.  LSODA steps
    over a memory below atol, though its root sets the speed of theta: memory has a smaller atol there.
    """
    memory = LSODA_MEMORY if method == "LSODA" else 1.0
    share = 1.0 if own_steps or method == "LSODA" else equation.number**-0.5
    bounds = sizes(equation, f) if atol is None else [np.ones(1)] * len(equation.y)
    unit = (ATOL * rtol if atol is None else atol) * share
    each = [np.broadcast_to(unit * bound, u.shape) for u, bound in zip(equation.y, bounds, strict=True)]
    return max(rtol * share, LEAST_RTOL), pack((each[0], *(memory * u for u in each[1:])))


def sizes(equation: InitialValue, f: Function) -> list[Array]:
    """The size of each variable in each member, (..., 1).

    The size is the largest coordinate at the start.  For a memory, and for a theta that starts at 0, it is the early
    movement if that is larger.
    """
    at_start = [_largest(u) for u in equation.y]
    if len(at_start) == 1 and at_start[0].all():
        return at_start
    theta, *memory = [_known(np.maximum(*both)) for both in zip(at_start, _moved(equation, f), strict=True)]
    return [np.where(at_start[0] > 0, at_start[0], theta), *memory]


def _moved(equation: InitialValue, f: Function) -> list[Array]:
    """|F| EARLY T for y' = F, or less if the variable decays faster; where F is 0, the movement by its change."""
    s, power, y = equation.begin, equation.clock.power, equation.y
    stretch = 1.0 if power == 1 else 1 / (power * s ** (power - 1))  # from ds to a uniform clock
    T, g = 1 - s, lambda at: unpack(stretch * np.asarray(f(s, pack(at))), y)
    F = g(y)
    moved = []
    for i, slope in enumerate(F):
        first = _largest(slope)
        own = _largest(_difference(g, y, F, [i])[i])
        fast = own * EARLY * T > first
        moved.append(np.where(fast, first * (first / np.where(fast, own, 1.0)), first * EARLY * T))
    if all(u.all() for u in moved):
        return moved
    second = [_largest(u) for u in _difference(g, y, F, range(len(y)))]
    return [np.where(u > 0, u, change * (EARLY**2 * T) ** 2) for u, change in zip(moved, second, strict=True)]


def _difference(g: Callable[[State], State], y: State, F: State, moving: Iterable[int]) -> State:
    """(g(y + p F) - g(y))/p with only the variables `moving` displaced; F/p where g is not finite there."""
    ahead = tuple(u + PROBE * v if i in moving else u for i, (u, v) in enumerate(zip(y, F, strict=True)))
    try:
        found = g(ahead)
    except Exception:  # the solver need not come to this point
        found = tuple(np.full_like(u, np.nan) for u in y)
    return tuple(np.where(np.isfinite(u), (u - v) / PROBE, v / PROBE) for u, v in zip(found, F, strict=True))


def _known(size: Array) -> Array:
    """The size, or 1 where it is 0 or not finite: for a variable at rest any size will do."""
    return np.where((size > 0) & np.isfinite(size), size, 1.0)


def _largest(u: Array) -> Array:
    return np.abs(u).max(axis=-1, keepdims=True)
