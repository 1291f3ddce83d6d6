"""One child stream of random numbers per member, so that its noise does not depend on the number of members."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.limits import NUMBER, within_memory

CHUNK = 256  # steps drawn at a time
BLOCK = 2**20  # numbers drawn at a time

Draw = Callable[["np.random.Generator", int], Any]  # (stream, k) -> the next k steps of one member, shape (k, ...)


def streams(rng: np.random.Generator, members: tuple[int, ...]) -> list[np.random.Generator]:
    """One child of `rng` for each member; for members = () a single one.

    >>> [len(streams(np.random.default_rng(0), members)) for members in ((), (3,), (2, 3))]
    [1, 3, 6]
    """
    shape = check.members("members", members)
    return check.instance("rng", rng, np.random.Generator, "a numpy.random.Generator").spawn(math.prod(shape))


def per_member(draw: Draw, rng: np.random.Generator, members: tuple[int, ...]) -> Iterator[Array]:
    """For each step the draws of all members from their own streams, shape (*members, ...)."""
    children = streams(rng, members)
    chunk = 1
    while True:
        block = np.stack([draw(child, chunk) for child in children], axis=1)
        yield from block.reshape(chunk, *members, *block.shape[2:])
        chunk = max(1, min(CHUNK, BLOCK * chunk // max(1, block.size)))


def normals(rng: np.random.Generator, members: tuple[int, ...], width: int) -> Iterator[Array]:
    """An endless iterator of standard normals of shape (*members, width).

    >>> next(normals(np.random.default_rng(0), (5,), 2)).shape
    (5, 2)
    """
    check.count("width", width, 1)
    within_memory("width", width, NUMBER * width * math.prod(check.members("members", members)))
    check.instance("rng", rng, np.random.Generator, "a numpy.random.Generator")
    return per_member(lambda stream, k: stream.standard_normal((k, width)), rng, members)
