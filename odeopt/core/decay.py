"""beta = R(-rate h): the decay factor of a discretised relaxation u' = rate (target - u) over one step.

R is the stability function of the rule that advances the relaxation, and z = rate h.  `lost` is 1 - R(-z) without
cancellation.  `z_of` is the inverse map: beta = R(-z_of(beta)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from odeopt.core import ops
from odeopt.util import check


@dataclass(frozen=True)
class Decay:
    """R(-z) as `kept`, 1 - R(-z) as `lost`, and the inverse of `kept`."""

    name: str
    kept: Callable[[Any], Any]
    lost: Callable[[Any], Any]
    z_of: Callable[[Any], Any]

    def __repr__(self) -> str:
        return self.name


SMALLEST = 2.0**-54  # stands for beta = 0: 1 - beta still rounds to 1, and the rate is finite


def _minus_log(beta: Any) -> Any:
    return -ops.log(ops.maximum(beta, SMALLEST))


exact = Decay("exact", lambda z: ops.exp(-z), lambda z: -ops.expm1(-z), _minus_log)
euler = Decay("euler", lambda z: 1 - z, lambda z: z, lambda beta: 1 - beta)
backward_euler = Decay("backward_euler", lambda z: 1 / (1 + z), lambda z: z / (1 + z), lambda beta: 1 / beta - 1)
trapezoid = Decay(
    "trapezoid",
    lambda z: (1 - z / 2) / (1 + z / 2),
    lambda z: z / (1 + z / 2),
    lambda beta: 2 * (1 - beta) / (1 + beta),
)

RULES = {rule.name: rule for rule in (exact, euler, backward_euler, trapezoid)}
MAPS = {"exact": exact, "naive": euler, "midpoint": trapezoid}


def of_map(name: str) -> Decay:
    """The decay rule behind an optimizer's map of hyperparameters: exact, naive (Euler) or midpoint (trapezoid).

    >>> of_map("midpoint").z_of(0.9)
    0.10526315789473682
    """
    return MAPS[check.choice("map", name, MAPS)]
