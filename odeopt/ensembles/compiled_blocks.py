"""The two ways in which a block advances by its program: NumPy calls, or a compiled kernel."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import numpy as np

from odeopt.compiler.codegen import numba_cache as kernels
from odeopt.compiler.codegen import numpy_blocks
from odeopt.ensembles.kernel import Layout, ensemble_source, fill_source
from odeopt.ensembles.program_block import Block, Job
from odeopt.ensembles.random.normals import Addressed, Normals
from odeopt.ensembles.statistics import Tally
from odeopt.util.check import Array

AT_ONCE = 49_152  # numbers drawn or counted in one call: at each call the threads may wait for one another


def fill(z: Array, first: int, pair: int, key: Array) -> None:
    """`odeopt.ensembles.random.normals.filled`, compiled."""
    kernels.compiled(fill_source())(z, first, pair, tuple(key))


class NumpyBlock(Block):
    """A block that advances by NumPy calls into arrays made once."""

    def __init__(self, job: Job, members: range, normals: Normals | None) -> None:
        super().__init__(job, members, normals)
        self.watches = job.plan.target is not None
        self._loop, self._numbers, self._truths = numpy_blocks.compiled(job.program)

    def run(self, k: int, n: int, every: int) -> tuple[bool, Tally | None]:
        size, draw, found = len(self.members), self._draw(k, max(n, 1) * every), []
        room, truth = np.empty((self._numbers, size)), np.empty((self._truths, size), dtype=bool)
        most = max(1, AT_ONCE // self.rows.size)
        held = np.empty((len(self.rows), min(n, most), size))
        counter = self._counter(held.shape[1]) if n else None
        with np.errstate(all="ignore"):
            for first in range(0, max(n, 1), most):
                m, now = min(most, max(n, 1) - first), k + every * first
                state = self._loop(
                    m, every, now, held if n else (), room, truth, *self.rows, *self.job.constants, *draw
                )
                if state is None:
                    return True, None
                for row, u in zip(self.rows, state, strict=True):
                    np.copyto(row, u)
                if counter:
                    found.append(counter(now + every, every, held[:, :m]))
        return False, Tally.of(found) if found else None

    def _draw(self, k: int, steps: int) -> list[Callable[[], list[Array]]]:
        """A function that returns the normals of the next step, a column each; it draws several steps at once."""
        normals, plan = self.normals, self.job.plan
        if normals is None:
            return []
        most = max(1, AT_ONCE // (plan.rows * len(self.members) * plan.width))
        parts = (normals.of(now, min(most, k + steps - now)) for now in range(k, k + steps, most))
        columns = ([row[:, i] for row in step for i in range(plan.width)] for step in chain.from_iterable(parts))
        return [lambda: next(columns)]


class KernelBlock(Block):
    """A block that advances in a compiled kernel, which draws its own normals."""

    def __init__(self, job: Job, members: range, normals: Normals | None) -> None:
        super().__init__(job, members, normals)
        self.watches = job.plan.target is not None and not job.target
        self._loop = kernels.compiled(ensemble_source(Layout(job.program, job.target)))
        self._key = tuple(normals.key) if isinstance(normals, Addressed) else (np.uint64(0), np.uint64(0))
        self._constants = np.array(job.constants)

    def run(self, k: int, n: int, every: int) -> tuple[bool, Tally | None]:
        width, job = len(self.job.plan.observables) + 1, self.job
        count, mean, spread = (np.zeros((n, *shape)) for shape in ((1,), (width,), (width, width)))
        met = self._loop(
            self.members.start, self.members.stop, n, every, k, float(job.plan.opt.h), job.rows, self._constants,
            self._key, job.arrivals, count, mean, spread,
        )  # fmt: skip
        return bool(met), Tally(count, mean[:, None], spread[:, None]) if n else None
