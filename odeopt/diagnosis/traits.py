"""What an optimizer's formulas say before it runs: the lengths of its updates under drift, noise and oscillation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from odeopt.analysis.stability import stability_limit
from odeopt.edge.transfer_function import transfer_function
from odeopt.optimizers.base import Optimizer

CIRCLE, BLOCKS = 4096, 4  # points of the unit circle; the mean converges as beta^CIRCLE


@dataclass(frozen=True)
class Traits:
    """Gains |u|/|g| of the update u = Q g, with |g| replaced by its root mean square under a preconditioner.

    bare: the optimizer without weight decay
    drift: |Q(1)|, if all gradients agree;  noise: the mean of |Q|^2 over the unit circle, rooted, if they are
    independent;  flip: |Q(-1)|, if they alternate in sign
    limit: of lr lambda;  adaptive: whether the gradient is divided by the root of its second moment
    """

    opt: Optimizer
    bare: Optimizer
    drift: float
    noise: float
    flip: float
    limit: float
    adaptive: bool

    def setting(self, name: str) -> float | None:
        """A number among the optimizer's settings; None if it has none of this name."""
        value = self.opt.settings.get(name)
        return float(value) if isinstance(value, float | int) else None

    @property
    def beta(self) -> float:
        """The decay of the gradients' memory in one step; 0 without a memory."""
        found = self.setting("beta1")
        return (found if found is not None else self.setting("beta")) or 0.0


@lru_cache(maxsize=64)
def traits(opt: Optimizer) -> Traits:
    """The traits of an optimizer that is a filter of gradients; ValueError for any other.

    >>> from odeopt import optimizers
    >>> found = traits(optimizers.adamw(beta1=0.9))
    >>> round(found.drift, 4), round(found.noise, 4), round(found.flip, 4), round(found.limit, 4)
    (1.0, 0.2294, 0.0526, 38.0)
    """
    bare = _without_decay(opt)
    circle = np.exp(2j * np.pi * (np.arange(CIRCLE) + 0.5) / CIRCLE)
    blocks = [np.abs(transfer_function(bare, z)) ** 2 for z in np.split(circle, BLOCKS)]
    drift, flip = (abs(transfer_function(bare, z)) for z in (1, -1))
    limit = float(stability_limit(bare))
    return Traits(opt, bare, drift, float(np.sqrt(np.mean(blocks))), flip, limit, bool(opt.flow.preconditioner))


def _without_decay(opt: Optimizer) -> Optimizer:
    """Decay is no part of the filter."""
    if not opt.settings.get("weight_decay") or opt.recipe is None:
        return opt
    return opt.recipe.make(**{**opt.settings, "weight_decay": 0.0})
