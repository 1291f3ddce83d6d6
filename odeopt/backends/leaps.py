"""Many steps at once: where a step can be written as a program, an engine runs it, and the step itself does the rest.

The step takes the first steps, against which the program is checked, and those that the engine leaves to it: where a
guard is true or a number is not finite.  What is recorded, counted and reported is the same on every path.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.backends.choice import chosen
from odeopt.backends.engines import Engine
from odeopt.gradient import Gradient
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.state import State, column, finite, finite_members
from odeopt.trajectory import Recorder

TOLERANCE = 1e-9  # program against step: rounding, not formulas


class Leaps:
    """leap(k, y) -> (k', y'), with the records in between; (k, y) where the step itself must go."""

    def __init__(
        self, opt: Optimizer, problem: Problem, grad: Gradient, path: Recorder, steps: int, every: int, watched: bool,
        backend: str, progress: bool | None,
    ) -> None:  # fmt: skip
        self.opt, self.problem, self.grad, self.path = opt, problem, grad, path
        self.steps, self.every, self.watched = steps, every, watched
        self.engine, self.name = chosen(
            opt, problem, grad, [u.shape[-1] for u in path.y], path.y[0].shape[1:-1], steps, every, backend, progress
        )
        self._before: tuple[int, State] | None = None
        self._checked, self._rest, self._size, self._error = False, 0, 1 << 62, None

    def __call__(self, k: int, y: State) -> tuple[int, State]:
        if self._error is not None:
            raise self._error
        if self.engine is None or not (self._checked or self._agrees(self.engine, k, y)):
            return k, y
        if self._rest:
            self._rest -= 1
            return k, y
        return self._leap(self.engine, k, y)

    def _agrees(self, engine: Engine, k: int, y: State) -> bool:
        """Whether the program takes the step that the step has just taken."""
        before, self._before = self._before, (k, y)
        if before is None or engine.calls:
            self._checked = engine.calls
            return False
        start = before[1] if not engine.program.carried else (*before[1], self.problem.grad(before[1][0]))
        new, guarded = engine.program.advance(self.opt, before[0] * column(self.opt.h), start)
        if guarded:
            return False
        scale = [np.max(np.abs(u), initial=0.0, where=np.isfinite(u)) for u in y]
        same = [np.allclose(a, b, TOLERANCE, TOLERANCE * c, equal_nan=True) for a, b, c in zip(new, y, scale, strict=False)]
        if not all(same):
            self.engine, self.name = None, "numpy (its gradient is not the same at every call)"
        self._checked = True
        return all(same)

    def _leap(self, engine: Engine, k: int, y: State) -> tuple[int, State]:
        """As many steps as one call may take, into the records where these are due."""
        cost = max(1, len(engine.program.body)) * y[0][..., 0].size
        left = min(self._size, max(1, engine.operations // cost), self.steps - k)
        recording = k % self.every == 0 and self.every <= left and not self.watched and not engine.calls
        stride = self.every if recording else 1 if engine.calls else min(left, self.every - k % self.every)
        n = left // stride if recording else min(left, self.every - k % self.every) // stride
        rows, losses = self.path.room(n) if recording else self.path.scratch(n)
        leap = engine.run(k, self._start(engine, y), n, stride, rows, losses)
        done = 0 if y[0].ndim > 1 and not _some_finite(leap.y) else leap.n
        self._error, self._rest = leap.error, int(done < n)
        self._size = 2 * self._size if done == n else max(1, n * stride // 2)
        if done == 0:
            self._recall(engine, y, leap.y)
            return k, y
        y, k = tuple(row[done - 1].copy() for row in rows), k + done * stride
        if recording:
            counts = np.arange(k - done * stride, k, stride) + stride
            self.path.keep(done, np.multiply.outer(counts, self.opt.h), k, engine.losses)
        if not engine.calls:
            self.grad.count += engine.program.count * done * stride
        self._recall(engine, y, leap.y if done == n else ())
        return k, y

    def _start(self, engine: Engine, y: State) -> State:
        return (*y, self.grad(y[0])) if engine.program.carried else y

    def _recall(self, engine: Engine, y: State, ended: State) -> None:
        """The gradient that the step would remember here."""
        if engine.program.carried:
            self.grad.recall(y[0], ended[-1] if ended else self.problem.grad(y[0]))
        elif engine.calls and engine.last[0] == tuple(y[0].tolist()):
            self.grad.recall(y[0], engine.last[1])


def _some_finite(y: State) -> bool:
    return finite(y) or bool(finite_members(y).any())
