"""Work in parts on a permanent pool of threads: starting a thread costs as much as half a million additions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import lru_cache
from itertools import count, pairwise
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")


@lru_cache(maxsize=1)
def cores() -> int:
    """The number of threads that can run at once."""
    return os.cpu_count() or 1


def in_parts(part: Callable[[int, int], T], number: int, block: int, operations: int) -> list[T]:
    """The results of part(a, b) for pieces of 0 .. number in whole blocks, on all cores if the work is long.

    operations: the total number of operations.  The parts must not depend on each other.
    """
    threads = cores() if operations > 1_000_000 else 1
    size = block * max(1, number // (8 * threads * block))
    pieces = [*pairwise([*range(0, number, size), number])]
    if threads == 1 or len(pieces) == 1:
        return [part(a, b) for a, b in pieces]
    from concurrent.futures import wait  # imported late, as the import takes longer than a short run

    found: list[Any] = [None] * len(pieces)
    places, ended = count(), Event()

    def work() -> None:
        try:
            while not ended.is_set() and (i := next(places)) < len(pieces):
                found[i] = part(*pieces[i])
        except BaseException:
            ended.set()
            raise

    others = [_threads().submit(work) for _ in range(min(threads, len(pieces) - 1))]
    try:  # the calling thread works too, besides one thread per core, as two of these may be scheduled on one core
        work()
        for each in others:
            if not each.cancel():
                each.result()
    finally:  # also after an interruption
        ended.set()
        wait([each for each in others if not each.cancel()])
    return found


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(cores(), "odeopt")


if sys.platform != "win32":  # a forked process has none of these threads
    os.register_at_fork(after_in_child=_threads.cache_clear)
