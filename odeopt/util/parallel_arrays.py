"""One function over many arrays at once, a part on each core: as if they were one long array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import TypeVar

import numpy as np

from odeopt.util.check import Array
from odeopt.util.threads import cores, in_parts

T = TypeVar("T")
ROW = 8192  # numbers that a BLAS leaves to the thread that asks: its own threads would go on spinning
SLICE = 131072  # numbers: few enough for the cache, enough for NumPy's calls to run beside those of another thread


def spread(do: Callable[[int, tuple[Array, ...]], T], sets: Sequence[tuple[Array, ...]], operations: int) -> list[T]:
    """do(i, arrays) for pieces of the sets of arrays of one length, of which sets[i] is one.

    operations: for each number; few in all are not worth a thread
    """
    ends = np.cumsum([arrays[0].size for arrays in sets]).tolist()
    starts = [end - arrays[0].size for end, arrays in zip(ends, sets, strict=True)]

    def part(a: int, b: int) -> list[T]:
        here = [i for i, (start, end) in enumerate(zip(starts, ends, strict=True)) if start < b and a < end]
        return [do(i, tuple(u[max(a - starts[i], 0) : b - starts[i]] for u in sets[i])) for i in here]

    share = ROW * -(-ends[-1] // (ROW * cores()))
    return [found for piece in in_parts(part, ends[-1], share, operations * ends[-1]) for found in piece]


def norm(arrays: Sequence[Array]) -> float:
    """sqrt(sum u^2) of all numbers in the arrays, not below the largest |u|; not finite where a square is not."""
    number = sum(u.size for u in arrays)
    squares = spread(lambda i, piece: _squares(*piece), [(u,) for u in arrays], 1)
    lost = number * float(np.finfo(arrays[0].dtype).tiny)  # squares that are 0 in floating point
    return sqrt(sum(squares) + lost)


def _squares(u: Array) -> float:
    rows, rest = u[: u.size // ROW * ROW].reshape(-1, ROW), u[u.size // ROW * ROW :]
    with np.errstate(all="ignore"):
        return float(np.vecdot(rows, rows).sum() + np.dot(rest, rest))
