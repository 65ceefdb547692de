"""The first rows of an installation, made once and never twice."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from spothive.database import PLATFORM_TENANT_ID, AuditLog, Dataset, DatasetKind, Role, User, get_db_session
from spothive.database.passwords import check_password
from spothive.database.seed_data import Seeded, seed_initial_data
from spothive.errors import InvalidInput, SchemaOutdated
from tests.conftest import Database, settings

PRICES = "region,type,price\nus-east-1,m5.large,0.096\n\neu-west-1,c5.large,0.085\n"


@pytest.fixture(autouse=True)
def no_dataset(tmp_path: Path, db: Database) -> object:
    with settings(SPOTHIVE_DATASET_CACHE=str(tmp_path / "none.csv")):
        yield


def count(model: type) -> int:
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_the_first_admin_gets_a_random_password_once(db: Database) -> None:
    seeded = seed_initial_data()
    assert (seeded.admin_created, seeded.dataset_created) == (True, False)
    assert seeded.password
    assert len(seeded.password) >= 20
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        admin = session.scalars(select(User)).one()
    assert (admin.username, admin.email, admin.role) == ("admin", "admin@localhost", Role.ADMIN)
    assert (admin.must_change_password, admin.is_active) == (True, True)
    assert check_password(seeded.password, admin.password_hash)
    assert seeded.password not in admin.password_hash
    assert seed_initial_data() == Seeded(admin_created=False, password=None, dataset_created=False)
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        again = session.scalars(select(User)).one()
    assert (again.password_hash, again.updated_at) == (admin.password_hash, admin.updated_at)


def test_two_installations_have_different_passwords(db: Database, tmp_path: Path) -> None:
    first = seed_initial_data().password
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        other = User(username="other", email="other@localhost", role=Role.ADMIN, password_hash="x")
        session.add(other)
        session.flush()
        session.delete(session.scalars(select(User).where(User.username == "admin")).one())
    assert seed_initial_data().password != first


def test_a_given_password_is_used_and_not_shown(db: Database) -> None:
    with settings(SPOTHIVE_ADMIN_PASSWORD="correct horse battery"):
        seeded = seed_initial_data()
    assert seeded == Seeded(admin_created=True, password=None, dataset_created=False)
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        admin = session.scalars(select(User)).one()
    assert check_password("correct horse battery", admin.password_hash)
    assert admin.must_change_password


def test_a_password_that_is_too_short_makes_nothing(db: Database) -> None:
    with settings(SPOTHIVE_ADMIN_PASSWORD="Admin@localhost"), pytest.raises(InvalidInput, match="own name"):
        seed_initial_data()
    with settings(SPOTHIVE_ADMIN_PASSWORD="short"), pytest.raises(InvalidInput, match="8 to 1024"):
        seed_initial_data()
    assert (count(User), count(AuditLog)) == (0, 0)


def test_the_default_dataset_vouches_for_its_file(db: Database, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(PRICES)
    with settings(SPOTHIVE_DATASET_CACHE=str(file)):
        assert seed_initial_data().dataset_created
        assert not seed_initial_data().dataset_created
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        dataset = session.scalars(select(Dataset)).one()
    assert (dataset.name, dataset.kind, dataset.file_path) == ("default", DatasetKind.MARKET, str(file))
    assert dataset.columns == ["region", "type", "price"]
    assert dataset.file_hash == hashlib.sha256(PRICES.encode()).hexdigest()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00a,b\n", b'a,b\n"' + b"x" * 200_000])
def test_a_file_that_is_no_csv_makes_nothing(db: Database, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "prices.csv"
    file.write_bytes(content)
    with settings(SPOTHIVE_DATASET_CACHE=str(file)), pytest.raises(InvalidInput, match="SPOTHIVE_DATASET_CACHE"):
        seed_initial_data()
    assert (count(User), count(Dataset), count(AuditLog)) == (0, 0, 0)


def test_what_the_seed_makes_is_in_the_audit_trail(db: Database, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(PRICES)
    with settings(SPOTHIVE_DATASET_CACHE=str(file)):
        seed_initial_data()
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        rows = session.scalars(select(AuditLog).order_by(AuditLog.resource)).all()
    assert [(row.event, row.resource, row.actor_name) for row in rows] == [
        ("seed.created", "dataset default", "spothive (seed)"),
        ("seed.created", "user admin", "spothive (seed)"),
    ]


def test_the_command_shows_the_password_once(db: Database) -> None:
    first, second = (
        subprocess.run(
            [sys.executable, "-m", "spothive.database.seed_data"],
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        for _ in range(2)
    )
    told, password = first.stdout.splitlines()
    assert told == "seeded"
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        admin = session.scalars(select(User)).one()
    assert check_password(password.rpartition(" ")[2], admin.password_hash)
    assert (second.stdout, first.stderr, second.stderr) == ("nothing to seed\n", "", "")


def test_an_empty_database_is_not_seeded(db: Database, empty_db: Database) -> None:
    with (
        settings(DATABASE_URL=empty_db.service_url, SPOTHIVE_OWNER_URL=""),
        pytest.raises(SchemaOutdated, match="spothive db upgrade"),
    ):
        seed_initial_data()


def test_two_seeds_at_once_make_one_admin(db: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        seeded = list(pool.map(lambda _: seed_initial_data(), range(4)))
    assert [s.admin_created for s in seeded].count(True) == 1
    assert count(User) == 1
