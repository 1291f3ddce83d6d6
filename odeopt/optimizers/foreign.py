"""A step that is not made from a flow: a user's function, or the optimizer of a library."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from odeopt.core.flow import Flow, flow, project
from odeopt.core.letters import symbol
from odeopt.core.state import Grad, State, plus
from odeopt.core.symbols import Symbol, Symbolic
from odeopt.schemes.base import Memory, Step
from odeopt.util import check
from odeopt.util.check import Array

OFFERED = ("grad", "h")  # what a step may read beside the state


@dataclass(frozen=True, eq=False)
class ForeignStep:
    """A step y -> step(y, ...) as a scheme.

    reads: which of `grad` and `h` the step takes as arguments beside the state
    first: the initial memory; a number stands for an array of the shape of theta
    h:     the time per step
    """

    step: Callable[..., State]
    reads: tuple[str, ...]
    first: Mapping[str, Any]
    h: float
    name: str

    def __repr__(self) -> str:
        return f"step {self.name!r}"

    @property
    def order(self) -> int:
        """1: nothing else is known of it."""
        return 1

    def bind(self, flow: Flow, grad: Grad) -> Step:
        """The step itself.  The flow has no part in it."""

        def step(t: Any, y: State, memory: Memory, h: Any) -> tuple[State, State, Memory]:
            increment = self.increment(y, grad, h)
            return plus(y, increment), increment, memory

        return step

    def increment(self, y: State, grad: Grad, h: Any) -> State:
        """Phi(y) - y."""
        if "h" not in self.reads:
            if isinstance(h, Symbolic):
                raise TypeError("the step must read h, as in step(y, grad, h)")
            if np.any(h != self.h):
                raise ValueError(f"h must be {self.h:g}, as step {self.name!r} does not read it, got {h!r}")
        offered = {"grad": grad, "h": h}
        new = tuple(_array(u) for u in self.step(y, **{name: offered[name] for name in self.reads}))
        if [u.shape for u in new] != [u.shape for u in y]:
            raise ValueError(f"step must keep the shapes {[u.shape for u in y]}, got {[u.shape for u in new]}")
        return tuple(v - u for u, v in zip(y, new, strict=True))

    def start(self, theta0: Array, **memory: Any) -> State:
        """The state with parameters theta0 and the initial memory, or the memory given by name."""
        for key in memory:
            check.choice("state variable", key, self.first)
        *members, d = theta0.shape
        given = {key: np.asarray(memory.get(key, value), dtype=float) for key, value in self.first.items()}
        shapes = {key: (*members, value.shape[-1] if value.ndim else d) for key, value in given.items()}
        return np.array(theta0), *(np.broadcast_to(value, shapes[key]).copy() for key, value in given.items())

    def written(self) -> Flow:
        """A flow for printing: every variable becomes a function of the state."""
        state = [symbol(name) for name in ("theta", *self.first)]
        parts = tuple(project(u.text, partial(_after, u, state)) for u in state)
        return flow(" ".join(u.text for u in state), step=parts, name=self.name)


def _after(u: Symbol, state: list[Symbol]) -> Symbol:
    """A variable after the step, in print."""
    return symbol("step" if u is state[0] else f"step_{u.text}")(*state)


def arguments_of(step: Callable[..., Any]) -> tuple[str, ...]:
    """Which of `grad` and `h` a step reads beside the state, its first argument."""
    try:
        parameters = list(inspect.signature(step).parameters.values())
    except ValueError:  # a builtin that does not say
        return ()
    named = [
        p.name for p in parameters[1:] if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    for name in named:
        check.choice("argument of step", name, OFFERED)
    return tuple(named)


def _array(value: Any) -> Any:
    """A symbol, or an array that records its operations, as it is; anything else in double precision."""
    if isinstance(value, Symbolic | NDArrayOperatorsMixin):
        return value
    array = np.asarray(value)
    return array if array.dtype.kind == "c" else array.astype(float)
