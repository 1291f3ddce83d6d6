"""y -> Phi(y): the step of an optimizer as a map, the input of backward error analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State, column, plus
from odeopt.core.symbols import short
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.foreign import ForeignStep, arguments_of
from odeopt.schemes.base import Scheme
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_a_day, within_memory

Increment = Callable[[Any, State], State]


@dataclass(frozen=True, eq=False)
class OneStep:
    """A one-step map; `increment(grad)` is (t, y) -> Phi(y) - y, and `start(theta0, **memory)` the first state.

    optimizer: the optimizer whose step it is; what `from_step` made is one too
    """

    name: str
    h: Any
    variables: tuple[str, ...]
    members: tuple[int, ...]
    increment: Callable[[Grad], Increment]
    start: Callable[..., State]
    optimizer: Optimizer | None = None

    def __repr__(self) -> str:
        return f"step {self.name!r} of {', '.join(self.variables)}, h = {short(self.h)}"

    def __reduce__(self) -> Any:
        """What pickle writes: the optimizer whose step it is, if there is one."""
        return super().__reduce__() if self.optimizer is None else (of_optimizer, (self.optimizer,))

    def iterates(self, theta0: ArrayLike, steps: int, grad: Grad = lambda theta: theta) -> Array:
        """theta_0, ..., theta_n, shape (n+1, ..., d)."""
        start = check.point("theta0", theta0)
        within_memory("steps", check.count("steps", steps), NUMBER * steps * start.size)
        return np.array([y[0] for y in self.states(self.start(start), steps, grad)])

    def states(self, y: State, steps: int, grad: Grad = lambda theta: theta) -> Iterator[State]:
        """Yields the state y and the next `steps` states."""
        d = self.increment(check.function("grad", grad, "theta"))
        yield y
        for k in range(within_a_day("steps", check.count("steps", steps))):
            y = plus(y, d(k * column(self.h), y))
            yield y


def of_optimizer(opt: Optimizer) -> OneStep:
    """The step of an optimizer.  Memory starts at rest unless given.  Multistep schemes are refused."""
    step = of_scheme(opt.flow, opt.scheme, opt.h, opt.name)
    start = opt.scheme.start if isinstance(opt.scheme, ForeignStep) else step.start
    return replace(step, start=start, optimizer=opt)


def as_optimizer(opt: Any) -> Any:
    """The optimizer whose step this is; anything else unchanged."""
    return opt.optimizer if isinstance(opt, OneStep) and opt.optimizer is not None else opt


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
    step: Callable[..., State], memory: Mapping[str, Any] | None = None, h: float = 1.0, name: str = "step"
) -> OneStep:
    """A user-defined step `step((theta, *memory)) -> (theta, *memory)`; initial memory is given by name.

    step:   a function of the state y = (theta, *memory), and of `grad` and `h` if it names them: `step(y)` has a
            gradient of its own; `step(y, grad)` runs on every problem; `step(y, grad, h)` also has every step size, and
            a modified equation as a formula
    memory: the initial values; a number stands for an array of the shape of theta.  Anything that depends on the step
            count must be part of the memory
    h:      the time per step

    `simulate`, `compare`, `follow`, `modified_flow` and `odeopt.testing.check_optimizer` take the result like an
    optimizer.  So do `stability_limit` if the step reads grad, and `odeopt.symbolic` if it reads grad and h.
    Increments are differences of states: if a step is 1e-8 of the state, its increment has about eight correct digits.

    >>> halving = from_step(lambda y: (y[0] / 2,), h=0.1)
    >>> halving.iterates([8.0], steps=3).ravel().tolist()
    [8.0, 4.0, 2.0, 1.0]
    """
    if not callable(step):
        raise TypeError(f"step must be a function of a state, got {step!r}")
    check.label("name", name)
    given = check.mapping("memory", memory, "names to numbers or arrays")
    first = {key: check.finite(key, v) if np.ndim(v) == 0 else check.point(key, v) for key, v in given.items()}
    h = check.scalar("h", check.positive("h", h))
    scheme = ForeignStep(step, arguments_of(step), first, h, name)
    opt = Optimizer(scheme.written(), scheme, h, start=lambda flow, grad, theta0, h: scheme.start(theta0), name=name)
    return of_optimizer(opt)
