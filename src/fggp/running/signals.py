"""Requests to stop, as a flag that a loop polls."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
"""Sent by schedulers, by Ctrl-C, by Slurm on demand, and by a closing terminal."""
STOPPED = 75
"""Exit status of a training that stopped and can continue."""


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Turn the signals that ask to stop into a flag; yield a function that reads it.

    A scheduler, a shell and a parent may each send the same request, so a repeated one changes
    nothing. A second Ctrl-C acts at once: a user who presses it again does not want to wait. A
    signal of the terminal stays ignored if it was: that of a closed terminal under ``nohup``, and
    Ctrl-C in a command that a script started with ``&``, because it is then meant for the script.
    """
    asked: list[int] = []
    before: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}
    for number in (signal.SIGHUP, signal.SIGINT):
        if before[number] is signal.SIG_IGN:
            del before[number]

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        if number == signal.SIGINT:
            signal.signal(number, before[number])

    for each in before:
        signal.signal(each, ask)
    try:
        yield lambda: bool(asked)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back the signals that ask to stop until a short operation has finished.

    They then take effect as usual. Ignored signals stay ignored, also in processes started
    meanwhile. Threads other than the main one are never interrupted.
    """
    caught: list[int] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {each: handler for each, handler in before.items() if handler != signal.SIG_IGN}
    for each in before:
        signal.signal(each, lambda number, frame: caught.append(number))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for each in dict.fromkeys(caught):
            signal.raise_signal(each)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process silently while it only imports libraries.

    During an import, libraries mistake its exception for another one, and report that they are
    broken.
    """
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a shell may ignore it
    if usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)
