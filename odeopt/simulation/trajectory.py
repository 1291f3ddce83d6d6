"""The result of `simulate` and `solve`: a path with its loss, its cost, and the reason why it ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from odeopt.core.flow import Field
from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.problems.oracle import Gradient
from odeopt.simulation.labelled import labelled
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import SavedPath
from odeopt.util.status import Status


@dataclass(frozen=True, eq=False)
class Trajectory(SavedPath):
    """A path theta(t), shape (n+1, ..., d), with records t (n+1,), loss (n+1, ...) and memory `state[name]`.

    nfev and ngev count loss and gradient evaluations; `sol(t)`, if requested, interpolates theta.  If the run ended
    early, all arrays end at the last finite state.  In an ensemble the run continues until every member has failed;
    `finite` (...) says which members reached the end.  If each member has its own step h, t has shape (n+1, ...).
    `flow` and `problem` were solved, or simulated by the steps of `optimizer`; `backend` names the engine.
    """

    t: Array
    theta: Array
    loss: Array
    state: Mapping[str, Array]
    status: Status
    message: str
    nfev: int
    ngev: int
    name: str = ""
    sol: Callable[[Any], Array] | None = field(default=None, repr=False)
    flow: Field | None = field(default=None, repr=False)
    problem: Problem | None = field(default=None, repr=False)
    backend: str = "numpy"
    optimizer: Optimizer | None = field(default=None, repr=False)

    @property
    def finite(self) -> Any:
        """Shape (...): the members whose last theta is finite."""
        return np.isfinite(self.theta[-1]).all(axis=-1)

    @property
    def times(self) -> Array:
        """t of every member, with the shape of the loss (n+1, ...)."""
        return of_members(self.t, self.loss.shape)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Plots the loss against time, one line per member, and returns the artists."""
        return plotted(self, ax=ax, **options)

    def to_xarray(self) -> Any:
        """An xarray Dataset of theta, loss and memory with the dimensions t (or record), member and coordinate."""
        facts = {name: getattr(self, name) for name in ("name", "message", "nfev", "ngev", "backend")}
        return labelled(self.t, self.theta, self.loss, self.state, {**facts, "status": self.status.name})

    def check(self) -> Trajectory:
        """This trajectory if it succeeded, else a RuntimeError with its message."""
        if not self.success:
            raise RuntimeError(f"{self.name}: {self.message}")
        return self

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        ends = f"t = {_span(self.t[0])} .. {_span(self.t[-1])}, loss {_span(self.loss[0])} .. {_span(self.loss[-1])}"
        return (
            f"Trajectory of {self.name}: {len(self)} records of theta {self.theta.shape[1:]}, {ends}, "
            f"{self.ngev} gradients, {self.status.name}: {self.message}"
        )


def a_run(run: Any) -> Trajectory:
    """The run; TypeError for anything else."""
    return check.instance("run", run, Trajectory, "a Trajectory of odeopt.simulate or odeopt.solve")


def of_members(t: Array, shape: tuple[int, ...]) -> Array:
    """t (n+1,) or (n+1, ...) broadcast to the shape (n+1, ...) of all members."""
    return np.broadcast_to(t.reshape(len(t), *(1,) * (len(shape) - t.ndim), *t.shape[1:]), shape)


def _span(value: Any) -> str:
    finite = np.asarray(value)[np.isfinite(value)]
    if finite.size == 0:
        return "nan"
    lowest, highest = finite.min(), finite.max()
    return f"{lowest:.6g}" if lowest == highest else f"[{lowest:.3g}, {highest:.3g}]"


@dataclass(frozen=True, eq=False)
class Source:
    """The origin of a path: a flow on a problem, the gradient that counts evaluations, the engine, the optimizer."""

    flow: Field
    problem: Problem
    grad: Gradient
    name: str
    backend: str = "numpy"
    optimizer: Optimizer | None = None


LOSS_BLOCK = 30_000  # numbers; they fit into the processor's cache


class Recorder:
    """Preallocated arrays for the records of a run, filled in order and cut to the number of records made."""

    def __init__(self, capacity: int, t: Any, y: State) -> None:
        shapes = [np.shape(t), *(u.shape for u in y), y[0].shape[:-1]]
        sizes = [capacity * math.prod(shape) for shape in shapes]
        try:
            memory = np.empty(sum(sizes))  # one block: allocators reuse it, already mapped
        except (MemoryError, ValueError) as error:
            raise MemoryError(f"no memory for {capacity} records: a larger record_every needs fewer") from error
        ends = accumulate(sizes)
        pieces = [memory[end - size : end] for end, size in zip(ends, sizes, strict=True)]
        self.t, *self.y, self.loss = (u.reshape(capacity, *shape) for u, shape in zip(pieces, shapes, strict=True))
        self.unknown: list[tuple[int, int]] = []  # ranges of records whose loss has not been computed
        self.filled, self.step = 0, -1
        self.append(t, y, 0)

    def append(self, t: Any, y: State, step: int = -1) -> None:
        """Appends one record: the state y at time t, after `step` steps if they are counted."""
        for record, u in zip(self.y, y, strict=True):
            record[self.filled] = u
        self.t[self.filled] = t
        self.keep(1, step)

    def room(self, n: int) -> tuple[State, Array, Array]:
        """Views into which the next n records, their losses and their times are to be written."""
        here = slice(self.filled, self.filled + n)
        return tuple(record[here] for record in self.y), self.loss[here], self.t[here]

    def scratch(self, n: int) -> tuple[State, Array, Array]:
        """New arrays of the same shapes for n states that are not recorded."""
        states, losses, times = ([np.empty((n, *u.shape[1:])) for u in us] for us in (self.y, [self.loss], [self.t]))
        return tuple(states), losses[0], times[0]

    def keep(self, n: int, step: int, known: bool = False) -> None:
        """Accepts the next n records, with their losses if `known`; the last is the state after `step` steps."""
        here = self.filled, self.filled + n
        self.filled, self.step = here[1], step
        if not known:
            joined = bool(self.unknown) and self.unknown[-1][1] == here[0]
            self.unknown[-1:] = [(self.unknown[-1][0], here[1])] if joined else [*self.unknown[-1:], here]

    def trajectory(
        self, source: Source, status: Status, message: str, sol: Callable[[Any], Array] | None = None
    ) -> Trajectory:
        """The records as a Trajectory.  Losses that are not known are evaluated here, on many records at once."""
        t, y = self.t[: self.filled], tuple(u[: self.filled] for u in self.y)
        values, status, message = self._losses(source.problem.loss, status, message)
        memory = dict(zip(source.flow.variables[1:], y[1:], strict=True))
        return Trajectory(
            t,
            y[0],
            values,
            memory,
            status,
            message,
            nfev=len(t),
            ngev=source.grad.count,
            name=source.name,
            sol=sol,
            flow=source.flow,
            problem=source.problem,
            backend=source.backend,
            optimizer=source.optimizer,
        )

    def _losses(self, loss: Callable[[Array], Any], status: Status, message: str) -> tuple[Array, Status, str]:
        theta, values = self.y[0], self.loss[: self.filled]
        at_once = max(1, LOSS_BLOCK // theta[0].size)  # records whose loss is evaluated in one call
        pieces = [slice(i, min(i + at_once, end)) for start, end in self.unknown for i in range(start, end, at_once)]
        try:
            with np.errstate(all="ignore"):
                for piece in pieces:
                    found = np.asarray(loss(theta[piece]), dtype=float)
                    if found.shape != values[piece].shape:
                        raise ValueError(f"it must return the shape {values[piece].shape}, got {found.shape}")
                    values[piece] = found
            return values, status, message
        except Exception as error:  # a loss that raises must not discard the path
            failed = f"loss raised {type(error).__name__}: {error}"
            return np.full(values.shape, np.nan), min(status, Status.EVALUATION_FAILED), f"{message}; {failed}"
