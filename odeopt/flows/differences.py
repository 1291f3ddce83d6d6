"""Flows that read the difference of two successive gradients, g - old, where old <- g once per step.

The difference is proportional to the step: g - old = h dg/dt to leading order.
"""

from __future__ import annotations

from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Flow, flow, project, push, relax
from odeopt.core.formula import mapped
from odeopt.flows.moments import clock1, clock2, constants, corrected_mean, mean, velocity_hat
from odeopt.util import check
from odeopt.util.check import Number

lag = project("old", lambda grad, theta: grad(theta))


def adan(
    tau1: Number,
    tau2: Number,
    tau3: Number,
    weight: Number,
    eps: Number = 1e-8,
    eps_root: Number = 0.0,
) -> Flow:
    """theta' = -(m/c1 + weight v/c3)/(sqrt(G/c2 + eps_root) + eps),   v' = (g - old - v)/tau3.

    [Xie et al. 2024, alg. 1]  G' = ((g + weight (g - old))^2 - G)/tau2.  `weight` is 1 - beta of the mean v of the
    differences.  Weight and differences are proportional to the step: as it tends to 0 the flow tends to Adam's.

    >>> adan(tau1=0.5, tau2=1.0, tau3=0.1, weight=0.08)
    theta' = -(m/c1 + weight*v/c3)/(sqrt(G/c2 + eps_root) + eps)
    m'     = (grad L(theta) - m)/tau1
    v'     = (grad L(theta) - old - v)/tau3
    G'     = ((grad L(theta) + weight*(grad L(theta) - old))^2 - G)/tau2
    c1'    = (1 - c1)/tau1
    c2'    = (1 - c2)/tau2
    c3'    = (1 - c3)/tau3
    old   <- grad L(theta)
    with tau1 = 0.5, tau2 = 1, tau3 = 0.1, weight = 0.08, eps = 1e-08, eps_root = 0
    """
    moments = constants(tau1, tau2, eps)
    return flow(
        "theta m v G c1 c2 c3 old",
        {
            "tau1": moments["tau1"],
            "tau2": moments["tau2"],
            "tau3": check.positive("tau3", tau3),
            "weight": check.nonnegative("weight", weight),
            "eps": moments["eps"],
            "eps_root": check.nonnegative("eps_root", eps_root),
        },
        clocks="c1 c2 c3",
        name="Adan",
        preconditioner="G",
        floors="eps eps_root",
        ages="memory",
        memory=(
            mean,
            relax("v", target=lambda grad, theta, old: grad(theta) - old, rate=lambda tau3: 1 / tau3),
            relax(
                "G",
                target=lambda grad, theta, old, weight: (grad(theta) + weight * (grad(theta) - old)) ** 2,
                rate=lambda tau2: 1 / tau2,
            ),
            clock1,
            clock2,
            relax("c3", target=1.0, rate=lambda tau3: 1 / tau3),
        ),
        lag=lag,
        drift=push("theta", _adan_velocity),
    )


def _adan_velocity(
    grad: Any,
    theta: Any,
    m: Any,
    v: Any,
    G: Any,
    c1: Any,
    c2: Any,
    c3: Any,
    old: Any,
    weight: Any,
    eps: Any,
    eps_root: Any,
) -> Any:
    ahead = corrected_mean(grad, theta, m, c1) + ops.ratio(weight * v, c3, limit=lambda: weight * (grad(theta) - old))
    square = ops.ratio(G, c2, limit=lambda: (grad(theta) + weight * (grad(theta) - old)) ** 2)
    return -ahead / (ops.sqrt(square + eps_root) + eps)


def mars(tau1: Number, tau2: Number, gain: Number, eps: Number = 1e-8) -> Flow:
    """theta' = -(m/c1) sqrt(c2)/(sqrt(G) + eps) with the moments of c = u/max(1, |u|),   u = g + gain (g - old).

    [Yuan et al. 2024, alg. 2]  gain is proportional to 1/h, so the difference stays as the step tends to 0: it becomes
    gamma tau1 dg/dt = gamma tau1 H theta', a damping by the Hessian.  With `old` as a state that is set once per
    step, the optimizer follows no flow.

    >>> print(str(mars(tau1=0.1, tau2=10.0, gain=0.5)).splitlines()[5])
    old   <- grad L(theta)
    """
    moments = constants(tau1, tau2, eps)
    return flow(
        "theta m G c1 c2 old",
        {key: moments[key] for key in ("tau1", "tau2")}
        | {"gain": check.nonnegative("gain", gain), "eps": moments["eps"]},
        clocks="c1 c2",
        name="MARS",
        preconditioner="G",
        floors="eps",
        ages="memory",
        memory=(
            relax("m", target=_reduced, rate=lambda tau1: 1 / tau1),
            relax("G", target=mapped(lambda c: c**2, _reduced), rate=lambda tau2: 1 / tau2),
            clock1,
            clock2,
        ),
        lag=lag,
        drift=push("theta", velocity_hat),
    )


def _reduced(grad: Any, theta: Any, old: Any, gain: Any) -> Any:
    """u/max(1, |u|)."""
    u = grad(theta) + gain * (grad(theta) - old)
    return u / ops.maximum(ops.norm(u), 1.0)
