"""What the processes do that are killed, and those that must not get in each other's way."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, event, insert

from spothive.anchor import Anchor
from spothive.database import SessionLocal, User, get_db_session, get_engine, guards, read_session, run_all_migrations
from spothive.database.backup import back_up, restore
from spothive.errors import DatabaseUnavailable, RuleBroken
from spothive.models import ExperimentLog
from spothive.operations.audit import seal_trails, sealing, verify_all
from spothive.operations.decisions import fold_decisions
from spothive.operations.fleet import accounts, disconnect_account, import_fleet
from spothive.operations.identity import find_actor
from spothive.signing import load_signing_keys
from tests.factories.active_model import activate
from tests.factories.audit_rows import audit_row
from tests.factories.fleets import a_day_later, answer_of, large_fleet
from tests.torture.processes import DONE, STEP, Voice

LEAST = 20
"""Rows each writer of the audit trail commits, however slow the machine is."""
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


def write_audit_rows(voice: Voice, tenant_id: UUID, number: int, seconds: float) -> None:
    """Write audit rows in short transactions, roll every third one back; say the ids of those that are committed."""
    committed: list[UUID] = []
    find_actor("admin", "platform")  # so that it is connected when the time begins
    voice.wait_for_start()
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(committed) < LEAST:
        session = SessionLocal(tenant=tenant_id)
        row = audit_row(number)
        session.add(row)
        session.flush()
        if len(committed) % 3 == 2 and row.id.int % 2:
            session.rollback()
        else:
            session.commit()
            committed.append(row.id)
        session.close()
    voice.say(committed)


def hold_an_audit_row(voice: Voice, tenant_id: UUID, seconds: float) -> None:
    """Write one audit row and commit it so many seconds later; say its id."""
    find_actor("admin", "platform")
    row = audit_row(0)
    voice.wait_for_start()
    with get_db_session(tenant=tenant_id) as session:
        session.add(row)
        session.flush()
        time.sleep(seconds)
    voice.say([row.id])


def seal_on_and_on(voice: Voice, key_file: Path, anchor: Path, seconds: float) -> None:
    """Seal again and again, and verify in between; say the places that were found bad, and how often it sealed."""
    actor, _ = find_actor("admin", "platform")
    keys = load_signing_keys(key_file)
    setattr(sealing, "SEAL_ROWS", 50)  # noqa: B010 - the module does not export it
    bad: list[str] = []
    seals = 0
    voice.wait_for_start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done = seal_trails(get_db_session, actor, keys=keys, anchor=Anchor(anchor))
        seals += done.seals
        bad += [tenant.problem for tenant in done.tenants if tenant.problem]
        for report in verify_all(read_session, actor, keys=keys, anchor=Anchor(anchor)):
            bad += map(str, report.findings)
    voice.say((bad, seals))


def seal_in_steps(voice: Voice, key_file: Path, anchor: Path) -> None:
    """Seal in small seals, with a word and a short pause between each commit and its line in the anchor."""
    actor, _ = find_actor("admin", "platform")
    keys = load_signing_keys(key_file)
    append = Anchor.append

    def slowly(self: Anchor, *lines: Any) -> int:
        voice.say(STEP)
        time.sleep(PAUSE)
        return append(self, *lines)

    setattr(sealing, "SEAL_ROWS", 10)  # noqa: B010 - as above
    setattr(Anchor, "append", slowly)  # noqa: B010 - so that its signature is no matter
    voice.wait_for_start()
    seal_trails(get_db_session, actor, keys=keys, anchor=Anchor(anchor))
    voice.say(DONE)


def decide_on_and_on(voice: Voice, rows: list[dict[str, Any]], seconds: float) -> None:
    """Write decisions in transactions that stay open for a while; say the ids of those that were taken."""
    find_actor("admin", "platform")
    taken: list[UUID] = []
    voice.wait_for_start()
    pause, holds = seconds / len(rows), get_engine().dialect.name == "postgresql"  # SQLite has one writer at a time
    for number, row in enumerate(rows):
        with suppress(RuleBroken), get_db_session(tenant=row["tenant_id"]) as session:  # its day may be closed by now
            session.execute(insert(ExperimentLog).values(row))
            time.sleep(pause * (number % 5) / 2 if holds else 0)
            taken.append(row["id"])
        time.sleep(0 if holds else pause)
    voice.say(taken)


def count_in_steps(voice: Voice, now: datetime) -> None:
    """Count decisions up to ``now``, with a word and a short pause before whatever is done."""

    def pause(*_: Any) -> None:
        voice.say(STEP)
        time.sleep(PAUSE)

    actor, _ = find_actor("admin", "platform")
    voice.wait_for_start()
    event.listen(Engine, "before_cursor_execute", pause)
    event.listen(Engine, "commit", pause)
    fold_decisions(get_db_session, actor, now=now)
    voice.say(DONE)
