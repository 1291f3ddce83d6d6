"""The protocol of an engine, which takes many steps at once and says how many rows of the state it has written.

run(k, y, n, every, rows, losses, times) writes the state and the time after every `every` steps from step k on.  It
returns the number of valid rows, the state and carried gradient after them, and the exception that ended them, if any.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from odeopt.compiler.program import Program
from odeopt.core.state import State
from odeopt.util.check import Array


class Leap(NamedTuple):
    """The number n of valid rows, and the state after them, followed by the gradient if the program carries it."""

    n: int
    y: tuple[Array, ...]
    error: BaseException | None = None


class Repeated(Protocol):
    """The properties of a step that `Leaps` needs; `Program` and `ArrayStep` have them."""

    @property
    def count(self) -> int:
        """The number of gradients per step."""

    @property
    def first(self) -> bool:
        """Whether the first gradient is evaluated at theta."""

    @property
    def carried(self) -> bool:
        """Whether the state ends with the gradient at theta, which the previous step has evaluated."""


class Engine(Protocol):
    """Runs the program of a step many times per call.

    lap:     how many steps one call may take before `simulate` checks for Ctrl-C
    losses:  whether it computes the losses too
    calls:   whether it calls the problem's own gradient function, which may raise
    """

    @property
    def name(self) -> str:
        """The value of `Trajectory.backend`."""

    @property
    def program(self) -> Repeated:
        """The step that it repeats."""

    lap: int
    losses: bool
    calls: bool

    def run(self, k: int, y: State, n: int, every: int, rows: State, losses: Array, times: Array) -> Leap:
        """Computes n rows, `every` steps apart."""


def lap(operations: int, program: Program, members: int = 1) -> int:
    """The number of steps that cost about this many operations, at least one."""
    return max(1, operations // (max(1, len(program.body)) * members))


def moments(k: int, n: int, every: int, h: Any) -> Array:
    """The times of n records, `every` steps apart, after step k; shape (n, ...) if each member has its own h."""
    counts = k + every * np.arange(1.0, n + 1)
    return counts * h if np.ndim(h) == 0 else np.multiply.outer(counts, h)
