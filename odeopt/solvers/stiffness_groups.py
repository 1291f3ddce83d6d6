"""Members in groups of like stiffness: all that one solver takes together go at the pace of the fastest."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.core.state import pack
from odeopt.solvers.initial_value import Functions, InitialValue, from_diagonals

LEAST = 250  # members of a group, on average: fewer would cost hardly less


def of_like_stiffness(equation: InitialValue, functions: Functions) -> list[Any]:
    """Indices of the members whose rates, the norms of their Jacobians at the start, lie in one part of a log scale:
    a decade, or more where there are few members.  One group where f of some members alone is not known."""
    M, n = equation.number, sum(equation.sizes)
    everyone, most = [np.arange(M)], M // LEAST
    if functions.part is None or functions.jacobian is None or most < 2:
        return everyone
    # not counted: an evaluation beside hundreds; what is infinite is 0 in it
    J = from_diagonals(functions.jacobian(equation.begin, pack(equation.y)), M, n)
    decades = np.log10(np.maximum(np.abs(J).sum(axis=-1).max(axis=-1), 1.0))  # what is slower than the run, is slow
    span = float(np.ptp(decades))
    number = min(most, round(span))
    if number < 2:
        return everyone
    which = np.minimum((decades - decades.min()) * number / span, number - 1).astype(int)
    return [members for group in range(number) if (members := np.flatnonzero(which == group)).size]
