"""Preconditioned flows: the memory of past gradients sets the speed of each coordinate."""

from __future__ import annotations

from odeopt.core import ops
from odeopt.core.flow import Flow, Onset, conserved, decreasing, flow, push, relax
from odeopt.flows.roots import root_of
from odeopt.util import check
from odeopt.util.check import Number

DESCENT = {"loss": decreasing(lambda loss: loss)}  # theta' = -P g with P > 0: dL/dt = -g P g


def rmsprop(tau: Number, eps: Number = 1e-8, root: str = "outside") -> Flow:
    """G' = (grad L^2 - G)/tau,   theta' = -grad L/(sqrt(G) + eps).                   [Tieleman and Hinton 2012]

    root="inside" uses sqrt(G + eps).  A start at G = 0 is singular: theta ~ theta0 - 2 sign(g0) sqrt(tau t), which is
    smooth in sqrt(t) only.  L decreases.  So does L + tau sum_i I(G_i), where I(G) is the integral of
    1/(sqrt(s) + eps) over s in [0, G] (2 sqrt(G) for eps = 0); its rate of decrease is sum_i G_i/(sqrt(G_i) + eps).

    >>> rmsprop(tau=0.1)
    theta' = -grad L(theta)/(sqrt(G) + eps)
    G'     = (grad L(theta)^2 - G)/tau
    with tau = 0.1, eps = 1e-08
    """
    below = root_of(root)
    return flow(
        "theta G",
        {"tau": check.positive("tau", tau), "eps": check.nonnegative("eps", eps)},
        name="RMSprop",
        preconditioner="G",
        floors="eps",
        onset=Onset(
            lambda t, grad, theta, tau, eps: (
                theta - below.move(grad(theta), 1 / tau, t, eps),
                t / tau * grad(theta) ** 2,
            ),
            power=2,
        ),
        ages="memory",
        memory=relax("G", target=lambda grad, theta: grad(theta) ** 2, rate=lambda tau: 1 / tau),
        drift=push("theta", lambda grad, theta, G, eps: -grad(theta) / below.of(G, eps)),
        quantities={
            **DESCENT,
            "energy": decreasing(lambda loss, G, tau, eps: loss + tau * ops.total(below.primitive(G, eps))),
        },
    )


def centred_rmsprop(tau: Number, eps: Number = 1e-8, root: str = "outside") -> Flow:
    """RMSprop by the variance:   a' = (grad L - a)/tau,   theta' = -grad L/(sqrt(G - a^2) + eps).   [Graves 2013, (38)]

    >>> centred_rmsprop(tau=0.1, root="inside")
    theta' = -grad L(theta)/sqrt(G - a^2 + eps)
    G'     = (grad L(theta)^2 - G)/tau
    a'     = (grad L(theta) - a)/tau
    with tau = 0.1, eps = 1e-08
    """
    below = root_of(root)
    return flow(
        "theta G a",
        {"tau": check.positive("tau", tau), "eps": check.nonnegative("eps", eps)},
        name="centred RMSprop",
        preconditioner="G",
        floors="eps",
        onset=Onset(
            lambda t, grad, theta, tau, eps: (
                theta - below.move(grad(theta), 1 / tau, t, eps),
                t / tau * grad(theta) ** 2,
                t / tau * grad(theta),
            ),
            power=2,
        ),
        ages="memory",
        memory=(
            relax("G", target=lambda grad, theta: grad(theta) ** 2, rate=lambda tau: 1 / tau),
            relax("a", target=lambda grad, theta: grad(theta), rate=lambda tau: 1 / tau),
        ),
        drift=push("theta", lambda grad, theta, G, a, eps: -grad(theta) / below.of(G - a**2, eps)),
        quantities=DESCENT,
    )


def adagrad(eps: Number = 1e-12, root: str = "outside") -> Flow:
    """G' = grad L^2,   theta' = -grad L/(sqrt(G) + eps).                         [Duchi, Hazan and Singer 2011]

    One step takes the time lr^2.  G is lr^2 times the library's sum of squares, and eps is lr times the library's eps
    (lr^2 times with root="inside").  L + sum_i I(G_i) is conserved, where I(G) is the integral of 1/(sqrt(s) + eps)
    over s in [0, G], 2 sqrt(G) for eps = 0.

    >>> adagrad()
    theta' = -grad L(theta)/(sqrt(G) + eps)
    G'     = grad L(theta)^2
    with eps = 1e-12
    """
    below = root_of(root)
    return flow(
        "theta G",
        {"eps": check.nonnegative("eps", eps)},
        name="Adagrad",
        preconditioner="G",
        floors="eps",
        onset=Onset(
            lambda t, grad, theta, eps: (theta - below.move(grad(theta), 1.0, t, eps), t * grad(theta) ** 2), power=2
        ),
        ages="memory",
        memory=push("G", lambda grad, theta: grad(theta) ** 2),
        drift=push("theta", lambda grad, theta, G, eps: -grad(theta) / below.of(G, eps)),
        quantities={
            **DESCENT,
            "balance": conserved(lambda loss, G, eps: loss + ops.total(below.primitive(G, eps))),
        },
    )


def adadelta(tau: Number, eps: Number = 1e-6) -> Flow:
    """G' = (grad L^2 - G)/tau,   X' = (d^2 - X)/tau,   theta' = -d,   d = sqrt(X + eps)/sqrt(G + eps) grad L.

    [Zeiler 2012, alg. 1.]  X is the mean square of past updates d, before scaling by lr.

    >>> adadelta(tau=0.1)
    theta' = -sqrt(X + eps)/sqrt(G + eps)*grad L(theta)
    G'     = (grad L(theta)^2 - G)/tau
    X'     = ((sqrt(X + eps)/sqrt(G + eps)*grad L(theta))^2 - X)/tau
    with tau = 0.1, eps = 1e-06
    """
    return flow(
        "theta G X",
        {"tau": check.positive("tau", tau), "eps": check.positive("eps", eps)},
        name="Adadelta",
        preconditioner="G X",
        floors="eps",
        ages="memory",
        memory=relax("G", target=lambda grad, theta: grad(theta) ** 2, rate=lambda tau: 1 / tau),
        drift=push("theta", lambda grad, theta, G, X, eps: -_move(grad, theta, G, X, eps)),
        delta=relax(
            "X",
            target=lambda grad, theta, G, X, eps: _move(grad, theta, G, X, eps) ** 2,
            rate=lambda tau: 1 / tau,
        ),
        quantities=DESCENT,
    )


def _move(grad, theta, G, X, eps):  # type: ignore[no-untyped-def]
    return ops.sqrt(X + eps) / ops.sqrt(G + eps) * grad(theta)
