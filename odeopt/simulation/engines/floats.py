"""Runs a program on one path, as a loop on Python's floats."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial

import numpy as np

from odeopt.compiler.codegen.float_loop import rows_on_floats
from odeopt.compiler.program import Program
from odeopt.core.state import State
from odeopt.problems.members import of_one
from odeopt.problems.oracle import Gradient
from odeopt.simulation.engines.base import Leap, lap, moments
from odeopt.simulation.request import Request
from odeopt.util.check import Array


class Floats:
    """One path on Python's floats."""

    name, operations = "floats", 100_000  # operations per call, whose rows are lists of Python floats

    def __init__(self, request: Request, program: Program, grad: Gradient) -> None:
        self.program, self.losses, self.calls = program, False, program.calls
        self.constants, self.h = [float(value) for value in program.values(request.opt)], request.opt.h
        self._call: Callable[..., list[float]] = partial(grad.numbers, of_one(request.problem.grad))
        self.lap = lap(self.operations, program)

    def knowing(self, gradient: Array) -> Floats:
        """The same engine with this value in place of every call of the problem's gradient."""
        made = copy(self)
        made._call = lambda *point: gradient.tolist()
        return made

    def run(self, k: int, y: State, n: int, every: int, rows: State, losses: Array, times: Array) -> Leap:
        state = [value for u in y for value in u.tolist()]
        table, error = rows_on_floats(self.program, k, self.constants, state, n, every, self._call)
        ends = np.cumsum([u.shape[-1] for u in y])[:-1]
        parts = np.split(table, ends, axis=1)
        for row, part in zip(rows, parts, strict=False):
            row[: len(table)] = part
        times[...] = moments(k, n, every, self.h)
        return Leap(len(table), tuple(part[-1].copy() for part in parts) if len(table) else y, error)
