"""ASGD: gradient descent with a slowly decreasing rate, and the average of its path."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from odeopt import flows, schemes
from odeopt.core.flow import Flow, Speed
from odeopt.core.ops import maximum
from odeopt.flows.averaging import asgd_drift
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.sources import BOTTOU, POLYAK_JUDITSKY
from odeopt.util import check
from odeopt.util.check import Number


def asgd(
    lr: Number | None = None,
    lambd: Number | None = None,
    alpha: Number | None = None,
    t0: Number | None = None,
    *,
    like: str = "torch",
) -> Optimizer:
    """theta <- theta - eta (g + lambd theta),   eta = lr (1 + lambd lr n)^(-alpha).          [torch.optim.ASGD]

    Explicit Euler with h = lr; n = 0, 1, ....  From step t0 + 1 on, `average` is the mean of theta.  It is
    updated once per step and read by nothing; the averaging is a projection, not a flow.

    >>> asgd().scheme.word
    'drift averaging'
    """
    settings = filled("asgd", like, {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0})
    settings["lr"] = check.rate("lr", settings["lr"])
    settings |= {key: check.nonnegative(key, settings[key]) for key in ("lambd", "alpha", "t0")}
    check.together(**{key: settings[key] for key in ("lr", "lambd", "alpha", "t0")})
    h, begin = settings["lr"], settings["t0"] * settings["lr"]
    if not np.all(np.asarray(settings["lambd"]) * h < 2):
        raise ValueError(f"lambd must be below 2/lr, got {settings['lambd']!r} with lr = {h!r}")
    valid = "lr (lambda + lambd) < 2 at first; of `average` no order is defined"
    return named(
        asgd,
        settings,
        lambda h: {"lr": h, "t0": begin / h},
        Facts(1, "lr", "h = lr, t0 counts steps", valid, (POLYAK_JUDITSKY, BOTTOU.at("sec. 5"))),
        flows.asgd(settings["lambd"], settings["alpha"], settings["t0"], step=h),
        schemes.Splitting("drift averaging"),
        h,
        pace=_lagging,
    )


def _lagging(flow: Flow, speed: Speed) -> Flow:
    """torch sets eta at the end of a step for the next: a schedule acts one step late, and its first value twice."""
    step = flow.params["step"]
    drift = asgd_drift(lambda t: speed(maximum(t - step, step / 2)))
    return replace(flow, parts=MappingProxyType({**flow.parts, "drift": (drift,)}))
