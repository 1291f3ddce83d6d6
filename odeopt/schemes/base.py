"""The interface of a scheme: `bind(flow, grad)` makes all choices once and returns the step function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from odeopt.core.flow import Flow, Project
from odeopt.core.formula import reads
from odeopt.core.state import Grad, State

Memory = tuple[State, ...]

Step = Callable[..., tuple[State, State, Memory]]
"""step(t, y, memory, h) -> (y + increment, increment, memory); memory is a tuple of states, () in the first step.

Along a flow with noise the step is step(t, y, memory, h, xi).  xi holds the standard normals of this step;
`normals(flow)` of the scheme is their number, and the i-th normal drives the i-th fraction of the step.

The step returns the increment because differences of states lose digits.  It returns the state as well because the
gradient cache recognises a point by object identity.
"""


@runtime_checkable
class Scheme(Protocol):
    """A discretisation: frozen data with a name, an order, and `bind`, which ties it to a flow."""

    @property
    def name(self) -> str:
        """The printed name."""

    @property
    def order(self) -> int:
        """The order on smooth flows; a splitting states the order that its author claims."""

    def bind(self, flow: Flow, grad: Grad) -> Step:
        """The step function of this scheme along a flow; ValueError with the reason if the scheme does not apply."""


@runtime_checkable
class StochasticScheme(Scheme, Protocol):
    """A scheme that can follow a flow with noise."""

    def normals(self, flow: Flow) -> int:
        """The number of independent normals per step, each with the shape of the noise."""


class StepFailure(ArithmeticError):
    """Raised if a step fails, e.g. if an implicit equation has no solution; it ends a run with a status."""


def refuse_projections(scheme: str, flow: Flow) -> None:
    """Raises for a flow with projections or noise, which a scheme that reads only the right-hand side cannot follow."""
    refuse_noise(scheme, flow)
    refuse_projected(scheme, flow)


def refuse_projected(scheme: str, flow: Flow) -> None:
    """Raises for a flow with projections, which the right-hand side does not contain."""
    refuse_without_flow(scheme, flow)
    for name, _ in _projections(flow):
        raise ValueError(f"{scheme} needs y' = f(y), but part {name!r} of {flow.name} is a projection: use Splitting")


def refuse_noise(caller: str, flow: Flow) -> None:
    """Raises for a flow with noise."""
    if flow.noisy:
        raise ValueError(
            f"{caller} needs a flow without noise, {flow.name} has noise in {', '.join(flow.noisy)}: "
            "use a stochastic scheme, or flow.quiet()"
        )


def refuse_without_flow(caller: str, flow: Flow) -> None:
    """Raises if theta itself is projected in each step: there is then no differential equation for theta."""
    if any(part.slot == flow.variables[0] for _, part in _projections(flow)):
        raise ValueError(f"{caller} needs a flow theta' = ..., but {flow.name} follows no flow: it projects theta")


def projections_that_are_read(flow: Flow) -> list[str]:
    """The projections that influence other variables; a path average influences none and is not included."""
    found = []
    for name, part in _projections(flow):
        others = [formula for other in flow.terms() if other is not part for formula in other.formulas()]
        if any(part.slot in reads(formula) for formula in (*others, *flow.filters)):
            found.append(name)
    return found


def _projections(flow: Flow) -> list[tuple[str, Project]]:
    return [(name, part) for name, group in flow.parts.items() for part in group if isinstance(part, Project)]
