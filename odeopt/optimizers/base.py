"""An optimizer is a flow, a scheme and a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from odeopt.core.flow import Flow, Speed
from odeopt.core.flow_type import a_flow
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
    """theta' = s(t) F: the learning rate multiplies the increment of theta, as in torch."""
    return flow.theta_paced(speed)


@dataclass(frozen=True, eq=False)
class Optimizer(Immutable):
    """Repeated steps of length `h` of `scheme` along `flow`.

    start:       the initial state of the iterates (in libraries: zero memory)
    flow_start:  the initial state of the flow that the iterates follow; None: that of the iterates
    lr_time:     gradient-flow time per step, for the comparison with plain gradient flow
    pace:        where a learning-rate schedule enters the flow
    speed:       the factor s(t) of the schedule, if there is one
    recipe:      the construction, needed by `describe`, `with_step`, `rescale` and `get_config`; None for optimizers
                 built by hand
    h and the parameters of the flow are numbers, or arrays of the same shape with one value per ensemble member.

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
        a_flow(self.flow)
        check.instance("scheme", self.scheme, Scheme, "a scheme, e.g. odeopt.schemes.heun")
        check.function("start", self.start, "odeopt.starts")
        if self.flow_start is not None:
            check.function("flow_start", self.flow_start, "odeopt.starts")
        object.__setattr__(self, "h", check.positive("h", self.h))
        check.together(**{"h": self.h, **self.flow.params})
        object.__setattr__(self, "lr_time", self.h if self.lr_time is None else check.positive("lr_time", self.lr_time))
        check.label("name", self.name)
        check.instance("settings", self.settings, Mapping, "a mapping from arguments to their values")
        check.function("pace", self.pace, "a flow and the factor s(t)")
        if self.speed is not None:
            check.function("speed", self.speed, "the time")
        check.instance("recipe", self.recipe, Recipe | None, "a Recipe or None")
        self.scheme.bind(self.flow, lambda theta: theta)  # raises now rather than in the first step

    @cached_property
    def members(self) -> tuple[int, ...]:
        """The shape of the ensemble that array-valued hyperparameters span."""
        return np.broadcast_shapes(np.shape(self.h), self.flow.members)

    @property
    def lr(self) -> Number:
        """The learning rate of a named optimizer or of the optimizer inside a wrapper; h if it was built by hand."""
        inner = self.settings.get("opt")
        return inner.lr if inner is not None else self.settings.get("lr", self.h)

    def initial_state(self, grad: Grad, theta0: Array) -> State:
        """The initial state of the iterates; the leading axes of theta0 are the members of the optimizer."""
        return self.start(self.flow, grad, theta0, self.h)

    def matched_state(self, grad: Grad, theta0: Array) -> State:
        """The initial state of the flow that the iterates follow; theta0 is as in `initial_state`."""
        return (self.flow_start or self.start)(self.flow, grad, theta0, self.h)

    def with_step(self, h: Number) -> Optimizer:
        """The optimizer for the same flow with another step; each beta follows from the time constants of the flow.

        Weights that depend on the step (NAdam's beta1, the look-ahead of Keras' Nesterov) change with it.

        >>> from odeopt import optimizers
        >>> round(optimizers.adam(lr=0.01, beta1=0.9).with_step(0.005).settings["beta1"] ** 2, 12)
        0.9
        """
        h = check.positive("h", h)
        if self.recipe is None:
            return replace(self, h=h, lr_time=np.asarray(self.lr_time) * h / self.h)
        return self.recipe.made(h)

    def rescale(self, lr: float) -> Optimizer:
        """The optimizer for the same flow with another learning rate.

        >>> from odeopt import optimizers
        >>> optimizers.heavy_ball(lr=0.01, beta=0.9).rescale(lr=0.001).settings["beta"]  # doctest: +ELLIPSIS
        0.9678178...
        """
        if self.recipe is None:
            raise ValueError(f"rescale needs a named optimizer, {self.name} was built by hand: use with_step(h)")
        return self.recipe.rescaled(check.scalar("lr", check.rate("lr", lr)), check.scalar("h", self.h))

    def describe(self) -> Description:
        """A printable description: flow, scheme, word, time unit, map, order, validity and source."""
        from odeopt.optimizers.description import Description  # imported late: runs do not need it

        return Description.of(self)

    def bibtex(self) -> str:
        """The BibTeX entries of the sources that `describe` names.

        >>> from odeopt import optimizers
        >>> print(optimizers.gd().bibtex()[:26])
        @article{cauchy1847methode
        """
        if self.recipe is None:
            raise ValueError(f"bibtex needs a named optimizer, {self.name} was built by hand from a flow")
        return "\n\n".join(source.bibtex for source in self.recipe.facts.sources)

    def get_config(self) -> dict[str, Any]:
        """The JSON-compatible configuration from which `odeopt.optimizers.from_config` rebuilds this optimizer."""
        if self.recipe is None:
            raise ValueError(f"get_config needs a named optimizer, {self.name} was built by hand from a flow")
        return configuration(self.recipe.make, self.settings)

    def __reduce__(self) -> Any:
        """What pickle writes: the recipe, if it makes this optimizer."""
        from odeopt.optimizers.remaking import made, remade

        if self.recipe is not None and remade(self):
            return made, (self.recipe.make, dict(self.recipe.settings))
        return super().__reduce__()

    def __str__(self) -> str:
        title = self.recipe.title() if self.recipe else self.name
        return f"{title}: {self.flow.name} by {self.scheme.name}, h = {short(self.h)}\n{self.flow}"

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        return self.flow._repr_latex_()


def an_optimizer(opt: Any) -> Optimizer:
    """The optimizer; TypeError for anything else."""
    return check.instance("opt", opt, Optimizer, "an Optimizer, e.g. odeopt.optimizers.adam()")


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
    """The optimizer that make(**settings) returns; at(h) gives the settings for another step along the same flow."""
    recipe = Recipe(make, settings, at, facts)
    return Optimizer(flow, scheme, h, name=make.__name__, settings=settings, recipe=recipe, **more)
