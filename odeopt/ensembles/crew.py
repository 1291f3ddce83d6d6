"""The choice between a program of the step and the step itself."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from odeopt.core.state import State
from odeopt.ensembles.blocks import Crew, blocks
from odeopt.ensembles.plan import Plan
from odeopt.ensembles.random.normals import Fill, filled, normals_of, visits
from odeopt.ensembles.statistics import Tally
from odeopt.schemes.base import Memory
from odeopt.simulation.noisy_step import draws_of, driven, is_noisy
from odeopt.util.check import Array

WORTHWHILE = 30_000  # steps of all members: for fewer, tracing the program costs more than it saves
MANY = 40_000_000  # normals: drawing them in NumPy takes longer than Numba takes to start


class Stepped:
    """A block that advances by the step itself."""

    _memory: Memory = ()

    def __init__(self, plan: Plan, members: range, draws: Iterator[Any] | None, arrivals: Array) -> None:
        self._opt, self._counted, self._watch = plan.opt, plan.counted, plan.watch(arrivals)
        with np.errstate(all="ignore"):
            grad = plan.problem.oracle()
            self._y = plan.opt.initial_state(grad, plan.theta0[members.start : members.stop])
            self._step = driven(plan.opt, plan.problem, grad, draws)
        self._watch(0, self._y)

    def advance(self, k: int, n: int, every: int) -> Tally | None:
        found, h = [], self._opt.h
        for end in (k + every * (i + 1) for i in range(max(n, 1))):
            with np.errstate(all="ignore"):
                for now in range(end - every, end):
                    self._y, _, self._memory = self._step(now * h, self._y, self._memory, h)
                    self._watch(now + 1, self._y)
            if n:
                found.append(self._counted(end, self._y))
        return Tally.of(found) if found else None

    def state(self) -> State:
        return self._y


def crew_of(
    plan: Plan, generator: str, rng: np.random.Generator, arrivals: Array, backend: str, progress: bool | None
) -> Crew:
    """The crew of a run, which advances by a program of the step, or by the step itself.

    The step itself is taken where there is no program, or where tracing one does not pay.
    """
    why = ""
    if backend != "numpy" and (backend != "auto" or plan.members * plan.steps >= WORTHWHILE):
        from odeopt.ensembles.compiled import crew_or_reason  # imported late: a short run needs no compiler

        crew = crew_or_reason(plan, generator, rng, arrivals, backend, progress)
        if not isinstance(crew, str):
            return crew
        if backend != "auto":
            raise ValueError(f"backend must be 'auto' or 'numpy' for {plan.opt.name} here: {crew}; got {backend!r}")
        why = f" ({crew})"
    parts = blocks(plan.members)
    members = [
        Stepped(plan, part, noise, arrivals[part.start : part.stop])
        for part, noise in zip(parts, _noise(plan, generator, rng, parts), strict=True)
    ]
    return Crew(members, f"numpy{why}", 1, several=False)


def _noise(plan: Plan, generator: str, rng: np.random.Generator, parts: list[range]) -> list[Iterator[Any] | None]:
    """The noise of each block, step after step: normals or batches."""
    if not is_noisy(plan.opt, plan.problem):
        return [None] * len(parts)
    if plan.rows:
        return [visits(normals) for normals in normals_of(generator, rng, parts, plan.rows, plan.width, _fill(plan))]
    seeds: Any = rng.bit_generator.seed_seq
    streams = [np.random.Generator(np.random.SFC64(seed)) for seed in seeds.spawn(len(parts))]
    return [draws_of(plan.opt, plan.problem, s, (len(part),)) for s, part in zip(streams, parts, strict=True)]


def _fill(plan: Plan) -> Fill:
    """The function that draws the normals of Threefry: in NumPy, or in Numba where they are many."""
    if plan.members * plan.steps * plan.rows * plan.width < MANY or find_spec("numba") is None:
        return filled
    from odeopt.ensembles.compiled_blocks import fill

    return fill
