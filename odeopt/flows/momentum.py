"""Second-order flows: Newton's equation with friction, on two time scales, and its accelerated forms."""

from __future__ import annotations

from odeopt.core import ops
from odeopt.core.flow import Flow, decreasing, flow, push, relax
from odeopt.util import check
from odeopt.util.check import Number

STRONGLY = "L is mu-strongly convex, 4 mu >= "


def heavy_ball(damping: Number) -> Flow:
    """theta' = v,   v' = -grad L(theta) - damping v.                                       [Polyak 1964, eq. 9]

    Inertial time: one unit is the time in which a unit force on a unit mass gains unit speed.
    The energy L + |v|^2/2 decreases at the rate damping |v|^2.  If L is strongly convex, the Lyapunov function of
    Wilson, Recht and Jordan 2021 (prop. 3) decreases too, faster for larger damping up to 2 sqrt(mu).

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
        quantities={
            "energy": decreasing(lambda loss, v: loss + ops.norm(v) ** 2 / 2),
            "lyapunov": decreasing(
                lambda t, gap, offset, v, damping: (
                    ops.exp(t * damping / 2) * (gap + ops.norm(v + damping / 2 * offset) ** 2 / 2)
                ),
                f"{STRONGLY}damping^2",
            ),
        },
    )


def averaged_gradient(tau: Number) -> Flow:
    """theta' = -m,   m' = (grad L(theta) - m)/tau.                              [Polyak 1964, eq. 9, in lr-time]

    The heavy ball in learning-rate time: t = inertial time / damping, tau = 1/damping^2.
    As tau -> 0 it tends to gradient flow without a singularity.  The substitution v = -sqrt(tau) m carries over the
    energies of the heavy ball; L + tau |m|^2/2 decreases at the rate |m|^2.

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
        ages="memory",
        memory=relax("m", target=lambda grad, theta: grad(theta), rate=lambda tau: 1 / tau),
        quantities={
            "energy": decreasing(lambda loss, m, tau: loss + tau * ops.norm(m) ** 2 / 2),
            "lyapunov": decreasing(
                lambda t, gap, offset, m, tau: (
                    ops.exp(t / (2 * tau)) * (gap + ops.norm(offset - 2 * tau * m) ** 2 / (8 * tau))
                ),
                f"{STRONGLY}1/tau",
            ),
        },
    )


def quasi_hyperbolic(tau: Number, weight: Number) -> Flow:
    """theta' = -(weight m + (1 - weight) grad L(theta)),   m' = (grad L(theta) - m)/tau.   [Ma and Yarats 2019, eq. 4]

    With weight = beta this is Nesterov's momentum.  weight is not a rate: it does not change with the step.
    L + weight tau |m|^2/2 decreases at the rate (1 - weight) |g|^2 + weight |m|^2.

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
        ages="memory",
        memory=relax("m", target=lambda grad, theta: grad(theta), rate=lambda tau: 1 / tau),
        quantities={"energy": decreasing(lambda loss, m, tau, weight: loss + weight * tau * ops.norm(m) ** 2 / 2)},
    )


def hessian_damped(damping: Number, viscosity: Number) -> Flow:
    """x'' + damping x' + viscosity H(x) x' + grad L(x) = 0.      [Alvarez et al. 2002, eq. 1; first-order form]

    With v = x' + viscosity grad L the Hessian disappears:
    theta' = v - viscosity grad L(theta),   v' = -damping v - (1 - damping viscosity) grad L(theta).
    (1 + damping viscosity) L + |v|^2/2 decreases at the rate damping |x'|^2 + viscosity |grad L|^2.

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
        quantities={
            "energy": decreasing(
                lambda loss, v, damping, viscosity: (1 + damping * viscosity) * loss + ops.norm(v) ** 2 / 2
            )
        },
    )


def su_boyd_candes(r: Number = 3.0) -> Flow:
    """x'' + (r/t) x' + grad L(x) = 0.                                        [Su, Boyd and Candes 2016, eq. 3]

    At t = 0 the friction term has the limit -r/(1 + r) grad L, so x''(0) = -grad L(x0)/(1 + r).  If L is convex, the
    Lyapunov function of theorem 5 decreases: L - L* <= (r - 1)^2 |x0 - x*|^2/(2 t^2).

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
        quantities={
            "energy": decreasing(lambda loss, v: loss + ops.norm(v) ** 2 / 2),
            "lyapunov": decreasing(
                lambda t, gap, offset, v, r: (
                    2 * t**2 / (r - 1) * gap + (r - 1) * ops.norm(offset + t / (r - 1) * v) ** 2
                ),
                "L is convex, r >= 3",
            ),
        },
    )


def high_resolution_nesterov(step: Number) -> Flow:
    """x'' + (3/T) x' + h H(x) x' + (1 + 3h/(2T)) grad L(x) = 0,   T = t + 3h/2,  h = step.   [Shi et al. 2022]

    With v = x' + h grad L the Hessian disappears: theta' = v - h grad L(theta), v' = -(3 v + t grad L(theta))/T.
    From rest at t = 0 the iterates y_k of `nesterov_k`, h = sqrt(lr), follow this flow with order 2; they follow
    `su_boyd_candes` with order 1.  The iterates x_k belong to T = (k + 1/2) h and start with x' = 0, or v = h grad L.
    If L is convex, T (T + h/2) (L - L*) + |T v + 2 (theta - theta*)|^2/2 decreases.

    >>> high_resolution_nesterov(step=0.1)
    theta' = v - step*grad L(theta)
    v'     = -t*grad L(theta)/(t + 1.5*step) - 3/(t + 1.5*step)*v
    with step = 0.1
    """
    return flow(
        "theta v",
        {"step": check.positive("step", step)},
        name="high-resolution Nesterov",
        drift=push("theta", lambda v: v),
        descent=push("theta", lambda grad, theta, step: -step * grad(theta)),
        kick=push("v", lambda t, grad, theta, step: -t * grad(theta) / (t + 1.5 * step)),
        friction=relax("v", rate=lambda t, step: 3 / (t + 1.5 * step)),
        quantities={
            "lyapunov": decreasing(
                lambda t, gap, offset, v, step: (
                    (t + 1.5 * step) * (t + 2 * step) * gap + ops.norm((t + 1.5 * step) * v + 2 * offset) ** 2 / 2
                ),
                "L is convex",
            )
        },
    )
