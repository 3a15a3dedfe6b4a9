"""What Ctrl-C does to a search."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.words.wording import Wording


@contextmanager
def stopping(text: Wording) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one interrupts for good."""
    from api.cli import console

    stop = threading.Event()

    def on_interrupt(_number: int, _frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        console.say(text("cli.stopping"))

    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, on_interrupt)
    except ValueError:  # not in the main thread: whoever called us handles interrupts
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
