"""What the processes do that are killed, and those that must not get in each other's way."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, event

from spothive.database import User, get_db_session, guards, run_all_migrations
from spothive.database.backup import back_up, restore
from spothive.errors import DatabaseUnavailable
from spothive.operations.fleet import accounts, disconnect_account, import_fleet
from spothive.operations.identity import find_actor
from tests.factories.active_model import activate
from tests.factories.fleets import a_day_later, answer_of, large_fleet
from tests.torture.processes import DONE, STEP, Voice

PAUSE = 0.001
"""Seconds a step is held up, so that a kill finds the process where it was meant to."""


def upgrade(voice: Voice, *, hangs: bool = False) -> None:
    """Upgrade the database, with a word and a short pause before every statement and every commit."""

    def pause(*_: Any) -> None:
        voice.say(STEP)
        time.sleep(PAUSE)

    def one_by_one(connection: Connection, statements: Iterable[str]) -> None:
        for statement in statements:
            pause()
            run_whole(connection, [statement])

    def hang(_: Connection) -> list[str]:
        voice.say(DONE)  # with half of the work, and it holds the lock
        time.sleep(3600)
        return []

    run_whole, guards.run = guards.run, one_by_one
    event.listen(Engine, "before_cursor_execute", pause)
    event.listen(Engine, "commit", pause)
    if hangs:
        guards.raise_all = hang  # type: ignore[assignment]  # only the argument's name differs
    voice.wait_for_start()
    run_all_migrations()
    voice.say(DONE)


def put_back(voice: Voice, file: Path) -> None:
    """Restore ``file`` over the rows that are there, with a word and a short pause before whatever is done."""

    def pause(*_: Any) -> None:
        voice.say(STEP)
        time.sleep(PAUSE)

    event.listen(Engine, "before_cursor_execute", pause)
    event.listen(Engine, "commit", pause)
    voice.wait_for_start()
    restore(file, replace=True, progress=pause)
    voice.say(DONE)


def make_backup(voice: Voice, file: Path) -> None:
    """Make a backup, with a word and a short pause at every step."""

    def pause(*_: Any) -> None:
        voice.say(STEP)
        time.sleep(PAUSE)

    voice.wait_for_start()
    back_up(file, progress=pause)
    voice.say(DONE)


def import_a_day_later(voice: Voice) -> None:
    """Import into account ``shop`` what has become of its 5,000 instances; half of them have changed."""
    answer = answer_of(a_day_later(large_fleet(5_000), changed=50))
    actor, tenant_id = find_actor("admin", "acme")
    voice.wait_for_start()
    with get_db_session(tenant=tenant_id) as session:
        import_fleet(session, actor, name="shop", answer=answer)
        session.flush()
        voice.say(STEP)  # what is left is the commit
    voice.say(DONE)


def import_on_a_small_disk(voice: Voice, file_size: int) -> None:
    """Import the same where no file may grow beyond ``file_size`` bytes; say how spothive refuses."""
    answer = answer_of(a_day_later(large_fleet(5_000), changed=50))
    actor, tenant_id = find_actor("admin", "acme")
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    voice.wait_for_start()
    try:
        with get_db_session(tenant=tenant_id) as session:
            import_fleet(session, actor, name="shop", answer=answer)
    except DatabaseUnavailable as error:
        voice.say(str(error))


def disconnect(voice: Voice) -> None:
    """Disconnect account ``shop`` in small batches, with a word after each."""

    def pause(_: int, __: int) -> None:
        voice.say(STEP)
        time.sleep(PAUSE)

    accounts.BATCH = 100
    actor, tenant_id = find_actor("admin", "acme")
    voice.wait_for_start()
    disconnect_account(get_db_session, actor, tenant_id=tenant_id, name="shop", progress=pause)
    voice.say(DONE)


def count_up(voice: Voice, tenant_id: UUID, user_id: UUID, seconds: float) -> None:
    """Read a number and write the next one, again and again; say how often that was acknowledged."""
    voice.wait_for_start()
    voice.say(counted(tenant_id, user_id, seconds))


def counted(tenant_id: UUID, user_id: UUID, seconds: float) -> int:
    """Read a user's failed log-ins and write one more, for so many seconds; return how often it was committed."""
    acknowledged = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with get_db_session(tenant=tenant_id) as session:
            session.get_one(User, user_id).failed_logins += 1
        acknowledged += 1
    return acknowledged


def activate_each(voice: Voice, model_ids: list[UUID]) -> None:
    """Put each model into production from a thread of its own; say how many attempts all of them took."""
    with ThreadPoolExecutor(len(model_ids)) as threads:
        voice.wait_for_start()
        voice.say(sum(threads.map(activate, model_ids)))
