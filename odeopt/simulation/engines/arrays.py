"""Engines that run a program by Numba kernels, on one path or many members, or by NumPy in blocks of members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from odeopt.compiler.codegen import numpy_blocks
from odeopt.compiler.codegen.numba_source import BLOCK, members_source, path_source
from odeopt.compiler.passes.shorten_chain import shortened
from odeopt.compiler.program import Program
from odeopt.core.state import State, unpack
from odeopt.simulation.engines.base import Leap, lap, moments
from odeopt.simulation.request import Request
from odeopt.util.check import Array
from odeopt.util.threads import in_parts


class Path:
    """One path in a compiled kernel."""

    name, operations = "numba", 10_000_000

    def __init__(self, request: Request, program: Program) -> None:
        self.program = program = shortened(program)
        self.losses, self.calls, self.lap = program.loss is not None, False, lap(self.operations, program)
        self.constants = np.array([float(value) for value in program.values(request.opt)])
        self.h, self._loop = float(request.opt.h), _kernel(request, path_source(program, request.strided, self.losses))

    def run(self, k: int, y: State, n: int, every: int, rows: State, losses: Array, times: Array) -> Leap:
        state = np.concatenate(y)
        done = self._loop(n, every, k, rows, losses, times, self.h, state, self.constants)
        if done and not np.isfinite(state.sum()):  # once not finite, a state remains so
            done = int(np.count_nonzero(np.isfinite(sum(row[:done].sum(axis=1) for row in rows))))
        return Leap(done, unpack(state, y) if done == n else ())


class Members:
    """Many members in a compiled kernel, in blocks on all cores."""

    name, operations = "numba", 4_000_000_000

    def __init__(self, request: Request, program: Program) -> None:
        self.program, self.losses, self.calls = program, program.loss is not None, False
        values = program.values(request.opt)
        own = [np.ndim(value) > 0 for value in values]
        self._loop = _kernel(request, members_source(program, tuple(own), self.losses))
        self.h, self.number, self.lap = request.opt.h, request.number, lap(self.operations, program, request.number)
        self.constants, self.own = _split(values, own, request.members)

    def run(self, k: int, y: State, n: int, every: int, rows: State, losses: Array, times: Array) -> Leap:
        kernel, M = self._loop, self.number
        flat = tuple(u.reshape(M, -1).copy() for u in y)
        into, values = tuple(row.reshape(n, M, -1) for row in rows), losses.reshape(n, M)
        part = lambda a, b: kernel(a, b, n, every, k, into, values, flat, self.constants, self.own)
        times[...] = moments(k, n, every, self.h)
        met = sum(in_parts(part, M, BLOCK, n * every * M * len(self.program.body)))
        return Leap(0 if met else n, tuple(u.reshape(v.shape) for u, v in zip(flat, y, strict=True)))


class Blocks:
    """Many members by NumPy alone."""

    name, operations = "blocks", 400_000_000

    def __init__(self, request: Request, program: Program) -> None:
        self.program, self.losses, self.calls = program, False, False
        self.values = program.values(request.opt)
        self.owned = [np.ndim(value) > 0 for value in self.values]
        self.h, self.number, self.lap = request.opt.h, request.number, lap(self.operations, program, request.number)
        _, self.own = _split(self.values, self.owned, request.members)
        self.loop, self.numbers, self.truths = numpy_blocks.compiled(program)

    def run(self, k: int, y: State, n: int, every: int, rows: State, losses: Array, times: Array) -> Leap:
        M, flat = self.number, tuple(u.reshape(self.number, -1).copy() for u in y)
        into = [row.reshape(n, M, -1) for row in rows]
        entries = [(v, i) for v, u in enumerate(flat) for i in range(u.shape[1])]

        def part(a: int, b: int) -> int:
            state = [np.ascontiguousarray(flat[v][a:b, i]) for v, i in entries]
            own = iter(self.own)
            constants = [next(own)[a:b] if mine else value for mine, value in zip(self.owned, self.values, strict=True)]
            room = np.empty((self.numbers, b - a)), np.empty((self.truths, b - a), dtype=bool)
            views = [into[v][:, a:b, i] for v, i in entries if v < len(into)]
            with np.errstate(all="ignore"):
                ended = self.loop(n, every, k, views, *room, *state, *constants)
            for (v, i), u in zip(entries, ended or (), strict=False):
                flat[v][a:b, i] = u
            return ended is None

        times[...] = moments(k, n, every, self.h)
        met = sum(in_parts(part, M, numpy_blocks.BLOCK, n * every * M * len(self.program.body)))
        return Leap(0 if met else n, tuple(u.reshape(v.shape) for u, v in zip(flat, y, strict=True)))


def _split(values: Sequence[Any], own: Sequence[bool], members: tuple[int, ...]) -> tuple[Array, Array]:
    """The shared constants (0 for those that differ by member), and the members' own constants, one row each."""
    rows = [np.broadcast_to(value, members).ravel() for value, mine in zip(values, own, strict=True) if mine]
    numbers = np.array([0.0 if mine else float(value) for value, mine in zip(values, own, strict=True)])
    return numbers, np.array(rows).reshape(len(rows), int(np.prod(members)))


def _kernel(request: Request, text: str) -> Callable[..., int]:
    from odeopt.compiler.codegen import numba_cache as kernels  # late: it costs more than a short run

    if not kernels.is_ready(text):
        request.announce_compiler()
    return kernels.compiled(text)
