"""What `simulate` was asked for, as its engines see it: checked, and the same from the first step to the last."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.util.progress import announce


@dataclass(frozen=True, eq=False)
class Request:
    """So many steps of an optimizer on a problem, recorded after each `every` of them.

    sizes:    how many numbers each variable of one member has, theta first
    members:  the shape of the ensemble, () for one path
    noisy:    whether a step reads random numbers
    watched:  whether a callback is shown each record
    backend:  the engine that was asked for, or "auto"
    progress: whether a wait is announced: True, False, or None for at a terminal only
    """

    opt: Optimizer
    problem: Problem
    steps: int
    every: int
    sizes: tuple[int, ...]
    members: tuple[int, ...]
    noisy: bool
    watched: bool
    backend: str
    progress: bool | None

    @property
    def number(self) -> int:
        """Of members."""
        return math.prod(self.members)

    @property
    def like(self) -> State:
        """A state of the shapes of this run."""
        return tuple(np.zeros((*self.members, size)) for size in self.sizes)

    @property
    def strided(self) -> bool:
        """Whether there are steps between records."""
        return self.every > 1

    def announce_compiler(self) -> None:
        """Says why the first step takes a while."""
        announce(f"{self.opt.name}: compiling its step, once", self.progress)
