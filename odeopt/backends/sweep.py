"""One pass over theta, gradient and memory, in place, on all cores: the step of every coordinate.

A kernel by Numba where that is installed and has the kernel or theta is long, else NumPy in blocks that stay in the
cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from odeopt.backends import blocks
from odeopt.backends import numba as kernels
from odeopt.backends.coordinates import coordinates
from odeopt.backends.engines import in_parts
from odeopt.backends.nodes import Untraceable
from odeopt.backends.training import inwards
from odeopt.check import Array
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.wrappers import scheduled

SLICE = 8192  # coordinates whose numbers NumPy keeps in a core's cache
KERNEL = 32768  # coordinates that a thread of a kernel takes at once
LONG = 1_000_000  # coordinates: a kernel that is not on disk is then compiled


class Sweep:
    """The step of an optimizer whose coordinates stand alone; raises Untraceable, with the reason, for another."""

    def __init__(self, opt: Optimizer) -> None:
        self.opt, self._coordinates = opt, coordinates(opt)
        own = [each.settings["schedule"] for each in inwards(opt) if each.recipe and each.recipe.make is scheduled]
        self._factor = own[0] if own else lambda k: 1.0
        self._kernel = kernels.coordinates_source(self._coordinates.program)

    def numbers(self, k: int, rate: float, clocks: Mapping[str, Any]) -> tuple[list[float], dict[str, float]]:
        """The constants of step k at this multiple of the learning rate, and the clocks after it."""
        now = {"t": k * self.opt.h, "h": self.opt.h, "rate": rate * float(self._factor(k))}
        with np.errstate(all="ignore"):
            constants, moved, fine = self._coordinates.numbers({**self.opt.flow.params, **clocks, **now})
        if not fine:
            raise Untraceable(f"step {k + 1} might divide by 0")
        return constants, moved

    def run(self, arrays: Sequence[Array], constants: Sequence[float]) -> int:
        """theta, its gradient and the memory that is no clock, (d,) each: all but the gradient move.

        Returns how many numbers of theta are not finite then.
        """
        d, work = arrays[0].size, arrays[0].size * len(self._coordinates.program.body)
        if self._compiles(d):
            kernel, c = kernels.compiled(self._kernel), np.array(constants)
            return sum(in_parts(lambda a, b: kernel(b - a, tuple(u[a:b] for u in arrays), c), d, KERNEL, work))
        loop, numbers, truths = blocks.compiled(self._coordinates.program)

        def part(a: int, b: int) -> int:
            met, size = 0, min(SLICE, b - a)
            numeric, logical = np.empty((numbers, size), arrays[0].dtype), np.empty((truths, size), bool)
            with np.errstate(all="ignore"):
                for first in range(a, b, SLICE):
                    views = [u[first : min(first + SLICE, b)] for u in arrays]
                    n, keep = views[0].size, partial(_kept, views)
                    loop(1, 1, 0, keep, numeric[:, :n], logical[:, :n], *views, *constants)
                    met += n - int(np.isfinite(views[0]).sum())
            return met

        return sum(in_parts(part, d, SLICE, work))

    def _compiles(self, d: int) -> bool:
        if find_spec("numba") is None:
            return False
        return kernels.loaded(self._kernel) or kernels.on_disk(self._kernel) or d >= LONG

    def means(self, d: int) -> str:
        """What runs it."""
        return "numba" if self._compiles(d) else "blocks"


def _kept(views: Sequence[Array], row: int, now: Sequence[Array]) -> None:
    """What a loop on blocks has computed, where it belongs."""
    for into, u in zip(views, now, strict=True):
        if u is not into:
            into[...] = u


def moderate(g: Array) -> bool:
    """Whether a gradient and its squares are finite, in one pass."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.dot(g, g)))
