"""Ctrl-C waits until what must happen wholly or not at all has happened."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Gate:
    """While it is open one interruption comes through, at once, and closes it."""

    open: bool = False


@contextmanager
def postponed() -> Iterator[Gate]:
    """An interruption inside comes at the end, or while the gate is open; Python sends it to the main thread alone."""
    gate, handler = Gate(), signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield gate
        return
    came: list[tuple[Any, ...]] = []

    def receive(*arguments: Any) -> None:
        if gate.open:
            gate.open = False
            handler(*arguments)
        else:
            came.append(arguments)

    signal.signal(signal.SIGINT, receive)
    try:
        yield gate
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[0])
