"""Preconditioned flows: each coordinate moves at a speed set by the memory of its own gradients."""

from __future__ import annotations

from odeopt import check, ops
from odeopt.check import Number
from odeopt.flow import Flow, Onset, flow, push, relax
from odeopt.flows.onset import first_move


def rmsprop(tau: Number, eps: Number = 1e-8) -> Flow:
    """G' = (grad L^2 - G)/tau,   theta' = -grad L/(sqrt(G) + eps).                   [Tieleman and Hinton 2012]

    From G = 0 the start is singular: theta ~ theta0 - 2 sign(g0) sqrt(tau t), smooth in sqrt(t) only.

    >>> rmsprop(tau=0.1)
    theta' = -grad L(theta)/(sqrt(G) + eps)
    G'     = (grad L(theta)^2 - G)/tau
    with tau = 0.1, eps = 1e-08
    """
    return flow(
        "theta G",
        {"tau": check.positive("tau", tau), "eps": check.nonnegative("eps", eps)},
        name="RMSprop",
        preconditioner="G",
        onset=Onset(
            lambda t, grad, theta, tau, eps: (
                theta - first_move(grad(theta), 1 / tau, t, eps),
                t / tau * grad(theta) ** 2,
            ),
            power=2,
        ),
        memory=relax("G", target=lambda grad, theta: grad(theta) ** 2, rate=lambda tau: 1 / tau),
        drift=push("theta", lambda grad, theta, G, eps: -grad(theta) / (ops.sqrt(G) + eps)),
    )


def adagrad(eps: Number = 1e-12) -> Flow:
    """G' = grad L^2,   theta' = -grad L/(sqrt(G) + eps).                         [Duchi, Hazan and Singer 2011]

    Time is lr^2 per step, and G is lr^2 times the library's sum of squares; eps is lr times the library's.

    >>> adagrad()
    theta' = -grad L(theta)/(sqrt(G) + eps)
    G'     = grad L(theta)^2
    with eps = 1e-12
    """
    return flow(
        "theta G",
        {"eps": check.nonnegative("eps", eps)},
        name="Adagrad",
        preconditioner="G",
        onset=Onset(
            lambda t, grad, theta, eps: (theta - first_move(grad(theta), 1.0, t, eps), t * grad(theta) ** 2), power=2
        ),
        memory=push("G", lambda grad, theta: grad(theta) ** 2),
        drift=push("theta", lambda grad, theta, G, eps: -grad(theta) / (ops.sqrt(G) + eps)),
    )


def adam(tau1: Number, tau2: Number, eps: Number = 1e-8) -> Flow:
    """theta' = -(m/c1)/(sqrt(G/c2) + eps),  m' = (g - m)/tau1,  G' = (g^2 - G)/tau2,  ci' = (1 - ci)/taui.

    [Kingma and Ba 2015, alg. 1.]  The bias correction is state: c1 and c2 are clocks that relax to 1 like the
    moments, so the flow is autonomous.  At t = 0 the quotients have the limits g and g^2.

    >>> adam(tau1=0.1, tau2=10.0)
    theta' = -m/c1/(sqrt(G/c2) + eps)
    m'     = (grad L(theta) - m)/tau1
    G'     = (grad L(theta)^2 - G)/tau2
    c1'    = (1 - c1)/tau1
    c2'    = (1 - c2)/tau2
    with tau1 = 0.1, tau2 = 10, eps = 1e-08
    """
    return flow(
        "theta m G c1 c2",
        {
            "tau1": check.positive("tau1", tau1),
            "tau2": check.positive("tau2", tau2),
            "eps": check.nonnegative("eps", eps),
        },
        clocks="c1 c2",
        name="Adam",
        preconditioner="G",
        memory=(
            relax("m", target=lambda grad, theta: grad(theta), rate=lambda tau1: 1 / tau1),
            relax("G", target=lambda grad, theta: grad(theta) ** 2, rate=lambda tau2: 1 / tau2),
            relax("c1", target=lambda: 1.0, rate=lambda tau1: 1 / tau1),
            relax("c2", target=lambda: 1.0, rate=lambda tau2: 1 / tau2),
        ),
        drift=push("theta", _adam_velocity),
    )


def _adam_velocity(grad, theta, m, G, c1, c2, eps):  # type: ignore[no-untyped-def]
    mean = ops.ratio(m, c1, limit=lambda: grad(theta))
    square = ops.ratio(G, c2, limit=lambda: grad(theta) ** 2)
    return -mean / (ops.sqrt(square) + eps)
