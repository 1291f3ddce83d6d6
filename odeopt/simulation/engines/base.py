"""What an engine is: it takes many steps at once and says how many rows of the state it has written.

run(k, y, n, every, rows, losses, times) fills rows with the state after every `every` steps from step k on, and their
times; it returns how many rows hold, the state and carried gradient after them, and an exception that ended them.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from odeopt.compiler.step_program import Program
from odeopt.core.state import State
from odeopt.util.check import Array


class Leap(NamedTuple):
    """n rows hold; the state after them, with the gradient there if the program carries it."""

    n: int
    y: tuple[Array, ...]
    error: BaseException | None = None


class Repeated(Protocol):
    """What `Leaps` must know of a step: `Program`, or what JAX makes of a step."""

    @property
    def count(self) -> int:
        """Gradients a step."""

    @property
    def first(self) -> bool:
        """Whether the first of them is at theta."""

    @property
    def carried(self) -> bool:
        """Whether the state ends with the gradient at theta, which the step before has found."""


class Engine(Protocol):
    """What runs a program.

    lap:     how many steps one call may take, between two looks at the keyboard
    losses:  whether it finds the losses too
    calls:   whether it calls the problem's own gradient, which may raise
    """

    @property
    def name(self) -> str:
        """As `Trajectory.backend` has it."""

    @property
    def program(self) -> Repeated:
        """What it repeats."""

    lap: int
    losses: bool
    calls: bool

    def run(self, k: int, y: State, n: int, every: int, rows: State, losses: Any, times: Array) -> Leap:
        """n rows, `every` steps each."""


def lap(operations: int, program: Program, members: int = 1) -> int:
    """The steps that are about so many operations, at least one."""
    return max(1, operations // (max(1, len(program.body)) * members))


def moments(k: int, n: int, every: int, h: Any) -> Array:
    """The times of n records, one every so many steps after step k; (n, ...) for an h of each member."""
    counts = k + every * np.arange(1.0, n + 1)
    return counts * h if np.ndim(h) == 0 else np.multiply.outer(counts, h)
