"""What people do about their sessions and second factors, as data for ``verbs.py``."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

from spothive.clock import utc_now
from spothive.database import SessionLog, User, get_db_session
from spothive.operations.actor import Actor
from spothive.operations.identity import (
    begin_totp,
    confirm_totp,
    disable_totp,
    end_other_sessions,
    end_session,
    log_out,
    new_backup_codes,
    remove_totp,
)
from spothive.schema.sealed import seal
from tests.factories.sign_ins import KEYRING, code_of
from tests.operations.conftest import World
from tests.operations.verbs import Verb, verb

TOKEN = "t" * 43
SESSION_ID = UUID(int=0x7000_8000_0000_0000_0005)
TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def _open_session(world: World) -> None:
    row = SessionLog(
        id=SESSION_ID,
        user_id=world.udo.user_id,
        token_hash=hashlib.sha256(TOKEN.encode()).hexdigest(),
        expires_at=utc_now() + timedelta(hours=1),
    )
    with get_db_session(tenant=world.acme) as session:
        session.add(row)


def _begin(world: World, *, enabled: bool = False) -> None:
    with get_db_session(tenant=world.acme) as session:
        udo = session.get_one(User, world.udo.user_id)
        seal(KEYRING, udo, "totp_secret", TOTP)
        udo.totp_enabled = enabled


def _enable(world: World) -> None:
    _begin(world, enabled=True)


def _confirm(actor: Actor, tenant_id: UUID) -> Any:
    with get_db_session(tenant=tenant_id) as session:
        return confirm_totp(session, actor, code=code_of(TOTP), keyring=KEYRING)


def _disable(actor: Actor, _: UUID) -> None:
    disable_totp(get_db_session, actor, code=code_of(TOTP), keys=lambda: KEYRING)


def _renew(actor: Actor, _: UUID) -> Any:
    return new_backup_codes(get_db_session, actor, code=code_of(TOTP), keys=lambda: KEYRING)


def _leave(_: Actor, __: UUID) -> None:
    log_out(get_db_session, TOKEN)


_THE_SESSION = {"session_id": str(SESSION_ID)}


def _own(name: str, run: Any, event: str, prepare: Any, before: Any = None) -> Verb:
    return Verb(name, run, "udo", None, "acme", ((event, "udo", before, None),), prepare=prepare)


SIGN_IN_VERBS = (
    verb(
        "end a session",
        end_session,
        {"session_id": SESSION_ID},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("session.ended", "udo", _THE_SESSION, None),
        prepare=_open_session,
    ),
    verb(
        "end the other sessions",
        end_other_sessions,
        {},
        actor="udo",
        denied=None,
        tenant="acme",
        trail=("session.others_ended", "udo", {"sessions": 1, "kept": None}, None),
        prepare=_open_session,
    ),
    verb(
        "begin a second factor",
        begin_totp,
        {"keyring": KEYRING},
        actor="udo",
        denied=None,
        tenant="acme",
        trail=("totp.begun", "udo", None, None),
    ),
    verb(
        "remove a second factor",
        remove_totp,
        {"username": "udo"},
        actor="admin",
        denied="anna",
        tenant="acme",
        trail=("totp.removed", "udo", None, None),
        prepare=_enable,
    ),
    _own("leave a session", _leave, "session.left", _open_session, _THE_SESSION),
    _own("confirm a second factor", _confirm, "totp.enabled", _begin),
    _own("disable a second factor", _disable, "totp.disabled", _enable),
    _own("renew backup codes", _renew, "totp.codes", _enable),
)
