"""Runs a program on one path, as a loop on Python's floats."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from odeopt.compiler.codegen.float_loop import walked
from odeopt.compiler.step_program import Program
from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer
from odeopt.problems.members import Function
from odeopt.problems.oracle import Gradient
from odeopt.simulation.engines.base import Leap, lap, moments
from odeopt.util.check import Array


class Floats:
    """One path on Python's floats."""

    name, operations = "floats", 100_000  # of a lap, whose rows are Python's floats

    def __init__(self, program: Program, opt: Optimizer, grad: Gradient, single: Function) -> None:
        self.program, self.losses, self.calls = program, False, program.calls
        self.constants = [float(value) for value in program.values(opt)]
        self.h, self._call, self.lap = opt.h, partial(grad.numbers, single), lap(self.operations, program)

    def run(self, k: int, y: State, n: int, every: int, rows: State, losses: Any, times: Array) -> Leap:
        state = [value for u in y for value in u.tolist()]
        table, error = walked(self.program, k, self.constants, state, n, every, self._call)
        ends = np.cumsum([u.shape[-1] for u in y])[:-1]
        parts = np.split(table, ends, axis=1)
        for row, part in zip(rows, parts, strict=False):
            row[: len(table)] = part
        times[...] = moments(k, n, every, self.h)
        return Leap(len(table), tuple(part[-1].copy() for part in parts) if len(table) else y, error)
