"""The gradient as schemes see it: counted, checked, and evaluated once per point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.check import Array


class EvaluationError(RuntimeError):
    """A user's function raised after the first evaluation: the run ends with a status, not with its exception."""


class Gradient:
    """grad(theta), remembered for the last theta (by identity: states are never changed in place).

    `count` is the number of evaluations of the problem's gradient.  An exception in the first evaluation is the
    caller's mistake and propagates; a later one becomes an EvaluationError, so that a long run is not lost.
    """

    def __init__(self, function: Callable[[Array], Any]) -> None:
        self._function = function
        self._point: Array | None = None
        self._value: Array = np.empty(0)
        self.count = 0

    def __call__(self, theta: Array) -> Array:
        if theta is not self._point:
            self._value = self._evaluate(theta)
            self._point = theta
        return self._value

    @property
    def finite(self) -> bool:
        """Whether the last value was."""
        return bool(np.isfinite(self._value).all())

    def _evaluate(self, theta: Array) -> Array:
        theta.flags.writeable = False  # a gradient that changes its input is told so by NumPy
        try:
            value = self._own(self._function(theta), theta.shape)
        except Exception as error:
            if self.count == 0:
                error.add_note(f"raised by grad(theta) at theta = {theta!r}; theta is read-only")
                raise
            raise EvaluationError(f"grad raised {type(error).__name__}: {error}") from error
        self.count += 1
        value.flags.writeable = False  # it is remembered: a formula must not write to it
        return value

    def _own(self, value: Any, shape: tuple[int, ...]) -> Array:
        """The value as a float64 array of our own."""
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError(f"grad must return real numbers, got {array.dtype}")
        if array.shape != shape:
            raise ValueError(f"grad must return the shape of theta, {shape}, got {array.shape}")
        return array.astype(np.float64)  # a copy: the function may own this array and overwrite it
