"""What a program sees of some members, summed over them by NumPy: at several times at once, in arrays made once."""

from __future__ import annotations

import numpy as np

from odeopt.compiler.codegen import numpy_blocks
from odeopt.compiler.step_program import Program
from odeopt.ensembles.statistics import Sums, sums
from odeopt.util.check import Array


class Counter:
    """(k, every, rows) -> the sums of the first `number` things that a program sees, at the steps k, k + every, ...

    shape: how many times there are at most, and how many members
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
