"""Members advance in blocks, each with a random stream of its own: any number of threads gives the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from odeopt.check import Array
from odeopt.driving import draws_of, driven, is_noisy, width
from odeopt.optimizers.base import Optimizer
from odeopt.problems import Problem
from odeopt.schemes.base import Memory
from odeopt.state import State

BLOCK = 8192  # members: arrays that stay in a core's cache, and long enough that NumPy's overhead is small
CHUNK = 2**20  # normals drawn at a time

Watch = Callable[[int, State], None]  # what sees every step of a block


def blocks(members: int) -> list[slice]:
    """The members of each block."""
    return [slice(start, min(start + BLOCK, members)) for start in range(0, members, BLOCK)]


def block_streams(rng: np.random.Generator, number: int) -> list[np.random.Generator]:
    """A child stream of `rng` for each block."""
    seeds: Any = rng.bit_generator.seed_seq
    return [np.random.Generator(np.random.SFC64(seed)) for seed in seeds.spawn(number)]


def block_draws(opt: Optimizer, problem: Problem, stream: np.random.Generator, size: int) -> Iterator[Any] | None:
    """The noise of a block, step after step; None without any.  Batches come from a child stream per member."""
    if not is_noisy(opt, problem):
        return None
    if opt.flow.noisy:
        return _normals(stream, size, width(opt, problem))
    return draws_of(opt, problem, stream, (size,))


def _normals(stream: np.random.Generator, size: int, width: int) -> Iterator[Array]:
    rows = max(1, CHUNK // (size * width))
    while True:
        yield from stream.standard_normal((rows, size, width))


def advance(
    opt: Optimizer, problem: Problem, theta0: Array, draws: Iterator[Any] | None, strides: Iterable[int], watch: Watch
) -> Iterator[State]:
    """The state at the start, and after each stride of so many steps."""
    with np.errstate(all="ignore"):
        grad = problem.oracle()
        y, k = opt.initial_state(grad, theta0), 0
        memory: Memory = ()
        step = driven(opt, problem, grad, draws)
    watch(0, y)
    yield y
    for stride in strides:
        with np.errstate(all="ignore"):
            for _ in range(stride):
                y, _, memory = step(k * opt.h, y, memory, opt.h)
                k += 1
                watch(k, y)
        yield y
