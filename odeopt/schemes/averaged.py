"""average <- R average + (1 - R) theta after each step of another scheme, R = exp(-rate h): a path average."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from odeopt.core import decay as decays
from odeopt.core import ops
from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State
from odeopt.schemes.base import Memory, Scheme, Step, StochasticScheme
from odeopt.schemes.moves import move_of


@dataclass(frozen=True)
class Averaged:
    """The fast scheme advances all parts except `part`, which then relaxes exactly; the first step copies theta.

    >>> from odeopt import schemes
    >>> Averaged(schemes.euler, part="averaging").name
    'Euler, averaged'
    """

    fast: Scheme
    part: str

    @property
    def name(self) -> str:
        return f"{self.fast.name}, averaged"

    @property
    def order(self) -> int:
        """The order in theta, which averaging does not change."""
        return self.fast.order

    def bind(self, flow: Flow, grad: Grad) -> Step:
        (part,) = flow.parts[self.part]
        i, move = flow.variables.index(part.slot), move_of(flow, part, grad, decays.exact, "euler")
        fast = self.fast.bind(self._inner(flow), grad)

        def step(t: Any, y: State, memory: Memory, h: Any, *xi: Any) -> tuple[State, State, Memory]:
            new, increment, past = fast(t, y, memory, h, *xi)
            gained = ops.where_positive(t, move(t, new, h, None), new[0] - y[i])
            average = new[i] + gained
            return (*new[:i], average, *new[i + 1 :]), (*increment[:i], gained, *increment[i + 1 :]), past

        return step

    def normals(self, flow: Flow) -> int:
        """The number of normals that the fast scheme needs per step."""
        assert isinstance(self.fast, StochasticScheme)
        return self.fast.normals(self._inner(flow))

    def _inner(self, flow: Flow) -> Flow:
        """The flow without its averaging part."""
        parts = {name: group for name, group in flow.parts.items() if name != self.part}
        return flow.altered(parts=MappingProxyType(parts))
