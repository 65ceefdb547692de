"""Processes that are made to die: real ones, by signal 9, at a known point of their work."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

CHILDREN = Path(__file__).parent / "children"
PROJECT = CHILDREN.parents[2]
READY, STEP, DONE = b"r", b".", b"d"
"""What a child says: that it waits for its start, that it takes a step, that its work is committed."""

PATIENCE = 120
"""Seconds after which a child that neither ends nor speaks is a failure of the test."""


class Child:
    """A script of ``children/`` in a process of its own, on the database of the present settings."""

    def __init__(self, script: str, *arguments: str) -> None:
        """Start it; it works as soon as :meth:`go` is called."""
        environment = os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, CHILDREN / f"{script}.py", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            bufsize=0,
        )

    def __enter__(self) -> Self:
        """Wait until it is ready."""
        self.expect(READY)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""
        self.kill()

    def go(self) -> None:
        """Let it start its work."""
        assert self.process.stdin
        self.process.stdin.write(b"\n")

    def say(self) -> bytes:
        """Return the next thing it says; nothing if it has ended."""
        assert self.process.stdout
        speaks, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        assert speaks, f"said nothing for {PATIENCE} seconds"
        return self.process.stdout.read(1) or b""

    def expect(self, word: bytes) -> None:
        """Wait for ``word``, over any steps in between."""
        while (said := self.say()) != word:
            assert said == STEP, f"said {said!r} instead of {word!r}: {self.complaint()}"

    def steps(self, count: int) -> bool:
        """Wait until it has taken so many steps; tell whether it got there."""
        return all(self.say() == STEP for _ in range(count))

    def kill(self) -> bool:
        """Kill it, without any farewell; tell whether it was still at work and had not committed."""
        alive = self.process.poll() is None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        rest = self.process.stdout.read() if self.process.stdout and not self.process.stdout.closed else b""
        self._close()
        return alive and DONE not in (rest or b"")

    def end(self) -> tuple[int, str]:
        """Let it end by itself; return its exit code and what it complained of."""
        _, complaint = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, complaint.decode()

    def complaint(self) -> str:
        """Return what it wrote to standard error before it ended."""
        return self.end()[1]

    def _close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


@contextmanager
def at_work(script: str, *arguments: str) -> Iterator[Child]:
    """Start a child and let it go as soon as it is ready."""
    with Child(script, *arguments) as child:
        child.go()
        yield child
