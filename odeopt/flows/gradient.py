"""First-order flows."""

from __future__ import annotations

from odeopt.flow import Flow, flow, push


def gradient_flow() -> Flow:
    """theta' = -grad L(theta).                                                                      [Cauchy 1847]

    >>> gradient_flow()
    theta' = -grad L(theta)
    """
    return flow("theta", name="gradient flow", drift=push("theta", lambda grad, theta: -grad(theta)))
