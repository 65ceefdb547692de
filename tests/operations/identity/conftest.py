"""Many who do the same at once."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread

from spothive.errors import SpothiveError


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Run each of ``acts`` in a thread of its own, all from one moment on; return what the refusals say."""
    barrier, errors = Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        barrier.wait(60)
        try:
            act()
        except SpothiveError as error:
            errors.append(str(error))

    threads = [Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
