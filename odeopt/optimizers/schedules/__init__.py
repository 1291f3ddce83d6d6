"""Learning-rate schedules: factors s(k) of the rate, functions of the step count k = 0, 1, 2, ... and in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odeopt.optimizers.schedules.base import Rate, Schedule, schedule
from odeopt.optimizers.schedules.compositions import hold, restarts, sequence, trapezoid, warm_up, wsd
from odeopt.optimizers.schedules.decays import (
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    inverse_time,
    linear,
    one_cycle,
    one_minus_sqrt,
    optimal,
    polynomial,
    step,
    table,
)
from odeopt.util import check

__all__ = [
    "Rate",
    "Schedule",
    "constant",
    "cosine",
    "exponential",
    "hold",
    "inverse_sqrt",
    "inverse_time",
    "linear",
    "of_config",
    "of_name",
    "one_cycle",
    "one_minus_sqrt",
    "optimal",
    "polynomial",
    "restarts",
    "schedule",
    "sequence",
    "step",
    "table",
    "trapezoid",
    "warm_up",
    "wsd",
]

MAKERS = {
    make.__name__: make
    for make in (
        *(constant, step, exponential, inverse_time, inverse_sqrt, linear, polynomial, cosine, one_minus_sqrt),
        *(one_cycle, table, sequence, hold, warm_up, restarts),
    )
}  # whose names stand in configurations; the other functions return one of these


def of_name(name: str, settings: Mapping[str, Any]) -> Schedule:
    """The schedule of this name with these settings.

    >>> of_name("cosine", {"steps": 100})
    cosine(steps=100, final=0)
    """
    given = check.mapping("settings", settings, "arguments of the schedule to their values")
    return MAKERS[check.choice("name", name, MAKERS)](**given)


def of_config(config: Mapping[str, Any]) -> Schedule:
    """The schedule described by a configuration, which is what its `get_config` returns.

    >>> of_config(wsd(100, 20).stretched(2).get_config())
    hold(steps=80, then=linear(steps=20, final=0), stretch=2)
    """
    if not isinstance(config, Mapping) or "schedule" not in config:
        raise TypeError(f"config must be what get_config of a schedule returns, got {check.shown(config)}")
    inner = {key: value for key, value in config.items() if key not in ("schedule", "stretch")}
    settings = {key: of_config(value) if isinstance(value, Mapping) else value for key, value in inner.items()}
    return of_name(config["schedule"], settings).stretched(config.get("stretch", 1.0))
