"""First-order flows."""

from __future__ import annotations

from odeopt.core import ops
from odeopt.core.flow import Flow, decreasing, flow, push


def gradient_flow() -> Flow:
    """theta' = -grad L(theta).                                                                      [Cauchy 1847]

    dL/dt = -|grad L|^2.  If L is convex, |theta - theta*| and t (L - L*) + |theta - theta*|^2/2 decrease as well.

    >>> gradient_flow()
    theta' = -grad L(theta)
    """
    return flow(
        "theta",
        name="gradient flow",
        drift=push("theta", lambda grad, theta: -grad(theta)),
        quantities={
            "loss": decreasing(lambda loss: loss),
            "distance": decreasing(lambda offset: ops.norm(offset), "L is convex"),
            "lyapunov": decreasing(lambda t, gap, offset: t * gap + ops.norm(offset) ** 2 / 2, "L is convex"),
        },
    )
