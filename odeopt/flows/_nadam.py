"""Adam with Nesterov's look-ahead: theta' contains the current gradient as well as its mean."""

from __future__ import annotations

from typing import Any

from odeopt.core import ops
from odeopt.core.decay import SMALLEST
from odeopt.core.flow import Flow, flow, push, relax
from odeopt.flows.moments import MOMENTS, clock2, constants, corrected_square, mean, square
from odeopt.util import check
from odeopt.util.check import Number


def nadam(tau1: Number, tau2: Number, eps: Number, beta1: Number) -> Flow:
    """theta' = -(beta1 m/c1+ + (1 - beta1) g/c1)/(sqrt(G/c2) + eps),   c1+ = 1 - beta1 (1 - c1).

    [Dozat 2016, without the momentum schedule; optax.]  beta1 is a weight.  As the step tends to 0 it tends to 1,
    and the flow to Adam's.  The weight of g is infinite at age 0, so start it at a positive age.

    >>> nadam(tau1=0.1, tau2=10.0, eps=1e-8, beta1=0.9).name
    'NAdam'
    """
    return flow(
        "theta m G c1 c2",
        {
            **constants(tau1, tau2, eps),
            "beta1": check.fraction("beta1", beta1),
        },
        clocks="c1 c2",
        name="NAdam",
        preconditioner="G",
        floors="eps",
        ages="memory",
        memory=MOMENTS,
        drift=push("theta", _velocity),
    )


def nadam_scheduled(
    tau1: Number, tau2: Number, tau3: Number, eps: Number, beta1: Number, later: Number, step: Number
) -> Flow:
    """theta' = -(mu+ m/(1 - (1-p) mu+) + (1 - mu) g/p)/(sqrt(G/c2) + eps),   mu = beta1 (1 + c3)/2.

    [Dozat 2016, alg. 1; torch, Keras.]  The momentum mu grows from beta1/2 to beta1 with the clock c3, and mu+ is
    its value one step later, with `later` = e^(-step/tau3).  1 - p is the product of all mu so far; it decays in a few
    steps.

    >>> nadam_scheduled(0.1, 10.0, 60.0, eps=1e-8, beta1=0.9, later=0.9998, step=0.01).name
    'NAdam (scheduled)'
    """
    return flow(
        "theta m G c2 c3 p",
        {
            **constants(tau1, tau2, eps),
            "tau3": check.positive("tau3", tau3),
            "beta1": check.fraction("beta1", beta1),
            "later": check.fraction("later", later),
            "step": check.positive("step", step),
        },
        clocks="c2 c3 p",
        name="NAdam (scheduled)",
        preconditioner="G",
        floors="eps",
        ages="memory",
        memory=(
            mean,
            square,
            clock2,
            relax("c3", target=1.0, rate=lambda tau3: 1 / tau3),
            relax(
                "p",
                target=1.0,
                rate=lambda c3, beta1, step: -ops.log(ops.called("mu", _momentum(c3, beta1))) / step,
            ),
        ),
        drift=push("theta", _scheduled_velocity),
    )


def _velocity(grad: Any, theta: Any, m: Any, G: Any, c1: Any, c2: Any, eps: Any, beta1: Any) -> Any:
    lookahead = beta1 * m / (1 - beta1 * (1 - c1)) + (1 - beta1) * grad(theta) / c1
    return -lookahead / (ops.sqrt(corrected_square(grad, theta, G, c2)) + eps)


def _momentum(c3: Any, beta1: Any) -> Any:
    return ops.maximum(beta1 * (1 + c3) / 2, SMALLEST)


def _scheduled_velocity(
    grad: Any, theta: Any, m: Any, G: Any, c2: Any, c3: Any, p: Any, eps: Any, beta1: Any, later: Any
) -> Any:
    mu = ops.called("mu", _momentum(c3, beta1))
    following = ops.called("mu_next", _momentum(1 - (1 - c3) * later, beta1))
    lookahead = following * m / (1 - (1 - p) * following) + (1 - mu) * grad(theta) / p
    return -lookahead / (ops.sqrt(corrected_square(grad, theta, G, c2)) + eps)
