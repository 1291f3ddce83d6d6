"""ADOPT: each gradient is divided by the root mean square of those before it, and then averaged."""

from __future__ import annotations

from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Flow, flow, push, relax
from odeopt.flows.moments import constants, square
from odeopt.util import check
from odeopt.util.check import Number


def adopt(tau1: Number, tau2: Number, eps: Number = 1e-6, step: Number = 0.01, power: Number = 0.25) -> Flow:
    """theta' = -m,   m' = (clipped(g/max(sqrt(G), eps)) - m)/tau1,   G' = (g^2 - G)/tau2.

    [Taniguchi et al. 2024, alg. 2]  Clipped to +-n^power, n = t/step - 1/2 the number of steps before this one.  While
    t < step, m rests (awake = 0): the first step only sets G.  Start at G = g0^2.

    >>> adopt(tau1=0.1, tau2=10.0)
    theta' = -m
    m'     = awake/tau1*(minimum(maximum(grad L(theta)/maximum(sqrt(G), eps), -n^power), n^power) - m)
    G'     = (grad L(theta)^2 - G)/tau2
    with tau1 = 0.1, tau2 = 10, eps = 1e-06, step = 0.01, power = 0.25
    """
    return flow(
        "theta m G",
        {
            **constants(tau1, tau2, eps),
            "step": check.positive("step", step),
            "power": check.nonnegative("power", power),
        },
        name="ADOPT",
        preconditioner="G",
        floors="eps",
        ages="memory",
        memory=(relax("m", target=_scaled, rate=_awake), square),
        drift=push("theta", lambda m: -m),
    )


def _awake(t: Any, tau1: Any, step: Any) -> Any:
    """0 in the first step."""
    return ops.called("awake", ops.where_positive(t - step, 1.0, 0.0)) / tau1


def _scaled(t: Any, grad: Any, theta: Any, G: Any, eps: Any, step: Any, power: Any) -> Any:
    limit = ops.called("n", ops.maximum(t / step - 0.5, 1.0)) ** power
    return ops.minimum(ops.maximum(grad(theta) / ops.maximum(ops.sqrt(G), eps), -limit), limit)
