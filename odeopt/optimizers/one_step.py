"""y -> Phi(y): the step of an optimizer as a map, the input of backward error analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State, column, plus
from odeopt.optimizers.base import Optimizer
from odeopt.schemes.base import Scheme
from odeopt.util import check
from odeopt.util.check import Array

Increment = Callable[[Any, State], State]


@dataclass(frozen=True, eq=False)
class OneStep:
    """A one-step map; `increment(grad)` is (t, y) -> Phi(y) - y, and `start(theta0, **memory)` the first state."""

    name: str
    h: Any
    variables: tuple[str, ...]
    members: tuple[int, ...]
    increment: Callable[[Grad], Increment]
    start: Callable[..., State]

    def iterates(self, theta0: Any, steps: int, grad: Grad = lambda theta: theta) -> Array:
        """theta_0, ..., theta_n, shape (n+1, ..., d)."""
        return np.array([y[0] for y in self.states(self.start(check.point("theta0", theta0)), steps, grad)])

    def states(self, y: State, steps: int, grad: Grad = lambda theta: theta) -> Iterator[State]:
        """Yields the state y and the next `steps` states."""
        d = self.increment(grad)
        yield y
        for k in range(check.count("steps", steps)):
            y = plus(y, d(k * column(self.h), y))
            yield y


def of_optimizer(opt: Optimizer) -> OneStep:
    """The step of an optimizer.  Memory starts at rest unless given.  Multistep schemes are refused."""
    return of_scheme(opt.flow, opt.scheme, opt.h, opt.name)


def of_scheme(flow: Flow, scheme: Scheme, h: Any, name: str) -> OneStep:
    """The step of a scheme along a flow."""

    def increment(grad: Grad) -> Increment:
        step, width = scheme.bind(flow, grad), column(h)

        def d(t: Any, y: State) -> State:
            _, increment, memory = step(t, y, (), width)
            if memory:
                raise ValueError(f"{scheme.name} is a multistep scheme: its step is not a map of the state alone")
            return increment

        return d

    return OneStep(name, h, flow.variables, np.broadcast_shapes(np.shape(h), flow.members), increment, flow.start)


def from_step(
    step: Callable[[State], State], memory: Mapping[str, Any] | None = None, h: float = 1.0, name: str = "step"
) -> OneStep:
    """A user-defined step `step((theta, *memory)) -> (theta, *memory)`; initial memory is given by name.

    Anything that depends on the step count must be part of the memory.  h is the time per step.  Increments are
    differences of states: if a step is 1e-8 of the state, its increment has about eight correct digits.

    >>> halving = from_step(lambda y: (y[0] / 2,), h=0.1)
    >>> halving.iterates([8.0], steps=3).ravel().tolist()
    [8.0, 4.0, 2.0, 1.0]
    """
    if not callable(step):
        raise TypeError(f"step must be a function of a state, got {step!r}")
    first = {key: check.point(key, value) for key, value in (memory or {}).items()}
    h = check.scalar("h", check.positive("h", h))

    def increment(grad: Grad) -> Increment:
        def d(t: Any, y: State) -> State:
            new = tuple(np.asarray(u, dtype=float) for u in step(y))
            if [u.shape for u in new] != [u.shape for u in y]:
                raise ValueError(f"step must keep the shapes {[u.shape for u in y]}, got {[u.shape for u in new]}")
            return tuple(v - u for u, v in zip(y, new, strict=True))

        return d

    def start(theta0: Array, **memory: Any) -> State:
        for key in memory:
            check.choice("state variable", key, first)
        return (np.array(theta0), *(np.array(memory.get(key, value), dtype=float) for key, value in first.items()))

    return OneStep(name, h, ("theta", *first), (), increment, start)
