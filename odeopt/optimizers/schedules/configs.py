"""Schedules by their names and settings, as configurations have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odeopt.optimizers.schedules.base import Schedule
from odeopt.optimizers.schedules.compositions import hold, restarts, sequence, warm_up
from odeopt.optimizers.schedules.decays import (
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    inverse_time,
    linear,
    one_cycle,
    one_minus_sqrt,
    polynomial,
    step,
    table,
)
from odeopt.util import check
from odeopt.util.door import explaining

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
    return explaining(MAKERS[check.choice("name", name, MAKERS)])(**given)


def of_config(config: Mapping[str, Any]) -> Schedule:
    """The schedule described by a configuration, which is what its `get_config` returns.

    >>> from odeopt.optimizers.schedules import wsd
    >>> of_config(wsd(100, 20).stretched(2).get_config())
    hold(steps=80, then=linear(steps=20, final=0), stretch=2)
    """
    if not isinstance(config, Mapping) or "schedule" not in config:
        raise TypeError(f"config must be what get_config of a schedule returns, got {check.shown(config)}")
    inner = {key: value for key, value in config.items() if key not in ("schedule", "stretch")}
    settings = {key: of_config(value) if isinstance(value, Mapping) else value for key, value in inner.items()}
    stretch = check.scalar("stretch", check.positive("stretch", config.get("stretch", 1.0)))
    return of_name(config["schedule"], settings).stretched(stretch)
