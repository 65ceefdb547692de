"""Upgrades that are killed, that meet, and whose lock is held by the dead."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from spothive.database import dispose_engine, run_all_migrations
from spothive.database.connection import make_owner_engine
from spothive.database.drift import find_drift
from spothive.database.embedded_postgresql import EmbeddedPostgres
from spothive.database.revisions import current_revision, head, revisions
from spothive.settings import get_settings
from tests.conftest import Database, settings
from tests.torture.conftest import ROUNDS, moments, wait_until_alone
from tests.torture.processes import DONE, OVER, STEP, Child, all_at_once, at_work
from tests.torture.works import upgrade

pytestmark = pytest.mark.torture

ROLES = "spothive_gate, spothive_system, spothive_readonly, spothive_app"


@contextmanager
def nothing_yet(engine: str, server: EmbeddedPostgres, folder: Path) -> Iterator[Database]:
    """Yield an empty database on a server that has not heard of spothive's roles either."""
    if engine == "sqlite":
        url = f"sqlite:///{folder}/empty.db"
    else:
        url = server.url_for("empty")
        with psycopg.connect(server.url_for("postgres").replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS empty WITH (FORCE)")
            for role in ROLES.split(", "):
                connection.execute(f"DROP ROLE IF EXISTS {role}")
            connection.execute("CREATE DATABASE empty")
    with settings(DATABASE_URL=url, SPOTHIVE_OWNER_URL=""):
        yield Database(engine, url, url)
    for file in folder.glob("empty.db*"):
        file.unlink()


def tables() -> set[str]:
    engine = make_owner_engine(get_settings())
    with engine.connect() as connection:
        names = set(sa.inspect(connection).get_table_names())
    engine.dispose()
    return names


def test_an_upgrade_killed_at_any_step_leaves_a_whole_revision(
    db_engine: str, own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    with nothing_yet(db_engine, own_server, tmp_path), at_work(upgrade) as child:
        length = 0
        while child.hear() == STEP:
            length += 1
    assert length > 100
    left: Counter[str] = Counter()
    last = [length - steps for steps in range(1, 5)]  # where the revision is committed
    for moment in (*moments(1, length), *last):
        with nothing_yet(db_engine, own_server, tmp_path) as database:
            with at_work(upgrade) as child:
                child.take(int(moment))
                assert child.kill(), "the upgrade was over before the kill"
            wait_until_alone(database)
            at = current_revision()
            left[at or "nothing"] += 1
            assert at in {None, *revisions()}
            if at is None:
                assert tables() <= {"alembic_version"}
            elif at == head():
                assert find_drift() == []
            assert run_all_migrations() == head()
            assert find_drift() == []
            dispose_engine()
    print(f"{db_engine}: {left.total()} kills over {length} steps, left at {dict(left)}")
    assert left.total() == ROUNDS + len(last)


def test_three_upgrades_at_once_all_succeed(db_engine: str, own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    rounds = 10
    for number in range(rounds):
        with nothing_yet(db_engine, own_server, tmp_path):
            said = all_at_once(3, upgrade)
            assert [words[-1] for words in said] == [OVER] * 3, f"round {number}"
            assert current_revision() == head()
            assert find_drift() == []
            dispose_engine()
    print(f"{db_engine}: {rounds} rounds of three upgrades at once")


def test_the_lock_of_a_killed_upgrade_is_free(db_engine: str, own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    rounds = 3
    for _ in range(rounds):
        with nothing_yet(db_engine, own_server, tmp_path):
            with at_work(partial(upgrade, hangs=True)) as holder, Child(upgrade) as waiting:
                holder.wait_for(DONE)
                waiting.go()
                time.sleep(0.3)
                assert waiting.process.is_alive(), "it did not wait for the lock"
                holder.kill()
                waiting.wait_for(DONE)
            assert find_drift() == []
            dispose_engine()
    print(f"{db_engine}: {rounds} holders of the lock killed")
