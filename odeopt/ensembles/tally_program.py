"""Sums over members of the observables that a program finds, at several times at once."""

from __future__ import annotations

import numpy as np

from odeopt.compiler.codegen import numpy_blocks
from odeopt.compiler.program import Program
from odeopt.ensembles.statistics import Sums, sums
from odeopt.util.check import Array


class Counter:
    """A function (k, every, rows) -> sums of the first `number` observables of a program, at steps k, k + every, ...

    shape: the largest number of times, and the number of members; the work arrays are made once, of this shape
    """

    def __init__(self, program: Program, h: float, number: int, shape: tuple[int, int]) -> None:
        self._look, numbers, truths = numpy_blocks.looking(program)
        self._h, self._number = h, number
        self._numbers, self._truths = np.empty((numbers, *shape)), np.empty((truths, *shape), dtype=bool)
        self._room = np.ones((number + 1, *shape))

    def __call__(self, k: int, every: int, rows: Array) -> Sums:
        """rows (entries of the state, times, members)."""
        n = rows.shape[1]
        t = (k + every * np.arange(n))[:, None] * self._h
        with np.errstate(all="ignore"):
            seen = self._look(self._numbers[:, :n], self._truths[:, :n], t, *rows)[: self._number]
        return sums([np.broadcast_to(np.asarray(row, float), rows.shape[1:]) for row in seen], self._room[:, :n])
