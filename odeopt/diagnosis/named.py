"""The optimizer of a library, from its name and settings there, as an odeopt `Optimizer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.named.adam import adam, adamw
from odeopt.optimizers.named.adaptive import rmsprop
from odeopt.optimizers.named.gradient import gd
from odeopt.optimizers.named.momentum import momentum, nesterov
from odeopt.optimizers.named.relatives import nadam

Settings = Mapping[str, Any]


def optimizer_of(name: str, settings: Settings) -> Optimizer | None:
    """The optimizer that torch calls `name`, with the settings of one of its groups; None for one not known here.

    >>> optimizer_of("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": False}).name
    'momentum'
    """
    make = NAMED.get(name.lower())
    try:
        return None if make is None else make(settings)
    except (KeyError, TypeError, ValueError):
        return None


def _adam(make: Callable[..., Optimizer]) -> Callable[[Settings], Optimizer]:
    def made(s: Settings) -> Optimizer:
        decay = {"weight_decay": s["weight_decay"]} if make is adamw else {}
        return make(lr=s["lr"], beta1=s["betas"][0], beta2=s["betas"][1], eps=s["eps"], **decay)

    return made


def _sgd(s: Settings) -> Optimizer:
    if not s.get("momentum"):
        return gd(lr=s["lr"])
    return (nesterov if s.get("nesterov") else momentum)(lr=s["lr"], beta=s["momentum"])


def _rmsprop(s: Settings) -> Optimizer:
    return rmsprop(lr=s["lr"], rho=s["alpha"], eps=s["eps"])


NAMED: dict[str, Callable[[Settings], Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam(adam),
    "adamw": _adam(adamw),
    "nadam": _adam(nadam),
    "rmsprop": _rmsprop,
}
