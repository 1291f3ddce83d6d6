"""The integration of a central flow: Euler's method, corrected so that no multiplier leaves the unit circle.

A substep finds the modes near the circle and the oscillation X >= 0 under which their slack stays >= 0, and moves with
it.  It is repeated in halves where a multiplier would still leave the circle, as when a mode joins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from odeopt.edge.averaged_step import Pieces
from odeopt.edge.complementarity import Complementary, Unsolvable, complementary
from odeopt.edge.covariance import principal
from odeopt.edge.krylov import NotFound
from odeopt.edge.linearised_step import Hessian, Linearised
from odeopt.edge.modes import Found, Matrices, Modes, modes_of, near, oscillates
from odeopt.edge.result import OUTSIDE
from odeopt.edge.start import Loss
from odeopt.optimizers.base import Optimizer
from odeopt.problems.oracle import EvaluationError, proven
from odeopt.schemes.base import StepFailure
from odeopt.util.check import Array
from odeopt.util.progress import bar
from odeopt.util.status import Status

HALVINGS = 4  # of a substep
SEED = 0  # of the rows with which the search for modes begins


class Form(Protocol):
    """An averaged field: `Pieces` of the motion of y (n,), and the operator whose modes must stay inside the circle."""

    opt: Optimizer
    start: Array
    hessian: Hessian
    means: str

    def split(self, y: Array) -> dict[str, Array]: ...

    def preconditioner(self, y: Array) -> Any: ...

    def at(self, t: float, y: Array) -> Linearised: ...

    def pieces(self, t: float, y: Array, here: Linearised, modes: Modes) -> Pieces: ...


class NotFinite(ArithmeticError):
    """The path leaves the finite numbers."""


@dataclass(frozen=True, eq=False)
class Point:
    """A state y at the time t with the modes that are followed, nearest the circle first, and their pieces.

    modes:  all that are followed;  active: those near the circle, of which alone `pieces` are
    """

    t: float
    y: Array
    found: Found
    modes: Modes
    active: Modes
    pieces: Pieces
    turn: float

    def worst(self, before: Point) -> float:
        """The smallest slack, 1 if no mode is known; a finite oscillation of the modes before holds as many of them."""
        slack = np.sort(self.modes.slack[oscillates(self.modes.mu, self.turn)])
        return float(np.min(slack if before.pieces.T is None else slack[len(before.active) :], initial=1.0))

    def oscillation(self, dt: float) -> Complementary:
        """The X under which no mode is outside the circle after the time dt."""
        return complementary(*self.pieces.ahead(dt), self.pieces.allowed)


@dataclass(frozen=True, eq=False)
class Record:
    """A state, its followed modes with their sharpness (k,), and the oscillation: its excess loss <H, Sigma>/2, ..."""

    t: float
    y: Array
    loss: float
    multipliers: Array
    sharpness: Array
    excess: float
    directions: Array
    weights: Array
    residual: float


class Path:
    """A central flow from its start; `run` fills `records` and returns how it ended."""

    def __init__(self, form: Form, loss: Loss, substeps: int, limit: int) -> None:
        self._form, self._loss, self._substeps, self._limit = form, loss, substeps, limit
        self._h = float(np.asarray(form.opt.h))
        self._rng = np.random.default_rng(SEED)
        self.records: list[Record] = []
        self._reached: tuple[float, Array, Matrices] = 0.0, form.start, np.zeros(0)
        self.left_out = 0
        self._slow = (0.0, 0.0)

    def run(self, steps: int, record_every: int, progress: bool | None) -> tuple[Status, str]:
        """Follows the flow for this many steps; the last state that is reached is always recorded."""
        status, message = self._run(steps, record_every, progress)
        t, y, mu = self._reached
        if not self.records or self.records[-1].t != t:
            theta, none = self._form.split(y)["theta"], np.zeros(0)
            unknown, empty = np.full(len(mu), np.nan), np.zeros((len(theta), 0))
            self.records.append(Record(t, y, self._last_loss(theta), mu, unknown, np.nan, empty, none, 0.0))
        return status, message

    def _run(self, steps: int, record_every: int, progress: bool | None) -> tuple[Status, str]:
        n = 0
        try:
            with bar(steps, f"central flow of {self._form.opt.name}", progress) as shown:
                point = self._point(0.0, self._form.start, None)
                self._reached = point.t, point.y, point.modes.mu
                self._record(point)
                for n in range(1, steps + 1):
                    point = self._step(n - 1, point)
                    self._reached = point.t, point.y, point.modes.mu
                    if n % record_every == 0 or n == steps:
                        self._record(point)
                    shown.update(1)
        except KeyboardInterrupt:
            return Status.INTERRUPTED, f"interrupted in step {n} of {steps}"
        except EvaluationError as error:
            return Status.EVALUATION_FAILED, f"{error} (in step {n})"
        except NotFinite as error:
            return Status.NOT_FINITE, f"{error} in step {n}; ends with the last finite state, step {max(n - 1, 0)}"
        except (Unsolvable, NotFound, StepFailure, np.linalg.LinAlgError) as error:
            return Status.STEP_FAILED, f"step {n} failed: {error}"
        return Status.DONE, f"{steps} steps{self._remarks()}"

    def _last_loss(self, theta: Array) -> float:
        """The loss where the path ended; NaN where it cannot be had."""
        try:
            with proven():
                return float(self._loss(theta))
        except (EvaluationError, KeyboardInterrupt):
            return np.nan

    def _remarks(self) -> str:
        """What a reader must know of a path that reached its end."""
        size, turn = self._slow
        slow = f"; a pair that turns once in {turn:.0f} steps reached |mu| = {size:.4g} and was not averaged"
        left_out = f"; {self.left_out} modes at the edge were left out"
        return (left_out if self.left_out else "") + (slow if size > 1 + OUTSIDE / 2 else "")

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
        """A state with its modes and their pieces."""
        form = self._form
        here = form.at(t, y) if np.isfinite(y).all() else None
        if here is None or not np.isfinite(here.increment).all():
            raise NotFinite("not finite")
        found = modes_of(here, before, 1, self._rng)
        modes = found.modes.kept(np.argsort(found.modes.slack, kind="stable"))
        at_edge = near(modes.mu, here.turn)
        slow = modes.mu[~oscillates(modes.mu, here.turn)]
        self._slow = max([self._slow, *((float(np.abs(mu)), float(2 * np.pi / np.angle(mu))) for mu in slow)])
        self.left_out = max(self.left_out, int(np.count_nonzero(at_edge)) - self._limit)
        modes = modes.kept(np.arange(min(len(modes), self._limit)))
        d = len(form.split(y)["theta"])
        P = form.preconditioner(y)
        modes = modes.scaled(np.sqrt(np.sum(np.abs(modes.V[:d].T) ** 2 * P, axis=1)))
        active = modes.kept(np.flatnonzero(near(modes.mu, here.turn)))
        pieces = form.pieces(t, y, here, active)
        if not (np.isfinite(pieces.C).all() and np.isfinite(pieces.N).all()):
            raise NotFinite("the second derivative of the step is not finite")
        return Point(t, y, found, modes, active, pieces, here.turn)

    def _record(self, point: Point) -> None:
        """Records a state with the oscillation of the substep from it."""
        theta = self._form.split(point.y)["theta"]
        solved, k = point.oscillation(1 / self._substeps), len(point.active)
        V, inside = point.modes.V[: len(theta)], np.flatnonzero(near(point.modes.mu, point.turn))
        rows = np.concatenate([V.real.T, V.imag.T])
        HV = self._form.hessian(theta, rows) if len(V.T) else rows
        H = (V.conj().T @ (HV[: len(V.T)] + 1j * HV[len(V.T) :]).T).real
        active = H[np.ix_(inside, inside)] if k else np.zeros((0, 0))
        directions, weights = principal(V[:, inside], solved.X)
        self.records.append(
            Record(
                point.t,
                point.y,
                float(self._loss(theta)),
                point.modes.mu,
                np.diag(H),
                float(np.sum(active * solved.X)) / 2,
                directions,
                weights,
                solved.residual,
            )
        )
