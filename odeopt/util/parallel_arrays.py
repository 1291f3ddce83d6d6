"""One function over many arrays in parallel, which are divided among the cores like one long array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import TypeVar

import numpy as np

from odeopt.util.check import Array
from odeopt.util.threads import cores, in_parts

T = TypeVar("T")
ROW = 8192  # so few numbers that BLAS uses only the calling thread; its own threads would keep spinning
SLICE = 131072  # numbers that fit into the cache, and enough for NumPy calls of several threads to overlap


def spread(do: Callable[[int, tuple[Array, ...]], T], sets: Sequence[tuple[Array, ...]], operations: int) -> list[T]:
    """do(i, piece) for pieces of each sets[i], a tuple of arrays of one length; returns the results.

    operations: operations per number; a small total runs in this thread alone
    """
    ends = np.cumsum([arrays[0].size for arrays in sets]).tolist()
    starts = [end - arrays[0].size for end, arrays in zip(ends, sets, strict=True)]

    def part(a: int, b: int) -> list[T]:
        here = [i for i, (start, end) in enumerate(zip(starts, ends, strict=True)) if start < b and a < end]
        return [do(i, tuple(u[max(a - starts[i], 0) : b - starts[i]] for u in sets[i])) for i in here]

    share = ROW * -(-ends[-1] // (ROW * cores()))
    return [found for piece in in_parts(part, ends[-1], share, operations * ends[-1]) for found in piece]


def norm(arrays: Sequence[Array]) -> float:
    """sqrt(sum u^2) over all numbers of the arrays, at least the largest |u|; infinite or NaN if a square is."""
    number = sum(u.size for u in arrays)
    squares = spread(lambda i, piece: _squares(*piece), [(u,) for u in arrays], 1)
    lost = number * float(np.finfo(arrays[0].dtype).tiny)  # bound for squares that underflow to 0
    return sqrt(sum(squares) + lost)


def _squares(u: Array) -> float:
    rows, rest = u[: u.size // ROW * ROW].reshape(-1, ROW), u[u.size // ROW * ROW :]
    with np.errstate(all="ignore"):
        return float(np.vecdot(rows, rows).sum() + np.dot(rest, rest))
