"""One coordinate's program, the same for all coordinates: what they share is computed once a step, in numbers.

Optimizers that act on each coordinate alone, and read the gradient at theta only, have one: gd to Adam, not LAMB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

from odeopt.compiler.codegen.float_loop import OPERATIONS, RAISED
from odeopt.compiler.ir import Graph, Node, Untraceable, needed
from odeopt.compiler.passes.hoist_factors import folded
from odeopt.compiler.passes.sign_analysis import sound
from odeopt.compiler.readings import read_by
from odeopt.compiler.step_program import Program
from odeopt.compiler.trace import TracedGradient, as_traced, scalar, traced
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import rescheduled
from odeopt.optimizers.schedules import Rate

SHARED = ("t", "h", "rate")  # inputs that are one number for all coordinates, beside parameters and clocks


@dataclass(frozen=True, eq=False)
class Coordinates:
    """`program` moves one coordinate: theta, its gradient, and the memory that is no clock, in this order.

    clocks: the new value of each clock, by name
    guards: what must be false for the program to hold;  positive: what must be above 0 for numbers to stay finite
    """

    program: Program
    clocks: Mapping[str, Any]
    guards: tuple[Any, ...]
    positive: tuple[Any, ...]

    @cached_property
    def _shared(self) -> list[Node]:
        """What a step computes once for all coordinates, in order."""
        return needed([*self.program.constants, *self.clocks.values(), *self.guards, *self.positive])

    def numbers(self, known: Mapping[str, float]) -> tuple[list[float], dict[str, float]]:
        """The program's constants and the new clocks, from SHARED, parameters and clocks.

        Raises Untraceable where the program does not hold, or might divide by 0.
        """
        values: dict[int, Any] = {}
        value = lambda a: values[a.index] if isinstance(a, Node) else a
        try:
            for node in self._shared:
                inputs = node.op == "input"
                values[node.index] = known[node.args[0]] if inputs else OPERATIONS[node.op](*map(value, node.args))
        except RAISED as error:
            raise Untraceable(f"its constants are no numbers: {error}") from error
        if any(map(value, self.guards)) or not all(value(a) > 0 for a in self.positive):
            raise Untraceable("it might divide by 0")
        constants = [float(value(node)) for node in self.program.constants]
        return constants, {name: float(value(node)) for name, node in self.clocks.items()}


def coordinates(opt: Optimizer) -> Coordinates:
    """The program of a coordinate; raises Untraceable, with the reason, where there is none.

    The learning rate is `rate` times the optimizer's own, which includes its schedule.
    """
    read = read_by(opt.flow)
    if read is None:
        raise Untraceable("nobody knows what its formulas read")
    return _coordinates(opt, read)


@lru_cache(maxsize=64)
def _coordinates(opt: Optimizer, read: Any) -> Coordinates:
    """As the formulas are while they read this."""
    flow, graph = opt.flow, Graph()
    params = {name: scalar(graph.input(name, False)) for name in flow.params}
    t, h, rate = (scalar(graph.input(name, False)) for name in SHARED)
    clock = [name in flow.clocks for name in flow.variables]
    y = tuple(
        as_traced([graph.input(name, False)]) if shared else traced(graph, f"y{i}", 2)
        for i, (name, shared) in enumerate(zip(flow.variables, clock, strict=True))
    )
    grad = TracedGradient(_nowhere_else, y[0], traced(graph, "g", 2))
    moved = rescheduled(opt, lambda own: Rate("lr", lambda k: rate))
    step = moved.scheme.bind(replace(moved.flow, params=MappingProxyType(params)), grad)
    try:
        new, _, memory = step(t, y, (), h)
    except Untraceable:
        raise
    except Exception as error:  # whatever a formula raises on symbols
        raise Untraceable(f"on two coordinates it raises {error!r}") from error
    if memory:
        raise Untraceable(f"{opt.scheme.name} remembers earlier steps")
    if [u.shape for u in new] != [u.shape for u in y]:
        raise Untraceable("its coordinates do not stand alone")
    state = ((y[0][0],), (grad.value[0],), *(((u[0],)) for u, c in zip(y[1:], clock[1:], strict=True) if not c))
    ends = ((new[0][0],), (grad.value[0],), *(((u[0],)) for u, c in zip(new[1:], clock[1:], strict=True) if not c))
    others = (new[0][1], *(u[1] for u, c in zip(new[1:], clock[1:], strict=True) if not c))
    shared = {n: u[0] for n, u, c in zip(flow.variables, new, clock, strict=True) if c}
    _refuse_mixing([end for (end,) in (ends[0], *ends[2:])], others, (*shared.values(), *graph.guards))
    made = Program(state=state, outputs=ends, guards=(), h=h.item(), count=1, first=True, carried=False, loss=None)
    positive = sound(made, {**flow.params, "h": opt.h})
    return Coordinates(folded(made, positive), MappingProxyType(shared), tuple(graph.guards), positive)


def _nowhere_else(theta: Any) -> Any:
    raise Untraceable("it reads the gradient elsewhere than at theta")


def _refuse_mixing(first: Any, second: Any, shared: Any) -> None:
    """Each coordinate has the same formulas, in its own numbers; what they share reads none of them."""
    if any(_read(node) for node in shared):
        raise Untraceable("its clocks or limits read the coordinates")
    if any(name.endswith("_1") for node in first for name in _read(node)):
        raise Untraceable("its coordinates read each other")
    forms: dict[tuple[Any, ...], int] = {}
    if [_form(node, forms) for node in first] != [_form(node, forms) for node in second]:
        raise Untraceable("its coordinates move by different formulas")


def _read(node: Any) -> list[str]:
    """The inputs of coordinates that a node depends on."""
    return [a.args[0] for a in needed([node]) if a.op == "input" and a.varies]


def _form(value: Any, forms: dict[tuple[Any, ...], int]) -> Any:
    """A number for the formula, the same whichever coordinate it is of."""
    if not isinstance(value, Node):
        return value
    numbers: dict[int, Any] = {}
    for node in needed([value]):
        args = tuple(
            numbers[a.index] if isinstance(a, Node) else str(a).removesuffix("_0").removesuffix("_1") for a in node.args
        )
        numbers[node.index] = forms.setdefault((node.op, args), len(forms))
    return numbers[value.index]
