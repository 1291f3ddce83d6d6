"""Groups of members of like stiffness: members in one solver all take the steps of the fastest one."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.core.state import pack
from odeopt.solvers.initial_value import Functions, InitialValue, from_diagonals

LEAST = 250  # least mean size of a group: smaller groups save hardly anything


def of_like_stiffness(equation: InitialValue, functions: Functions) -> list[Any]:
    """Indices of the members of each group.

    The rate of a member is the norm of its Jacobian at the start.  A group holds the rates in one interval of a
    logarithmic scale, a decade long, or longer if there are few members.  There is a single group if the functions
    cannot be evaluated for some members alone.
    """
    M, n = equation.number, sum(equation.sizes)
    everyone, most = [np.arange(M)], M // LEAST
    if functions.part is None or functions.jacobian is None or most < 2:
        return everyone
    # one evaluation among hundreds, not counted; infinite entries are 0 in it
    J = from_diagonals(functions.jacobian(equation.begin, pack(equation.y)), M, n)
    decades = np.log10(np.maximum(np.abs(J).sum(axis=-1).max(axis=-1), 1.0))  # rates below 1 per run count as 1
    span = float(np.ptp(decades))
    number = min(most, round(span))
    if number < 2:
        return everyone
    which = np.minimum((decades - decades.min()) * number / span, number - 1).astype(int)
    return [members for group in range(number) if (members := np.flatnonzero(which == group)).size]
