"""Shampoo, a splitting of its matrix flow."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt import flows, schemes
from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State, column
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.sources import GUPTA
from odeopt.util import check
from odeopt.util.check import Array, Number


def shampoo(lr: Number = 0.01, eps: Number = 1e-4, *, shape: tuple[int, int] = (1, 1)) -> Optimizer:
    """L <- L + G G^T,   R <- R + G^T G,   theta <- theta - lr L^(-1/4) G R^(-1/4), from L = R = eps I.

    [Gupta, Koren and Singer 2018, alg. 1]  theta is a row-major matrix of `shape`.  h = lr^2, and L and R of the flow
    are lr^2 times those of the optimizer, as in Adagrad.

    >>> shampoo(lr=0.1, shape=(2, 3)).scheme.word
    'memory drift'
    """
    settings: dict[str, Any] = {"lr": check.rate("lr", lr), "eps": check.positive("eps", eps)}
    check.together(**settings)
    flow = flows.shampoo(shape)
    settings["shape"] = check.shape("shape", shape)
    lr, h, first = settings["lr"], settings["lr"] ** 2, settings["eps"] * settings["lr"] ** 2

    def begin(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
        eyes = {name: np.eye(size).ravel() for name, size in zip("LR", settings["shape"], strict=True)}
        return flow.start(theta0, **{name: column(first) * eye for name, eye in eyes.items()})

    valid = (
        "lr lambda < 2 in the metric of L^(1/4) and R^(1/4); eps far above g0^2 for the order: its start is singular"
    )
    return named(
        shampoo,
        settings,
        lambda h: {"lr": h**0.5, "eps": first / h},
        Facts(1, "lr^2", "h = lr^2, L and R of the flow = lr^2 times these", valid, (GUPTA,)),
        flow,
        schemes.Splitting("memory drift"),
        h,
        start=begin,
        flow_start=begin,
        lr_time=lr,
    )
