"""The result of `rod_flow`, and the records from which it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from odeopt.core.state import State, unpack
from odeopt.edge.covariance import Covariance, principal
from odeopt.edge.mean_loss import with_mean
from odeopt.edge.rods import Rods
from odeopt.edge.start import Loss
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import SavedPath
from odeopt.util.status import Status


@dataclass(frozen=True, eq=False)
class RodFlow(SavedPath):
    """The middle of consecutive iterates at the times t (n+1,) of the steps, and the rods around it.

    theta (n+1, d), state[name]: the middle
    delta:                       at each record the rods' halves in theta (k, d): iterates are near theta + delta_i and
                                 theta - delta_i
    loss, mean_loss (n+1,):      L in the middle, and its mean over the ends of the rods

    If the run ended early, the arrays end at the last finite state and `message` says why.
    """

    name: str
    t: Array
    theta: Array = field(repr=False)
    state: Mapping[str, Array] = field(repr=False)
    delta: tuple[Array, ...] = field(repr=False)
    loss: Array
    mean_loss: Array
    status: Status
    message: str
    ngev: int

    @cached_property
    def covariance(self) -> Covariance:
        """Sigma = delta^T delta at every record, by its principal directions."""
        found = [principal(delta.T, np.eye(len(delta))) for delta in self.delta]
        return Covariance(tuple(modes for modes, _ in found), tuple(weights for _, weights in found))

    def __len__(self) -> int:
        return len(self.t)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The loss in the middle and its mean over the rods against time; returns the artists."""
        return plotted(self, ax=ax, **options)

    def __repr__(self) -> str:
        return (
            f"RodFlow of {self.name}: {len(self)} records of theta {self.theta.shape[1:]}, "
            f"{max(map(len, self.delta))} rods, |delta| up to {np.sqrt(self.covariance.trace.max()):.3g}; "
            f"loss {self.loss[0]:.6g} .. {self.loss[-1]:.6g}, mean over the rods {self.mean_loss[-1]:.6g}; "
            f"{self.ngev} gradients, {self.status.name}: {self.message}"
        )


class Records:
    """Rods at recorded times with their losses; `result` makes a RodFlow of them."""

    def __init__(self, opt: Optimizer, problem: Problem, like: State) -> None:
        self._opt, self._like, self._loss_at = opt, like, Loss(problem)
        self._t: list[float] = []
        self._middle: list[State] = []
        self._delta: list[Array] = []
        self._loss: list[tuple[float, float]] = []

    def append(self, t: float, u: Rods) -> None:
        """Records the rods at the time t, in steps."""
        d = self._like[0].size
        self._loss.append(with_mean(self._loss_at, u.y[:d], u.D[:, :d]))
        self._t.append(t * float(np.asarray(self._opt.h)))
        self._middle.append(unpack(u.y, self._like))
        self._delta.append(u.D[:, :d].copy())

    def result(self, ngev: int, status: Status, message: str) -> RodFlow:
        """The records so far."""
        theta, *memory = (np.array(u) for u in zip(*self._middle, strict=True))
        loss, mean_loss = np.array(self._loss).T
        return RodFlow(
            self._opt.name,
            np.array(self._t),
            theta,
            dict(zip(self._opt.flow.memory, memory, strict=True)),
            tuple(self._delta),
            loss,
            mean_loss,
            status,
            message,
            ngev,
        )
