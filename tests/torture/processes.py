"""Processes that are made to die: real ones, by signal 9, at a known point of their work.

They are forked from a server that has imported everything and opened nothing, so that each starts within
milliseconds and a test can afford dozens.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from spothive.settings import get_settings

READY, STEP, DONE, OVER = "ready", "step", "done", "over"
"""What a child says: it waits for its start, takes a step, has committed its work, ends by itself."""

PATIENCE = 120
"""Seconds after which a child that neither ends nor speaks is a failure of the test."""

_fork = multiprocessing.get_context("forkserver")
_fork.set_forkserver_preload(["pytest", "alembic.command", "tests.torture.works"])


class Voice:
    """The child's end: how it tells the test where it is."""

    def __init__(self, pipe: Connection) -> None:
        """Speak through ``pipe``."""
        self.say = pipe.send
        self.is_told = pipe.poll
        self._listen = pipe.recv

    def wait_for_start(self) -> None:
        """Say that everything is prepared, and wait for the start."""
        self.say(READY)
        self._listen()


Work = Callable[..., None]
"""What a child does: a function of ``works`` that takes a :class:`Voice`, and what else the test hands over."""


class Child:
    """A process that does ``work`` on the database of the present settings, once it is told to :meth:`go`."""

    def __init__(self, work: Work, *arguments: Any) -> None:
        """Start it, and wait until it is prepared."""
        self.pipe, other_end = _fork.Pipe()
        self.process = _fork.Process(target=_run, args=(other_end, dict(os.environ), work, arguments))
        self.process.start()
        other_end.close()
        self.wait_for(READY)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.pipe.close()
        self.process.close()

    def go(self) -> None:
        """Let it start; or, if it asks for that as it works, stop."""
        self.pipe.send(None)

    def hear(self) -> Any:
        """Return what it says next; nothing if it has died."""
        assert self.pipe.poll(PATIENCE), f"the child said nothing for {PATIENCE} seconds"
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionResetError):
            return None

    def wait_for(self, word: str) -> None:
        """Wait for ``word``, over any steps in between."""
        deadline = time.monotonic() + PATIENCE
        while (said := self.hear()) != word:
            assert said == STEP, said
            assert time.monotonic() < deadline, f"the child goes on and on without saying {word!r}"

    def take(self, steps: int) -> None:
        """Wait until it has taken so many steps."""
        for _ in range(steps):
            said = self.hear()
            assert said == STEP, said

    def kill(self) -> bool:
        """Kill it without any farewell; tell whether its work was under way and not committed yet."""
        self.process.kill()
        self.process.join(PATIENCE)
        said = None
        while self.pipe.poll() and (word := self.hear()) is not None:
            said = word
        return said not in {DONE, OVER}


def _run(pipe: Connection, environment: dict[str, str], work: Work, arguments: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    get_settings.cache_clear()
    voice = Voice(pipe)
    try:
        work(voice, *arguments)
    except BaseException:  # noqa: BLE001 - the test wants to read it
        voice.say(traceback.format_exc())
    else:
        voice.say(OVER)


@contextmanager
def at_work(work: Work, *arguments: Any) -> Iterator[Child]:
    """Start a child and let it go."""
    with Child(work, *arguments) as child:
        child.go()
        yield child


def all_at_once(count: int, work: Work, *arguments: Any) -> list[list[Any]]:
    """Let so many children go at the same moment; return all that each of them said."""
    with ExitStack() as stack:
        children = [stack.enter_context(Child(work, *arguments)) for _ in range(count)]
        for child in children:
            child.go()
        said: list[list[Any]] = [[] for _ in children]
        speaking = list(zip(children, said, strict=True))
        while speaking:
            ready = wait([child.pipe for child, _ in speaking], PATIENCE)  # unheard, a child would stop one day
            assert ready, f"the children said nothing for {PATIENCE} seconds"
            for child, words in [each for each in speaking if each[0].pipe in ready]:
                if (word := child.hear()) is None:
                    speaking.remove((child, words))
                else:
                    words.append(word)
    return said
