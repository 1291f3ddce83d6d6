"""Many steps in one call of JAX, on whatever device it has: one loop for every rule, compiled once.

The numbers of steps and of records are arguments, so that nothing is compiled anew for a longer run; a guard that is
met ends the loop.
"""

from __future__ import annotations

import time
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
from odeopt.util.check import Array

ROOM, MOST = 1 << 18, 1 << 15  # numbers and records that one call may hand over
FIRST, LAP = 16, 0.2  # steps of the first call, which tells how many the next may be; its seconds


@dataclass(frozen=True)
class Rule:
    """move(t, y, constants) -> (the next y, whether a guard is met), y being arrays (..., width).

    The first `recorded` arrays of y are recorded.  Rules with the same key are the same.
    """

    key: Any
    recorded: int = field(compare=False)
    move: Callable[..., tuple[tuple[Any, ...], Any]] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Loop:
    """run(room, strided, ends, k, n, every, y, h, constants): n rows, how many of them hold, and the last y.

    A row is the state after `every` further steps (after one, unless strided), cut at the columns `ends`; room >= n.
    `ready`: the kinds of arguments for which it is compiled.
    """

    run: Callable[..., tuple[Any, Any, Any]]
    ready: set[Any] = field(default_factory=set)


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


class Scan:
    """One path, or many members, by JAX.

    program: whose step the rule takes;  split(y): the arrays of the rule;  constants: what its `move` is given
    """

    calls = losses = False

    def __init__(
        self, program: Repeated, rule: Rule, h: Any, constants: Any, y: State, strided: bool,
        split: Callable[[State], State] = tuple,
    ) -> None:  # fmt: skip
        self.program, self.lap, self.name = program, FIRST, f"jax ({jax.default_backend()})"
        self.h, self._loop, self._strided, self._split = h, compiled(rule), strided, split
        with jax.enable_x64(True):
            self._given = jax.device_put((column(h), constants))
        self._kind = strided, *(u.shape for u in y)

    @property
    def ready(self) -> bool:
        """Whether nothing is left to compile."""
        return self._kind in self._loop.ready

    def run(self, k: int, y: State, n: int, every: int, rows: State, losses: Any, times: Array) -> Leap:
        ends = np.cumsum([u.shape[-1] for u in y]).tolist()
        room = max(1, min(MOST, ROOM // sum(u.size for u in y)))
        call = partial(self._loop.run, room, self._strided, tuple(ends[: len(rows) - 1]))
        now, began = self._split(y), time.perf_counter()
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
        if self.ready:
            self.lap = max(1, int(LAP / (time.perf_counter() - began) * n * every))
        self._loop.ready.add(self._kind)
        return Leap(n, tuple(np.split(np.concatenate(now, axis=-1), ends[:-1], axis=-1)))
