"""theta' = -sign(.): flows whose speed does not depend on the size of the gradient.

sign u is discontinuous at 0.  There the flow slides in Filippov's sense, and the iterates chatter with an amplitude of
one step.  delta > 0 smooths the sign to u/(|u| + delta).
"""

from __future__ import annotations

from typing import Any

from odeopt.core import ops
from odeopt.core.affine import Affine
from odeopt.core.flow import Flow, decreasing, flow, push
from odeopt.flows.moments import mean
from odeopt.util import check
from odeopt.util.check import Number


def soft_sign(u: Any, delta: Any) -> Any:
    """u/(|u| + delta), or sign u if delta = 0."""
    if isinstance(u, Affine):
        return u.sign(delta)
    return ops.ratio(u, abs(u) + delta, limit=lambda: 0.0)


def sign_flow(delta: Number = 0.0) -> Flow:
    """theta' = -sign(grad L(theta)).                                                   [Bernstein et al. 2018, alg. 1]

    With delta > 0, theta' = -g/(|g| + delta): the limit of Adam as lr -> 0 at fixed betas, with delta = eps.

    >>> sign_flow(delta=0.1)
    theta' = -grad L(theta)/(|grad L(theta)| + delta)
    with delta = 0.1
    """
    return flow(
        "theta",
        {"delta": check.nonnegative("delta", delta)},
        name="sign flow",
        drift=push("theta", lambda grad, theta, delta: -soft_sign(grad(theta), delta)),
        quantities={"loss": decreasing(lambda loss: loss)},
    )


def signum(tau1: Number, delta: Number = 0.0) -> Flow:
    """theta' = -sign(m),   m' = (g - m)/tau1.                                          [Bernstein et al. 2018, alg. 2]

    >>> signum(tau1=0.1, delta=0.1)
    theta' = -m/(|m| + delta)
    m'     = (grad L(theta) - m)/tau1
    with tau1 = 0.1, delta = 0.1
    """
    return flow(
        "theta m",
        {"tau1": check.positive("tau1", tau1), "delta": check.nonnegative("delta", delta)},
        name="signum",
        ages="memory",
        memory=mean,
        drift=push("theta", lambda m, delta: -soft_sign(m, delta)),
    )


def normalized_flow(eps: Number = 1e-6) -> Flow:
    """theta' = -g/(|g| + eps), |g| the norm over all coordinates: gradient flow at unit speed.       [Cortes 2006]

    >>> normalized_flow()
    theta' = -grad L(theta)/(||grad L(theta)|| + eps)
    with eps = 1e-06
    """
    return flow(
        "theta",
        {"eps": check.nonnegative("eps", eps)},
        name="normalised flow",
        drift=push("theta", lambda grad, theta, eps: -grad(theta) / (ops.norm(grad(theta)) + eps)),
        quantities={"loss": decreasing(lambda loss: loss)},
    )


def lion(tau1: Number, weight: Number, weight_decay: Number = 0.0, delta: Number = 0.0) -> Flow:
    """theta' = -sign(weight m + (1 - weight) g) - weight_decay theta,   m' = (g - m)/tau1.  [Chen et al. 2023, alg. 2]

    `weight` (Lion's beta1) mixes memory and gradient.  It is not a rate: it does not change with the step.

    >>> lion(tau1=0.1, weight=0.9, delta=0.01)
    theta' = -(weight*m + (1 - weight)*grad L(theta))/(|weight*m + (1 - weight)*grad L(theta)| + delta) - \
weight_decay*theta
    m'     = (grad L(theta) - m)/tau1
    with tau1 = 0.1, weight = 0.9, weight_decay = 0, delta = 0.01
    """
    return flow(
        "theta m",
        {
            "tau1": check.positive("tau1", tau1),
            "weight": check.fraction("weight", weight),
            "weight_decay": check.nonnegative("weight_decay", weight_decay),
            "delta": check.nonnegative("delta", delta),
        },
        name="Lion",
        ages="memory",
        memory=mean,
        drift=push("theta", _lion_velocity),
    )


def _lion_velocity(grad: Any, theta: Any, m: Any, weight: Any, weight_decay: Any, delta: Any) -> Any:
    return -soft_sign(weight * m + (1 - weight) * grad(theta), delta) - weight_decay * theta
