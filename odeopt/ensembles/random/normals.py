"""The standard normals of a block of members, step after step, from one of two generators.

"threefry" has no state: it computes the normals of a member and a step from the seed and their address.
"sfc64" is NumPy's fastest stream of random numbers; each block has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Protocol

import numpy as np

from odeopt.ensembles.random.box_muller import normal_pair
from odeopt.ensembles.random.threefry import threefry
from odeopt.util.check import Array

GENERATORS = ("auto", "threefry", "sfc64")


class Normals(Protocol):
    """The normals of a block."""

    def of(self, k: int, n: int = 1) -> Array:
        """The normals of n steps from step k on, (n, rows, members, width); k may go back to the last `mark`."""

    def mark(self) -> None:
        """Allow later calls to come back to the current step."""


Fill = Callable[[Array, int, int, Array], object]


def filled(z: Array, first: int, pair: int, key: Array) -> None:
    """Fills z (2 n, members) with the normals of steps 2 pair and 2 pair + 1, for the members from `first` on."""
    n, members = len(z) // 2, np.arange(first, first + z.shape[1], dtype=np.uint64)
    places = np.arange(pair * n, (pair + 1) * n, dtype=np.uint64)
    z[:n], z[n:] = normal_pair(*threefry(members, places[:, None], *key))


class Addressed:
    """Normals from Threefry: number q < n of member i in the steps 2 p and 2 p + 1 is the pair at (i, p n + q).

    >>> some, more = (Addressed(np.array([1, 2], np.uint64), range(m), rows=1, width=2) for m in (3, 9))
    >>> bool((some.of(5) == more.of(5)[:, :, :3]).all())
    True
    """

    def __init__(self, key: Array, members: range, rows: int, width: int, fill: Fill = filled) -> None:
        self.key, self._first, self._shape = key, members.start, (2, rows, width, len(members))
        self._fill, self._kept = fill, dict[int, Array]()

    def of(self, k: int, n: int = 1) -> Array:
        kept, ends = self._kept, range(k // 2, (k + n + 1) // 2)
        pairs = [kept[pair] if pair in kept else self._pair(pair) for pair in ends]
        self._kept = {ends[-1]: pairs[-1]} if (k + n) % 2 else {}  # its second half is still to be used
        return (pairs[0] if len(pairs) == 1 else np.concatenate(pairs))[k % 2 : k % 2 + n]

    def _pair(self, pair: int) -> Array:
        _, rows, width, members = self._shape
        z = np.empty((2 * rows * width, members))
        self._fill(z, self._first, pair, self.key)
        return z.reshape(self._shape).swapaxes(2, 3)

    def mark(self) -> None:
        pass


class Stream:
    """Normals from a stream of the block's own."""

    def __init__(self, seed: Any, members: range, rows: int, width: int) -> None:
        self._bits = np.random.SFC64(seed)
        self._draw, self._shape = np.random.Generator(self._bits).standard_normal, (rows, len(members), width)
        self._next = 0
        self.mark()

    def of(self, k: int, n: int = 1) -> Array:
        if k < self._next:
            self._next, self._bits.state = self._marked
        for _ in range(self._next, k):
            self._draw(self._shape)
        self._next = k + n
        return self._draw((n, *self._shape))

    def mark(self) -> None:
        self._marked = self._next, self._bits.state


def normals_of(
    generator: str, rng: np.random.Generator, blocks: list[range], rows: int, width: int, fill: Fill = filled
) -> list[Normals]:
    """The normals of each block, from children of the generator's seed; `fill` draws those of Threefry."""
    seeds: Any = rng.bit_generator.seed_seq
    if generator == "threefry":
        key = seeds.spawn(1)[0].generate_state(2, np.uint64)
        return [Addressed(key, members, rows, width, fill) for members in blocks]
    children = seeds.spawn(len(blocks))
    return [Stream(seed, members, rows, width) for seed, members in zip(children, blocks, strict=True)]


def visits(normals: Normals, k: int = 0) -> Iterator[Array]:
    """The rows of normals (members, width) that step k reads, then those of the next steps, one by one."""
    for step in count(k):
        yield from normals.of(step)[0]
