"""An optimizer is a flow, a scheme and a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt import check
from odeopt.check import Array, Number
from odeopt.flow import Flow
from odeopt.schemes.base import Scheme
from odeopt.starts import Start, rest
from odeopt.state import Grad, State
from odeopt.symbols import short


@dataclass(frozen=True, eq=False)
class Optimizer:
    """One step of `scheme` of length `h` along `flow`, again and again.

    start:       state from which the iterates begin (library: zero memory)
    flow_start:  state from which the flow begins that the iterates follow
    lr_time:     gradient-flow time per step, for the comparison with plain gradient flow
    h and the parameters of the flow are numbers, or arrays of one shape: one value per member of an ensemble.

    >>> from odeopt import flows, schemes
    >>> Optimizer(flows.gradient_flow(), schemes.heun, h=0.1)
    optimizer: gradient flow by Heun, h = 0.1
    theta' = -grad L(theta)
    """

    flow: Flow
    scheme: Scheme
    h: Number
    start: Start = rest
    flow_start: Start = rest
    lr_time: Number | None = None
    name: str = "optimizer"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.flow, Flow):
            raise TypeError(f"flow must be a Flow, e.g. odeopt.flows.gradient_flow(), got {self.flow!r}")
        if not isinstance(self.scheme, Scheme):
            raise TypeError(f"scheme must be a scheme, e.g. odeopt.schemes.heun, got {self.scheme!r}")
        for name in ("start", "flow_start"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} must be a function of odeopt.starts, got {getattr(self, name)!r}")
        object.__setattr__(self, "h", check.positive("h", self.h))
        check.together(h=self.h, **self.flow.params)
        if self.lr_time is None:
            object.__setattr__(self, "lr_time", self.h)
        self.scheme.bind(self.flow, lambda theta: theta)  # refuses now what would fail later

    @property
    def members(self) -> tuple[int, ...]:
        """The shape of the ensemble that array-valued hyperparameters span."""
        return np.broadcast_shapes(np.shape(self.h), self.flow.members)

    def initial_state(self, grad: Grad, theta0: Array) -> State:
        """Where the iterates start; theta0 has the members of the optimizer as its leading axes."""
        return self.start(self.flow, grad, theta0, self.h)

    def matched_state(self, grad: Grad, theta0: Array) -> State:
        """Where the flow starts that the iterates follow; theta0 as for `initial_state`."""
        return self.flow_start(self.flow, grad, theta0, self.h)

    def __str__(self) -> str:
        given = ", ".join(f"{key}={short(value)}" for key, value in self.settings.items())
        title = f"{self.name}({given})" if given else self.name
        return f"{title}: {self.flow.name} by {self.scheme.name}, h = {short(self.h)}\n{self.flow}"

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        return self.flow._repr_latex_()
