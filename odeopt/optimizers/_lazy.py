"""Lazy updates: only the rows of a table that have a gradient move, together with their memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from odeopt.core.oracle import Brought
from odeopt.core.state import State
from odeopt.optimizers.base import Optimizer, an_optimizer
from odeopt.schemes.base import Step
from odeopt.util import check
from odeopt.util.check import Array

Rows = NDArray[np.integer[Any]]
CLOCKS = ("shared", "own")
SLAB = 16_384  # numbers per slab of a step, few enough to stay in the cache


def lazy(opt: Optimizer, clock: str = "shared") -> Lazy:
    """u_r <- u_r + step(u_r, g_r) for the rows r that have a gradient; all other rows keep theta and memory.

    clock="shared": time and bias correction count every step of the table, as in torch.optim.SparseAdam (which uses
                    root="hat").  A row first seen late moves by up to lr (1 - beta1)/sqrt(1 - beta2), 3 lr with Adam's
                    defaults
    clock="own":    time and bias correction count the steps of the row, so steps without it have no effect

    The step uses the parts and scheme of the optimizer, with the rows as members.  The optimizer must have scalar
    hyperparameters, act on each coordinate alone, start without a gradient, and read the gradient at one point.  A
    ValueError names the requirement that is not met.

    >>> from odeopt import optimizers
    >>> table = lazy(optimizers.momentum(lr=0.1, beta=0.9)).start(np.zeros((4, 2)))
    >>> table.step([2, 0, 2], [[1.0, 0.0], [0.0, 5.0], [1.0, 1.0]])
    >>> table.theta.round(9).tolist()
    [[0.0, -0.5], [0.0, 0.0], [-0.2, -0.1], [0.0, 0.0]]
    """
    an_optimizer(opt)
    check.choice("clock", clock, CLOCKS)
    if opt.members:
        raise ValueError(f"opt must have single numbers as hyperparameters, got members of shape {opt.members}")
    if opt.flow.noisy:
        raise ValueError(f"opt must have no noise, got {opt.name} with noise in {', '.join(opt.flow.noisy)}")
    made = Lazy(opt, clock)
    _refuse_mixing(made)
    return made


@dataclass(frozen=True, eq=False)
class Lazy:
    """An optimizer of tables; `start(theta0)` makes one."""

    opt: Optimizer
    clock: str

    def start(self, theta0: ArrayLike) -> Table:
        """A table of shape (rows, width) at theta0, with the initial memory of the optimizer."""
        theta0 = check.point("theta0", theta0)
        if theta0.ndim != 2:
            raise ValueError(f"theta0 must have shape (rows, width), got {theta0.shape}")
        names = self.opt.flow.clocks if self.clock == "shared" else ()
        shared = tuple(name in names for name in self.opt.flow.variables)
        start = self.opt.initial_state(self._no_gradient, theta0)
        state = tuple(u[:1].copy() if one else u.copy() for u, one in zip(start, shared, strict=True))
        count = np.zeros((1 if self.clock == "shared" else len(theta0), 1))
        return Table(self, state, shared, count)

    def _no_gradient(self, theta: Array) -> Array:
        raise ValueError(f"opt must start from numbers, got {_name(self.opt)}, which starts from a gradient")


class Table:
    """Rows of parameters with their memory, changed in place by `step`.

    state: one array per variable of the flow, theta first: (rows, width), or (rows, 1) and (1, 1) for clocks
    count: the number of steps so far, (1, 1), or of each row, (rows, 1)
    """

    def __init__(self, lazy: Lazy, state: State, shared: tuple[bool, ...], count: Array) -> None:
        self.lazy, self.state, self.count = lazy, state, count
        self._shared = shared
        self._grad = Brought(self._refuse)
        self._move: Step = lazy.opt.scheme.bind(lazy.opt.flow, self._grad)

    @property
    def theta(self) -> Array:
        """The parameters, (rows, width)."""
        return self.state[0]

    def step(self, rows: Any, gradient: Any) -> None:
        """One step of these rows; gradient has shape (len(rows), width); gradients of repeated rows are added first."""
        rows, gradient = np.asarray(rows), np.asarray(gradient, dtype=np.float64)
        self._check(rows, gradient)
        self.step_distinct(*summed(rows, gradient))

    def step_distinct(self, rows: Rows, gradient: Array) -> None:
        """One step without checks; the rows must be distinct and in range."""
        slab = max(1, SLAB // self.theta.shape[1])
        new = self.state
        for first in range(0, max(1, len(rows)), slab):
            part = slice(first, first + slab)
            new = self._moved(rows[part], gradient[part])
            for u, moved, shared in zip(self.state, new, self._shared, strict=True):
                if not shared:
                    u[rows[part]] = moved
        for u, moved, shared in zip(self.state, new, self._shared, strict=True):
            if shared:
                u[:] = moved
        self.count[slice(None) if self.lazy.clock == "shared" else rows] += 1

    def _moved(self, rows: Rows, gradient: Array) -> State:
        """The new values of these rows and of the clocks shared by all rows."""
        seen = tuple(u if shared else u.take(rows, axis=0) for u, shared in zip(self.state, self._shared, strict=True))
        count, h = self.count if self.lazy.clock == "shared" else self.count[rows], self.lazy.opt.h
        self._grad.bring(seen[0], gradient)
        with np.errstate(all="ignore"):
            new, _, memory = self._move(count * h, seen, (), h)
        if memory:
            raise ValueError(f"opt must have no memory besides its state, got {self.lazy.opt.scheme.name}")
        return new

    def _refuse(self, theta: Array) -> Array:
        raise ValueError(
            f"opt must read the gradient at one point of a step, got {_name(self.lazy.opt)}, which reads more"
        )

    def _check(self, rows: Rows, gradient: Array) -> None:
        size, width = self.theta.shape
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise TypeError(f"rows must be integers of shape (n,), got {rows!r}")
        if rows.size and not (rows.min() >= 0 and rows.max() < size):
            raise ValueError(f"rows must be in 0 .. {size - 1}, got {rows.min()} .. {rows.max()}")
        if gradient.shape != (len(rows), width):
            raise ValueError(f"gradient must have shape {(len(rows), width)}, got {gradient.shape}")
        if not np.isfinite(gradient).all():
            raise ValueError("gradient must be finite, got NaN or infinity; the table has not moved")


def summed(rows: Rows, gradient: Array) -> tuple[Rows, Array]:
    """The distinct rows, ascending, and the sum of the gradients of each.

    >>> summed(np.array([5, 1, 5]), np.array([[1.0], [2.0], [3.0]]))
    (array([1, 5]), array([[2.],
           [4.]]))
    """
    if not len(rows):
        return rows.astype(np.intp), gradient
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    first = np.flatnonzero(np.diff(ascending, prepend=ascending[0] - 1))
    return ascending[first], np.add.reduceat(gradient[order], first)


def _refuse_mixing(made: Lazy) -> None:
    """Raises unless coordinates are independent: a NaN in one must not spread to another, as it does through a norm."""
    clean = np.array([[0.3, -0.5, 0.7]])
    poisoned = np.array([[np.nan, -0.5, 0.7]])
    text = f"opt must act on each coordinate alone, got {_name(made.opt)}"
    if shaped := [key for key in ("shape", "layers") if made.opt.settings.get(key) is not None]:
        raise ValueError(f"{text} with {shaped[0]} = {made.opt.settings[shaped[0]]}")
    try:
        ends = [_after_two_steps(made, theta) for theta in (clean, poisoned)]
    except np.linalg.LinAlgError as error:
        raise ValueError(f"{text}, which reads matrices") from error
    for u, v in zip(*ends, strict=True):
        tail = slice(1, None) if u.shape[-1] == clean.shape[-1] else slice(None)
        if u.shape[-1] not in (1, clean.shape[-1]) or not np.array_equal(u[:, tail], v[:, tail]):
            raise ValueError(f"{text}, whose coordinates read each other")


def _after_two_steps(made: Lazy, theta: Array) -> State:
    table = made.start(np.nan_to_num(theta))
    for factor in (1.0, -2.0):
        table.step_distinct(np.array([0]), factor * theta)
    return table.state


def _name(opt: Optimizer) -> str:
    """The name of the outermost wrapper."""
    return opt.recipe.make.__name__ if opt.recipe else opt.name
