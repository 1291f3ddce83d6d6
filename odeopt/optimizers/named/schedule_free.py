"""Schedule-free SGD and AdamW: the mean of the path of z takes the place of momentum and of a decreasing rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt import flows, schemes
from odeopt.core import decay
from odeopt.core.flow import Flow, Speed
from odeopt.core.state import Grad, State
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.newer_sources import DEFAZIO
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.starts import at_rest_but
from odeopt.util import check
from odeopt.util.check import Array, Number

_LATE = "lr lambda < 2/(1 - weight) after many steps"
_LATE_ADAMW = "lr (lambda/sqrt(G) + weight_decay) < 2/(1 - weight) after many steps"
_AVERAGE = "the mean 1/n of step n is the trapezoid's 1/t"


def schedule_free_sgd(lr: Number | None = None, weight: Number | None = None, *, like: str = "optax") -> Optimizer:
    """z <- z - lr g(theta),   x <- x + (z - x)/n,   theta <- (1 - weight) z + weight x.

    [optax.contrib.schedule_free_sgd]  The gradient is taken at theta; the loss is meant to be read at
    x = (theta - (1 - weight) z)/weight.  `weight` is the library's b1.  Without x the step is
    a word: theta and z descend from the same state, and theta relaxes to z with the friction 1/t by the trapezoid,
    whose factor in step n is 1 - 1/n.  For weight decay use `l2`.  Under a schedule the mean stays uniform;
    optax weighs it by the square of the largest rate so far, which is the same while the rate does not grow.

    >>> schedule_free_sgd().scheme.word
    '[descent kick] pull'
    """
    settings = filled("schedule_free_sgd", like, {"lr": lr, "weight": weight})
    settings |= {"lr": check.rate("lr", settings["lr"]), "weight": _weight("weight", settings["weight"])}
    check.together(lr=settings["lr"], weight=settings["weight"])
    return named(
        schedule_free_sgd,
        settings,
        lambda h: {"lr": h},
        Facts(1, "lr", f"h = lr; {_AVERAGE}", _LATE, (DEFAZIO.at("eq. 3 to 5"),)),
        flows.schedule_free_sgd(settings["weight"]),
        schemes.Splitting("[descent kick] pull", decay.trapezoid),
        settings["lr"],
        start=_together,
        pace=_descents_paced,
    )


def schedule_free_adamw(
    lr: Number | None = None,
    weight: Number | None = None,
    beta2: Number | None = None,
    eps: Number | None = None,
    weight_decay: Number | None = None,
    *,
    like: str = "optax",
) -> Optimizer:
    """z <- z - lr (g/(sqrt(G/c2) + eps) + w theta),   x and theta as in `schedule_free_sgd`.

    [optax.contrib.schedule_free_adamw]  G <- beta2 G + (1 - beta2) g^2.  beta2 = R(-h/tau2) with the trapezoid's R, the
    rule of the mean.

    >>> schedule_free_adamw().scheme.word
    'memory [descent kick] pull'
    """
    given = {"lr": lr, "weight": weight, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
    settings = filled("schedule_free_adamw", like, given)
    ranges = {"lr": check.rate, "weight": _weight, "beta2": check.fraction}
    settings |= {key: ranges.get(key, check.nonnegative)(key, settings[key]) for key in given}
    check.together(**{key: settings[key] for key in given})
    h, rule = settings["lr"], decay.trapezoid
    tau2 = h / rule.z_of(settings["beta2"])
    return named(
        schedule_free_adamw,
        settings,
        lambda h: {"lr": h, "beta2": rule.kept(h / tau2)},
        Facts(1, "lr", f"h = lr, beta2 = R(-h/tau2), {rule} R; {_AVERAGE}", _LATE_ADAMW, (DEFAZIO.at("alg. 1"),)),
        flows.schedule_free_adamw(tau2, *[settings[key] for key in ("weight", "eps", "weight_decay")]),
        schemes.Splitting("memory [descent kick] pull", rule),
        h,
        start=_together,
        pace=_descents_paced,
    )


def _together(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
    """z = theta, and no other memory."""
    return at_rest_but(flow, theta0, "z", theta0)


def _descents_paced(flow: Flow, speed: Speed) -> Flow:
    """z' = s(t) F and its share of theta; the mean stays uniform."""
    return flow.paced("descent", speed).paced("kick", speed)


def _weight(name: str, value: Any) -> Number:
    """A number in (0, 1): at 0, x is not in theta."""
    found = check.fraction(name, value)
    if not np.all(np.asarray(found) > 0):
        raise ValueError(f"{name} must be in (0, 1), got {value!r}")
    return found
