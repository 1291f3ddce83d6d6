"""The program of an optimizer's step on a problem: the scalar operations of every step.

The step is traced once.  Its parameters and its h are inputs of the program; the numbers of the gradient are constants
in it.  Operations whose values do not change from step to step run once, before the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from odeopt.compiler.ir import Graph, Input, Node, Untraceable, needed
from odeopt.compiler.trace import TracedGradient, as_traced, called, on_nodes, scalar, traced
from odeopt.core.operations import NUMPY
from odeopt.core.state import State, column
from odeopt.optimizers.base import Optimizer
from odeopt.util.check import Array

Function = Callable[[Any], Any]
Seen = Callable[[Any, State], Sequence[Any]]  # (t, y) -> numbers of a state


class Noise(NamedTuple):
    """The standard normals that a step reads: `rows` rows of `width`.

    root: (theta, xi) -> Sigma^(1/2)(theta) xi, for a flow that reads the noise of the gradient
    grad: (theta, xi) -> the noisy gradient, for a gradient with noise
    """

    rows: int
    width: int
    root: Callable[[Any, Any], Any] | None = None
    grad: Callable[[Any, Any], Any] | None = None


QUIET = Noise(0, 0)


@dataclass(frozen=True, eq=False)
class Program:
    """state -> outputs, if none of the guards is true.

    count:   the number of gradients in a step
    first:   whether the first gradient is at theta
    carried: whether the state ends with the gradient at theta, which the previous step computed
    loss:    the loss of the state
    xi:      the normals that a step reads, row after row
    seen:    other functions of the state that are recorded
    """

    state: tuple[tuple[Node, ...], ...]
    outputs: tuple[tuple[Any, ...], ...]
    guards: tuple[Node, ...]
    h: Node
    count: int
    first: bool
    carried: bool
    loss: Any
    xi: tuple[Node, ...] = ()
    seen: tuple[Any, ...] = ()

    @cached_property
    def results(self) -> list[Any]:
        """All that a step computes: the new state and the guards."""
        return [*(node for nodes in self.outputs for node in nodes), *self.guards]

    @cached_property
    def body(self) -> list[Node]:
        """The operations of a step, in order."""
        return varying(self.results)

    @cached_property
    def constants(self) -> list[Node]:
        """The nodes that a step reads and no step changes."""
        read = [a for node in self.body for a in node.args if isinstance(a, Node)]
        read += [node for node in self.results if isinstance(node, Node)]
        read += [self.h] if self.reads_time else []
        return list(dict.fromkeys(node for node in read if not node.varies))

    @cached_property
    def preparation(self) -> list[Node]:
        """The operations that compute the constants, in order."""
        return needed(self.constants)

    @cached_property
    def calls(self) -> bool:
        """Whether a step calls a gradient that is not traced."""
        return any(node.op == "call" for node in self.body)

    @cached_property
    def reads_time(self) -> bool:
        """Whether a step reads the time."""
        inside = [a for node in self.body for a in node.args if isinstance(a, Node)]
        return any(a.op == "input" and a.source.kind == "time" for a in inside)

    def advance(self, opt: Optimizer, t: Any, y: State, xi: Sequence[Array] = ()) -> tuple[State, bool]:
        """The state after a step from y, by NumPy, and whether a guard was met; xi are rows (..., width)."""
        known = dict(zip((n.index for n in self.constants), map(column, self.values(opt)), strict=True))
        inputs = [*chain(*self.state), *self.xi]
        known |= dict(zip((n.index for n in inputs), columns((*y, *xi)), strict=True))
        value = evaluated(self.body, known, t)
        new = [
            np.concatenate([np.broadcast_to(value(n), (*y[0].shape[:-1], 1)) for n in nodes], -1)
            for nodes in self.outputs
        ]
        return tuple(new), any(bool(np.any(value(guard))) for guard in self.guards)

    def look(self, t: Any, y: State) -> list[Any]:
        """The values of `seen` for a state: numbers, or (..., 1)."""
        known = dict(zip((node.index for node in chain(*self.state)), columns(y), strict=False))
        value = evaluated(varying(self.seen), known, t)
        return [value(node) for node in self.seen]

    def values(self, opt: Optimizer) -> list[Any]:
        """The constants for these parameters: numbers, or one per member."""
        known: dict[Input, Any] = {Input("parameter", name): value for name, value in opt.flow.params.items()}
        known[Input("step")] = opt.h
        values: dict[int, Any] = {}
        with np.errstate(all="ignore"):
            for node in self.preparation:
                inside = [values[a.index] if isinstance(a, Node) else a for a in node.args]
                values[node.index] = known[node.source] if node.op == "input" else NUMPY[node.op](*inside)
        return [values[node.index] for node in self.constants]


def columns(y: Sequence[Array]) -> State:
    """The entries of a state, (..., 1) each."""
    return tuple(u[..., i : i + 1] for u in y for i in range(u.shape[-1]))


def varying(results: Iterable[Any]) -> list[Node]:
    """The operations on which these results depend in every step, in order."""
    return [node for node in needed(results) if node.varies and node.op != "input"]


def evaluated(
    nodes: Iterable[Node], known: dict[int, Any], t: Any, functions: Mapping[str, Function] = NUMPY
) -> Callable[[Any], Any]:
    """The value of each node, from the known ones; an input that is not known is the time."""
    value = lambda a: known.get(a.index, t) if isinstance(a, Node) else a
    with np.errstate(all="ignore"):
        for node in nodes:
            known[node.index] = functions[node.op](*map(value, node.args))
    return value


def program(
    opt: Optimizer,
    grad: Function | None,
    loss: Function | None,
    sizes: Sequence[int],
    noise: Noise = QUIET,
    seen: Seen | None = None,
) -> Program:
    """The program of a step on states of these sizes; raises Untraceable if there is none.

    If grad is None, the program calls the gradient.  If a step ends with the gradient with which the next one begins,
    this gradient is part of the state.
    """
    plain, ends_there = _traced(opt, grad, loss, sizes, noise, seen, carried=False)
    if not ends_there or noise.grad:  # the next step draws other noise
        return plain
    return _traced(opt, grad, loss, sizes, noise, seen, carried=True)[0]


def _traced(
    opt: Optimizer,
    function: Function | None,
    loss: Function | None,
    sizes: Sequence[int],
    noise: Noise,
    seen: Seen | None,
    carried: bool,
) -> tuple[Program, bool]:
    graph = Graph()
    params = {name: scalar(graph.input("parameter", name, varies=False)) for name in opt.flow.params}
    y = tuple(traced(graph, "state", slot, size) for slot, size in enumerate(sizes))
    g = traced(graph, "state", len(sizes), sizes[0])
    xi = [traced(graph, "normal", row, noise.width) for row in range(noise.rows)]
    if noise.grad is not None:
        function = lambda theta: noise.grad(theta, xi[0])
    grad = TracedGradient(on_nodes(function or called(graph)), noise.root)
    if carried:
        grad.learn(y[0], g)
    step = opt.scheme.bind(replace(opt.flow, params=MappingProxyType(params)), grad)
    h, t = graph.input("step", varies=False), scalar(graph.input("time", varies=True))
    new, _, memory = step(t, y, (), scalar(h), xi) if opt.flow.noisy else step(t, y, (), scalar(h))
    if memory:
        raise Untraceable(f"{opt.scheme.name} remembers earlier steps")
    if [np.shape(u) for u in new] != [u.shape for u in y]:
        raise Untraceable(f"its state has shapes {[np.shape(u) for u in new]}, not {[u.shape for u in y]}")
    begins_there = grad.first is y[0]
    ends_there = grad.count > 1 and grad.point is new[0] and begins_there
    state, outputs = ((*y, g), (*new, grad.value)) if carried else (y, new)
    guards = tuple(graph.guards)
    value = None if loss is None else _number(graph, loss, y[0])
    numbers = tuple(as_traced(number).item() for number in seen(t, y)) if seen else ()
    if len(graph.guards) > len(guards):
        raise Untraceable("a recorded function branches on a value")
    return Program(
        _rows(state), _rows(outputs), guards, h, grad.count, begins_there, carried, value,
        tuple(node for row in xi for node in row.entries), numbers,
    ), ends_there  # fmt: skip


def _number(graph: Graph, loss: Function, theta: Any) -> Any:
    """The loss, or None if it cannot be traced or branches; it is then evaluated on the recorded states."""
    met = len(graph.guards)
    try:
        value = as_traced(loss(theta.copy())).item()
    except Exception:  # whatever a user's function raises on symbols
        value = None
    if len(graph.guards) == met:
        return value
    del graph.guards[met:]
    return None


def _rows(arrays: Sequence[Any]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(as_traced(u).entries) for u in arrays)
