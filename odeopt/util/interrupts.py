"""Ctrl-C around work that must not be cut in two: delivered after it, or only noted.

Python delivers an interruption to the main thread alone, so these context managers do nothing in other threads, and
nothing where interruptions are ignored.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

Handler = Callable[..., Any]


@dataclass
class Gate:
    """While the gate is open, the first interruption is delivered at once and closes it."""

    open: bool = False


@dataclass
class Note:
    """`asked` is True after the first interruption."""

    asked: bool = False


@contextmanager
def postponed() -> Iterator[Gate]:
    """An interruption inside the block is delivered at its end, or at once while the gate is open."""
    gate, late = Gate(), []

    def receive(handler: Handler, *arguments: Any) -> None:
        if gate.open:
            gate.open = False
            handler(*arguments)
        else:
            late.append(partial(handler, *arguments))

    try:
        with _received_by(receive):
            yield gate
    finally:
        if late:
            late[0]()


@contextmanager
def noted() -> Iterator[Note]:
    """The first interruption sets `asked`, for a loop that then ends by itself; a second one is delivered at once."""
    note = Note()

    def receive(handler: Handler, *arguments: Any) -> None:
        if note.asked:
            handler(*arguments)
        note.asked = True

    with _received_by(receive):
        yield note


@contextmanager
def _received_by(receive: Handler) -> Iterator[None]:
    """Inside the block an interruption calls receive(handler, *arguments), where `handler` is the one from before."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    signal.signal(signal.SIGINT, partial(receive, handler))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
