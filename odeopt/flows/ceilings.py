"""u <- max(u, .): flows whose preconditioner is a running maximum, implemented as a projection."""

from __future__ import annotations

from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Flow, flow, project, push, relax
from odeopt.core.formula import Formula
from odeopt.flows.moments import (
    MOMENTS,
    clock1,
    constants,
    corrected_mean,
    corrected_square,
    mean,
    velocity,
    velocity_hat,
)
from odeopt.util.check import Number


def amsgrad(tau1: Number, tau2: Number, eps: Number = 1e-8) -> Flow:
    """theta' = -(m/c1)/(sqrt(M/c2) + eps),   M = max over s <= t of G(s).       [Reddi et al. 2018, alg. 2; torch]

    >>> amsgrad(tau1=0.1, tau2=10.0)
    theta' = -m/c1/(sqrt(M/c2) + eps)
    m'     = (grad L(theta) - m)/tau1
    G'     = (grad L(theta)^2 - G)/tau2
    c1'    = (1 - c1)/tau1
    c2'    = (1 - c2)/tau2
    M     <- maximum(M, G)
    with tau1 = 0.1, tau2 = 10, eps = 1e-08
    """
    return _amsgrad("AMSGrad", tau1, tau2, eps, _ceiling, _velocity)


def amsgrad_hat(tau1: Number, tau2: Number, eps: Number = 1e-7) -> Flow:
    """theta' = -(m/c1) sqrt(c2)/(sqrt(M) + eps),   M = max over s <= t of G(s).                      [Keras]

    >>> print(str(amsgrad_hat(tau1=0.1, tau2=10.0)).splitlines()[0])
    theta' = -m/c1/(sqrt(M/c2) + eps/sqrt(c2))
    """
    return _amsgrad("AMSGrad (eps hat)", tau1, tau2, eps, _ceiling, _velocity_hat)


def amsgrad_corrected(tau1: Number, tau2: Number, eps: Number = 1e-8) -> Flow:
    """theta' = -(m/c1)/(sqrt(M) + eps),   M = max over s <= t of G(s)/c2(s).                        [optax]

    >>> print(str(amsgrad_corrected(tau1=0.1, tau2=10.0)).splitlines()[5])
    M     <- maximum(M, G/c2)
    """
    return _amsgrad("AMSGrad (corrected)", tau1, tau2, eps, _corrected_ceiling, _velocity_below)


def adamax(tau1: Number, tau2: Number, eps: Number = 1e-8) -> Flow:
    """theta' = -(m/c1)/u,   u = max over s <= t of e^(-(t-s)/tau2) (|g(s)| + eps).       [Kingma and Ba 2015, alg. 2]

    >>> adamax(tau1=0.1, tau2=10.0)
    theta' = -m/c1/u
    m'     = (grad L(theta) - m)/tau1
    u'     = -u/tau2
    c1'    = (1 - c1)/tau1
    u     <- maximum(u, |grad L(theta)| + eps)
    with tau1 = 0.1, tau2 = 10, eps = 1e-08
    """
    return _adamax("Adamax", tau1, tau2, eps, lambda grad, theta, u, eps: ops.maximum(u, abs(grad(theta)) + eps), _by_u)


def adamax_outside(tau1: Number, tau2: Number, eps: Number = 1e-7) -> Flow:
    """theta' = -(m/c1)/(u + eps),   u = max over s <= t of e^(-(t-s)/tau2) |g(s)|.                   [Keras]

    >>> print(str(adamax_outside(tau1=0.1, tau2=10.0)).splitlines()[0])
    theta' = -m/c1/(u + eps)
    """
    ceiling = lambda grad, theta, u: ops.maximum(u, abs(grad(theta)))
    return _adamax("Adamax (eps outside)", tau1, tau2, eps, ceiling, _by_u_and_eps)


def _amsgrad(name: str, tau1: Number, tau2: Number, eps: Number, ceiling: Formula, drift: Formula) -> Flow:
    return flow(
        "theta m G c1 c2 M",
        constants(tau1, tau2, eps),
        clocks="c1 c2",
        name=name,
        preconditioner="G M",
        floors="eps",
        ages="memory",
        memory=MOMENTS,
        ceiling=project("M", ceiling),
        drift=push("theta", drift),
    )


def _adamax(name: str, tau1: Number, tau2: Number, eps: Number, ceiling: Formula, drift: Formula) -> Flow:
    return flow(
        "theta m u c1",
        constants(tau1, tau2, eps),
        clocks="c1",
        name=name,
        preconditioner="u",
        floors="eps",
        ages="memory",
        memory=(mean, relax("u", rate=lambda tau2: 1 / tau2), clock1),
        ceiling=project("u", ceiling),
        drift=push("theta", drift),
    )


def _ceiling(M: Any, G: Any) -> Any:
    return ops.maximum(M, G)


def _corrected_ceiling(grad: Any, theta: Any, M: Any, G: Any, c2: Any) -> Any:
    return ops.maximum(M, corrected_square(grad, theta, G, c2))


def _velocity(grad: Any, theta: Any, m: Any, M: Any, c1: Any, c2: Any, eps: Any) -> Any:
    return velocity(grad, theta, m, M, c1, c2, eps)


def _velocity_hat(grad: Any, theta: Any, m: Any, M: Any, c1: Any, c2: Any, eps: Any) -> Any:
    return velocity_hat(grad, theta, m, M, c1, c2, eps)


def _velocity_below(grad: Any, theta: Any, m: Any, M: Any, c1: Any, eps: Any) -> Any:
    return -corrected_mean(grad, theta, m, c1) / (ops.sqrt(M) + eps)


def _by_u(grad: Any, theta: Any, m: Any, u: Any, c1: Any) -> Any:
    return -corrected_mean(grad, theta, m, c1) / u


def _by_u_and_eps(grad: Any, theta: Any, m: Any, u: Any, c1: Any, eps: Any) -> Any:
    return -corrected_mean(grad, theta, m, c1) / (u + eps)
