"""What a scheme is: `bind(flow, grad)` makes every choice once and returns the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from odeopt.flow import Flow, Project
from odeopt.state import Grad, State

Memory = tuple[State, ...]

Step = Callable[[Any, State, Memory, Any], tuple[State, State, Memory]]
"""step(t, y, memory, h) -> (y + increment, increment, memory); memory is a tuple of states, () in the first step.

The increment comes with the state because differences of states lose digits, and the state with the increment
because a gradient at a point that is *the same object* is evaluated once.
"""


@runtime_checkable
class Scheme(Protocol):
    """A discretisation: frozen data with a name, an order, and a way to bind to a flow."""

    @property
    def name(self) -> str:
        """As it is printed."""

    @property
    def order(self) -> int:
        """The order on smooth flows; for a splitting, what its author claims."""

    def bind(self, flow: Flow, grad: Grad) -> Step:
        """The step of this scheme along a flow, or a ValueError that says why there is none."""


class StepFailure(ArithmeticError):
    """A step that could not be made, e.g. an implicit equation without solution; ends a run with a status."""


def refuse_projections(scheme: str, flow: Flow) -> None:
    """A scheme that sees only the right-hand side cannot follow a flow with projections."""
    for name, parts in flow.parts.items():
        if any(isinstance(part, Project) for part in parts):
            raise ValueError(
                f"{scheme} needs y' = f(y), but part {name!r} of {flow.name} is a projection: use Splitting"
            )
