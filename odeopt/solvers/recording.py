"""The records of `solve`: states at the requested times, and interpolants between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from odeopt.core.state import State, pack, unpack
from odeopt.core.time_map import Clock
from odeopt.simulation.trajectory import Recorder
from odeopt.solvers.initial_value import InitialValue
from odeopt.util import check
from odeopt.util.check import Array


class Reached(NamedTuple):
    """The point that a run has reached: s and the state there."""

    s: float
    y: Array


class Records:
    """The states at each requested value of s, and with `dense` the interpolant of every accepted step."""

    def __init__(self, path: Recorder, equation: InitialValue, dense: bool) -> None:
        self.path, self.equation, self.dense = path, equation, dense
        self.done = 1  # the start is already recorded
        self.pieces: list[Any] = []  # SciPy's interpolants
        self.last = Reached(equation.begin, pack(equation.y))

    def take(self, solver: Any) -> None:
        """Records all states that are due within the last step of a guarded solver."""
        s, here = self.equation.s, Reached(float(solver.t), solver.y.copy())
        due = self.done < len(s) and s[self.done] <= here.s
        between = self.dense or (due and s[self.done] < here.s)
        interpolant: Any = solver.interpolant() if between else None
        while self.done < len(s) and s[self.done] <= here.s:
            inside = s[self.done] < here.s
            self._append(self.equation.times[self.done], interpolant(s[self.done]) if inside else here.y)
            self.done += 1
        if self.dense:
            self.pieces.append(interpolant)
        self.last = here

    def fill(self, s: Array, rows: Array) -> None:
        """Records the states among `rows`, at the values s, that are due; s holds every due value up to its last."""
        due = rows if np.array_equal(s, self.equation.s[1 : len(s) + 1]) else rows[np.isin(s, self.equation.s)]
        here = slice(self.done, self.done + len(due))
        states, _, times = self.path.room(len(due))
        for into, u in zip(states, unpack(due, self.equation.y), strict=True):
            into[...] = u
        times[...] = self.equation.times[here]
        self.path.keep(len(due), -1)
        self.done = here.stop
        if len(s):
            self.last = Reached(float(s[-1]), rows[-1])

    def close(self) -> Any:
        """Records the last good state of a run that ended early; returns its time."""
        t = self.equation.clock.time(self.last.s)
        if self.last.s > self.equation.s[self.done - 1]:
            self._append(t if self.equation.times.ndim == 1 else t[..., 0], self.last.y)
        return t

    def _append(self, t: Any, vector: Array) -> None:
        self.path.append(t, unpack(vector, self.equation.y))


@dataclass(frozen=True, eq=False, repr=False)
class Interpolant:
    """theta(t) for t, a number or (n,), within the run, from the solver's interpolants; `like` is a state."""

    pieces: list[Any]
    clock: Clock
    like: State

    @cached_property
    def ends(self) -> Array:
        """The values of s at which the pieces end."""
        return np.array([piece.t for piece in self.pieces])

    def __call__(self, t: Any) -> Array:
        times = check.within("t", t, self.clock.t0, self.clock.time(self.ends[-1]))
        return self._theta(float(times)) if times.ndim == 0 else np.array([self._theta(ti) for ti in times])

    def _theta(self, t: float) -> Array:
        s = float(self.clock.s_of(t))
        piece = self.pieces[min(int(np.searchsorted(self.ends, s)), len(self.pieces) - 1)]
        return unpack(piece(s), self.like)[0]
