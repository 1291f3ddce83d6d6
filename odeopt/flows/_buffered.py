"""tau_m m' = -F - m,   theta' = -m: momentum applied to any flow theta' = F."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from odeopt.core.flow import Flow, Onset, push, relax
from odeopt.core.flow_type import a_flow
from odeopt.core.formula import mapped, reading, reads
from odeopt.util import check
from odeopt.util.check import Number


def buffered(flow: Flow, tau_m: Number) -> Flow:
    """tau_m m' = -F - m,   theta' = -m, for a flow theta' = F: a relaxing buffer filters its drift.

    >>> from odeopt.flows import rmsprop
    >>> buffered(rmsprop(tau=0.1), tau_m=0.5)
    theta' = -m
    G'     = (grad L(theta)^2 - G)/tau
    m'     = (grad L(theta)/(sqrt(G) + eps) - m)/tau_m
    with tau = 0.1, eps = 1e-08, tau_m = 0.5
    """
    mover, drift = a_flow(flow).mover
    parts = {
        **{name: group for name, group in flow.parts.items() if name != mover},
        "buffer": (relax("m", target=mapped(lambda F: -F, drift.force), rate=lambda tau_m: 1 / tau_m),),
        mover: (push("theta", lambda m: -m),),
    }
    return flow.altered(
        variables=(*flow.variables, "m"),
        params=MappingProxyType({**flow.params, "tau_m": check.positive("tau_m", tau_m)}),
        parts=MappingProxyType(parts),
        onset=flow.onset and _onset(flow, flow.onset),
        name=f"{flow.name} with momentum",
    )


def _onset(flow: Flow, onset: Onset) -> Onset:
    """The onset m = (theta0 - X)/tau_m, where X(t) is the onset of the unbuffered flow, and theta' = -m.

    X - theta0 grows like t^(1/p), so the displacement of theta is -m t p/(1 + p).
    """
    names = ("t", "grad", *flow.variables, "m", *flow.params, "tau_m")
    where = [names.index(name) for name in reads(onset.state)]

    def state(*values: Any) -> Any:
        t, theta, tau_m = values[0], values[2], values[-1]
        X, *memory = onset.state(*[values[i] for i in where])
        m = (theta - X) / tau_m
        return (theta - m * t * onset.power / (1 + onset.power), *memory, m)

    return Onset(reading(names, state), onset.power)
