"""Second-order flows: Newton's equation with friction, on the two clocks of momentum and in its accelerated forms."""

from __future__ import annotations

from odeopt import check
from odeopt.check import Number
from odeopt.flow import Flow, flow, push, relax


def heavy_ball(damping: Number) -> Flow:
    """theta' = v,   v' = -grad L(theta) - damping v.                                       [Polyak 1964, eq. 9]

    Inertial time: one unit is the time in which a unit force on a unit mass gains unit speed.

    >>> heavy_ball(damping=0.5)
    theta' = v
    v'     = -grad L(theta) - damping*v
    with damping = 0.5
    """
    return flow(
        "theta v",
        {"damping": check.nonnegative("damping", damping)},
        name="heavy ball",
        drift=push("theta", lambda v: v),
        kick=push("v", lambda grad, theta: -grad(theta)),
        friction=relax("v", rate=lambda damping: damping),
    )


def averaged_gradient(tau: Number) -> Flow:
    """theta' = -m,   m' = (grad L(theta) - m)/tau.                              [Polyak 1964, eq. 9, in lr-time]

    The heavy ball on the clock of the learning rate: t = inertial time / damping, tau = 1/damping^2.
    As tau -> 0 it becomes gradient flow without a singularity.

    >>> averaged_gradient(tau=0.1)
    theta' = -m
    m'     = (grad L(theta) - m)/tau
    with tau = 0.1
    """
    return flow(
        "theta m",
        {"tau": check.positive("tau", tau)},
        name="heavy ball in lr-time",
        drift=push("theta", lambda m: -m),
        memory=relax("m", target=lambda grad, theta: grad(theta), rate=lambda tau: 1 / tau),
    )


def quasi_hyperbolic(tau: Number, weight: Number) -> Flow:
    """theta' = -(weight m + (1 - weight) grad L(theta)),   m' = (grad L(theta) - m)/tau.   [Ma and Yarats 2019, eq. 4]

    With weight = beta this is Nesterov's momentum; weight is no rate, and does not change with the step.

    >>> quasi_hyperbolic(tau=0.1, weight=0.9)
    theta' = -(weight*m + (1 - weight)*grad L(theta))
    m'     = (grad L(theta) - m)/tau
    with tau = 0.1, weight = 0.9
    """
    return flow(
        "theta m",
        {"tau": check.positive("tau", tau), "weight": check.fraction("weight", weight)},
        name="quasi-hyperbolic momentum",
        drift=push("theta", lambda grad, theta, m, weight: -(weight * m + (1 - weight) * grad(theta))),
        memory=relax("m", target=lambda grad, theta: grad(theta), rate=lambda tau: 1 / tau),
    )


def hessian_damped(damping: Number, viscosity: Number) -> Flow:
    """x'' + damping x' + viscosity H(x) x' + grad L(x) = 0.      [Alvarez et al. 2002, eq. 1; first-order form]

    With v = x' + viscosity grad L the Hessian disappears:
    theta' = v - viscosity grad L(theta),   v' = -damping v - (1 - damping viscosity) grad L(theta).

    >>> hessian_damped(damping=0.5, viscosity=0.1)
    theta' = v - viscosity*grad L(theta)
    v'     = -(1 - damping*viscosity)*grad L(theta) - damping*v
    with damping = 0.5, viscosity = 0.1
    """
    return flow(
        "theta v",
        {"damping": check.nonnegative("damping", damping), "viscosity": check.nonnegative("viscosity", viscosity)},
        name="Hessian-damped heavy ball",
        drift=push("theta", lambda v: v),
        descent=push("theta", lambda grad, theta, viscosity: -viscosity * grad(theta)),
        kick=push("v", lambda grad, theta, damping, viscosity: -(1 - damping * viscosity) * grad(theta)),
        friction=relax("v", rate=lambda damping: damping),
    )


def su_boyd_candes(r: Number = 3.0) -> Flow:
    """x'' + (r/t) x' + grad L(x) = 0.                                        [Su, Boyd and Candes 2016, eq. 3]

    At t = 0 the friction has the limit r/(1 + r) grad L, so that x''(0) = -grad L(x0)/(1 + r).

    >>> su_boyd_candes()
    theta' = v
    v'     = -grad L(theta) - r/t*v
    with r = 3
    """
    return flow(
        "theta v",
        {"r": check.positive("r", r)},
        name="Su-Boyd-Candes",
        drift=push("theta", lambda v: v),
        kick=push("v", lambda grad, theta: -grad(theta)),
        friction=relax("v", rate=lambda t, r: r / t, limit=lambda grad, theta, r: r / (1 + r) * grad(theta)),
    )
