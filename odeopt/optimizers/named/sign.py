"""Sign methods: the length of a step does not depend on the size of the gradient.

delta > 0 smooths the sign to u/(|u| + delta).  With delta = 0 the flow is discontinuous: the iterates stay within one
step of it, but no order is defined.
"""

from __future__ import annotations

from typing import Any

from odeopt import flows, schemes
from odeopt.core import decay
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.sources import BERNSTEIN, CHEN, CORTES
from odeopt.optimizers.starts import half_step, rest, settled
from odeopt.util import check
from odeopt.util.check import Number

SMOOTH = "delta > 0; with delta = 0 the flow is discontinuous and the iterates chatter by lr"


def signsgd(lr: Number | None = None, delta: Number = 0.0, like: str = "optax") -> Optimizer:
    """theta <- theta - lr sign(g).                                                                 [optax.sign_sgd]

    Explicit Euler on theta' = -sign(grad L), h = lr.

    >>> signsgd(lr=0.1).flow
    theta' = -grad L(theta)/(|grad L(theta)| + delta)
    with delta = 0
    """
    lr = check.rate("lr", filled("signsgd", like, {"lr": lr})["lr"])
    settings = {"lr": lr, "delta": check.nonnegative("delta", delta)}
    facts = Facts(1, "lr", "h = lr", SMOOTH, (BERNSTEIN.at("alg. 1"),))
    return named(signsgd, settings, lambda h: {"lr": h}, facts, flows.sign_flow(delta), schemes.euler, lr)


def signum(
    lr: Number | None = None,
    beta: Number | None = None,
    delta: Number = 0.0,
    start: str = "half",
    *,
    like: str = "optax",
) -> Optimizer:
    """m <- beta m + (1 - beta) g,   theta <- theta - lr sign(m).                                     [optax.signum]

    h = lr, beta = e^(-h/tau).  start="half" gives the mean of the flow the age h/2, for order 2 if delta > 0.

    >>> signum(lr=0.1).scheme.word
    'memory drift'
    """
    found = filled("signum", like, {"lr": lr, "beta": beta})
    settings: dict[str, Any] = {"lr": check.rate("lr", found["lr"]), "beta": check.fraction("beta", found["beta"])}
    settings |= {"delta": check.nonnegative("delta", delta), "like": like}
    settings["start"] = check.choice("start", start, ("half", "zero"))
    lr, tau = settings["lr"], settings["lr"] / decay.exact.z_of(settings["beta"])
    return named(
        signum,
        settings,
        lambda h: {"lr": h, "beta": decay.exact.kept(h / tau)},
        Facts(2 if start == "half" else 1, "lr", "h = lr, beta = e^(-h/tau)", SMOOTH, (BERNSTEIN.at("alg. 2"),)),
        flows.signum(tau, settings["delta"]),
        schemes.Splitting("memory drift"),
        lr,
        flow_start=half_step() if start == "half" else rest,
    )


def normalized_gd(lr: Number | None = None, eps: Number | None = None, like: str = "optax") -> Optimizer:
    """theta <- theta - lr g/(|g| + eps), |g| the norm over all coordinates.         [optax.normalize_by_update_norm]

    Explicit Euler on the flow of unit speed, h = lr.

    >>> normalized_gd(lr=0.1).settings["eps"]
    1e-06
    """
    found = filled("normalized_gd", like, {"lr": lr, "eps": eps})
    settings = {"lr": check.rate("lr", found["lr"]), "eps": check.nonnegative("eps", found["eps"])}
    facts = Facts(1, "lr", "h = lr", "norm(g) >> eps; within lr of a minimum it oscillates", (CORTES.at("eq. 8"),))
    flow = flows.normalized_flow(settings["eps"])
    return named(normalized_gd, settings, lambda h: {"lr": h}, facts, flow, schemes.euler, settings["lr"])


def lion(
    lr: Number | None = None,
    beta1: Number | None = None,
    beta2: Number | None = None,
    weight_decay: Number | None = None,
    delta: Number = 0.0,
    start: str = "zero",
    *,
    like: str = "keras",
) -> Optimizer:
    """theta <- (1 - lr w) theta - lr sign(beta1 m + (1 - beta1) g),   m <- beta2 m + (1 - beta2) g.     [optax.lion]

    Both updates start from the same state: explicit Euler in theta, exact relaxation of m, h = lr, beta2 = e^(-h/tau).
    beta1 is a weight, not a rate.  start="settled" starts with m = g0.

    >>> lion(lr=0.1).scheme.word
    '[drift memory]'
    """
    found = filled("lion", like, {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay})
    ranges = {"lr": check.rate, "beta1": check.fraction, "beta2": check.fraction, "weight_decay": check.nonnegative}
    settings: dict[str, Any] = {key: allowed(key, found[key]) for key, allowed in ranges.items()}
    settings |= {"delta": check.nonnegative("delta", delta), "like": like, "start": start}
    lr, tau = settings["lr"], settings["lr"] / decay.exact.z_of(settings["beta2"])
    starts = {"zero": {}, "settled": {"start": settled, "flow_start": settled}}
    chosen: dict[str, Any] = starts[check.choice("start", start, starts)]
    return named(
        lion,
        settings,
        lambda h: {"lr": h, "beta2": decay.exact.kept(h / tau)},
        Facts(1, "lr", "h = lr, beta2 = e^(-h/tau); beta1 is a weight", SMOOTH, (CHEN.at("alg. 2"),)),
        flows.lion(tau, settings["beta1"], settings["weight_decay"], settings["delta"]),
        schemes.Splitting("[drift memory]"),
        lr,
        **chosen,
    )
