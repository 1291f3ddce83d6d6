"""The step of all coordinates in one pass over theta, gradient and memory, in place and on all cores.

The pass is a Numba kernel if Numba is installed and theta is long; otherwise it is NumPy in blocks.  Before the first
pass over a number of coordinates it is compared with the optimizer's own step on as many numbers.  Before each pass the
norm of the gradient is computed: with bounds on theta and memory it shows whether all numbers stay finite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from odeopt.compiler.codegen import numba_cache as kernels
from odeopt.compiler.codegen import numpy_blocks
from odeopt.compiler.codegen.numba_source import coordinates_source
from odeopt.compiler.elementwise_program import coordinates
from odeopt.compiler.formula_keys import formula_key
from odeopt.compiler.ir import Input, Untraceable
from odeopt.compiler.own_step import own_step, probe_data
from odeopt.compiler.passes.magnitude_analysis import bounds
from odeopt.compiler.verify import OTHER, agree, agreed_at
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import inwards, rescheduled
from odeopt.optimizers.schedules import Schedule
from odeopt.optimizers.wrappers import scheduled
from odeopt.util.check import Array
from odeopt.util.parallel_arrays import SLICE, norm, spread

LONG = 1_000_000  # coordinates from which a kernel pays for its compilation
ANYTHING = 2.0**-20  # share of the largest number; theta's owner may set it to anything below
PROBED = 1 << 24  # coordinates compared at most: the comparison takes as much memory as the model


class Piece(NamedTuple):
    """Coordinates with one learning rate, `rate` times the optimizer's own.

    arrays: theta, its gradient and the memory without clocks, (n,) each, of one dtype; all but the gradient are updated
    """

    arrays: tuple[Array, ...]
    rate: float = 1.0


class Sweep:
    """The fused step of an optimizer that acts on each coordinate alone; raises Untraceable, with the reason, if not.

    own:  turns a NumPy array into an array of the library in which the optimizer's own step runs
    back: the inverse of `own`
    """

    def __init__(
        self, opt: Optimizer, own: Callable[[Any], Any] = np.asarray, back: Callable[[Any], Array] = np.asarray
    ) -> None:
        self.opt, self._coordinates, self._read = opt, coordinates(opt), formula_key(opt.flow)
        self._own, self._back = own, back
        self.program = self._coordinates.program
        self._factor = _factor(opt)
        self._kernel, self._move = coordinates_source(self.program), numpy_blocks.moving(self.program)
        self._sizes: list[float] = []  # bounds on theta and memory, as they are now

    def ready(
        self, k: int, pieces: Sequence[Piece], clocks: Mapping[str, float], trusting: bool
    ) -> Callable[[], dict[str, float]]:
        """A function that makes step k on all pieces and returns the clocks after it; raises Untraceable if it may not.

        trusting: whether the caller vouches that the gradient, and the state after the step, are finite
        """
        if formula_key(self.opt.flow) != self._read:
            raise Untraceable("its formulas read other values than at the first step")
        if any(np.may_share_memory(u, g) for (theta, g, *others), _ in pieces for u in (theta, *others)):
            raise Untraceable("its arrays share memory")
        kind = pieces[0].arrays[0].dtype
        self.compare(k, sum(piece.arrays[0].size for piece in pieces), kind, clocks)
        numbers = {rate: self._numbers(k, rate, kind, clocks) for rate in {piece.rate for piece in pieces}}
        constants = {rate: c for rate, (c, _) in numbers.items()}
        moved, *others = (after for _, after in numbers.values())
        if any(other != moved for other in others):
            raise Untraceable("its clocks move at different rates")
        sizes = [] if trusting else self._bounded(pieces, [*constants.values()])
        run = self._run(pieces, [constants[piece.rate] for piece in pieces])

        def move() -> dict[str, float]:
            self._sizes = sizes
            run()
            return moved

        return move

    def compare(self, k: int, number: int, kind: np.dtype[Any], clocks: Mapping[str, float]) -> None:
        """Raises Untraceable unless step k of `number` coordinates is the optimizer's own step, on test data."""
        number = min(number, PROBED)
        if not agreed_at(self.program, (number, kind, self._own), lambda: self._agrees(k, number, kind, clocks)):
            raise Untraceable(f"{OTHER} the step itself, on {number} coordinates")

    def _agrees(self, k: int, number: int, kind: np.dtype[Any], clocks: Mapping[str, float]) -> bool:
        before = probe_data(number, kind, len(self.program.state))
        constants, moved = self._numbers(k, 1.0, kind, clocks)
        theta, g, *memory = (self._own(u) for u in before)
        ends, ticks = own_step(self.opt, k, theta, g, memory, clocks)
        found = tuple(u.copy() for u in before)
        self._run([Piece(found)], [constants])()
        same = agree((found[0], *found[2:]), map(self._back, ends), (before[0], *before[2:]), kind)
        return same and agree([[moved[name]] for name in clocks], map(self._back, ticks))

    def forget(self) -> None:
        """Drops the bounds: theta or memory have changed since the last step."""
        self._sizes = []

    def means(self, d: int) -> str:
        """The engine for d coordinates: "numba" or "blocks"."""
        return "numba" if d >= LONG and find_spec("numba") is not None else "blocks"

    def _numbers(
        self, k: int, rate: float, kind: np.dtype[Any], clocks: Mapping[str, float]
    ) -> tuple[Array, dict[str, float]]:
        """The program's constants in step k, and the clocks after it."""
        h, factor = self.opt.h, float(self._factor(k))
        known: dict[Input, Any] = {Input("time"): k * h, Input("step"): h, Input("rate"): rate * factor}
        known |= {Input("parameter", name): value for name, value in self.opt.flow.params.items()}
        known |= {Input("clock", name): value for name, value in clocks.items()}
        constants, moved = self._coordinates.numbers(known)
        with np.errstate(over="ignore"):
            rounded = np.array(constants, dtype=kind)
        if not np.isfinite(rounded).all():
            raise Untraceable(f"its constants are not finite in step {k + 1}")
        return rounded, moved

    def _bounded(self, pieces: Sequence[Piece], constants: Sequence[Array]) -> list[float]:
        """Bounds on theta and memory after the step; raises Untraceable if none are finite."""
        largest = float(np.finfo(pieces[0].arrays[0].dtype).max)
        thetas, gradients, *memory = zip(*(piece.arrays for piece in pieces), strict=True)
        g = norm(gradients)
        anything = largest * ANYTHING
        for theta, *others in self._looks(anything, thetas, memory):
            now = [theta, g, *others]
            found = [bounds(self.program, c.tolist(), now) for c in constants]
            if all(isfinite(x) and x < largest / 2 for x in (*now, *(most for _, most in found))):
                ends = [max(each) for each in zip(*(ends for ends, _ in found), strict=True)]
                return [max(ends[0], anything), *ends[2:]]
        raise Untraceable("its numbers may overflow")

    def _looks(
        self, anything: float, thetas: Sequence[Array], memory: Sequence[Sequence[Array]]
    ) -> Iterator[list[float]]:
        """Bounds on the present theta and memory, the cheapest first; theta's owner may have changed theta."""
        if self._sizes:
            yield self._sizes
            yield [norm(thetas), *self._sizes[1:]]
        sizes = [*map(norm, memory)]
        yield [anything, *sizes]
        yield [norm(thetas), *sizes]

    def _run(self, pieces: Sequence[Piece], constants: Sequence[Array]) -> Callable[[], Any]:
        """A function that updates the pieces.  Its kernel is compiled here, before threads start."""
        number = sum(piece.arrays[0].size for piece in pieces)
        compiled = self.means(number) == "numba"
        move = self._by_kernel if compiled else self._by_numpy
        if compiled:
            move(tuple(u[:0] for u in pieces[0].arrays), constants[0])
        arrays = [piece.arrays for piece in pieces]
        return lambda: spread(lambda i, mine: move(mine, constants[i]), arrays, len(self.program.body))

    def _by_kernel(self, arrays: tuple[Array, ...], c: Array) -> None:
        kernels.compiled(self._kernel)(arrays[0].size, arrays, c)

    def _by_numpy(self, arrays: tuple[Array, ...], c: Array) -> None:
        move, numbers, truths = self._move
        size = min(SLICE, arrays[0].size)
        room = np.empty((numbers, size), arrays[0].dtype), np.empty((truths, size), bool)
        with np.errstate(all="ignore"):
            for first in range(0, arrays[0].size, size):
                views = [u[first : first + size] for u in arrays]
                move(*(u[:, : views[0].size] for u in room), *views, *c.tolist())


def _factor(opt: Optimizer) -> Callable[[int], float]:
    """The factor of the schedule in step k; raises Untraceable if a step reads the schedule at other times."""
    own = [each.settings["schedule"] for each in inwards(opt) if each.recipe and each.recipe.make is scheduled]
    if not own:
        return lambda k: 1.0
    read: list[Any] = []

    def factor(k: Any) -> float:
        read.append(k)
        return 1.0

    noted = rescheduled(opt, lambda _: Schedule("noted", factor))
    y = noted.initial_state(np.ones_like, np.zeros(1))
    with np.errstate(all="ignore"):
        noted.scheme.bind(noted.flow, np.ones_like)(opt.h, y, (), opt.h)
    if any(k != 1 for k in read):
        raise Untraceable("it reads its schedule at several times in a step")
    return own[0]
