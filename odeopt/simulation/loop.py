"""The loop over the steps of a run: each is interpreted unless an engine takes many of them at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from odeopt.core.state import State, column, finite, finite_members
from odeopt.schemes.base import Memory, Step
from odeopt.simulation.ending import ENDS, ending
from odeopt.simulation.request import Request
from odeopt.util.progress import bar
from odeopt.util.status import Status

Watch = Callable[[int, State, bool], None]  # (step, state, whether it is the last)


class Leap(Protocol):
    """leap(k, y) -> (k', y') with k' >= k, which also makes the records in between; `name` is that of the engine."""

    @property
    def name(self) -> str:
        """The value of `Trajectory.backend`."""

    def __call__(self, k: int, y: State) -> tuple[int, State]:
        """Takes as many steps as it can at once, or none."""


class StepByStep:
    """A `Leap` that never takes a step, so that `simulate` takes each one itself."""

    def __init__(self, name: str = "numpy") -> None:
        self.name = name

    def __call__(self, k: int, y: State) -> tuple[int, State]:
        return k, y


def run(request: Request, bind: Callable[[], Step], y: State, watch: Watch, leap: Leap) -> tuple[Status, str]:
    """The loop over the steps.  However it ends, the last finite state has been recorded."""
    h, steps = column(request.opt.h), request.steps
    memory: Memory = ()
    k, t0 = 0, np.zeros(np.shape(h)) if np.ndim(h) else 0.0
    step, stride, shown = None, max(1, steps // 1000), 0
    try:
        with bar(steps, request.opt.name, request.progress) as progress:
            while k < steps:
                far, y = leap(k, y)
                if far > k:
                    k = far
                    watch(k, y, k == steps)
                    progress.update(k - shown)
                    shown = k
                    continue
                step = step or bind()
                new, _, memory = step(t0 + k * h, y, memory, h)
                if not finite(new) and not finite_members(new).any():
                    watch(k, y, True)
                    return Status.NOT_FINITE, f"not finite at step {k + 1}; ends with the last finite state, step {k}"
                y, k = new, k + 1
                watch(k, y, k == steps)
                if k - shown >= stride:
                    progress.update(k - shown)
                    shown = k
        lost = 0 if finite(y) else np.count_nonzero(~finite_members(y))
    except StopIteration:
        return Status.STOPPED, f"stopped by the callback at step {k}"
    except ENDS as error:
        watch(k, y, True)
        return ending(error, k, steps)
    if lost:
        return Status.NOT_FINITE, f"{lost} of {y[0][..., 0].size} members are not finite at the end"
    return Status.DONE, f"{steps} steps"
