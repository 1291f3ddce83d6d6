"""What a scheme is: `bind(flow, grad)` makes every choice once and returns the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from odeopt.core.flow import Flow, Project
from odeopt.core.formula import reads
from odeopt.core.state import Grad, State

Memory = tuple[State, ...]

Step = Callable[..., tuple[State, State, Memory]]
"""step(t, y, memory, h) -> (y + increment, increment, memory); memory is a tuple of states, () in the first step.

Along a flow with noise step(t, y, memory, h, xi): xi are the standard normals of this step, as many as the scheme's
`normals(flow)`, the i-th of which belongs to the i-th fraction of the step's time.

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


@runtime_checkable
class StochasticScheme(Scheme, Protocol):
    """A scheme that can follow a flow with noise."""

    def normals(self, flow: Flow) -> int:
        """How many independent normals, each of the noise's shape, a step needs."""


class StepFailure(ArithmeticError):
    """A step that could not be made, e.g. an implicit equation without solution; ends a run with a status."""


def refuse_projections(scheme: str, flow: Flow) -> None:
    """A scheme that sees only the right-hand side cannot follow a flow with projections or noise."""
    refuse_noise(scheme, flow)
    refuse_projected(scheme, flow)


def refuse_projected(scheme: str, flow: Flow) -> None:
    """A projection adds nothing to the right-hand side."""
    refuse_without_flow(scheme, flow)
    for name, _ in _projections(flow):
        raise ValueError(f"{scheme} needs y' = f(y), but part {name!r} of {flow.name} is a projection: use Splitting")


def refuse_noise(caller: str, flow: Flow) -> None:
    """An ordinary differential equation has no noise."""
    if flow.noisy:
        raise ValueError(
            f"{caller} needs a flow without noise, {flow.name} has noise in {', '.join(flow.noisy)}: "
            "use a stochastic scheme, or flow.quiet()"
        )


def refuse_without_flow(caller: str, flow: Flow) -> None:
    """Where theta itself is projected, step by step, no differential equation is behind it."""
    if any(part.slot == flow.variables[0] for _, part in _projections(flow)):
        raise ValueError(f"{caller} needs a flow theta' = ..., but {flow.name} follows no flow: it projects theta")


def projections_that_are_read(flow: Flow) -> list[str]:
    """The projections that move something else; an average of the path, which does not, is none of them."""
    found = []
    for name, part in _projections(flow):
        others = [formula for other in flow.terms() if other is not part for formula in other.formulas()]
        if any(part.slot in reads(formula) for formula in (*others, *flow.filters)):
            found.append(name)
    return found


def _projections(flow: Flow) -> list[tuple[str, Project]]:
    return [(name, part) for name, group in flow.parts.items() for part in group if isinstance(part, Project)]
