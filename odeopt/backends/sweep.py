"""One pass over theta, gradient and memory, in place, on all cores: the step of every coordinate.

A kernel by Numba where that is installed and theta is long, else NumPy in blocks.  Before it, one look at the gradient:
from its norm and the sizes that theta and memory can have by now follows whether all will be finite after the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from odeopt.backends import blocks
from odeopt.backends import numba as kernels
from odeopt.backends.bounds import bounds
from odeopt.backends.coordinates import coordinates
from odeopt.backends.kernel_source import coordinates_source
from odeopt.backends.nodes import Untraceable
from odeopt.backends.spread import SLICE, norm, spread
from odeopt.backends.training import inwards
from odeopt.check import Array
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.wrappers import scheduled

LONG = 1_000_000  # coordinates that are worth a compiler


class Piece(NamedTuple):
    """Coordinates that move at one rate, a multiple of the optimizer's own.

    arrays: theta, its gradient and the memory that is no clock, (n,) each, of one dtype: all but the gradient move
    """

    arrays: tuple[Array, ...]
    rate: float = 1.0


class Sweep:
    """The step of an optimizer whose coordinates stand alone; raises Untraceable, with the reason, for another."""

    def __init__(self, opt: Optimizer) -> None:
        self.opt, self._coordinates = opt, coordinates(opt)
        self.program = self._coordinates.program
        own = [each.settings["schedule"] for each in inwards(opt) if each.recipe and each.recipe.make is scheduled]
        self._factor = own[0] if own else lambda k: 1.0
        self._kernel, self._move = coordinates_source(self.program), blocks.moving(self.program)
        self._sizes: list[float] = []  # bounds on theta and memory, as they are now

    def step(self, k: int, pieces: Sequence[Piece], clocks: Mapping[str, float], trusting: bool) -> dict[str, float]:
        """Step k on all pieces; returns the clocks after it.  Raises Untraceable before anything has moved.

        trusting: that the gradient is finite, and the state after the step
        """
        if any(np.may_share_memory(theta, g) for (theta, g, *_), _ in pieces):
            raise Untraceable("theta and its gradient are one array")
        kind = pieces[0].arrays[0].dtype
        numbers = {rate: self._numbers(k, rate, kind, clocks) for rate in {piece.rate for piece in pieces}}
        constants = {rate: c for rate, (c, _) in numbers.items()}
        moved, *others = (after for _, after in numbers.values())
        if any(other != moved for other in others):
            raise Untraceable("its clocks move at different rates")
        self._sizes = [] if trusting else self._bounded(pieces, [*constants.values()])
        self._run(pieces, [constants[piece.rate] for piece in pieces])
        return moved

    def forget(self) -> None:
        """Theta or memory are others than those that the last step left."""
        self._sizes = []

    def means(self, d: int) -> str:
        """What runs it."""
        return "numba" if d >= LONG and find_spec("numba") is not None else "blocks"

    def _numbers(
        self, k: int, rate: float, kind: np.dtype[Any], clocks: Mapping[str, float]
    ) -> tuple[Array, dict[str, float]]:
        """The program's constants in step k, and the clocks after it."""
        now = {"t": k * self.opt.h, "h": self.opt.h, "rate": rate * float(self._factor(k))}
        known: dict[str, Any] = {**self.opt.flow.params, **clocks, **now}
        constants, moved = self._coordinates.numbers(known)
        with np.errstate(over="ignore"):
            rounded = np.array(constants, dtype=kind)
        if not np.isfinite(rounded).all():
            raise Untraceable(f"its constants are not finite in step {k + 1}")
        return rounded, moved

    def _bounded(self, pieces: Sequence[Piece], constants: Sequence[Array]) -> list[float]:
        """Bounds on theta and memory after the step; raises Untraceable if there are none."""
        largest = float(np.finfo(pieces[0].arrays[0].dtype).max)
        g = norm([piece.arrays[1] for piece in pieces])
        for measured in (False, True):
            if measured or not self._sizes:
                columns = [*zip(*(piece.arrays for piece in pieces), strict=True)]
                theta, memory = norm(columns[0]), map(norm, columns[2:])
                self._sizes = [max(theta, largest**0.5), *memory]  # theta may be set by its owner
            now = [self._sizes[0], g, *self._sizes[1:]]
            found = [bounds(self.program, c.tolist(), now) for c in constants]
            if all(isfinite(x) and x < largest / 2 for x in (*now, *(most for _, most in found))):
                ends = [max(each) for each in zip(*(ends for ends, _ in found), strict=True)]
                return [ends[0], *ends[2:]]
        raise Untraceable("its numbers may overflow")

    def _run(self, pieces: Sequence[Piece], constants: Sequence[Array]) -> None:
        number = sum(piece.arrays[0].size for piece in pieces)
        compiled = self.means(number) == "numba"
        move = self._by_kernel if compiled else self._by_numpy
        if compiled:
            move(tuple(u[:0] for u in pieces[0].arrays), constants[0])  # before there are threads
        arrays = [piece.arrays for piece in pieces]
        spread(lambda i, mine: move(mine, constants[i]), arrays, len(self.program.body))

    def _by_kernel(self, arrays: tuple[Array, ...], c: Array) -> None:
        kernels.compiled(self._kernel)(arrays[0].size, arrays, c)

    def _by_numpy(self, arrays: tuple[Array, ...], c: Array) -> None:
        move, numbers, truths = self._move
        size = min(SLICE, arrays[0].size)
        room = np.empty((numbers, size), arrays[0].dtype), np.empty((truths, size), bool)
        for first in range(0, arrays[0].size, size):
            views = [u[first : first + size] for u in arrays]
            move(*(u[:, : views[0].size] for u in room), *views, *c.tolist())
