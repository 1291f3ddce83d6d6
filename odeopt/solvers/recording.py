"""What `solve` keeps of a solver's steps: the states where records are due, and the interpolants in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from odeopt.core.state import State, pack, unpack
from odeopt.core.time_map import Clock
from odeopt.simulation.trajectory import Recorder
from odeopt.solvers.initial_value import InitialValue
from odeopt.util import check
from odeopt.util.check import Array


class Piece(NamedTuple):
    """One accepted step: its end, the state there, and SciPy's interpolant over it."""

    s: float
    y: Array
    interpolant: Callable[[float], Array]


class Records:
    """What is kept of the accepted steps: the state at each value of s, and the interpolants if `dense`."""

    def __init__(self, path: Recorder, equation: InitialValue, dense: bool) -> None:
        self.path, self.equation, self.dense = path, equation, dense
        self.done = 1  # the start is recorded
        self.pieces: list[Piece] = []
        start = pack(equation.y)
        self.last = Piece(equation.begin, start, lambda _: start)

    def take(self, piece: Piece) -> None:
        """All records that fall into this step."""
        s = self.equation.s
        while self.done < len(s) and s[self.done] <= piece.s:
            self._append(self.equation.times[self.done], piece.interpolant(s[self.done]))
            self.done += 1
        if self.dense:
            self.pieces.append(piece)
        self.last = piece

    def fill(self, s: Array, rows: Array) -> None:
        """The states at these values of s, where every record up to the last of them is among them."""
        due = rows if np.array_equal(s, self.equation.s[1 : len(s) + 1]) else rows[np.isin(s, self.equation.s)]
        here = slice(self.done, self.done + len(due))
        states, _, times = self.path.room(len(due))
        for into, u in zip(states, unpack(due, self.equation.y), strict=True):
            into[...] = u
        times[...] = self.equation.times[here]
        self.path.keep(len(due), -1)
        self.done = here.stop
        if len(s):
            self.last = Piece(float(s[-1]), rows[-1], lambda _: rows[-1])

    def close(self) -> Any:
        """The last good state of a run that ended early, at a time of its own, which is returned."""
        t = self.equation.clock.time(self.last.s)
        if self.last.s > self.equation.s[self.done - 1]:
            self._append(t if self.equation.times.ndim == 1 else t[..., 0], self.last.y)
        return t

    def _append(self, t: Any, vector: Array) -> None:
        self.path.append(t, unpack(vector, self.equation.y))


def interpolant(pieces: list[Piece], clock: Clock, like: State) -> Callable[[Any], Array]:
    """theta(t), t a number or (n,) within the run, from the solver's own interpolants."""
    ends = np.array([piece.s for piece in pieces])
    last = clock.time(ends[-1])

    def theta(t: float) -> Array:
        s = float(clock.s_of(t))
        piece = pieces[min(int(np.searchsorted(ends, s)), len(pieces) - 1)]
        return unpack(piece.interpolant(s), like)[0]

    def sol(t: Any) -> Array:
        times = check.within("t", t, clock.t0, last)
        return theta(float(times)) if times.ndim == 0 else np.array([theta(ti) for ti in times])

    return sol
