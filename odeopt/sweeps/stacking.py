"""Optimizers that differ in numbers alone, as one optimizer with a member for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.recipe import plain
from odeopt.optimizers.remaking import remade
from odeopt.optimizers.schedules import Schedule
from odeopt.util.check import Array

NUMBER = "a number"


def structure(opt: Optimizer) -> Any:
    """What two optimizers of one stack share: all but the numbers; None for an optimizer that does not stack."""
    if opt.recipe is None or opt.members:
        return None
    parts = tuple((name, _shared(value)) for name, value in opt.recipe.settings.items())
    return None if any(part is None for _, part in parts) else (opt.recipe.make.__qualname__, parts)


def _shared(value: Any) -> Any:
    """What a setting must have in common, hashable; None if it cannot be shared."""
    if isinstance(value, Optimizer):
        return structure(value)
    if isinstance(value, Schedule):
        return None if value.own else repr(plain(value))
    if isinstance(value, float | np.floating):
        return NUMBER
    return repr(value) if isinstance(value, bool | int | str | tuple | None) else None


def stacked(opts: Sequence[Optimizer]) -> Optimizer | None:
    """The optimizer whose member i is opts[i], all of one structure; None if the recipe does not give just that.

    Numbers that are the same for all stay numbers.

    >>> from odeopt import optimizers
    >>> stacked([optimizers.momentum(lr=0.1), optimizers.momentum(lr=0.2)]).members
    (2,)
    """
    recipe = opts[0].recipe
    if recipe is None or not remade(opts[0]):
        return None
    settings = {name: _column([_settings(opt)[name] for opt in opts]) for name in recipe.settings}
    if any(isinstance(value, Optimizer) and value.recipe is None for value in settings.values()):
        return None
    try:
        made: Optimizer = recipe.make(**settings)
    except (TypeError, ValueError):  # the maker takes single numbers alone
        return None
    alike = made.members in ((), (len(opts),)) and _same(made.h, [opt.h for opt in opts])
    params = {name: [opt.flow.params.get(name, np.nan) for opt in opts] for name in made.flow.params}
    return made if alike and all(_same(made.flow.params[name], values) for name, values in params.items()) else None


def _settings(opt: Optimizer) -> Any:
    assert opt.recipe is not None
    return opt.recipe.settings


def _column(values: list[Any]) -> Any:
    """One setting of all: an array where the numbers differ."""
    if isinstance(values[0], Optimizer):
        return stacked(values) or values[0]
    return np.array(values) if isinstance(values[0], float | np.floating) and len(set(values)) > 1 else values[0]


def _same(found: Any, wanted: list[Any]) -> bool:
    """Whether the members of `found` are these numbers, to the last bit."""
    try:
        array: Array = np.array(wanted, dtype=float)
    except (TypeError, ValueError):  # no numbers: they are equal where the structure is
        return True
    return bool(np.array_equal(np.broadcast_to(np.asarray(found, dtype=float), array.shape), array))
