"""Blocks of members, and the laps in which they advance.

Each block has its own random numbers, so that any number of threads gives the same digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np

from odeopt.core.state import State
from odeopt.ensembles.statistics import Tally
from odeopt.util.check import Array

RECORDS = 500  # the largest number of records in a lap
SECONDS, GROWTH, INSTANT = 0.5, 8, 1e-6  # length of a lap; its largest ratio to the last lap; shortest time believed
BLOCK = 8192  # members: arrays that stay in a core's cache, and long enough that NumPy's overhead is small


class Block(Protocol):
    """A block of members."""

    def advance(self, k: int, n: int, every: int) -> Tally | None:
        """Take n times `every` steps from step k on, with a tally after each; n = 0: `every` steps and no tally."""

    def state(self) -> State:
        """The current state, arrays of shape (members, d)."""


def blocks(members: int) -> list[range]:
    """The members of each block."""
    return [range(start, min(start + BLOCK, members)) for start in range(0, members, BLOCK)]


class Pace:
    """The length of the next lap: as many steps as take about `SECONDS`, judged by the lap before.

    It is even: Threefry draws the normals of two steps at once, and would have to keep half of them for all members.
    """

    def __init__(self, steps: int = 2) -> None:
        self.steps = steps

    def took(self, steps: int, seconds: float) -> None:
        """A lap of so many steps took so long; the next has at most `GROWTH` times the steps planned for this one."""
        most = int(min(GROWTH * self.steps, SECONDS * steps / max(seconds, INSTANT)))
        self.steps = max(2, most - most % 2)


def laps(strides: tuple[int, ...], pace: Pace, several: bool) -> Iterator[tuple[int, int]]:
    """(n, every) for `Block.advance`, about `pace.steps` steps at a time, and at most one record where not `several`.

    The clock sets where laps end, and no digit depends on that: a block that goes n steps and then m is where it would
    be after n + m steps.

    >>> list(laps((4, 4, 4, 4, 4, 3), Pace(9), several=True)), list(laps((20,), Pace(9), several=True))
    ([(2, 4), (2, 4), (1, 4), (1, 3)], [(0, 9), (0, 9), (1, 2)])
    """
    for every, equal in groupby(strides):
        records, left = len(list(equal)), every
        while records:
            if left > (step := pace.steps):
                left -= step
                yield 0, step
                continue
            n = min(RECORDS, records, max(1, step // every)) if several and left == every else 1
            records -= n
            yield n, left
            left = every


@dataclass(frozen=True)
class Crew:
    """All members, in blocks that may advance in parallel.

    name:    the backend that takes the steps
    threads: the default number of threads
    several: whether a lap may hold several records: yes where no step can fail
    """

    blocks: Sequence[Block]
    name: str
    threads: int
    several: bool

    @property
    def means(self) -> str:
        """The value of `Ensemble.backend`."""
        return self.name

    def states(self) -> list[State]:
        """The state of each block."""
        return [block.state() for block in self.blocks]

    def theta(self) -> Array:
        """theta of all members, (members, d)."""
        return np.concatenate([y[0] for y in self.states()])
