"""The integration of a central flow: Euler's method, corrected so that no multiplier leaves the unit circle.

A substep finds the modes near the circle and the oscillation X >= 0 under which their slack stays >= 0, and moves with
it.  It is repeated in halves where a multiplier would still leave the circle, as when a mode joins.
"""

from __future__ import annotations

import numpy as np

from odeopt.edge.central_point import Form, NotFinite, Point, Record, point_at, recorded, unsolved
from odeopt.edge.result import OUTSIDE
from odeopt.edge.spectrum.modes import Matrices
from odeopt.edge.spectrum.search import Found
from odeopt.edge.start import Loss
from odeopt.problems.oracle import EvaluationError, proven
from odeopt.simulation.ending import ENDS, ending
from odeopt.util.check import Array
from odeopt.util.progress import bar
from odeopt.util.status import Status

HALVINGS = 4  # of a substep
SEED = 0  # of the rows with which the search for modes begins


class Path:
    """A central flow from its start; `run` fills `records` and returns how it ended."""

    def __init__(self, form: Form, loss: Loss, substeps: int, limit: int) -> None:
        self._form, self._loss, self._substeps, self._limit = form, loss, substeps, limit
        self._h = float(np.asarray(form.opt.h))
        self._rng = np.random.default_rng(SEED)
        self.records: list[Record] = []
        self._reached: tuple[float, Array, Matrices] = 0.0, form.start, np.zeros(0)
        self._left_out, self._slow = 0, (0.0, 0.0)

    def run(self, steps: int, record_every: int, progress: bool | None) -> tuple[Status, str]:
        """Follows the flow for this many steps; the last state that is reached is always recorded."""
        status, message = self._run(steps, record_every, progress)
        t, y, mu = self._reached
        if not self.records or self.records[-1].t != t:
            self.records.append(unsolved(self._form, self._last_loss(y), t, y, mu))
        return status, message

    def _run(self, steps: int, record_every: int, progress: bool | None) -> tuple[Status, str]:
        done = 0
        try:
            with bar(steps, f"central flow of {self._form.opt.name}", progress) as shown:
                point = self._point(0.0, self._form.start, None)
                self._record(point)
                while done < steps:
                    point = self._step(done, point)
                    self._reached = point.t, point.y, point.modes.mu
                    done += 1
                    if done % record_every == 0 or done == steps:
                        self._record(point)
                    shown.update(1)
        except (*ENDS, np.linalg.LinAlgError) as error:
            return ending(error, done, steps)
        except NotFinite as error:
            return Status.NOT_FINITE, f"{error}; ends with the last finite state, step {done}"
        return Status.DONE, f"{steps} steps{self._remarks()}"

    def _last_loss(self, y: Array) -> float:
        """The loss where the path ended; NaN where it cannot be had."""
        try:
            with proven():
                return float(self._loss(self._form.split(y)["theta"]))
        except (EvaluationError, KeyboardInterrupt):
            return np.nan

    def _remarks(self) -> str:
        """What a reader must know of a path that reached its end."""
        size, turn = self._slow
        slow = f"; a pair that turns once in {turn:.0f} steps reached |mu| = {size:.4g} and was not averaged"
        left_out = f"; {self._left_out} modes at the edge were left out"
        return (left_out if self._left_out else "") + (slow if size > 1 + OUTSIDE / 2 else "")

    def _step(self, n: int, point: Point) -> Point:
        """One step of the optimizer, in substeps that are halved where needed and doubled again after."""
        whole = 2**HALVINGS
        done, width, end = 0, whole, whole * self._substeps
        while done < end:
            dt = width / end
            y = point.y + dt * point.pieces.velocity(point.oscillation(dt).X)
            there = self._point((n + (done + width) / end) * self._h, y, point.found)
            if there.worst(point) < min(-OUTSIDE, point.worst(point)) and width > 1:
                width //= 2
                continue
            done, point = done + width, there
            if width < whole and done % (2 * width) == 0:
                width *= 2
        return point

    def _point(self, t: float, y: Array, before: Found | None) -> Point:
        """A state with its modes and their pieces; what the remarks must tell is noted."""
        point = point_at(self._form, t, y, before, self._limit, self._rng)
        self._left_out = max(self._left_out, point.left_out)
        self._slow = max([self._slow, *((float(np.abs(mu)), float(2 * np.pi / np.angle(mu))) for mu in point.slow)])
        return point

    def _record(self, point: Point) -> None:
        self._reached = point.t, point.y, point.modes.mu
        self.records.append(recorded(self._form, self._loss, point, 1 / self._substeps))
