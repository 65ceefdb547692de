"""Upgrades the database, with a word and a short pause before every statement and every commit."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, event

from spothive.database import guards, run_all_migrations
from tests.torture.children.speaking import PAUSE, done, ready, step


def pause(*_: Any) -> None:
    step()
    time.sleep(PAUSE)


def one_by_one(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        pause()
        run_whole(connection, [statement])


def hang(_: Connection) -> list[str]:
    done()  # with half of the work, and the lock is in hand
    time.sleep(3600)
    return []


run_whole, guards.run = guards.run, one_by_one
event.listen(Engine, "before_cursor_execute", pause)
event.listen(Engine, "commit", pause)
ready()
if "hang" in sys.argv:
    guards.raise_all = hang
run_all_migrations()
done()
