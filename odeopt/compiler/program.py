"""The program of a step as data: scalar operations from a state to the next, and what varies from step to step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from odeopt.compiler.ir import Input, Node, needed
from odeopt.core.operations import NUMPY
from odeopt.core.state import State, column
from odeopt.optimizers.base import Optimizer
from odeopt.util.check import Array

Function = Callable[[Any], Any]


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
