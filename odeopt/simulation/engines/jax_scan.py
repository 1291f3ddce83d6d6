"""Many steps in one call of JAX, on its default device: one loop for every rule, compiled once.

The numbers of steps and records are arguments, so a longer run compiles nothing new.  A guard that is true ends the
loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from odeopt.core.state import State, column, finite
from odeopt.simulation.engines.base import Leap, Repeated, moments
from odeopt.simulation.request import Request
from odeopt.util.check import Array

ROOM, MOST = 1 << 18, 1 << 15  # the most numbers and the most records that one call may return
LAP = 0.2  # approximate seconds per call, by an estimate that is rather too high
STEP = 2e-6  # seconds for an empty step
SECONDS = {"flops": 5e-10, "transcendentals": 1e-8, "bytes accessed": 2e-11}  # for one of each on a CPU
FASTER = 1 / 500  # of these seconds, on any other device


@dataclass(frozen=True)
class Rule:
    """move(t, y, constants) -> (the next y, whether a guard is true), where y is a tuple of arrays (..., width).

    The first `recorded` arrays of y are recorded; `split` converts a state to y.  Rules with the same key are equal.
    """

    key: Any
    recorded: int = field(compare=False)
    move: Callable[..., tuple[tuple[Any, ...], Any]] = field(compare=False, repr=False)
    split: Callable[[State], State] = field(default=tuple, compare=False, repr=False)


@dataclass(frozen=True)
class Loop:
    """run(room, strided, ends, k, n, every, y, h, constants): n rows, how many of them are valid, and the last y.

    A row is the state after `every` further steps (after one, unless strided), split at the columns `ends`; room >= n.
    `laps`: how many steps one call may take, for each combination of argument shapes seen so far.
    """

    run: Callable[..., tuple[Any, Any, Any]]
    laps: dict[Any, int] = field(default_factory=dict)


@lru_cache(maxsize=64)
def compiled(rule: Rule) -> Loop:
    """The loop of this rule, compiled at its first run."""

    def step(h: Any, constants: Any, now: Any) -> Any:
        k, met, y = now
        new, guarded = rule.move(k * h, y, constants)
        return k + 1, met | guarded, new

    def run(
        room: int, strided: bool, ends: tuple[int, ...], k: Any, n: Any, every: Any, y: Any, h: Any, constants: Any
    ) -> Any:
        one = partial(step, h, constants)
        two = lambda now: one(one(now))
        recorded = lambda y: jnp.concatenate(y[: rule.recorded], axis=-1)

        def far(now: Any) -> Any:
            end = now[0] + every
            if y[0].ndim > 1:  # pairs of steps: the second writes to the buffer that the first has read, without copies
                now = lax.while_loop(lambda now: (now[0] + 1 < end) & ~now[1], two, now)
            return lax.while_loop(lambda now: (now[0] < end) & ~now[1], one, now)

        def row(found: Any) -> Any:
            r, now, table = found
            now = far(now) if strided else one(now)
            return r + 1, now, table.at[r].set(recorded(now[2]))

        table = jnp.zeros((room, *jax.eval_shape(recorded, y).shape))
        going = lambda found: (found[0] < n) & ~found[1][1]
        r, (_, met, y), table = lax.while_loop(going, row, (0, (k, jnp.asarray(False), y), table))
        return jnp.split(table, ends, axis=-1), r - met, y

    return Loop(jax.jit(run, static_argnums=(0, 1, 2)))


def steps_at_once(rule: Rule, t: Any, y: Any, constants: Any) -> int:
    """The number of steps that take about LAP seconds, from XLA's count of the operations in one step.

    Operations are counted rather than timed, so that every run is divided into the same calls.  If a guard is true,
    this division decides which steps are interpreted, and so it affects the last digits.
    """
    cost = jax.jit(rule.move).lower(t, y, constants).cost_analysis() or {}  # some devices do not report it
    seconds = sum(each * cost.get(kind, 0.0) for kind, each in SECONDS.items())
    return max(1, int(LAP / (STEP + seconds * (1.0 if jax.default_backend() == "cpu" else FASTER))))


class Scan:
    """One path, or many members, by JAX.

    program: the step that the rule takes;  constants: the last argument of its `move`
    """

    calls = losses = False

    def __init__(self, request: Request, program: Repeated, rule: Rule, constants: Any) -> None:
        self.program, self.name = program, f"jax ({jax.default_backend()})"
        self.h, self._strided, self._rule, self._loop = request.opt.h, request.strided, rule, compiled(rule)
        kind = self._strided, request.members, request.sizes, *map(np.shape, jax.tree.leaves(constants))
        with jax.enable_x64(True):
            self._given = jax.device_put((column(self.h), constants))
            if kind not in self._loop.laps:
                request.announce_compiler()
                like = (*request.like, request.like[0]) if program.carried else request.like
                self._loop.laps[kind] = steps_at_once(rule, 0.0 * column(self.h), rule.split(like), constants)
        self.lap = self._loop.laps[kind]

    def run(self, k: int, y: State, n: int, every: int, rows: State, losses: Array, times: Array) -> Leap:
        ends = np.cumsum([u.shape[-1] for u in y]).tolist()
        room = max(1, min(MOST, ROOM // sum(u.size for u in y)))
        call = partial(self._loop.run, room, self._strided, tuple(ends[: len(rows) - 1]))
        now = self._rule.split(y)
        for a in range(0, n, room):
            m = min(room, n - a)
            times[a : a + m] = moments(k + a * every, m, every, self.h)
            with jax.enable_x64(True):
                found, held, now = call(k + a * every, m, every, now, *self._given)
            done = int(held)
            for row, piece in zip(rows, found, strict=True):
                row[a : a + done] = np.asarray(piece)[:done]
            if y[0].ndim == 1 and not finite(tuple(map(np.asarray, now))):  # once not finite, a state remains so
                done = int(np.count_nonzero(np.isfinite(sum(row[a : a + done].sum(axis=1) for row in rows))))
            if done < m:
                return Leap(a + done, tuple(row[a + done - 1] for row in rows) if a + done else ())
        return Leap(n, tuple(np.split(np.concatenate(now, axis=-1), ends[:-1], axis=-1)))
