"""AdaBelief: the mean square of what the mean of the gradients did not predict."""

from __future__ import annotations

from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Flow, flow, push, relax
from odeopt.flows.moments import clock1, clock2, constants, corrected_mean, mean
from odeopt.util import check
from odeopt.util.check import Number


def adabelief(tau1: Number, tau2: Number, eps: Number = 1e-16, floor: Number = 0.0) -> Flow:
    """theta' = -(m/c1)/(sqrt(G/c2) + eps),   m' = (g - m)/tau1,   G' = ((g - m)^2 + floor - G)/tau2.

    [Zhuang et al. 2020, alg. 2]  Where the mean predicts the gradient, G tends to `floor` and the speed grows: on a
    straight valley AdaBelief moves faster than Adam, whose G tends to g^2.  At t = 0, m = 0 and G/c2 has Adam's limit.

    >>> adabelief(tau1=0.1, tau2=10.0)
    theta' = -m/c1/(sqrt(G/c2) + eps)
    m'     = (grad L(theta) - m)/tau1
    G'     = ((grad L(theta) - m)^2 + floor - G)/tau2
    c1'    = (1 - c1)/tau1
    c2'    = (1 - c2)/tau2
    with tau1 = 0.1, tau2 = 10, eps = 1e-16, floor = 0
    """
    surprise = relax(
        "G", target=lambda grad, theta, m, floor: (grad(theta) - m) ** 2 + floor, rate=lambda tau2: 1 / tau2
    )
    return flow(
        "theta m G c1 c2",
        {**constants(tau1, tau2, eps), "floor": check.nonnegative("floor", floor)},
        clocks="c1 c2",
        name="AdaBelief",
        preconditioner="G",
        floors="eps floor",
        ages="memory",
        memory=(mean, surprise, clock1, clock2),
        drift=push("theta", _velocity),
    )


def _velocity(grad: Any, theta: Any, m: Any, G: Any, c1: Any, c2: Any, eps: Any, floor: Any) -> Any:
    square = ops.ratio(G, c2, limit=lambda: grad(theta) ** 2 + floor)
    return -corrected_mean(grad, theta, m, c1) / (ops.sqrt(square) + eps)
