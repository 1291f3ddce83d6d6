"""The initial state of `solve` and `ivp`, with the checks made before any gradient is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from odeopt.core.flow import Field, Flow, Relax
from odeopt.core.formula import reads
from odeopt.core.state import State
from odeopt.problems import Problem
from odeopt.problems.initial_point import initial_point
from odeopt.schemes.base import projections_that_are_read, refuse_noise, refuse_without_flow
from odeopt.util.check import Array


def checked_start(
    who: str, flow: Field, problem: Problem, t0: Array, theta0: ArrayLike | None, memory: Mapping[str, Any] | None
) -> State:
    """The state from theta0 and `memory`, at rest by default; t0 is a number, or (...) with one time per member.

    `who`, "solve" or "ivp", is named in errors.
    """
    if not isinstance(flow, Flow | Field):
        shown = repr(flow).splitlines()[0]
        raise TypeError(f"flow must be a Flow, e.g. odeopt.flows.gradient_flow() or opt.flow, got {shown}")
    if isinstance(flow, Flow):
        refuse_without_flow(who, flow)
        refuse_noise(who, flow)
        for name in projections_that_are_read(flow):
            raise ValueError(
                f"{who} needs y' = f(y), but part {name!r} of {flow.name} is a projection that others read"
            )
    theta0 = initial_point(_members(flow, t0), problem, theta0)
    if not isinstance(memory, Mapping | None):
        raise TypeError(f"memory must map names to arrays, got {memory!r}")
    y = flow.start(theta0, **(memory or {}))
    if isinstance(flow, Flow):
        _check_friction(flow, t0, y)
    return y


def _members(flow: Field, t0: Array) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(flow.members, t0.shape)
    except ValueError as error:
        raise ValueError(f"t must have members {flow.members} like the flow, got {t0.shape}") from error


def _check_friction(flow: Flow, t0: Array, y: State) -> None:
    """Refuses a start before t = 0, or away from the target of a relaxation whose rate is infinite there, as 3/t is."""
    for part in flow.terms():
        if isinstance(part, Relax) and part.limit is not None:
            if np.any(t0 < 0):
                raise ValueError(f"t must be 0 or later for {flow.name}, got {np.min(t0):g}")
            if np.all(t0) or "grad" in reads(part.target):
                continue
            target = flow.placed(part.target)(0.0, None, y)
            if np.any(y[flow.variables.index(part.slot)] != target):
                at = "0" if np.ndim(target) == 0 else "its target"
                raise ValueError(
                    f"memory must have {part.slot} = {at} at t = 0, where {flow.name} has infinite friction"
                )
