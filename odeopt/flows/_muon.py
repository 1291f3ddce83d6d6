"""theta' = -msign(mean): every singular value of the velocity is 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Flow, flow, push
from odeopt.flows.moments import clock1, mean
from odeopt.util import check
from odeopt.util.check import Number

Shape = tuple[int, int] | None
MOST = 1000  # Newton-Schulz iterations


def muon(
    tau1: Number,
    weight: Number,
    scale: Number = 1.0,
    weight_decay: Number = 0.0,
    eps: Number = 0.0,
    *,
    shape: Shape = None,
    iterations: int | None = None,
) -> Flow:
    """theta' = -scale msign(weight m + (1 - weight) g) - weight_decay theta,   m' = (g - m)/tau1.     [Jordan 2024]

    msign(U S V^T) = U V^T for theta as a matrix of this shape (None: one row), exactly or by a number of Newton-Schulz
    iterations (`ops.msign`).  `weight` is Nesterov's look-ahead; it tends to 1 as the step tends to 0.

    >>> muon(tau1=0.1, weight=0.95)
    theta' = -scale*msign(weight*m + (1 - weight)*grad L(theta)) - weight_decay*theta
    m'     = (grad L(theta) - m)/tau1
    with tau1 = 0.1, weight = 0.95, scale = 1, weight_decay = 0, eps = 0
    """
    sign = _sign(shape, iterations)

    def velocity(grad: Any, theta: Any, m: Any, weight: Any, scale: Any, weight_decay: Any, eps: Any) -> Any:
        return -scale * sign(weight * m + (1 - weight) * grad(theta), eps) - weight_decay * theta

    params = _params(tau1, weight, scale, weight_decay, eps)
    return flow("theta m", params, name="Muon", ages="memory", memory=mean, drift=push("theta", velocity))


def muon_corrected(
    tau1: Number,
    weight: Number,
    scale: Number = 1.0,
    weight_decay: Number = 0.0,
    eps: Number = 0.0,
    *,
    shape: Shape = None,
    iterations: int | None = None,
) -> Flow:
    """theta' = -scale msign(weight m/c1+ + (1 - weight) g/c1) - ...,   c1+ = 1 - weight (1 - c1).               [optax]

    The weight of g is infinite at age 0, so start it at a positive age.

    >>> muon_corrected(tau1=0.1, weight=0.95).clocks
    ('c1',)
    """
    sign = _sign(shape, iterations)

    def velocity(grad: Any, theta: Any, m: Any, c1: Any, weight: Any, scale: Any, weight_decay: Any, eps: Any) -> Any:
        lookahead = weight * m / (1 - weight * (1 - c1)) + (1 - weight) * grad(theta) / c1
        return -scale * sign(lookahead, eps) - weight_decay * theta

    params = _params(tau1, weight, scale, weight_decay, eps)
    memory, drift = (mean, clock1), push("theta", velocity)
    return flow("theta m c1", params, clocks="c1", name="Muon (corrected)", ages="memory", memory=memory, drift=drift)


def _sign(shape: Shape, iterations: int | None) -> Callable[[Any, Any], Any]:
    shape = check.shape("shape", shape)
    if iterations is not None and check.count("iterations", iterations, 1) > MOST:
        raise ValueError(f"iterations must be at most {MOST}, or None for the exact sign, got {iterations}")
    return lambda x, eps: ops.msign(x, shape, iterations, eps)


def _params(tau1: Number, weight: Number, scale: Number, weight_decay: Number, eps: Number) -> dict[str, Number]:
    return {
        "tau1": check.positive("tau1", tau1),
        "weight": check.fraction("weight", weight),
        "scale": check.positive("scale", scale),
        "weight_decay": check.nonnegative("weight_decay", weight_decay),
        "eps": check.nonnegative("eps", eps),
    }
