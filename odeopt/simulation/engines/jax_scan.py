"""Many steps in one call of JAX, on whatever device it has: one loop for every rule, compiled once.

The numbers of steps and of records are arguments, so that nothing is compiled anew for a longer run; a guard that is
met ends the loop.
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

ROOM, MOST = 1 << 18, 1 << 15  # numbers and records that one call may hand over
LAP = 0.2  # seconds of a call, about
STEP, OPERATION = 2e-6, {"cpu": 1e-9}  # seconds: a step that does nothing, and by device each operation or byte in it
FASTEST = 1e-12  # seconds for an operation on any other device


@dataclass(frozen=True)
class Rule:
    """move(t, y, constants) -> (the next y, whether a guard is met), y being arrays (..., width).

    The first `recorded` arrays of y are recorded; `split` makes them of a state.  Rules with the same key are the same.
    """

    key: Any
    recorded: int = field(compare=False)
    move: Callable[..., tuple[tuple[Any, ...], Any]] = field(compare=False, repr=False)
    split: Callable[[State], State] = field(default=tuple, compare=False, repr=False)


@dataclass(frozen=True)
class Loop:
    """run(room, strided, ends, k, n, every, y, h, constants): n rows, how many of them hold, and the last y.

    A row is the state after `every` further steps (after one, unless strided), cut at the columns `ends`; room >= n.
    `laps`: how many steps a call may take, for the kinds of arguments that it has had.
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
            if y[0].ndim > 1:  # in pairs of steps: the second writes where the first has read, and nothing is copied
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
    """How many steps take about LAP seconds, from the operations that XLA counts in one.

    They are counted and not timed, so that each run is cut into the same calls: where a guard is met, the cut decides
    which steps the optimizer takes itself, and so the last digits.
    """
    cost = jax.jit(rule.move).lower(t, y, constants).cost_analysis() or {}  # a device may not know it
    work = cost.get("flops", 0.0) + cost.get("bytes accessed", 0.0)
    return max(1, int(LAP / (STEP + work * OPERATION.get(jax.default_backend(), FASTEST))))


class Scan:
    """One path, or many members, by JAX.

    program: whose step the rule takes;  constants: what its `move` is given
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

    def run(self, k: int, y: State, n: int, every: int, rows: State, losses: Any, times: Array) -> Leap:
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
            if y[0].ndim == 1 and not finite(tuple(map(np.asarray, now))):  # which stays so
                done = int(np.count_nonzero(np.isfinite(sum(row[a : a + done].sum(axis=1) for row in rows))))
            if done < m:
                return Leap(a + done, tuple(row[a + done - 1] for row in rows) if a + done else ())
        return Leap(n, tuple(np.split(np.concatenate(now, axis=-1), ends[:-1], axis=-1)))
