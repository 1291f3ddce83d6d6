"""An optimizer's step on symbols: the parameters, the step size h and the state are power series in h."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import sympy

from odeopt.core.flow import Flow
from odeopt.core.state import Grad, State
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.one_step import Increment, OneStep, of_scheme
from odeopt.symbolic.loss_derivatives import scalar, theta
from odeopt.symbolic.series import Series
from odeopt.symbolic.sums import Vector

TAKEN = {"g": "the gradient", "h": "the step", "d": "the number of coordinates", "H": "the Hessian"}
UNRUNNABLE = (TypeError, IndexError, AttributeError)  # what NumPy raises where a symbol is not an array


def formal_step(opt: Optimizer, params: Mapping[str, Any], cut: int) -> OneStep:
    """The step along the flow with these parameters, as a series up to h^cut."""
    for name in (*opt.flow.variables, *opt.flow.params):
        if name in TAKEN:
            raise ValueError(f"{opt.name}: {name!r} must be renamed, because in formulas {name} is {TAKEN[name]}")
    flow = replace(opt.flow, params=MappingProxyType(dict(params)))
    step = of_scheme(flow, opt.scheme, Series({1: sympy.Integer(1)}, cut), opt.name)
    return replace(step, increment=_explained(step.increment, f"{opt.flow.name} by {opt.scheme.name}"))


def variables(flow: Flow) -> tuple[Any, ...]:
    """The symbols of a state; clocks are scalars, and the preconditioner is positive."""
    kinds = {name: {"positive": True} if name == flow.preconditioner else {"real": True} for name in flow.memory}
    memory = [scalar(name) if name in flow.clocks else Vector(name, **kinds[name]) for name in flow.memory]
    return theta, *memory


def tidy(expression: Any) -> Any:
    """The expression with common factors taken out."""
    return sympy.factor_terms(expression)


def _explained(increment: Callable[[Grad], Increment], what: str) -> Callable[[Grad], Increment]:
    """The same increment; raises ValueError if a formula or the scheme cannot run on symbols."""

    def explained(grad: Grad) -> Increment:
        try:
            d = increment(grad)
        except UNRUNNABLE as error:
            raise ValueError(f"{what} cannot be run on symbols: {error}") from error

        def checked(t: Any, y: State) -> State:
            try:
                return d(t, y)
            except UNRUNNABLE as error:
                raise ValueError(f"{what} cannot be run on symbols: {error}") from error

        return checked

    return explained
