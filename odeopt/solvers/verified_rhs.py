"""A generated right-hand side that hands some points over to the flow itself, and is verified after each of them.

A traced program holds for one branch of the formulas.  Where a guard of the program is true, the flow itself is
evaluated.  The first evaluation of the program after that is compared with the flow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.compiler.verify import OTHER, agree
from odeopt.solvers.initial_value import Function, InitialValue
from odeopt.util.check import Array


class Fallback:
    """The right-hand side of the flow itself, built at the first call; `count` is the number of calls."""

    def __init__(self, equation: InitialValue) -> None:
        self._equation, self.count = equation, 0
        self._slope: Function | None = None

    def __call__(self, s: float, vector: Array) -> Any:
        self._slope = self._slope or self._equation.slope()
        self.count += 1
        return self._slope(s, vector)


class VerifiedRhs:
    """f of a program; each time it returns from `fallback`, its next value is compared with `reference`.

    fallback:  the flow itself, which f calls where a guard is true
    reference: the flow itself, in evaluations that are not counted
    width:     numbers in the state of one member
    refused:   why every further call goes to the flow itself, or "" as long as the program agrees with it
    """

    def __init__(self, f: Function, fallback: Fallback, reference: Function, width: int) -> None:
        self._f, self._fallback, self._reference, self._width = f, fallback, reference, width
        self._unverified, self.refused = False, ""

    def __call__(self, s: float, vector: Array) -> Any:
        if self.refused:
            return self._fallback(s, vector)
        before = self._fallback.count
        found = self._f(s, vector)
        if self._fallback.count == before and self._unverified:
            expected = self._reference(s, vector)
            if not agree(*(np.reshape(k, (-1, self._width)).T for k in (found, expected))):
                self.refused = f"numpy ({OTHER} the flow itself)"
                return expected
        self._unverified = self._fallback.count > before
        return found
