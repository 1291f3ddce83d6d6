"""A time limit for several runs: evaluations check the clock and end a run as Ctrl-C would, with its results so far."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

_END: ContextVar[float] = ContextVar("_END", default=math.inf)  # of the time, on the clock of `monotonic`


class OutOfTime(KeyboardInterrupt):
    """Raised by an evaluation that begins after the time is up."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Within it every evaluation of a gradient or a right-hand side raises OutOfTime once these seconds are over."""
    token = _END.set(min(_END.get(), monotonic() + seconds))
    try:
        yield
    finally:
        _END.reset(token)


def time_is_up() -> bool:
    """Whether the innermost time limit has passed."""
    return monotonic() > _END.get()


def check_time() -> None:
    """Raises OutOfTime if the time is up."""
    if time_is_up():
        raise OutOfTime
