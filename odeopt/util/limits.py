"""What this machine can hold and a day can do; a request beyond that is refused before it starts, with the estimate."""

from __future__ import annotations

import os
from decimal import Decimal

NUMBER = 8  # bytes
GIB = 2**30
DAY = 86_400 * 10**9  # nanoseconds; no engine takes a step, or draws a number, in less than one


def memory() -> int:
    """The bytes of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def within_memory(name: str, value: int, needed: int) -> int:
    """The value; ValueError if the bytes that it needs are more than this machine has."""
    if needed > memory():
        raise ValueError(
            f"{name} must leave room in memory: {value} need about {Decimal(needed) / GIB:.1f} GiB, "
            f"this machine has {memory() / GIB:.1f}"
        )
    return value


def within_a_day(name: str, value: int) -> int:
    """The value; ValueError if so many steps need more than a day at one nanosecond each."""
    if value > DAY:
        raise ValueError(
            f"{name} must be at most {DAY:.3g}, a day at one nanosecond each, got {value}: "
            f"{Decimal(value) / DAY:.3g} days or more"
        )
    return value
