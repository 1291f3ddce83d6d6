"""A state on a central flow with the modes near the unit circle and what their oscillation does; and its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from odeopt.edge.complementarity import Complementary, Unsolvable, complementary
from odeopt.edge.covariance import principal
from odeopt.edge.mean_loss import with_mean
from odeopt.edge.spectrum.modes import Matrices, Modes, near, oscillates
from odeopt.edge.spectrum.search import Found, modes_of
from odeopt.edge.start import Loss
from odeopt.edge.step.averaged import Pieces
from odeopt.edge.step.hessian import Hessian
from odeopt.edge.step.linearised import Linearised
from odeopt.optimizers.base import Optimizer
from odeopt.util.check import Array


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

    modes:    all that are followed;  active: those near the circle, of which alone `pieces` are
    slow:     multipliers (m,) that turn too slowly to be averaged
    left_out: the modes near the circle beyond those that may oscillate
    """

    t: float
    y: Array
    found: Found
    modes: Modes
    active: Modes
    pieces: Pieces
    turn: float
    slow: Matrices
    left_out: int

    def worst(self, before: Point) -> float:
        """The smallest slack, 1 if no mode is known; a finite oscillation of the modes before holds as many of them."""
        slack = np.sort(self.modes.slack[oscillates(self.modes.mu, self.turn)])
        return float(np.min(slack if before.pieces.T is None else slack[len(before.active) :], initial=1.0))

    def oscillation(self, dt: float) -> Complementary:
        """The X under which no mode is outside the circle after the time dt; raises Unsolvable."""
        try:
            return complementary(*self.pieces.ahead(dt), self.pieces.allowed)
        except Unsolvable as error:
            raise Unsolvable(f"{error}: {', '.join(f'{mu:.4g}' for mu in np.real_if_close(self.active.mu))}") from error


def point_at(form: Form, t: float, y: Array, before: Found | None, limit: int, rng: np.random.Generator) -> Point:
    """The state y with its modes, at most `limit` of them, and their pieces; raises NotFinite."""
    here = form.at(t, y) if np.isfinite(y).all() else None
    if here is None or not np.isfinite(here.increment).all():
        raise NotFinite("not finite")
    found = modes_of(here, before, 1, rng)
    modes = found.modes.kept(np.argsort(found.modes.slack, kind="stable"))
    many = int(np.count_nonzero(near(modes.mu, here.turn)))
    slow = modes.mu[~oscillates(modes.mu, here.turn)]
    modes = modes.kept(np.arange(min(len(modes), limit)))
    d = len(form.split(y)["theta"])
    modes = modes.scaled(np.sqrt(np.sum(np.abs(modes.V[:d].T) ** 2 * form.preconditioner(y), axis=1)))
    active = modes.kept(np.flatnonzero(near(modes.mu, here.turn)))
    pieces = form.pieces(t, y, here, active)
    if not (np.isfinite(pieces.C).all() and np.isfinite(pieces.N).all()):
        raise NotFinite("the second derivative of the step is not finite")
    return Point(t, y, found, modes, active, pieces, here.turn, slow, many - limit)


@dataclass(frozen=True, eq=False)
class Record:
    """A state, its followed modes with their sharpness (k,), its loss and mean loss, and the oscillation."""

    t: float
    y: Array
    loss: float
    mean_loss: float
    multipliers: Array
    sharpness: Array
    directions: Array
    weights: Array
    residual: float


def recorded(form: Form, loss: Loss, point: Point, dt: float) -> Record:
    """The record of a point with the oscillation of the next time dt."""
    theta, solved = form.split(point.y)["theta"], point.oscillation(dt)
    V = point.modes.V[: len(theta)].T
    HV = form.hessian(theta, np.concatenate([V.real, V.imag])) if len(V) else np.zeros((0, len(theta)))
    sharpness = np.einsum("kd,kd->k", V.conj(), HV[: len(V)] + 1j * HV[len(V) :]).real
    directions, weights = principal(point.active.V[: len(theta)], solved.X)
    middle, mean = with_mean(loss, theta, (directions * np.sqrt(weights)).T)
    return Record(point.t, point.y, middle, mean, point.modes.mu, sharpness, directions, weights, solved.residual)


def unsolved(form: Form, loss: float, t: float, y: Array, mu: Matrices) -> Record:
    """The record of a state whose oscillation is not known."""
    d, unknown = len(form.split(y)["theta"]), np.full(len(mu), np.nan)
    return Record(t, y, loss, np.nan, mu, unknown, np.zeros((d, 0)), np.zeros(0), 0.0)
