"""An optimizer's step as a pure function of (gradient, theta, held memory), which JAX can compile.

The shapes and types of the held memory never change.  A scheme's memory grows during its first steps; here it has its
final length from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from odeopt.arrays.protocol import Foreign, foreign, plain
from odeopt.core.oracle import Brought
from odeopt.frameworks.parameter_blocks import begin, bound
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.starts import rest
from odeopt.optimizers.wrappers import scheduled
from odeopt.util.check import Array

Elsewhere = Callable[[Any], Any]  # theta -> the gradient there, for schemes that need it away from the current theta


class Held(NamedTuple):
    """The memory that belongs to one theta: the flow's variables and the scheme's earlier slopes."""

    memory: tuple[Any, ...]
    slopes: tuple[Any, ...]


def initial(opt: Optimizer, theta: Foreign, growth: Sequence[Any]) -> Held:
    """The memory before the first step.  A start that reads the gradient is computed in the first step."""
    memory = _first(opt, lambda theta: theta, theta)[1:]
    if opt.start is not rest:
        memory = tuple(plain(0 * u, theta) for u in foreign(memory, theta.library))
    return Held(memory, plain(growth[-1], theta))


def advanced(
    opt: Optimizer,
    k: Any,
    theta: Foreign,
    g: Foreign,
    held: Held,
    rate: Any,
    elsewhere: Elsewhere,
    growth: Sequence[Any],
    moving: Array | None = None,
) -> tuple[Any, Held, Any]:
    """The increment of theta in step k, the memory after it, and the number of gradients evaluated elsewhere.

    moving: one truth value per entry of theta.  Entries that do not move keep their value and memory; clocks advance.
    """
    library = theta.library
    grad = Brought[Any](lambda point: Foreign(elsewhere(point.value), library))
    grad.bring(theta, g)
    memory = held.memory
    if opt.start is not rest:
        memory = library.choose(1 * (k > 0), [lambda: _first(opt, grad, theta)[1:], lambda: held.memory])
    step = bound(opt, grad, lambda: rate)
    clocks = [name in opt.flow.clocks for name in opt.flow.memory]

    def after(known: int) -> Callable[[], Any]:
        def run() -> Any:
            before = grad.count  # JAX traces every alternative to compile it
            y = (theta, *foreign(memory, library))
            new, increment, slopes = step(_time(k, opt, theta), y, foreign(held.slopes[:known], library), opt.h)
            move, after = plain(increment[0], theta), Held(plain(new[1:], theta), plain(slopes, theta))
            if moving is not None:
                still, nothing = _Still(moving, theta), library.functions["zeros_like"](move)
                move, after = still.number(move, nothing), still.held(after, Held(memory, held.slopes[:known]), clocks)
            later = held.slopes[len(after.slopes) :]
            return move, (after.memory, (*after.slopes, *later)), grad.count - before

        return run

    alternatives = [after(len(slopes)) for slopes in growth]
    move, (new, slopes), times = library.choose(_least(k, len(alternatives) - 1), alternatives)
    return move, Held(new, slopes), times


class _Still:
    """Keeps the old values in a step that moves only some entries of theta."""

    def __init__(self, moving: Array, theta: Foreign) -> None:
        self._any, self._shape = bool(moving.any()), theta.shape
        self._moving, self._where = theta.library.array(moving, theta.value) > 0, theta.library.functions["where"]

    def number(self, new: Any, old: Any) -> Any:
        """The new values where theta moves, the old ones elsewhere.

        An array that is not shaped like theta is new as a whole if any entry of theta moves.
        """
        if tuple(new.shape) == self._shape:
            return self._where(self._moving, new, old)
        return new if self._any else old

    def held(self, new: Held, old: Held, clocks: Sequence[bool]) -> Held:
        """The memory after the step: new for moving entries, for all clocks and for slopes not known before."""
        memory = [u if clock else self.number(u, v) for u, v, clock in zip(new.memory, old.memory, clocks, strict=True)]
        slopes = [tuple(map(self.number, u, v)) for u, v in zip(new.slopes, old.slopes, strict=False)]
        return Held(tuple(memory), (*slopes, *new.slopes[len(slopes) :]))


def _time(k: Any, opt: Optimizer, theta: Foreign) -> Any:
    """t = k h.  k is an int, or a traced value inside a compiled step."""
    return k * opt.h if isinstance(k, int) else Foreign(k, theta.library) * opt.h


def _least(k: Any, most: int) -> Any:
    return min(k, most) if isinstance(k, int) else k.clip(0, most)


def _first(opt: Optimizer, grad: Callable[[Any], Any], theta: Foreign) -> Any:
    return plain(begin(opt, grad, theta, clock=lambda u: u), theta)


def growth(opt: Optimizer, size: int) -> list[Any]:
    """The scheme's memory before each of its first steps, filled with zeros, until it stops growing."""
    step = bound(opt, lambda theta: theta, lambda: 1.0)
    found: list[Any] = [()]
    with np.errstate(all="ignore"):
        y = opt.initial_state(lambda theta: theta, np.zeros(size))
        while len(following := step(opt.h, y, found[-1], opt.h)[2]) > len(found[-1]):
            found.append(_zeros(following))
    return found


def _zeros(tree: Any) -> Any:
    return tuple(_zeros(part) for part in tree) if isinstance(tree, tuple) else np.zeros(np.shape(tree))


def refuse_uncompiled(opts: Sequence[Optimizer], caller: str) -> None:
    """Raises ValueError for optimizers that need the time as a Python number: JAX cannot compile their steps."""
    for opt in opts:
        settings = opt.recipe.settings if opt.recipe else {}
        if opt.recipe and opt.recipe.make is scheduled and settings["schedule"].own:
            raise ValueError(
                f"{caller} needs a schedule of odeopt.schedules, got a function of your own: give the library's own "
                "schedule as the learning rate"
            )
        for part in opt.flow.terms():
            if vars(part).get("limit") is not None:
                raise ValueError(f"{caller} cannot compile {opt.flow.name}: a rate of {part.slot} is infinite at t = 0")
