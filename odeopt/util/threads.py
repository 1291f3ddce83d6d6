"""Work in parts, on threads that stay: to start them costs as much as half a million additions."""

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
    """How many threads can run at once."""
    return os.cpu_count() or 1


def in_parts(part: Callable[[int, int], T], number: int, block: int, operations: int) -> list[T]:
    """part(a, b) for pieces of whole blocks, on all cores where it is long; members depend on nobody else."""
    threads = cores() if operations > 1_000_000 else 1
    size = block * max(1, number // (8 * threads * block))
    pieces = [*pairwise([*range(0, number, size), number])]
    if threads == 1 or len(pieces) == 1:
        return [part(a, b) for a, b in pieces]
    from concurrent.futures import wait  # late: it costs more than a short run

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
    try:  # who asks works too, beside one thread for each core: of those that are woken two may be put on one
        work()
        for each in others:
            if not each.cancel():
                each.result()
    finally:  # after an interruption, too
        ended.set()
        wait([each for each in others if not each.cancel()])
    return found


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(cores(), "odeopt")


if sys.platform != "win32":  # a process that was forked off has none of them
    os.register_at_fork(after_in_child=_threads.cache_clear)
