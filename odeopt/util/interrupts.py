"""Ctrl-C at a moment of our choice: after a piece of work that must be whole, or as a flag that a loop reads."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard


@dataclass
class Gate:
    """While it is open one interruption comes through, at once, and closes it."""

    open: bool = False


@contextmanager
def postponed() -> Iterator[Gate]:
    """An interruption inside comes at the end, or while the gate is open; Python sends it to the main thread alone."""
    gate, handler = Gate(), signal.getsignal(signal.SIGINT)
    if not _comes_here(handler):
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


@dataclass
class Notice:
    """Whether Ctrl-C was pressed."""

    came: bool = False


@contextmanager
def noticed() -> Iterator[Notice]:
    """Ctrl-C inside, however often, only sets `came`; a handler that raises nothing is called as it always is."""
    notice, handler = Notice(), signal.getsignal(signal.SIGINT)
    if not _comes_here(handler):
        yield notice
        return

    def receive(*arguments: Any) -> None:
        try:
            handler(*arguments)
        except KeyboardInterrupt:
            notice.came = True

    signal.signal(signal.SIGINT, receive)
    try:
        yield notice
    finally:
        signal.signal(signal.SIGINT, handler)


def _comes_here(handler: Any) -> TypeGuard[Callable[..., Any]]:
    """Whether Ctrl-C reaches this thread, the main one, and calls a Python function."""
    return threading.current_thread() is threading.main_thread() and callable(handler)
