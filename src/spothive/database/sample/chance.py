"""Chance that repeats itself: the same seed gives the same rows, ids included."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from uuid import UUID


class Dice(Random):
    """A random generator for one part of the sample; what one part draws does not shift another."""

    def __init__(self, *about: object) -> None:
        """Begin with ``about``, for example a seed, a street and a number."""
        super().__init__(" ".join(map(str, about)))  # unlike a tuple, text seeds equally in every process

    def id_at(self, moment: datetime) -> UUID:
        """Return a UUIDv7 as it would have been made at ``moment``."""
        milliseconds = int(moment.timestamp() * 1000)
        return UUID(
            int=milliseconds << 80 | 7 << 76 | self.getrandbits(12) << 64 | 2 << 62 | self.getrandbits(62),
        )

    def hex(self, digits: int) -> str:
        """Return so many hexadecimal digits."""
        return f"{self.getrandbits(4 * digits):0{digits}x}"

    def hash(self) -> str:
        """Return what looks like a SHA-256. It is drawn itself, so nobody knows of what it would be the hash."""
        return self.hex(64)

    def likely(self, probability: float) -> bool:
        """Tell whether something of this probability happens."""
        return self.random() < probability

    def between(self, first: datetime, last: datetime) -> datetime:
        """Return a whole second from ``first`` to ``last``; ``first`` if there is none between."""
        return first + timedelta(seconds=self.randrange(max(1, int((last - first).total_seconds()))))
