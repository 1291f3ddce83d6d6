"""The program of an optimizer's step on a problem: the scalar operations of every step.

The step is traced once.  Its parameters and its h are inputs of the program; the numbers of the gradient are constants
in it.  Operations whose values do not change from step to step run once, before the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from odeopt.compiler.ir import Graph, Untraceable
from odeopt.compiler.program import Function, Program
from odeopt.compiler.trace import TracedGradient, as_traced, called, on_nodes, scalar, traced
from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer

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
