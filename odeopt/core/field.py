"""A vector field y' = f(t, y) on states: all that a solver needs to know of a flow."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from odeopt.core.state import Grad, Rhs, State
from odeopt.util.check import Array


@runtime_checkable
class Field(Protocol):
    """A vector field on states that `solve` can integrate: a `Flow`, or the modified flow of a step."""

    @property
    def name(self) -> str:
        """The printed name."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables, theta first."""

    @property
    def members(self) -> tuple[int, ...]:
        """The shape of the ensemble that the parameters span."""

    def start(self, theta0: Array, **memory: Array) -> State:
        """The state with parameters theta0 and the given memory; memory not given is zero."""

    def rhs(self, grad: Grad) -> Rhs:
        """f(t, y), the right-hand side for this gradient."""
