"""Path averages, which do not influence theta."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Flow, Push, Speed, flow, project, push, relax
from odeopt.core.formula import mapped
from odeopt.util import check
from odeopt.util.check import Number

AVERAGING = "averaging"  # the part of `averaged`, and the parameter that is its rate


def asgd(lambd: Number = 1e-4, alpha: Number = 0.75, t0: Number = 1e6, step: Number = 0.01) -> Flow:
    """theta' = -(1 + lambd t)^(-alpha) (g + lambd theta),   average <- average + (theta - average)/max(1, n - 1 - t0).

    [Polyak and Juditsky 1992; Bottou 2012, sec. 5]  t is the time at the start of the step; n = t/step is the step
    count at its end.  The averaging is a projection, not a flow: it reads theta once per step.

    >>> asgd()
    theta'   = -(1 + lambd*(t - step/2))^(-alpha)*(grad L(theta) + lambd*theta)
    average <- average + (theta - average)/maximum(t/step - 1 - t0, 1)
    with lambd = 0.0001, alpha = 0.75, t0 = 1e+06, step = 0.01
    """
    return flow(
        "theta average",
        {
            "lambd": check.nonnegative("lambd", lambd),
            "alpha": check.nonnegative("alpha", alpha),
            "t0": check.nonnegative("t0", t0),
            "step": check.positive("step", step),
        },
        name="ASGD",
        drift=push(
            "theta", lambda t, grad, theta, lambd, alpha, step: _falling(t - step / 2, grad, theta, lambd, alpha)
        ),
        averaging=project("average", _average),
    )


def asgd_drift(speed: Speed) -> Push:
    """theta' = -s (1 + lambd s t)^(-alpha) (g + lambd theta): torch's schedule s(t) also sets the decay."""

    def velocity(t: Any, grad: Any, theta: Any, lambd: Any, alpha: Any, step: Any) -> Any:
        return speed(t) * _falling(speed(t) * (t - step / 2), grad, theta, lambd, alpha)

    return push("theta", velocity)


def _falling(t: Any, grad: Any, theta: Any, lambd: Any, alpha: Any) -> Any:
    return -((1 + lambd * t) ** -alpha) * (grad(theta) + lambd * theta)


def _average(t: Any, theta: Any, average: Any, t0: Any, step: Any) -> Any:
    return average + (theta - average) / ops.maximum(t / step - 1 - t0, 1.0)


def averaged(inner: Flow, averaging: Number) -> Flow:
    """average' = averaging (theta - average), added to any flow without changing it.

    >>> from odeopt.flows import gradient_flow
    >>> averaged(gradient_flow(), averaging=0.1)
    theta'   = -grad L(theta)
    average' = averaging*(theta - average)
    with averaging = 0.1
    """
    check.distinct("variables", (*inner.variables, "average"))
    check.distinct("params", (*inner.params, AVERAGING))
    rate = check.positive(AVERAGING, averaging)
    onset = inner.onset and replace(inner.onset, state=mapped(lambda theta, y: (*y, theta), inner.onset.state, "theta"))
    part = relax("average", target=lambda theta: theta, rate=lambda averaging: averaging)
    return inner.altered(
        variables=(*inner.variables, "average"),
        params=MappingProxyType({**inner.params, AVERAGING: rate}),
        parts=MappingProxyType({**inner.parts, AVERAGING: (part,)}),
        onset=onset,
    )
