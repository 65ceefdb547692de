"""Work that goes on until somebody ends it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any


@contextmanager
def until_told() -> Iterator[Event]:
    """Yield what the first SIGTERM or SIGINT sets; the second one ends the process as ever."""
    stop = Event()
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def hear(*_: Any) -> None:
        stop.set()
        for number, handler in former.items():
            signal.signal(number, handler)

    for number in former:
        signal.signal(number, hear)
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
