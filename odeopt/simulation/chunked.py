"""Takes many steps at once: an engine runs the step's compiled program, and the interpreted step does the rest.

An engine is used only after one of its steps has been compared with the interpreted step.  The comparison is made at
the start, after each step that the engine has left to the interpreted step (because a guard was true or a number was
not finite), and after each callback, which may have changed values that the formulas read.  Records, counts and
messages are the same with and without an engine.
"""

from __future__ import annotations

from odeopt.compiler.program import Program
from odeopt.compiler.verify import OTHER
from odeopt.core.state import Grad, State, finite, finite_members
from odeopt.problems.oracle import Gradient
from odeopt.simulation.engines.base import Engine, moments
from odeopt.simulation.rehearsal import same_aside, same_step
from odeopt.simulation.request import Request
from odeopt.simulation.select import chosen, reading
from odeopt.simulation.trajectory import Recorder

NOWHERE: tuple[int, State] = (0, ())


class Leaps:
    """leap(k, y) -> (k', y'), which also makes the records in between; (k, y) if the interpreted step must be taken."""

    def __init__(self, request: Request, grad: Gradient, path: Recorder) -> None:
        self.opt, self.problem, self.grad, self.path = request.opt, request.problem, grad, path
        self.steps, self.every, self.watched = request.steps, request.every, request.watched
        self.engine, self.name = chosen(request, grad)
        if request.watched and request.every == 1 and request.backend == "auto":
            self._leave("a callback sees every step")
        self._reads = reading(request) if request.watched else None
        self._request = request
        self._trusted, self._shown = False, False  # whether the engine has been verified; whether a callback was called
        self._before = NOWHERE  # the step and state from which the interpreted step was taken last
        self._rest, self._size = 0, 1 << 62
        self._error: BaseException | None = None

    def __call__(self, k: int, y: State) -> tuple[int, State]:
        if self._error is not None:
            raise self._error
        if self.engine is None:
            return k, y
        if self.watched and k and k % self.every == 0:
            self._trusted, self._shown, self._before, self._rest = False, True, NOWHERE, 1
        if not self._rest:
            self._trusted = self._trusted or self._seen(self.engine, k, y)
        if self._rest or not self._trusted:
            self._rest, self._before = 0, (k, y)
            return k, y
        return self._leap(self.engine, k, y)

    def _leave(self, reason: str) -> None:
        self.engine, self.name = None, f"numpy ({reason})"

    def _seen(self, engine: Engine, k: int, y: State) -> bool:
        """Whether the engine agrees with the interpreted step, on the last step or on one taken for the comparison."""
        (before, start), losses = self._before, self.problem.loss if engine.losses else None
        if self._shown and reading(self._request) != self._reads:
            self._leave("a callback changed what its formulas read")
            return False
        self._shown = False
        if start:
            same = same_step(engine, before, self._start(engine, start, self.problem.grad), y, losses, self.grad.value)
        elif engine.calls or not isinstance(engine.program, Program):  # the first gradient is the problem's own
            return False
        else:
            same = same_aside(engine, self.opt, self.problem, k, y, losses)
        if same is False:
            self._leave(f"{OTHER} the step itself")
        return bool(same)

    def _leap(self, engine: Engine, k: int, y: State) -> tuple[int, State]:
        """Takes as many steps as one call may, and makes the records that are due."""
        most = min(self._size, engine.lap, self.steps - k)
        due = self.every - k % self.every
        direct = due == self.every <= most and not self.watched and not engine.calls
        stride = self.every if direct else 1 if engine.calls else min(most, due)
        n = (most if direct or (engine.calls and not self.watched) else min(most, due)) // stride
        rows, losses, times = self.path.room(n) if direct else self.path.scratch(n)
        remembered = self.grad.knows(y[0])
        leap = engine.run(k, self._start(engine, y, self.grad), n, stride, rows, losses, times)
        done = leap.n if y[0].ndim == 1 or _some_finite(leap.y) else 0
        self._error, self._rest = leap.error, int(done < n)
        self._trusted, self._before = done == n, NOWHERE
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
        """Makes the records that are due among the rows of steps k + 1, ..., k + done."""
        picked = tuple(row[due - 1 : done : self.every] for row in rows)
        n = len(picked[0])
        if n:
            room, _, times = self.path.room(n)
            for into, row in zip(room, picked, strict=True):
                into[...] = row
            times[...] = moments(k + due - self.every, n, self.every, self.opt.h)
            self.path.keep(n, k + due + (n - 1) * self.every)

    def _start(self, engine: Engine, y: State, grad: Grad) -> State:
        return (*y, grad(y[0])) if engine.program.carried else y

    def _recall(self, engine: Engine, y: State, ended: State) -> None:
        """Restores the cached gradient that the interpreted step would have at y."""
        if engine.program.carried:
            self.grad.learn(y[0], ended[-1] if ended else self.problem.grad(y[0]))
        elif engine.calls:
            self.grad.adopt(y[0])


def _some_finite(y: State) -> bool:
    return finite(y) or bool(finite_members(y).any())
