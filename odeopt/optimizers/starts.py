"""Initial states of flows and optimizers: theta0, and memory of a given age.

Memory of age a is the state of the relaxations after a time a with theta fixed at theta0.  All starts are ages:
0 (at rest), h/2 (the flow that a library's Adam follows), 0.533 h (RMSprop and Adagrad from zero), infinity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.core import decay as decays
from odeopt.core.decay import Decay
from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State
from odeopt.schemes.splitting import relaxed
from odeopt.util import check
from odeopt.util.check import Array

Start = Callable[[Flow, Grad, Array, Any], State]

ZETA_AGE = (-1.4603545088095868 / 2) ** 2  # (zeta(1/2)/2)^2 = 0.5332


def rest(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
    """Age 0: the memory is zero."""
    return flow.start(theta0)


def ageing(flow: Flow, grad: Grad, y: State, age: Any, word: str = "", decay: Decay = decays.exact) -> State:
    """The state y after the parts of a word, by default those that the flow declares, have acted for a time `age`."""
    if not (word or flow.ages):
        raise ValueError(
            f"word must name the parts that age the memory of {flow.name}, which declares none: one or more of "
            f"{', '.join(flow.parts)}, e.g. flow(..., ages={next(iter(flow.parts))!r})"
        )
    return relaxed(flow, grad, y, word or flow.ages, age, decay)


def aged(age: Any, word: str = "", decay: Decay = decays.exact) -> Start:
    """The memory of a fixed age >= 0, reached by the parts of a word under a decay rule.

    By default these are the parts that the flow declares with `ages`.
    """
    if not (check.numbers_of("age", age) >= 0).all() or not np.size(age):
        raise ValueError(f"age must be non-negative, got {check.shown(age)}")
    _check(word, decay)
    return lambda flow, grad, theta0, h: ageing(flow, grad, flow.start(theta0), age, word, decay)


def aged_steps(steps: float, word: str = "", decay: Decay = decays.exact) -> Start:
    """Memory of an age in steps h; the first relaxation adds h to a negative age."""
    steps = check.scalar("steps", check.finite("steps", steps))
    _check(word, decay)
    return lambda flow, grad, theta0, h: ageing(flow, grad, flow.start(theta0), steps * h, word, decay)


def _check(word: Any, decay: Any) -> None:
    """Refuses anything but the names of parts and a rule of decay."""
    check.label("word", word)
    check.instance("decay", decay, Decay, "a rule of odeopt.decay, e.g. odeopt.decay.exact")


def at_rest_but(flow: Flow, theta0: Array, name: str, value: Array) -> State:
    """The state at rest, with this value for the variable `name`; any array library's."""
    y, i = flow.start(theta0), flow.variables.index(name)
    return (*y[:i], value, *y[i + 1 :])


settled = aged(np.inf)
"""Infinite age: m = g0, G = g0^2, c = 1.  The well-posed start of RMSprop."""

singular_match = aged_steps(ZETA_AGE)
"""G(0) = (zeta(1/2)/2)^2 h G'(0): the flow that RMSprop and Adagrad follow from zero memory.

Started at G = 0, the sum of the first steps, sum_k k^(-1/2), differs from its integral by zeta(1/2) = -1.46035...
"""


def halfway(word: str, decay: Decay = decays.exact) -> Start:
    """The mean of the memory at rest and the memory after the parts of a word have acted for h, like leapfrog's v_0."""
    _check(word, decay)

    def start(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
        y = flow.start(theta0)
        first = relaxed(flow, grad, y, word, h, decay)
        return tuple((u + v) / 2 for u, v in zip(y, first, strict=True))

    return start


def half_step(word: str = "", decay: Decay = decays.exact) -> Start:
    """Age h/2: an optimizer whose step is memory, then drift, follows the flow from this start with order 2."""
    return aged_steps(1 / 2, word, decay)
