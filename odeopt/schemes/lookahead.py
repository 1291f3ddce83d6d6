"""slow <- slow + alpha (theta - slow), theta <- slow every k steps of another scheme.  [Zhang et al. 2019, alg. 1]"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.core import ops
from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State
from odeopt.schemes.averaged import Averaged
from odeopt.schemes.base import Memory, Scheme, Step, StochasticScheme
from odeopt.util import check


@dataclass(frozen=True)
class Lookahead:
    """The fast scheme advances theta' = F/alpha if the flow is theta' = F, so on average the iterates follow the flow.

    >>> from odeopt import schemes
    >>> Lookahead(schemes.euler, alpha=0.5, every=5).name
    'Lookahead(Euler)'
    """

    fast: Scheme
    alpha: float
    every: int
    order: int = 1

    def __post_init__(self) -> None:
        check.positive("alpha", self.alpha)
        check.count("every", self.every, 1)

    @property
    def name(self) -> str:
        return f"Lookahead({self.fast.name})"

    def bind(self, flow: Flow, grad: Grad) -> Step:
        fast = self.fast.bind(flow.theta_paced(1 / self.alpha), grad)

        def step(t: Any, y: State, memory: Memory, h: Any, *xi: Any) -> tuple[State, State, Memory]:
            (slow,), (count,), *inner = memory or ((y[0],), (np.zeros(1),))
            new, increment, past = fast(t, y, tuple(inner), h, *xi)
            due = count + 1.5 - self.every  # positive once every k steps; branch-free, so that it can be compiled
            slow = ops.where_positive(due, slow + self.alpha * (new[0] - slow), slow)
            theta = ops.where_positive(due, slow, new[0])
            moved = ops.where_positive(due, slow - y[0], increment[0])
            count = ops.where_positive(due, 0.0 * count, count + 1)
            return (theta, *new[1:]), (moved, *increment[1:]), ((slow,), (count,), *past)

        return step

    def normals(self, flow: Flow) -> int:
        """The number of normals that the fast scheme needs per step."""
        assert isinstance(self.fast, StochasticScheme)
        return self.fast.normals(flow)


def innermost(scheme: Scheme) -> Scheme:
    """The scheme of the fast steps."""
    return innermost(scheme.fast) if isinstance(scheme, Lookahead | Averaged) else scheme
