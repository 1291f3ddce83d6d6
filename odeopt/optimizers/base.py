"""An optimizer is a flow, a scheme and a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from odeopt.core.flow import Flow, Speed
from odeopt.core.state import Grad, State
from odeopt.core.symbols import short
from odeopt.optimizers.recipe import Facts, Recipe, configuration
from odeopt.optimizers.starts import Start, rest
from odeopt.schemes.base import Scheme
from odeopt.util import check
from odeopt.util.check import Array, Number
from odeopt.util.immutable import Immutable

if TYPE_CHECKING:
    from odeopt.optimizers.description import Description


def drift_paced(flow: Flow, speed: Speed) -> Flow:
    """theta' = s(t) F: the learning rate multiplies what is added to theta, as in torch."""
    return flow.paced("drift", speed)


@dataclass(frozen=True, eq=False)
class Optimizer(Immutable):
    """One step of `scheme` of length `h` along `flow`, again and again.

    start:       state from which the iterates begin (library: zero memory)
    flow_start:  state from which the flow begins that the iterates follow; None: where the iterates begin
    lr_time:     gradient-flow time per step, for the comparison with plain gradient flow
    pace:        where a learning-rate schedule enters the flow
    speed:       the factor s(t) of its schedule, where it has one
    recipe:      how it was made: what `describe`, `with_step`, `rescale` and `get_config` need; None for your own
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
    flow_start: Start | None = None
    lr_time: Number | None = None
    name: str = "optimizer"
    settings: Mapping[str, Any] = field(default_factory=dict)
    pace: Callable[[Flow, Speed], Flow] = drift_paced
    speed: Speed | None = None
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.flow, Flow):
            raise TypeError(f"flow must be a Flow, e.g. odeopt.flows.gradient_flow(), got {self.flow!r}")
        if not isinstance(self.scheme, Scheme):
            raise TypeError(f"scheme must be a scheme, e.g. odeopt.schemes.heun, got {self.scheme!r}")
        for name, allowed in (("start", ()), ("flow_start", (None,))):
            if not (callable(value := getattr(self, name)) or value in allowed):
                raise TypeError(f"{name} must be a function of odeopt.starts, got {value!r}")
        object.__setattr__(self, "h", check.positive("h", self.h))
        check.together(**{"h": self.h, **self.flow.params})
        if self.lr_time is None:
            object.__setattr__(self, "lr_time", self.h)
        self.scheme.bind(self.flow, lambda theta: theta)  # refuses now what would fail later

    @cached_property
    def members(self) -> tuple[int, ...]:
        """The shape of the ensemble that array-valued hyperparameters span."""
        return np.broadcast_shapes(np.shape(self.h), self.flow.members)

    @property
    def lr(self) -> Number:
        """The learning rate of a named optimizer, in wrappers that of the one inside; h of one built by hand."""
        inner = self.settings.get("opt")
        return inner.lr if inner is not None else self.settings.get("lr", self.h)

    def initial_state(self, grad: Grad, theta0: Array) -> State:
        """Where the iterates start; theta0 has the members of the optimizer as its leading axes."""
        return self.start(self.flow, grad, theta0, self.h)

    def matched_state(self, grad: Grad, theta0: Array) -> State:
        """Where the flow starts that the iterates follow; theta0 as for `initial_state`."""
        return (self.flow_start or self.start)(self.flow, grad, theta0, self.h)

    def with_step(self, h: Number) -> Optimizer:
        """The optimizer of the same flow with another step: every beta follows from the flow's time constants.

        Weights that are made of the step (NAdam's beta1, the look-ahead of Keras' Nesterov) change with it.

        >>> from odeopt import optimizers
        >>> round(optimizers.adam(lr=0.01, beta1=0.9).with_step(0.005).settings["beta1"] ** 2, 12)
        0.9
        """
        h = check.positive("h", h)
        if self.recipe is None:
            return replace(self, h=h, lr_time=np.asarray(self.lr_time) * h / self.h)
        return self.recipe.made(h)

    def rescale(self, lr: float) -> Optimizer:
        """The optimizer of the same flow with another learning rate.

        >>> from odeopt import optimizers
        >>> optimizers.heavy_ball(lr=0.01, beta=0.9).rescale(lr=0.001).settings["beta"]  # doctest: +ELLIPSIS
        0.9678178...
        """
        if self.recipe is None:
            raise ValueError(f"rescale needs a named optimizer, {self.name} was built by hand: use with_step(h)")
        return self.recipe.rescaled(check.scalar("lr", check.rate("lr", lr)), check.scalar("h", self.h))

    def describe(self) -> Description:
        """Flow, scheme, word, time unit, map, order, where it is valid, and the source, to be printed."""
        from odeopt.optimizers.description import Description  # late: a run needs none

        return Description.of(self)

    def get_config(self) -> dict[str, Any]:
        """What `odeopt.optimizers.from_config` makes this optimizer of again; it survives JSON."""
        if self.recipe is None:
            raise ValueError(f"get_config needs a named optimizer, {self.name} was built by hand from a flow")
        return configuration(self.recipe.make, self.settings)

    def __str__(self) -> str:
        title = self.recipe.title() if self.recipe else self.name
        return f"{title}: {self.flow.name} by {self.scheme.name}, h = {short(self.h)}\n{self.flow}"

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        return self.flow._repr_latex_()


def named(
    make: Callable[..., Optimizer],
    settings: Mapping[str, Any],
    at: Callable[[Any], Mapping[str, Any]] | None,
    facts: Facts,
    flow: Flow,
    scheme: Scheme,
    h: Number,
    **more: Any,
) -> Optimizer:
    """The optimizer that make(**settings) returns; at(h) are those of another step along the same flow, if any."""
    recipe = Recipe(make, settings, at, facts)
    return Optimizer(flow, scheme, h, name=make.__name__, settings=settings, recipe=recipe, **more)
