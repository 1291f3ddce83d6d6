"""theta' = -mean/(root + eps) with bias-corrected moments: the flows of Adam and its variants.

L need not decrease along these flows, but `moments.energy` does.  No decreasing quantity is known with weight decay
or rectification.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odeopt.core import ops
from odeopt.core.flow import Flow, Quantity, flow, push
from odeopt.core.formula import Formula
from odeopt.flows.moments import MOMENTS, constants, corrected_mean, energy, mean, square, velocity, velocity_hat
from odeopt.util import check
from odeopt.util.check import Number


def adam(tau1: Number, tau2: Number, eps: Number = 1e-8) -> Flow:
    """theta' = -(m/c1)/(sqrt(G/c2) + eps),  m' = (g - m)/tau1,  G' = (g^2 - G)/tau2,  ci' = (1 - ci)/taui.

    [Kingma and Ba 2015, alg. 1.]  The bias corrections are state variables: the clocks c1 and c2 relax to 1 at
    the rates of the moments, so the flow is autonomous.  At t = 0 the quotients have the limits g and g^2.

    >>> adam(tau1=0.1, tau2=10.0)
    theta' = -m/c1/(sqrt(G/c2) + eps)
    m'     = (grad L(theta) - m)/tau1
    G'     = (grad L(theta)^2 - G)/tau2
    c1'    = (1 - c1)/tau1
    c2'    = (1 - c2)/tau2
    with tau1 = 0.1, tau2 = 10, eps = 1e-08
    """
    return _corrected("Adam", constants(tau1, tau2, eps), velocity, energy(velocity))


def adam_hat(tau1: Number, tau2: Number, eps: Number = 1e-7) -> Flow:
    """Adam with "epsilon hat":   theta' = -(m/c1) sqrt(c2)/(sqrt(G) + eps).      [Kingma and Ba 2015, sec. 2; Keras]

    In Adam's form its eps is eps/sqrt(c2), which is larger at small t: the two flows differ.

    >>> print(str(adam_hat(tau1=0.1, tau2=10.0)).splitlines()[0])
    theta' = -m/c1/(sqrt(G/c2) + eps/sqrt(c2))
    """
    return _corrected("Adam (eps hat)", constants(tau1, tau2, eps), velocity_hat, energy(velocity_hat))


def adamw(tau1: Number, tau2: Number, eps: Number = 1e-8, weight_decay: Number = 0.01) -> Flow:
    """theta' = -(m/c1)/(sqrt(G/c2) + eps) - weight_decay theta: Adam's flow with decoupled decay.

    [Loshchilov and Hutter 2019, alg. 2]

    >>> print(str(adamw(tau1=0.1, tau2=10.0)).splitlines()[0])
    theta' = -m/c1/(sqrt(G/c2) + eps) - weight_decay*theta
    """
    return _decayed("AdamW", constants(tau1, tau2, eps), velocity, weight_decay)


def adamw_hat(tau1: Number, tau2: Number, eps: Number = 1e-7, weight_decay: Number = 0.004) -> Flow:
    """theta' = -(m/c1) sqrt(c2)/(sqrt(G) + eps) - weight_decay theta.                            [Keras' AdamW]

    >>> print(str(adamw_hat(tau1=0.1, tau2=10.0)).splitlines()[0])
    theta' = -m/c1/(sqrt(G/c2) + eps/sqrt(c2)) - weight_decay*theta
    """
    return _decayed("AdamW (eps hat)", constants(tau1, tau2, eps), velocity_hat, weight_decay)


def adam_uncorrected(tau1: Number, tau2: Number, eps: Number = 1e-8) -> Flow:
    """theta' = -m/(sqrt(G) + eps): Adam's flow without bias correction.

    Started at G = 0, its speed m/sqrt(G) vanishes like sqrt(t).

    >>> adam_uncorrected(tau1=0.1, tau2=10.0)
    theta' = -m/(sqrt(G) + eps)
    m'     = (grad L(theta) - m)/tau1
    G'     = (grad L(theta)^2 - G)/tau2
    with tau1 = 0.1, tau2 = 10, eps = 1e-08
    """
    return flow(
        "theta m G",
        constants(tau1, tau2, eps),
        name="Adam (uncorrected)",
        preconditioner="G",
        floors="eps",
        ages="memory",
        memory=(mean, square),
        drift=push("theta", _velocity_uncorrected),
        quantities=energy(_velocity_uncorrected),
    )


def radam(tau1: Number, tau2: Number, eps: Number, step: Number, beta2: Number) -> Flow:
    """theta' = -r (m/c1)/(sqrt(G/c2) + eps) where rho > 5, else -m/c1.                        [Liu et al. 2020, alg. 2]

    rho = rho_inf - 2 n (1 - c2)/c2 with n = t/step + 1/2 steps, rho_inf = 2/(1 - beta2) - 1, and
    r^2 = (rho - 4)(rho - 2) rho_inf/((rho_inf - 4)(rho_inf - 2) rho).
    As step -> 0, r^2 -> 1 - (t/tau2)/(e^(t/tau2) - 1).

    >>> radam(tau1=0.1, tau2=10.0, eps=1e-8, step=0.01, beta2=0.999).name
    'RAdam'
    """
    steps = {"step": check.positive("step", step), "beta2": check.fraction("beta2", beta2)}
    return _corrected("RAdam", {**constants(tau1, tau2, eps), **steps}, _rectified_by(velocity))


def radam_hat(tau1: Number, tau2: Number, eps: Number, step: Number, beta2: Number) -> Flow:
    """theta' = -r (m/c1) sqrt(c2)/(sqrt(G) + eps) where rho > 5, else -m/c1.                            [torch's RAdam]

    >>> radam_hat(tau1=0.1, tau2=10.0, eps=1e-8, step=0.01, beta2=0.999).name
    'RAdam (eps hat)'
    """
    steps = {"step": check.positive("step", step), "beta2": check.fraction("beta2", beta2)}
    return _corrected("RAdam (eps hat)", {**constants(tau1, tau2, eps), **steps}, _rectified_by(velocity_hat))


def _corrected(
    name: str, params: dict[str, Number], drift: Formula, quantities: dict[str, Quantity] | None = None
) -> Flow:
    return flow(
        "theta m G c1 c2",
        params,
        clocks="c1 c2",
        name=name,
        preconditioner="G",
        floors="eps",
        quantities=quantities,
        ages="memory",
        memory=MOMENTS,
        drift=push("theta", drift),
    )


def _decayed(name: str, params: dict[str, Number], force: Formula, weight_decay: Number) -> Flow:
    params = {**params, "weight_decay": check.nonnegative("weight_decay", weight_decay)}
    drift = push("theta", force, rate=(lambda weight_decay: weight_decay) if np.any(weight_decay) else None)
    return flow(
        "theta m G c1 c2",
        params,
        clocks="c1 c2",
        name=name,
        preconditioner="G",
        floors="eps",
        ages="memory",
        memory=MOMENTS,
        drift=drift,
    )


def _velocity_uncorrected(m: Any, G: Any, eps: Any) -> Any:
    return -m / (ops.sqrt(G) + eps)


def _rectified_by(adaptive: Callable[..., Any]) -> Formula:
    def rectified(
        t: Any, grad: Any, theta: Any, m: Any, G: Any, c1: Any, c2: Any, eps: Any, step: Any, beta2: Any
    ) -> Any:
        longest = 2 / (1 - beta2) - 1
        rho = ops.called("rho", longest - 2 * (t / step + 0.5) * (1 - c2) / c2)
        r = ops.called("r", ops.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)))
        slow = r * adaptive(grad, theta, m, G, c1, c2, eps)
        return ops.where_positive(rho - 5, slow, -corrected_mean(grad, theta, m, c1))

    return rectified
