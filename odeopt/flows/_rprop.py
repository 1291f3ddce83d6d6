"""Resilient propagation: every part is a projection, so there is no differential equation."""

from __future__ import annotations

from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Flow, flow, project
from odeopt.core.formula import Formula
from odeopt.util import check
from odeopt.util.check import Number


def rprop(eta_minus: Number = 0.5, eta_plus: Number = 1.2, min_step: Number = 1e-6, max_step: Number = 50.0) -> Flow:
    """size <- size eta+ where g keeps its sign, size eta- where it changes,   theta <- theta - size sign(g).

    [Riedmiller and Braun 1993]  `old` is the previous gradient, or 0 where its sign had just changed; theta then
    rests for one step.  No variable has a time derivative: the sizes change by fixed factors, however small they are.

    >>> print("".join(str(rprop()).splitlines(keepends=True)[1:3]), end="")
    theta <- theta - size*sign((0 if -grad L(theta)*old > 0 else grad L(theta)))
    old   <- (0 if -grad L(theta)*old > 0 else grad L(theta))
    """
    return _rprop(
        "Rprop",
        (eta_minus, eta_plus, min_step, max_step),
        lambda grad, theta, size, old: theta - size * ops.sign(_kept(grad, theta, old, grad(theta))),
        lambda grad, theta, old: _kept(grad, theta, old, grad(theta)),
    )


def rprop_late(
    eta_minus: Number = 0.5, eta_plus: Number = 1.2, min_step: Number = 1e-6, max_step: Number = 50.0
) -> Flow:
    """Rprop delayed by one step: theta moves by `old`, the update from the previous gradient.              [optax 0.2]

    >>> print("".join(str(rprop_late()).splitlines(keepends=True)[1:3]), end="")
    theta <- theta - (0 if -grad L(theta)*old > 0 else old)
    old   <- (0 if -grad L(theta)*old > 0 else size*sign(grad L(theta)))
    """
    return _rprop(
        "Rprop (late)",
        (eta_minus, eta_plus, min_step, max_step),
        lambda grad, theta, old: theta - _kept(grad, theta, old, old),
        lambda grad, theta, size, old: _kept(grad, theta, old, size * ops.sign(grad(theta))),
    )


def _rprop(name: str, bounds: tuple[Number, ...], drift: Formula, memory: Formula) -> Flow:
    eta_minus, eta_plus, min_step, max_step = bounds
    return flow(
        "theta size old",
        {
            "eta_minus": check.fraction("eta_minus", eta_minus),
            "eta_plus": check.positive("eta_plus", eta_plus),
            "min_step": check.positive("min_step", min_step),
            "max_step": check.positive("max_step", max_step),
        },
        name=name,
        sizes=project("size", _size),
        drift=project("theta", drift),
        memory=project("old", memory),
    )


def _size(
    grad: Any, theta: Any, size: Any, old: Any, eta_minus: Any, eta_plus: Any, min_step: Any, max_step: Any
) -> Any:
    agreement = grad(theta) * old
    factor = ops.where_positive(agreement, eta_plus, ops.where_positive(-agreement, eta_minus, 1.0))
    return ops.minimum(ops.maximum(factor * size, min_step), max_step)


def _kept(grad: Any, theta: Any, old: Any, value: Any) -> Any:
    """The value, or 0 where g has just changed its sign."""
    return ops.where_positive(-(grad(theta) * old), 0.0, value)
