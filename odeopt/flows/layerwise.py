"""theta' = -|theta|/|u| u for each layer: the speed of a layer is proportional to its norm.

The ratio is 1 if either norm is 0, as in the libraries.  Only a layer that starts at 0 meets this discontinuity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Flow, flow, push
from odeopt.flows.moments import MOMENTS, constants
from odeopt.flows.moments import velocity as adam
from odeopt.util import check
from odeopt.util.check import Number


def lamb(
    tau1: Number,
    tau2: Number,
    eps: Number = 1e-6,
    weight_decay: Number = 0.0,
    layers: tuple[int, ...] | None = None,
) -> Flow:
    """theta' = -|theta|/|u| u,   u = (m/c1)/(sqrt(G/c2) + eps) + weight_decay theta.          [You et al. 2020, alg. 2]

    |.| is the norm over a layer.  `layers` lists the layer sizes; None means a single layer.

    >>> print(str(lamb(tau1=0.1, tau2=10.0, layers=(2, 3))).partition("theta' = ")[2][:62])
    -((||theta||_layer/||m/c1/(sqrt(G/c2) + eps) + weight_decay*th
    """
    check.layers("layers", layers)

    def velocity(grad: Any, theta: Any, m: Any, G: Any, c1: Any, c2: Any, eps: Any, weight_decay: Any) -> Any:
        u = -adam(grad, theta, m, G, c1, c2, eps) + weight_decay * theta
        return -_trust(theta, u, layers, lambda length, speed: ops.ratio(length, speed, limit=lambda: 1.0)) * u

    return flow(
        "theta m G c1 c2",
        {
            **constants(tau1, tau2, eps),
            "weight_decay": check.nonnegative("weight_decay", weight_decay),
        },
        clocks="c1 c2",
        name="LAMB",
        preconditioner="G",
        floors="eps",
        ages="memory",
        memory=MOMENTS,
        drift=push("theta", velocity),
    )


def lars(
    trust: Number = 1e-3, weight_decay: Number = 0.0, eps: Number = 0.0, layers: tuple[int, ...] | None = None
) -> Flow:
    """theta' = -trust |theta|/(|u| + eps) u,   u = g + weight_decay theta.        [You, Gitman and Ginsburg 2017, (6)]

    >>> lars().name
    'LARS'
    """
    check.layers("layers", layers)

    def velocity(grad: Any, theta: Any, trust: Any, weight_decay: Any, eps: Any) -> Any:
        u = grad(theta) + weight_decay * theta

        def ratio(length: Any, speed: Any) -> Any:
            return ops.ratio(trust * length, speed + eps, limit=lambda: 1.0)

        return -_trust(theta, u, layers, ratio) * u

    return flow(
        "theta",
        {
            "trust": check.positive("trust", trust),
            "weight_decay": check.nonnegative("weight_decay", weight_decay),
            "eps": check.nonnegative("eps", eps),
        },
        name="LARS",
        drift=push("theta", velocity),
    )


def _trust(theta: Any, u: Any, layers: tuple[int, ...] | None, ratio: Callable[[Any, Any], Any]) -> Any:
    """ratio(|theta|, |u|), or 1 if either norm is 0."""
    length, speed = ops.norms(theta, layers), ops.norms(u, layers)
    return ops.where_positive(length, ops.where_positive(speed, ratio(length, speed), 1.0), 1.0)
