"""A right-hand side whose program leaves some points to the flow: it is compared with the flow where it comes back."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.compiler.verify import OTHER, agree
from odeopt.solvers.initial_value import Function, InitialValue
from odeopt.util.check import Array


class Left:
    """The flow itself, made when it is first needed; `count` says how often it was."""

    def __init__(self, equation: InitialValue) -> None:
        self._equation, self.count = equation, 0
        self._slope: Function | None = None

    def __call__(self, s: float, vector: Array) -> Any:
        self._slope = self._slope or self._equation.slope()
        self.count += 1
        return self._slope(s, vector)


class Guarded:
    """f of a program, compared with `aside`, the flow in evaluations that are not counted, after each call of `left`.

    width: the numbers of a member;   refused: why the flow itself is called from now on, or ""
    """

    def __init__(self, f: Function, left: Left, aside: Function, width: int) -> None:
        self._f, self._left, self._aside, self._width = f, left, aside, width
        self._doubted, self.refused = False, ""

    def __call__(self, s: float, vector: Array) -> Any:
        if self.refused:
            return self._left(s, vector)
        met = self._left.count
        found = self._f(s, vector)
        if self._left.count == met and self._doubted:
            expected = self._aside(s, vector)
            if not agree(*(np.reshape(k, (-1, self._width)).T for k in (found, expected))):
                self.refused = f"numpy ({OTHER} the flow itself)"
                return expected
        self._doubted = self._left.count > met
        return found
