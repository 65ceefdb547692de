"""Databases that can be broken again and again: each round gets a fresh copy."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from sqlalchemy.engine import make_url

from spothive.database import Role, dispose_engine, get_db_session
from spothive.database.embedded_postgresql import EmbeddedPostgres
from spothive.database.seed_data import seed_initial_data
from spothive.operations.fleet import import_fleet
from spothive.operations.identity import create_tenant, create_user, find_actor
from tests.conftest import Database, fresh_postgresql, settings
from tests.factories.fleets import answer_of, large_fleet

ROUNDS = 20
PATIENCE = 60


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Yield a server whose roles nobody else needs."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("server") / "postgresql", durable=False) as server:
        yield server


@pytest.fixture
def shop(db: Database) -> Database:
    """Return a database in which tenant ``acme`` has 5,000 instances in account ``shop``; nobody is connected."""
    seed_initial_data()
    admin, platform = find_actor("admin", "platform")
    with get_db_session(tenant=platform) as session:
        acme = create_tenant(session, admin, slug="acme", name="Acme").id
    with get_db_session(tenant=acme) as session:
        create_user(session, admin, username="anna", email="anna@acme.io", role=Role.CLIENT, password_hash="h")
        import_fleet(session, admin, name="shop", answer=answer_of(large_fleet(5_000)))
    dispose_engine()
    return db


@contextmanager
def copy_of(original: Database, folder: Path) -> Iterator[Database]:
    """Yield a copy of ``original``; the settings point to it for the length of the block."""
    folder.mkdir()
    if original.engine == "sqlite":
        file = folder / "copy.db"
        shutil.copyfile(str(make_url(original.service_url).database), file)
        copy = replace(original, service_url=f"sqlite:///{file}", owner_url=f"sqlite:///{file}")
        with settings(DATABASE_URL=copy.service_url, SPOTHIVE_OWNER_URL=copy.owner_url):
            yield copy
        shutil.rmtree(folder)
        return
    with fresh_postgresql(original.owner_url) as owner_url:
        name = make_url(owner_url).database
        service_url = make_url(original.service_url).set(database=name).render_as_string(hide_password=False)
        copy = replace(original, service_url=service_url, owner_url=owner_url)
        with settings(DATABASE_URL=copy.service_url, SPOTHIVE_OWNER_URL=copy.owner_url):
            yield copy


def wait_until_alone(database: Database) -> None:
    """Wait until the server has noticed that its client is dead: what it was told last may still be under way."""
    if database.engine == "sqlite":
        return
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + PATIENCE
    with database.raw(owner=True) as connection:
        while connection.execute(query).fetchone()[0]:
            assert time.monotonic() < deadline, "the server keeps a connection of a dead client"
            time.sleep(0.01)


def moments(seed: int, length: float, rounds: int = ROUNDS) -> list[float]:
    """Return a moment for each round, spread over ``length``: one at random within each equal part of it."""
    rng = Random(seed)
    return [(part + rng.random()) / rounds * length for part in range(rounds)]
