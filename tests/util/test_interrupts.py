"""Ctrl-C that is only noted: the first one sets a mark, the second one is delivered."""

from __future__ import annotations

import signal
import threading

import pytest

from odeopt.util.interrupts import noted


def test_the_first_interruption_is_noted_and_the_second_is_delivered():
    with noted() as note:
        assert not note.asked
        signal.raise_signal(signal.SIGINT)
        assert note.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_noted_interruption_does_not_come_back():
    with noted() as note:
        signal.raise_signal(signal.SIGINT)
    assert note.asked


def test_a_handler_of_the_user_gets_the_second_interruption():
    got = []
    before = signal.signal(signal.SIGINT, lambda *arguments: got.append(arguments))
    try:
        with noted():
            signal.raise_signal(signal.SIGINT)
            assert not got
            signal.raise_signal(signal.SIGINT)
        assert [number for number, _ in got] == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_note_nothing():
    found = []

    def elsewhere():
        with noted():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
