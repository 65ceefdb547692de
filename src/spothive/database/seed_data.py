"""The rows every installation starts with: ``python -m spothive.database.seed_data``.

The reserved tenant itself is made by the first revision. Running this again changes nothing.
"""

from __future__ import annotations

import csv
import hashlib
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from spothive.database.connection import get_db_session
from spothive.database.passwords import hash_password
from spothive.errors import DuplicateValue, InvalidInput, SpothiveError
from spothive.models import (
    PLATFORM_TENANT_ID,
    AuditLog,
    Dataset,
    DatasetKind,
    Outcome,
    ResourceType,
    Role,
    User,
)

ADMIN = "admin"
ADMIN_EMAIL = "admin@localhost"
DEFAULT_DATASET = "default"


@dataclass(frozen=True, slots=True)
class Seeded:
    """What a seed run made. ``password`` is the new admin's, to be shown once; None if it was given or not needed."""

    admin_created: bool
    password: str | None
    dataset_created: bool


def seed_initial_data() -> Seeded:
    """Make the user ``admin`` of tenant ``platform`` and, when its file exists, the dataset ``default``.

    The password is ``SPOTHIVE_ADMIN_PASSWORD``, else a random one; either way it must be changed at first log-in.

    Raises:
        InvalidInput: the given password is too short or easily guessed, or the dataset file is no CSV.
        SchemaOutdated: the database has no tables yet.
    """
    from spothive.settings import get_settings

    settings = get_settings()
    given = settings.admin_password.get_secret_value() if settings.admin_password else None
    password = given or secrets.token_urlsafe(15)
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        has_admin = session.scalar(select(User.id).where(User.username == ADMIN)) is not None
        has_dataset = session.scalar(select(Dataset.id).where(Dataset.name == DEFAULT_DATASET)) is not None
    password_hash = "" if has_admin else hash_password(password, ADMIN, ADMIN_EMAIL)
    dataset = None if has_dataset else _default_dataset(settings.dataset_cache)
    try:
        _write(password_hash, dataset)
    except DuplicateValue:  # another seed got there first: what it made is all there is to make
        return Seeded(admin_created=False, password=None, dataset_created=False)
    return Seeded(not has_admin, None if has_admin or given else password, dataset is not None)


def _write(password_hash: str, dataset: Dataset | None) -> None:
    """Add the admin if there is a hash, the dataset if there is one, and an audit row for each."""
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        made = []
        if password_hash:
            made.append("user admin")
            session.add(
                User(
                    username=ADMIN,
                    email=ADMIN_EMAIL,
                    full_name="First administrator",
                    role=Role.ADMIN,
                    password_hash=password_hash,
                    must_change_password=True,
                )
            )
        if dataset is not None:
            made.append("dataset default")
            session.add(dataset)
        for resource in made:
            session.add(
                AuditLog(
                    actor_name="spothive (seed)",
                    event="seed.created",
                    resource=resource,
                    resource_type=ResourceType.SYSTEM,
                    outcome=Outcome.SUCCESS,
                )
            )


def _default_dataset(path: Path) -> Dataset | None:
    if not path.is_file():
        return None
    digest, rows = hashlib.sha256(), 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            columns = next(reader, [])
            rows = sum(1 for _ in reader)
        with path.open("rb") as raw:
            for block in iter(lambda: raw.read(1 << 20), b""):
                digest.update(block)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"SPOTHIVE_DATASET_CACHE: {path} cannot be read as CSV in UTF-8 ({type(error).__name__})"
        raise InvalidInput(msg) from None
    return Dataset(
        name=DEFAULT_DATASET,
        description="The file in SPOTHIVE_DATASET_CACHE when the database was seeded",
        kind=DatasetKind.MARKET,
        row_count=rows,
        file_path=str(path.absolute()),
        file_hash=digest.hexdigest(),
        columns=columns,
    )


def main() -> int:
    """Seed from the command line; return the exit code."""
    try:
        seeded = seed_initial_data()
    except SpothiveError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - this is a command
        return 1
    print("seeded" if seeded.admin_created or seeded.dataset_created else "nothing to seed")  # noqa: T201 - as above
    if seeded.password:
        print(f"password of {ADMIN}, shown this once: {seeded.password}")  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
