"""Where a flow or an optimizer starts: theta0, and a memory of a given age (MATHS A and B).

The memory of age a is what the relaxations reach in the time a with theta held at theta0: zero at age 0, the
targets at infinite age.  A library's Adam from zero memory follows the flow whose memory starts at age h/2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt import decay as decays
from odeopt.check import Array
from odeopt.decay import Decay
from odeopt.flow import Flow
from odeopt.schemes.splitting import relaxed
from odeopt.state import Grad, State, column

Start = Callable[[Flow, Grad, Array, Any], State]

ZETA_OFFSET = (-1.4603545088095868 / 2) ** 2  # (zeta(1/2)/2)^2 = 0.5331588


def rest(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
    """Age 0: the memory is zero."""
    return flow.start(theta0)


def settled(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
    """Infinite age: m = g0, G = g0^2, c = 1.  The well-posed start of RMSprop."""
    return relaxed(flow, grad, flow.start(theta0), "memory", np.inf)


def half_step(word: str = "memory", decay: Decay = decays.exact) -> Start:
    """Age h/2: with it the flow is followed to second order by an optimizer whose step is drift after memory."""

    def start(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
        return relaxed(flow, grad, flow.start(theta0), word, h / 2, decay)

    return start


def singular_match(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
    """G(0) = (zeta(1/2)/2)^2 h G'(0): the flow that RMSprop and Adagrad follow from zero memory (MATHS B).

    From G = 0 the sum of the first steps, sum_k k^(-1/2), misses the integral by zeta(1/2) = -1.46035...
    """
    y = flow.start(theta0)
    (slot,) = flow.memory
    slope = flow.rhs(grad)(0.0, y)[flow.variables.index(slot)]
    return flow.start(theta0, **{slot: ZETA_OFFSET * column(h) * slope})
