"""A formula is a function whose argument names say what it reads: t, grad, variables and parameters of its flow.

`place` resolves each argument to its position in (t, grad, *state, *parameters) once, so that a call is a look-up.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from odeopt.util import check

Formula = Callable[..., Any]
Placed = Callable[[Any, Any, Any], Any]  # (t, grad, y) -> value, on arrays or on symbols


def formula(name: str, value: Any) -> Formula:
    """A function unchanged; a number becomes a function that returns it."""
    if callable(value):
        return value
    constant = check.finite(name, value)
    return lambda: constant


def reads(formula: Formula) -> tuple[str, ...]:
    """The names that a formula reads.

    >>> reads(lambda grad, theta: -grad(theta))
    ('grad', 'theta')
    """
    parameters = inspect.signature(formula).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise TypeError(f"a formula must name every argument that it reads, got {inspect.signature(formula)}")
    return tuple(p.name for p in parameters)


def reading(names: Sequence[str], function: Callable[..., Any]) -> Formula:
    """A formula that reads the given names and passes their values to `function` by position.

    >>> reads(reading(["t", "theta"], lambda *values: sum(values)))
    ('t', 'theta')
    """

    def formula(*values: Any) -> Any:
        return function(*values)

    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    vars(formula)["__signature__"] = inspect.Signature(parameters)
    return formula


def mapped(function: Callable[..., Any], formula: Formula, *more: str) -> Formula:
    """The formula function(*more, formula(...)), which also reads the names `more`.

    >>> doubled = mapped(lambda t, F: t * F, lambda grad, theta: -grad(theta), "t")
    >>> reads(doubled), doubled(2.0, lambda theta: theta, 3.0)
    (('t', 'grad', 'theta'), -6.0)
    """
    inner = reads(formula)
    names = tuple(dict.fromkeys((*more, *inner)))
    where = [names.index(name) for name in inner]
    return reading(names, lambda *values: function(*values[: len(more)], formula(*[values[i] for i in where])))


def place(formula: Formula, variables: Sequence[str], names: Sequence[str], values: Sequence[Any]) -> Placed:
    """The formula as a function of (t, grad, y), with the parameter values filled in."""
    order = ("t", "grad", *variables, *names)
    where = [order.index(name) for name in reads(formula)]
    constants = tuple(values)

    def placed(t: Any, grad: Any, y: Any) -> Any:
        everything = (t, grad, *y, *constants)
        return formula(*[everything[i] for i in where])

    return placed
