"""Rprop, the only named optimizer that follows no flow."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt import flows, schemes
from odeopt.core.flow import Flow, Speed
from odeopt.core.state import Grad, State, column
from odeopt.optimizers.base import Optimizer, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.sources import RIEDMILLER
from odeopt.util import check
from odeopt.util.check import Array, Number


def rprop(
    lr: Number | None = None,
    eta_minus: Number | None = None,
    eta_plus: Number | None = None,
    min_step: Number | None = None,
    max_step: Number | None = None,
    *,
    like: str = "torch",
) -> Optimizer:
    """size <- size eta+ or size eta-,   theta <- theta - size sign(g).            [torch.optim.Rprop; optax.rprop]

    lr sets only the first size.  optax (0.2.8) delays the update of theta by one step, using the previous gradient.
    Sizes change by fixed factors, not in proportion to a time step, so there is no flow: `compare`, `solve`,
    `with_step` and schedules refuse Rprop.

    >>> rprop().describe().order
    'none: it follows no flow'
    """
    given = {"lr": lr, "eta_minus": eta_minus, "eta_plus": eta_plus, "min_step": min_step, "max_step": max_step}
    settings = filled("rprop", like, given)
    ranges = {"lr": check.rate, "eta_minus": _shrinking, "eta_plus": _growing}
    settings |= {key: ranges.get(key, check.positive)(key, settings[key]) for key in given}
    check.together(**{key: settings[key] for key in given})
    first, least, most = settings["lr"], settings["min_step"], settings["max_step"]
    if not np.all(np.less_equal(least, most)):
        raise ValueError(f"max_step must be at least min_step = {least!r}, got {most!r}")
    if not np.all(np.less_equal(least, first) & np.less_equal(first, most)):
        raise ValueError(f"lr must be between min_step = {least!r} and max_step = {most!r}, got {first!r}")

    form = flows.rprop_late if like == "optax" else flows.rprop

    def start(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
        return flow.start(theta0, size=column(first))

    return named(
        rprop,
        settings,
        None,
        Facts(None, "steps, of lr each by convention", "no step in time", "any gradient", (RIEDMILLER,)),
        form(**{key: settings[key] for key in given if key != "lr"}),
        schemes.Splitting("sizes [drift memory]"),
        first,
        start=start,
        flow_start=start,
        pace=_unpaced,
    )


def _unpaced(flow: Flow, speed: Speed) -> Flow:
    raise ValueError("opt must be an optimizer whose lr acts in every step; rprop's lr only sets its first step size")


def _shrinking(name: str, value: Any) -> Number:
    return check.positive(name, check.fraction(name, value))


def _growing(name: str, value: Any) -> Number:
    found = check.finite(name, value)
    if not np.all(np.asarray(found) > 1):
        raise ValueError(f"{name} must be above 1, got {value!r}")
    return found
