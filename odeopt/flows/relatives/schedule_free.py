"""Schedule-free methods: z descends, x is the mean of its path, and the gradient is taken at theta between the two.

theta = (1 - weight) z + weight x with x' = (z - x)/t.  Without x:  theta' = (z - theta)/t + (1 - weight) z'.
"""

from __future__ import annotations

from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Flow, Relax, flow, push, relax
from odeopt.core.formula import Formula, mapped
from odeopt.flows.moments import clock2, corrected_square, square
from odeopt.util import check
from odeopt.util.check import Number


def schedule_free_sgd(weight: Number = 0.9) -> Flow:
    """theta' = (z - theta)/t - (1 - weight) g,   z' = -g.                         [Defazio et al. 2024, eq. 3 to 5]

    The mean of the path of z is x = (theta - (1 - weight) z)/weight.  Start at z = theta; there the pull (z - theta)/t
    has the limit -weight/2 g.

    >>> schedule_free_sgd()
    theta' = -(1 - weight)*grad L(theta) + (z - theta)/t
    z'     = -grad L(theta)
    with weight = 0.9
    """
    velocity: Formula = lambda grad, theta: -grad(theta)
    return flow(
        "theta z",
        {"weight": check.fraction("weight", weight)},
        name="schedule-free gradient flow",
        descent=push("theta", _beside(velocity)),
        kick=push("z", velocity),
        pull=_pull(velocity),
    )


def schedule_free_adamw(tau2: Number, weight: Number = 0.9, eps: Number = 1e-8, weight_decay: Number = 0.0) -> Flow:
    """theta' = (z - theta)/t + (1 - weight) z',   z' = -g/(sqrt(G/c2) + eps) - weight_decay theta.

    [Defazio et al. 2024, alg. 1]  G' = (g^2 - G)/tau2.  There is no mean of the gradients: the mean of the path of z
    takes its place.

    >>> schedule_free_adamw(tau2=10.0)
    theta' = -(1 - weight)*(grad L(theta)/(sqrt(G/c2) + eps) + weight_decay*theta) + (z - theta)/t
    z'     = -(grad L(theta)/(sqrt(G/c2) + eps) + weight_decay*theta)
    G'     = (grad L(theta)^2 - G)/tau2
    c2'    = (1 - c2)/tau2
    with tau2 = 10, weight = 0.9, eps = 1e-08, weight_decay = 0
    """
    return flow(
        "theta z G c2",
        {
            "tau2": check.positive("tau2", tau2),
            "weight": check.fraction("weight", weight),
            "eps": check.nonnegative("eps", eps),
            "weight_decay": check.nonnegative("weight_decay", weight_decay),
        },
        clocks="c2",
        name="schedule-free AdamW",
        preconditioner="G",
        floors="eps",
        ages="memory",
        memory=(square, clock2),
        descent=push("theta", _beside(_adamw_velocity)),
        kick=push("z", _adamw_velocity),
        pull=_pull(_adamw_velocity),
    )


def _beside(velocity: Formula) -> Formula:
    """(1 - weight) z': the part of theta that moves with z."""
    return mapped(lambda weight, F: (1 - weight) * F, velocity, "weight")


def _pull(velocity: Formula) -> Relax:
    """theta' = (z - theta)/t, whose limit at t = 0 is weight/2 z'."""
    slope = mapped(lambda weight, F: weight / 2 * F, velocity, "weight")
    return relax("theta", target=lambda z: z, rate=lambda t: 1 / t, limit=slope)


def _adamw_velocity(grad: Any, theta: Any, G: Any, c2: Any, eps: Any, weight_decay: Any) -> Any:
    return -(grad(theta) / (ops.sqrt(corrected_square(grad, theta, G, c2)) + eps) + weight_decay * theta)
