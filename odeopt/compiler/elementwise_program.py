"""The program of one coordinate, for optimizers that update all coordinates by the same formula.

Such an optimizer acts on each coordinate alone and reads the gradient at theta only: Adam does, LAMB does not.  Values
that the coordinates share, such as a decay rate, are computed once a step, in numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

from odeopt.compiler.formula_keys import formula_key
from odeopt.compiler.ir import Graph, Input, Node, Untraceable, needed
from odeopt.compiler.passes.hoist_factors import folded
from odeopt.compiler.passes.sign_analysis import positive_divisors
from odeopt.compiler.program import Program
from odeopt.compiler.trace import TracedGradient, as_traced, scalar, traced
from odeopt.core.operations import RAISED, REAL
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import rescheduled
from odeopt.optimizers.schedules import Rate

SIZES = 3, 5  # numbers of coordinates; the step is traced with both, and must have one formula


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The step of one coordinate: `program` updates theta, its gradient and the memory without clocks, in this order.

    clocks:   the new value of each clock, by name
    guards:   conditions that must be false for the program to hold
    positive: constants that must be above 0, so that finite numbers stay finite
    """

    program: Program
    clocks: Mapping[str, Any]
    guards: tuple[Any, ...]
    positive: tuple[Any, ...]

    @cached_property
    def _shared(self) -> list[Node]:
        """The operations that a step performs once for all coordinates, in order."""
        return needed([*self.program.constants, *self.clocks.values(), *self.guards, *self.positive])

    def numbers(self, known: Mapping[Input, float]) -> tuple[list[float], dict[str, float]]:
        """The program's constants and the new clocks, from the time, h, the rate, the parameters and the clocks.

        Raises Untraceable where the program does not hold, or might divide by 0.
        """
        values: dict[int, Any] = {}
        value = lambda a: values[a.index] if isinstance(a, Node) else a
        try:
            for node in self._shared:
                inputs = node.op == "input"
                values[node.index] = known[node.source] if inputs else REAL[node.op](*map(value, node.args))
        except RAISED as error:
            raise Untraceable(f"its constants cannot be computed: {error}") from error
        if any(map(value, self.guards)) or not all(value(a) > 0 for a in self.positive):
            raise Untraceable("it might divide by 0")
        constants = [float(value(node)) for node in self.program.constants]
        return constants, {name: float(value(node)) for name, node in self.clocks.items()}


def coordinates(opt: Optimizer) -> Coordinates:
    """The program of one coordinate; raises Untraceable, with the reason, if there is none.

    The learning rate is `rate` times the optimizer's own, which includes its schedule.
    """
    read = formula_key(opt.flow)
    if read is None:
        raise Untraceable("its formulas read an object that may change unseen")
    return _coordinates(opt, read)


@lru_cache(maxsize=64)
def _coordinates(opt: Optimizer, read: Any) -> Coordinates:
    """The program of formulas that read these values: `read` is the key of the cache."""
    forms: dict[Any, int] = {}
    few, more = (_Step(opt, size, forms) for size in SIZES)
    if few.form != more.form:
        raise Untraceable("its step depends on the number of coordinates")
    made, known = few.program(), {Input("parameter", name): value for name, value in opt.flow.params.items()}
    positive = positive_divisors(made, {**known, Input("step"): opt.h})
    return Coordinates(folded(made, positive), MappingProxyType(few.clocks), few.guards, positive)


class _Step:
    """A step traced on `size` coordinates; raises Untraceable if they do not all have the same formula.

    form: a key that is equal for steps on other numbers of coordinates only if the formulas are the same
    """

    def __init__(self, opt: Optimizer, size: int, forms: dict[Any, int]) -> None:
        flow, graph = opt.flow, Graph()
        params = {name: scalar(graph.input("parameter", name, varies=False)) for name in flow.params}
        t, h, rate = (scalar(graph.input(kind, varies=False)) for kind in ("time", "step", "rate"))
        y = tuple(
            traced(graph, "clock", name, 1, varies=False) if name in flow.clocks else traced(graph, "state", slot, size)
            for slot, name in enumerate(flow.variables)
        )
        self.h, g = h.item(), traced(graph, "gradient", 0, size)
        moved = rescheduled(opt, lambda own: Rate("lr", lambda k: rate))
        grad = TracedGradient(_nowhere_else)
        grad.learn(y[0], g)
        step = moved.scheme.bind(replace(moved.flow, params=MappingProxyType(params)), grad)
        try:
            new, _, memory = step(t, y, (), h)
        except Untraceable:
            raise
        except Exception as error:  # whatever a formula raises on symbols
            raise Untraceable(f"on {size} coordinates it raises {error!r}") from error
        if memory:
            raise Untraceable(f"{opt.scheme.name} remembers earlier steps")
        if [u.shape for u in new] != [u.shape for u in y]:
            raise Untraceable("its coordinates do not stand alone")
        ends = [as_traced(u).entries for u in new]
        self.clocks = {name: u[0] for name, u in zip(flow.variables, ends, strict=True) if name in flow.clocks}
        self.guards = tuple(graph.guards)
        kept = [i for i, name in enumerate(flow.variables) if name not in flow.clocks]
        self._before, self._after, self._g = [y[i].entries[0] for i in kept], [ends[i][0] for i in kept], g.entries[0]
        if any(_read(node) for node in (*self.clocks.values(), *self.guards)):
            raise Untraceable("its clocks or limits read the coordinates")
        if any(source.index != i for u in (ends[j] for j in kept) for i in range(size) for source in _read(u[i])):
            raise Untraceable("its coordinates read each other")
        first, *others = ([_form(ends[j][i], forms) for j in kept] for i in range(size))
        if any(other != first for other in others):
            raise Untraceable("its coordinates move by different formulas")
        self.form = [*first, *(_form(node, forms) for node in (*self.clocks.values(), *self.guards))]

    def program(self) -> Program:
        """The program of the first coordinate."""
        (theta, *memory), (end, *ends), g = self._before, self._after, (self._g,)
        state, outputs = ((theta,), g, *((u,) for u in memory)), ((end,), g, *((u,) for u in ends))
        return Program(state=state, outputs=outputs, guards=(), h=self.h, count=1, first=True, carried=False, loss=None)


def _nowhere_else(theta: Any) -> Any:
    raise Untraceable("it reads the gradient elsewhere than at theta")


def _read(value: Any) -> Iterable[Input]:
    """The entries of theta, gradient and memory on which a node depends."""
    return [node.source for node in needed([value]) if node.op == "input" and node.varies]


def _form(value: Any, forms: dict[Any, int]) -> int:
    """The number of a formula in `forms`; the same formula of another coordinate has the same number."""
    numbers: dict[int, int] = {}
    form = lambda a: numbers[a.index] if isinstance(a, Node) else forms.setdefault(("number", repr(a)), len(forms))
    for node in needed([value]):
        args = (node.source.kind, node.source.slot) if node.op == "input" else tuple(map(form, node.args))
        numbers[node.index] = forms.setdefault((node.op, args), len(forms))
    return form(value)
