"""Gradient descent."""

from __future__ import annotations

from odeopt import check, flows, schemes
from odeopt.check import Number
from odeopt.optimizers.base import Optimizer


def gd(lr: Number = 0.1) -> Optimizer:
    """theta <- theta - lr grad L(theta): explicit Euler on gradient flow, h = lr.                    [claim I.1]

    >>> gd(lr=0.1)
    gd(lr=0.1): gradient flow by Euler, h = 0.1
    theta' = -grad L(theta)
    """
    lr = check.rate("lr", lr)
    return Optimizer(flows.gradient_flow(), schemes.euler, lr, name="gd", settings={"lr": lr})
