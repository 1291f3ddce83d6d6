"""AdEMAMix: a short and a long memory of the gradient, mixed."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.core import ops
from odeopt.core.flow import Flow, flow, push, relax
from odeopt.core.formula import Formula
from odeopt.flows.moments import MOMENTS, constants, corrected_mean, corrected_square
from odeopt.util import check
from odeopt.util.check import Number


def ademamix(
    tau1: Number,
    tau2: Number,
    tau3: Number,
    eps: Number = 1e-8,
    alpha: Number = 5.0,
    ramp: Number = 0.0,
    step: Number = 0.01,
) -> Flow:
    """theta' = -(m/c1 + alpha M)/(sqrt(G/c2) + eps),   m' = (g - m)/tau1,   M' = (g - M)/tau3.

    [Pagliardini, Ablin and Grangier 2024, alg. 1]  The long memory M has no bias correction.  With ramp > 0, alpha and
    the memory time of M grow linearly until t = ramp, from 0 and from tau1: the schedule of beta3 that the paper writes
    with logarithms is a straight line of memory times.  They are read at the end of a step.

    >>> ademamix(tau1=0.1, tau2=10.0, tau3=100.0)
    theta' = -(m/c1 + alpha*M)/(sqrt(G/c2) + eps)
    m'     = (grad L(theta) - m)/tau1
    G'     = (grad L(theta)^2 - G)/tau2
    c1'    = (1 - c1)/tau1
    c2'    = (1 - c2)/tau2
    M'     = (grad L(theta) - M)/tau3
    with tau1 = 0.1, tau2 = 10, tau3 = 100, eps = 1e-08, alpha = 5
    """
    params = {
        **constants(tau1, tau2, eps),
        "tau3": check.positive("tau3", tau3),
        "alpha": check.nonnegative("alpha", alpha),
    }
    params = {key: params[key] for key in ("tau1", "tau2", "tau3", "eps", "alpha")}
    rate: Formula = lambda tau3: 1 / tau3
    drift: Formula = _velocity
    step, ramp = check.positive("step", step), check.nonnegative("ramp", ramp)
    if np.any(ramp):
        params |= {"ramp": check.positive("ramp", ramp), "step": step}
        rate, drift = _growing_rate, _growing_velocity
    return flow(
        "theta m G c1 c2 M",
        params,
        clocks="c1 c2",
        name="AdEMAMix",
        preconditioner="G",
        floors="eps",
        ages="memory",
        memory=(*MOMENTS, relax("M", target=lambda grad, theta: grad(theta), rate=rate)),
        drift=push("theta", drift),
    )


def _velocity(grad: Any, theta: Any, m: Any, G: Any, c1: Any, c2: Any, M: Any, eps: Any, alpha: Any) -> Any:
    mixture = corrected_mean(grad, theta, m, c1) + alpha * M
    return -mixture / (ops.sqrt(corrected_square(grad, theta, G, c2)) + eps)


def _grown(t: Any, ramp: Any, step: Any) -> Any:
    """min(1, t/ramp) at the end of the step whose middle is t."""
    return ops.minimum((t + step / 2) / ramp, 1.0)


def _growing_rate(t: Any, tau1: Any, tau3: Any, ramp: Any, step: Any) -> Any:
    return 1 / (tau1 + (tau3 - tau1) * _grown(t, ramp, step))


def _growing_velocity(
    t: Any, grad: Any, theta: Any, m: Any, G: Any, c1: Any, c2: Any, M: Any, eps: Any, alpha: Any, ramp: Any, step: Any
) -> Any:
    return _velocity(grad, theta, m, G, c1, c2, M, eps, alpha * _grown(t, ramp, step))
