"""The hyperparameters among which a search may choose, with log-uniform ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.spacing import between, checked_range
from odeopt.util import check
from odeopt.util.immutable import Immutable


@dataclass(frozen=True, eq=False)
class SearchSpace(Immutable):
    """make(**fixed, **settings), each setting from its range (low, high); `search_space` makes it."""

    make: Callable[..., Optimizer]
    ranges: Mapping[str, tuple[float, float]]
    fixed: Mapping[str, Any]

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """One value of each setting, log-uniform in its range, and a decay factor beta by 1 - beta."""
        return {name: between(name, *ends, rng.uniform()) for name, ends in self.ranges.items()}

    def optimizer(self, settings: Mapping[str, float]) -> Optimizer:
        """The optimizer with these settings."""
        return self.make(**self.fixed, **settings)

    def __str__(self) -> str:
        return ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in self.ranges.items())

    __repr__ = __str__


def search_space(
    make: Callable[..., Optimizer], fixed: Mapping[str, Any] | None = None, **ranges: tuple[float, float]
) -> SearchSpace:
    """The space of the optimizers make(**fixed, **settings), with settings (low, high) by name, for `oo.bench`.

    A setting is drawn log-uniformly, and a decay factor (beta, beta1, rho, momentum, ...) so that 1 - beta is.

    make:   a function of hyperparameters that returns an Optimizer, as those of `odeopt.optimizers`
    fixed:  hyperparameters that are not searched

    >>> from odeopt import optimizers
    >>> space = search_space(optimizers.adam, {"eps": 1e-12}, lr=(1e-4, 1.0), beta1=(0.5, 0.99))
    >>> space
    lr 0.0001 to 1, beta1 0.5 to 0.99
    >>> space.optimizer(space.draw(np.random.default_rng(0))).name
    'adam'
    """
    check.function("make", make, "hyperparameters")
    kept = check.mapping("fixed", fixed, "names of hyperparameters to values")
    if not ranges:
        raise ValueError("ranges must name at least one hyperparameter, e.g. lr=(1e-4, 1.0), got none")
    check.distinct("hyperparameters", (*kept, *ranges))
    space = SearchSpace(
        make,
        MappingProxyType({name: checked_range(name, ends) for name, ends in ranges.items()}),
        MappingProxyType(kept),
    )
    middle = {name: between(name, *ends, 0.5) for name, ends in space.ranges.items()}
    check.instance("make", space.optimizer(middle), Optimizer, "a function that returns an Optimizer")
    return space
