"""MARS: AdamW on gradients whose variance a difference of two gradients reduces."""

from __future__ import annotations

from typing import Any

from odeopt import flows, schemes
from odeopt.core import decay
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.newer_sources import YUAN
from odeopt.optimizers.recipe import Facts
from odeopt.util import check
from odeopt.util.check import Number


def mars(
    lr: Number = 0.003, beta1: Number = 0.95, beta2: Number = 0.99, gamma: Number = 0.025, eps: Number = 1e-8
) -> Optimizer:
    """c = clipped(g + gamma beta1/(1 - beta1)(g - g_old)),   then Adam with c for g.           [pytorch_optimizer.MARS]

    Clipped to norm 1 over all coordinates; g_old is 0 in the first step, and eps is where Keras' Adam has it.
    Where nothing is clipped, m is the mean of quasi-hyperbolic momentum, (1 - gamma) mean + gamma g.  The difference
    over a step is a derivative in time that no state of an autonomous flow holds: MARS follows no flow.  The defaults
    are the paper's.  For weight decay use `decoupled`.

    >>> mars().describe().order
    'none: it follows no flow'
    """
    settings: dict[str, Any] = {"lr": check.rate("lr", lr)}
    settings |= {"beta1": check.fraction("beta1", beta1), "beta2": check.fraction("beta2", beta2)}
    settings |= {"gamma": check.nonnegative("gamma", gamma), "eps": check.nonnegative("eps", eps)}
    check.together(**settings)
    h, rule, beta1 = settings["lr"], decay.exact, settings["beta1"]
    return named(
        mars,
        settings,
        None,
        Facts(
            None,
            "lr",
            "h = lr, beta_i = e^(-h/tau_i)",
            "gradients of norm below 1, or all coordinates are clipped together",
            (YUAN.at("alg. 2"),),
        ),
        flows.mars(
            h / rule.z_of(beta1),
            h / rule.z_of(settings["beta2"]),
            settings["gamma"] * beta1 / (1 - beta1),
            settings["eps"],
        ),
        schemes.Splitting("memory lag drift"),
        h,
    )
