"""The checked arguments of `simulate`, as its engines see them; they do not change during a run."""

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
    """A run of `steps` steps of an optimizer on a problem, recorded after every `every` steps.

    sizes:    the length of each variable of one member, theta first
    members:  the shape of the ensemble, () for one path
    noisy:    whether a step reads random numbers
    watched:  whether a callback sees each record
    backend:  the requested engine, or "auto"
    progress: whether to announce a wait: True, False, or None to do so at a terminal only
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
        """The number of members."""
        return math.prod(self.members)

    @property
    def like(self) -> State:
        """A state of zeros in the shapes of this run."""
        return tuple(np.zeros((*self.members, size)) for size in self.sizes)

    @property
    def strided(self) -> bool:
        """Whether there are steps between records."""
        return self.every > 1

    def announce_compiler(self) -> None:
        """Announces that the first step takes a while because it is compiled."""
        announce(f"{self.opt.name}: compiling its step, once", self.progress)
