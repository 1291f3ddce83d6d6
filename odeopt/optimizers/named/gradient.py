"""Gradient descent."""

from __future__ import annotations

from odeopt import flows, schemes
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.sources import CAUCHY, EULER
from odeopt.util import check
from odeopt.util.check import Number


def gd(lr: Number | None = None, like: str = "torch") -> Optimizer:
    """theta <- theta - lr grad L(theta): explicit Euler on gradient flow, h = lr.                    [claim I.1]

    >>> gd(lr=0.1)
    gd(lr=0.1): gradient flow by Euler, h = 0.1
    theta' = -grad L(theta)
    """
    lr = check.rate("lr", filled("gd", like, {"lr": lr})["lr"])
    facts = Facts(1, "lr", "h = lr", "lr lambda < 2", (CAUCHY, EULER))
    return named(gd, {"lr": lr}, lambda h: {"lr": h}, facts, flows.gradient_flow(), schemes.euler, lr)
