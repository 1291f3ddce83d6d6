"""QHM: a mean of the gradient and of its mean."""

from __future__ import annotations

from typing import Any

from odeopt import flows, schemes
from odeopt.core import decay
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.newer_sources import MA_YARATS
from odeopt.optimizers.recipe import Facts
from odeopt.util import check
from odeopt.util.check import Number


def qhm(lr: Number = 0.01, beta: Number = 0.999, weight: Number = 0.7) -> Optimizer:
    """m <- beta m + (1 - beta) g,   theta <- theta - lr (weight m + (1 - weight) g).            [pytorch_optimizer.QHM]

    weight = 0 is gradient descent, and weight = beta the Nesterov momentum of rate lr (1 - beta).  h = lr,
    beta = e^(-h/tau).  The defaults are the paper's.

    >>> qhm(lr=0.1).flow.name
    'quasi-hyperbolic momentum'
    """
    settings: dict[str, Any] = {"lr": check.rate("lr", lr), "beta": check.fraction("beta", beta)}
    settings["weight"] = check.fraction("weight", weight)
    check.together(**settings)
    h, tau = settings["lr"], settings["lr"] / decay.exact.z_of(settings["beta"])

    def at(h: Any) -> dict[str, Any]:
        return {"lr": h, "beta": decay.exact.kept(h / tau)}

    return named(
        qhm,
        settings,
        at,
        Facts(
            1,
            "lr",
            "h = lr, beta = e^(-h/tau); weight does not change with the step",
            "lr lambda < 2 (1 + beta)/(1 + beta - 2 beta weight)",
            (MA_YARATS.at("eq. 4"),),
        ),
        flows.quasi_hyperbolic(tau, settings["weight"]),
        schemes.Splitting("memory drift"),
        h,
    )
