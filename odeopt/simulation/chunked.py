"""Many steps at once: where a step can be written as a program, an engine runs it, and the step itself does the rest.

The step takes the first steps, against which the program is checked, and those that the engine leaves to it: where a
guard is true or a number is not finite.  What is recorded, counted and reported is the same on every path.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.compiler.step_program import Program
from odeopt.core.state import State, column, finite, finite_members
from odeopt.problems.oracle import Gradient
from odeopt.simulation.engines.base import Engine, moments
from odeopt.simulation.request import Request
from odeopt.simulation.select import chosen
from odeopt.simulation.trajectory import Recorder

TOLERANCE = 1e-9  # program against step: rounding, not formulas


class Leaps:
    """leap(k, y) -> (k', y'), with the records in between; (k, y) where the step itself must go."""

    def __init__(self, request: Request, grad: Gradient, path: Recorder) -> None:
        self.opt, self.problem, self.grad, self.path = request.opt, request.problem, grad, path
        self.steps, self.every, self.watched = request.steps, request.every, request.watched
        self.engine, self.name = chosen(request, grad)
        self._before: tuple[int, State] | None = None
        self._checked = False
        self._rest, self._size = 0, 1 << 62
        self._error: BaseException | None = None

    def __call__(self, k: int, y: State) -> tuple[int, State]:
        if self._error is not None:
            raise self._error
        if self.engine is None or not self._trusted(self.engine, k, y):
            return k, y
        if self._rest:
            self._rest -= 1
            return k, y
        return self._leap(self.engine, k, y)

    def _trusted(self, engine: Engine, k: int, y: State) -> bool:
        """Whether the program has found, in this run, what the step itself found."""
        program = engine.program
        if engine.calls or not isinstance(program, Program):  # the gradient is the problem's own
            return k > 0
        if self._checked:
            return True
        before, self._before = self._before, (k, y)
        if before is None:
            return False
        start = (*before[1], self.problem.grad(before[1][0])) if program.carried else before[1]
        new, guarded = program.advance(self.opt, before[0] * column(self.opt.h), start)
        if guarded:
            return False
        if not all(_close(a, b) for a, b in zip(new, y, strict=False)):
            self.engine, self.name = None, "numpy (its gradient is not the same at every call)"
            return False
        self._checked = True
        return True

    def _leap(self, engine: Engine, k: int, y: State) -> tuple[int, State]:
        """As many steps as one call may take, into the records where these are due."""
        most = min(self._size, engine.lap, self.steps - k)
        due = self.every - k % self.every
        direct = due == self.every <= most and not self.watched and not engine.calls
        stride = self.every if direct else 1 if engine.calls else min(most, due)
        n = (most if direct or (engine.calls and not self.watched) else min(most, due)) // stride
        rows, losses, times = self.path.room(n) if direct else self.path.scratch(n)
        remembered = self.grad.knows(y[0])
        leap = engine.run(k, self._start(engine, y), n, stride, rows, losses, times)
        done = leap.n if y[0].ndim == 1 or _some_finite(leap.y) else 0
        self._error, self._rest = leap.error, int(done < n)
        self._size = 2 * self._size if done == n else max(1, n * stride // 2)
        if done and not engine.calls:
            self.grad.count += engine.program.count * done * stride - (engine.program.first and remembered)
        if direct:
            self.path.keep(done, k + done * stride, engine.losses)
        elif not self.watched and engine.calls:
            self._sample(rows, k, done, due)
        y = tuple(row[done - 1].copy() for row in rows) if done else y
        self._recall(engine, y, leap.y if done in (0, n) else ())
        return k + done * stride, y

    def _sample(self, rows: State, k: int, done: int, due: int) -> None:
        """Records the rows that are due among those of steps k + 1, ..., k + done."""
        picked = tuple(row[due - 1 : done : self.every] for row in rows)
        n = len(picked[0])
        if n:
            room, _, times = self.path.room(n)
            for into, row in zip(room, picked, strict=True):
                into[...] = row
            times[...] = moments(k + due - self.every, n, self.every, self.opt.h)
            self.path.keep(n, k + due + (n - 1) * self.every)

    def _start(self, engine: Engine, y: State) -> State:
        return (*y, self.grad(y[0])) if engine.program.carried else y

    def _recall(self, engine: Engine, y: State, ended: State) -> None:
        """The gradient that the step would remember here."""
        if engine.program.carried:
            self.grad.recall(y[0], ended[-1] if ended else self.problem.grad(y[0]))
        elif engine.calls:
            self.grad.revisit(y[0])


def _close(a: Any, b: Any) -> bool:
    size = np.max(np.abs(b), initial=0.0, where=np.isfinite(b))
    return np.allclose(a, b, TOLERANCE, TOLERANCE * size, equal_nan=True)


def _some_finite(y: State) -> bool:
    return finite(y) or bool(finite_members(y).any())
