"""What processes do that read, write, rotate and withdraw secrets at the same time."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from uuid import UUID

from sqlalchemy import select

from spothive.database import PLATFORM_TENANT_ID, Account, get_db_session, read_session
from spothive.errors import Conflict
from spothive.keyring import FileKeyring
from spothive.operations import secrets
from spothive.operations.identity import find_actor
from spothive.schema.sealed import seal
from tests.factories.sealing import KEY_ID, SECRET, opened
from tests.torture.processes import DONE, STEP, Voice

PAGE = 20
PAUSE = 0.05
"""Seconds between two writes: SQLite gives its write lock to nobody in particular, and everybody wants it."""


def rotate_keys(voice: Voice, path: Path) -> None:
    """Rotate the keys of the key file, with a word after each batch."""
    actor, _ = find_actor("admin", "platform")
    ring = FileKeyring(path)
    voice.wait_for_start()
    secrets.rotate(
        get_db_session,
        actor,
        tenant_id=PLATFORM_TENANT_ID,
        keyring=ring,
        key_file=path,
        progress=lambda *_: voice.say(STEP),
    )
    voice.say(DONE)


def read_secrets(voice: Voice, path: Path, tenants: list[UUID], seed: int) -> None:
    """Open the secrets of some accounts again and again until told to stop; say how many those were."""
    chance, ring, count = Random(seed), FileKeyring(path), 0
    voice.wait_for_start()
    while not voice.is_told():
        tenant_id = chance.choice(tenants)
        name = f"account {chance.randrange(1000)}"
        with read_session(tenant=tenant_id) as session:
            query = select(Account).where(Account.account_name >= name).order_by(Account.account_name).limit(PAGE)
            page = session.scalars(query).all()
        for account in page:
            for column in (KEY_ID, SECRET):
                assert opened(account, ring, column) == account.account_name
                count += 1
    voice.say(count)


def write_secrets(voice: Voice, path: Path, rows: list[tuple[UUID, UUID]], seed: int) -> None:
    """Store other secrets in some of ``rows`` until told to stop; say what was stored where, the last time."""
    chance, ring = Random(seed), FileKeyring(path)
    stored: dict[tuple[UUID, str], str] = {}
    voice.wait_for_start()
    while not voice.is_told():
        tenant_id, row_id = chance.choice(rows)
        column = chance.choice((KEY_ID, SECRET))
        try:
            with get_db_session(tenant=tenant_id) as session:
                account = session.get_one(Account, row_id)
                secret = f"{account.account_name}:{chance.random()}"
                seal(ring, account, column, secret)
        except Conflict:
            continue  # somebody else had the lock for too long; nothing was stored
        stored[row_id, column] = secret
        time.sleep(PAUSE)
    voice.say(stored)
