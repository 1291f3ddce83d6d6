"""The optimizer's own step on test data.  A fused update is compared with it before its first use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import paced
from odeopt.util.check import Array

GOLDEN = (np.sqrt(5) - 1) / 2
PERIODS = 4099, 5003, 6007, 7001, 8009, 9001, 9901  # primes


def probe_data(number: int, kind: np.dtype[Any], sets: int) -> tuple[Array, ...]:
    """Test data for theta, gradient and memory, (number,) each, in which neighbours differ and so do the arrays.

    The numbers are a Weyl sequence, frac(n x) with irrational x, repeated after a prime number of terms.  The memory is
    positive and its first array is small, so that its roots exist.
    """
    scales, shifts = (1.0, 0.7, 0.1), (-0.5, -0.3, 0.1)
    found = []
    for i in range(sets):
        scale, shift = (scales[i], shifts[i]) if i < len(scales) else (1.0, 0.2 + 0.1 * i)
        weyl = GOLDEN * np.arange(1.0, PERIODS[i % len(PERIODS)]) % 1
        found.append(np.resize((scale * weyl + shift).astype(kind), number))
    return tuple(found)


def own_step(
    opt: Optimizer, k: int, theta: Any, g: Any, memory: Sequence[Any], clocks: Mapping[str, float]
) -> tuple[list[Any], list[Any]]:
    """Theta and memory after step k, and the clocks after it, by the optimizer's scheme; g is the gradient at theta."""
    flow, rest = opt.flow, iter(memory)
    y = (theta, *(np.array([clocks[name]]) if name in clocks else next(rest) for name in flow.memory))
    moving = paced(opt, lambda: 1.0)
    with np.errstate(all="ignore"):
        new, _, _ = moving.scheme.bind(moving.flow, lambda at: g)(k * opt.h, y, (), opt.h)
    named = dict(zip(flow.variables, new, strict=True))
    return [u for name, u in named.items() if name not in clocks], [named[name] for name in clocks]
