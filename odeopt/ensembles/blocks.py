"""Members advance in blocks, whose random numbers are their own: any number of threads gives the same digits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np

from odeopt.core.state import State
from odeopt.ensembles.statistics import Tally
from odeopt.util.check import Array

RECORDS = 500  # the most in a lap
BLOCK = 8192  # members: arrays that stay in a core's cache, and long enough that NumPy's overhead is small


class Block(Protocol):
    """Some of the members."""

    def advance(self, k: int, n: int, every: int) -> Tally | None:
        """From step k on n times `every` steps, and a tally after each; n = 0: `every` steps without one."""

    def state(self) -> State:
        """Now, (members, d) each."""


def blocks(members: int) -> list[range]:
    """The members of each block."""
    return [range(start, min(start + BLOCK, members)) for start in range(0, members, BLOCK)]


def laps(strides: tuple[int, ...], most: int, several: bool) -> Iterator[tuple[int, int]]:
    """(n, every) for `Block.advance`: no more than about `most` steps at a time, one record where not `several`.

    >>> list(laps((4, 4, 4, 4, 4, 3), most=9, several=True)), list(laps((20,), most=9, several=True))
    ([(2, 4), (2, 4), (1, 4), (1, 3)], [(0, 9), (0, 9), (1, 2)])
    """
    for every, equal in groupby(strides):
        records = len(list(equal))
        long, rest = divmod(every - 1, most)
        n = min(RECORDS, max(1, most // every)) if several else 1
        while records:
            yield from [(0, most)] * long
            yield min(n, records), rest + 1
            records -= min(n, records)


@dataclass(frozen=True)
class Crew:
    """All members, in blocks that may advance at once.

    name:    how they do
    threads: how many by default
    most:    steps in a lap, after which one may be interrupted
    several: whether a lap may hold several records, as nothing can fail in it
    """

    blocks: Sequence[Block]
    name: str
    threads: int
    most: int
    several: bool

    @property
    def means(self) -> str:
        """How they did, as `Ensemble.backend` has it."""
        return self.name

    def states(self) -> list[State]:
        """Of each block."""
        return [block.state() for block in self.blocks]

    def theta(self) -> Array:
        """Of all members, (members, d)."""
        return np.concatenate([y[0] for y in self.states()])
