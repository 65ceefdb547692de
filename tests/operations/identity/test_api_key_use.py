"""Knowing whoever shows an API key, and what is asked with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    ApiKey,
    ApiScope,
    ApiUsage,
    AuditLog,
    LoginHistory,
    Role,
    TenantSession,
    User,
    get_db_session,
    get_engine,
    read_session,
)
from spothive.database.look_ups import api_key_row_query, find_api_key_row
from spothive.database.migrations.picture import ENGINES
from spothive.errors import Conflict, Denied, KeyRefused, NotAllowed, NotFound, SpothiveError, ValueRefused
from spothive.operations.identity import (
    KeyHolder,
    api_key_use,
    api_keys,
    begin_totp,
    change_password,
    check_api_key,
    confirm_totp,
    create_api_key,
    create_user,
    invite,
    list_usage,
    make_reset_token,
    record_usage,
    requests_in_last_hour,
    revoke_api_key,
    set_password,
    set_role,
    set_tenant_active,
    set_user_active,
)
from tests.conftest import Database
from tests.factories import make_account, make_cluster
from tests.factories.sealing import make_keyring
from tests.operations.conftest import World
from tests.operations.identity.test_api_keys import ADMIN, AGENT, READ, WRITE, made, revoked
from tests.watching import rows_of, statements

INVALID = "this API key is not valid: check that it was copied whole, or ask for a new one"


def whole(beginning: str) -> str:
    """Return ``beginning`` with its checksum."""
    return beginning + api_keys.checksum_of_key(beginning)


def reason_of(key: str) -> str:
    """Show a key that is refused; return the reason, which whoever shows it does not learn."""
    with pytest.raises(KeyRefused) as refused:
        check_api_key(get_db_session, key, scope=READ)
    assert str(refused.value) == INVALID
    assert refused.value.__cause__ is None
    return refused.value.reason


def checked(key: str, scope: ApiScope = READ) -> KeyHolder:
    return check_api_key(get_db_session, key, scope=scope)


@contextmanager
def sent() -> Iterator[list[tuple[str, str, int]]]:
    """List (statement, parameters, rows) of what the block sends."""
    found: list[tuple[str, str, int]] = []

    def note(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        found.append((statement, str(parameters), cursor.rowcount))

    engine = get_engine()
    event.listen(engine, "after_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "after_cursor_execute", note)


def test_a_key_tells_who_shows_it(world: World) -> None:
    row, key = made(world, scopes=[READ, WRITE], rate_limit=5)
    holder = checked(key)
    assert holder.actor is not None
    assert (holder.tenant_id, holder.key_id, holder.prefix, holder.name) == (world.acme, row.id, row.prefix, "ci")
    assert holder.scopes == {READ, WRITE}
    assert (holder.rate_limit, holder.cluster_id) == (5, None)
    assert (holder.actor.user_id, holder.actor.role) == (world.anna.user_id, Role.CLIENT)
    assert holder.actor.home_tenant_id == world.acme
    assert holder.actor.label == f"anna (api key {row.prefix})"
    cluster = make_cluster(world.acme, make_account(world.acme, "shop").id, "web")
    row, key = made(world, cluster="shop/web", scopes=[AGENT])
    holder = checked(key, AGENT)
    assert (holder.tenant_id, holder.actor, holder.cluster_id) == (world.acme, None, cluster.id)
    with pytest.raises(NotAllowed, match=rf"{row.prefix} is not for read, it is for agent: use another key"):
        checked(key, READ)
    assert check_api_key(get_db_session, key, scope=None) == holder


def test_a_key_acts_with_the_lesser_of_its_owners_role_and_its_scopes(world: World) -> None:
    roles = {}
    for who, scopes in {
        "admin": [[READ], [READ, WRITE], [WRITE, ADMIN], [ADMIN]],
        "root": [[READ], [ADMIN]],
        "anna": [[READ], [WRITE]],
        "lena": [[READ], [WRITE]],
        "udo": [[READ], [WRITE]],
    }.items():
        actor = getattr(world, who)
        maker = actor if actor.is_staff else world.anna
        for some in scopes:
            _, key = made(world, actor=maker, tenant=actor.home_tenant_id, owner=who, scopes=some)
            acting = checked(key, some[0]).actor
            assert acting is not None
            roles[who, *some] = (acting.role, acting.is_staff)
    assert roles == {
        ("admin", READ): (Role.USER, False),
        ("admin", READ, WRITE): (Role.CLIENT, False),
        ("admin", WRITE, ADMIN): (Role.ADMIN, True),
        ("admin", ADMIN): (Role.ADMIN, True),
        ("root", READ): (Role.USER, False),
        ("root", ADMIN): (Role.SUPER_ADMIN, True),
        ("anna", READ): (Role.USER, False),
        ("anna", WRITE): (Role.CLIENT, False),
        ("lena", READ): (Role.USER, False),
        ("lena", WRITE): (Role.LAB, False),
        ("udo", READ): (Role.USER, False),
        ("udo", WRITE): (Role.USER, False),
    }
    _, key = made(world, scopes=[READ])
    reader = checked(key).actor
    assert reader is not None
    with pytest.raises(Denied), get_db_session(tenant=world.acme) as session:  # whatever a door forgets to ask
        create_user(session, reader, username="eve", email="e@x.io", role=Role.CLIENT, password_hash="h")


def test_a_key_gets_nobody_the_user_it_acts_for(world: World) -> None:
    _, key = made(world, scopes=[READ, WRITE])
    anna = checked(key).actor
    assert anna is not None
    before = rows_of(User, username="anna")
    attempts: dict[str, Callable[[TenantSession], Any]] = {
        "user.password": lambda s: set_password(s, anna, username="anna", password_hash="another"),
        "user.reset_link": lambda s: make_reset_token(s, anna, username="anna"),
        "totp.begun": lambda s: begin_totp(s, anna, make_keyring()),
        "totp.enabled": lambda s: confirm_totp(s, anna, code="000000", keyring=make_keyring()),
        "user.role": lambda s: set_role(s, anna, username="udo", role=Role.CLIENT),
        "user.created": lambda s: create_user(
            s, anna, username="eve", email="e@x.io", role=Role.CLIENT, password_hash="h"
        ),
        "invitation.made": lambda s: invite(s, anna, email="e@x.io", role=Role.CLIENT),
        "api_key.created": lambda s: create_api_key(s, anna, name="another", scopes=[READ]),
    }
    for name, attempt in attempts.items():
        with pytest.raises(Denied, match="sign in and do it in person"), get_db_session(tenant=world.acme) as session:
            attempt(session)
        (row,) = rows_of(AuditLog, event=name, outcome="DENIED")
        assert row["actor_name"] == anna.label
    with pytest.raises(Denied, match="in person"):
        change_password(get_db_session, anna, current="the one before", new="quite another one")
    assert rows_of(User, username="anna") == before


def test_an_owner_who_is_no_admin_any_more_has_no_key_of_one(world: World) -> None:
    _, key = made(world, actor=world.admin, tenant=PLATFORM_TENANT_ID, scopes=[READ, ADMIN])
    _, only = made(world, actor=world.admin, tenant=PLATFORM_TENANT_ID, scopes=[ADMIN])
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        session.get_one(User, world.admin.user_id).role = Role.CLIENT
    holder = checked(key)
    assert holder.actor is not None
    assert holder.scopes == {READ}
    assert holder.actor.role is Role.USER
    with pytest.raises(NotAllowed, match="is not for admin, it is for read"):
        checked(key, ADMIN)
    with pytest.raises(NotAllowed, match="is not for admin, it is for nothing any more"):
        checked(only, ADMIN)


def test_every_refusal_sounds_alike_and_has_its_reason_in_the_history(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {name: made(world, name=name)[1] for name in ("revoked", "wrong", "good")}
    keys["disabled"] = made(world, owner="udo")[1]
    keys["expired"] = made(world, expires_at=utc_now() + timedelta(hours=1))[1]
    keys["suspended"] = made(world, actor=world.gina, tenant=world.globex)[1]
    assert len({checked(key) for key in keys.values()}) == len(keys)
    revoked(world, keys["revoked"])
    assert reason_of(keys["revoked"]) == "revoked"  # at once
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="udo", active=False)
        set_tenant_active(session, world.admin, slug="globex", active=False)
    assert reason_of(keys["disabled"]) == "owner disabled"
    assert reason_of(keys["suspended"]) == "tenant suspended"
    good, other = keys["good"], keys["wrong"]
    assert reason_of(whole(good[:17] + other[17:-8])) == "wrong secret"
    assert reason_of(whole("sh_live_aaaaaaaa" + good[16:-8])) == "unknown key"
    assert checked(good).prefix == good[:16]
    later = utc_now() + timedelta(hours=1)
    monkeypatch.setattr(api_key_use, "utc_now", lambda: later)
    assert reason_of(keys["expired"]) == "expired"
    history = {
        (row["tenant_id"], row["user_id"], row["login_name"], row["failure_reason"]): row["success"]
        for row in rows_of(LoginHistory, login_method="api_key")
    }
    assert history == {
        (world.acme, world.anna.user_id, keys["revoked"][:16], "revoked"): False,
        (world.acme, world.udo.user_id, keys["disabled"][:16], "owner disabled"): False,
        (world.globex, world.gina.user_id, keys["suspended"][:16], "tenant suspended"): False,
        (world.acme, world.anna.user_id, good[:16], "wrong secret"): False,
        (PLATFORM_TENANT_ID, None, "sh_live_aaaaaaaa", "unknown key"): False,
        (world.acme, world.anna.user_id, keys["expired"][:16], "expired"): False,
    }


def test_what_is_no_key_is_refused_without_a_question(world: World) -> None:
    _, key = made(world)
    _, other = made(world)
    bad = "0" if key[40] != "0" else "1"
    strange = [
        *("", " ", key[:16], key[:-1], key + "0", f" {key}", f"{key}\n", key.upper(), f"Bearer {key}", "x" * 1_000_000),
        *(key[:40] + bad + key[41:], key[:17] + other[17:], other[:16] + key[16:]),
        *(whole(key[:16] + "_" + "g" * 64), whole("sh_live_%%%%%%%%_" + "0" * 64), whole("sh_live_" + "0" * 64)),
        *("sh_live_\0", key.replace("_", "\N{FULLWIDTH LOW LINE}"), "\ud800", whole("sh_agent_aaaaaaaa_" + "0" * 64)),
    ]
    with statements() as asked:
        assert {reason_of(text) for text in strange} == {"cut or mistyped"}
    assert not asked
    assert rows_of(LoginHistory) == []


def test_prefixes_that_look_alike_are_different_ones(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "_random_letters", lambda count: "abcdefghjk"[:count])
    row, key = made(world)
    for prefix in ("sh_live_abcdefgj", "sh_live_abcdef9h", "sh_agent_abcdefg"):
        assert reason_of(whole(prefix + key[16:-8])) == "unknown key"
    with get_db_session(tenant=world.globex) as session:  # as raw SQL could make it
        digest = hashlib.sha256(key.upper().encode()).hexdigest()
        facts = {"name": "upper", "prefix": "sh_live_ABCDEFGH", "key_hash": digest, "scopes": ["read"]}
        session.add(ApiKey(user_id=world.gina.user_id, **facts))
    assert checked(key).key_id == row.id


def test_a_key_opens_its_own_tenant_alone(world: World) -> None:
    _, key = made(world)
    theirs, their_key = made(world, actor=world.gina, tenant=world.globex)
    assert (checked(key).tenant_id, checked(their_key).tenant_id) == (world.acme, world.globex)
    assert reason_of(whole(their_key[:17] + key[17:-8])) == "wrong secret"
    with pytest.raises(NotFound), get_db_session(tenant=world.acme) as session:
        revoke_api_key(session, world.anna, prefix=theirs.prefix, reason="not hers")
    with pytest.raises(NotFound), read_session(tenant=world.acme) as session:
        list_usage(session, prefix=theirs.prefix, since=utc_now())
    with pytest.raises(SpothiveError), get_db_session(tenant=world.acme) as session:
        record_usage(session, checked(their_key), endpoint="/", method="GET", status=200, ms=1)
    assert rows_of(ApiUsage) == []


def test_a_check_is_one_statement_that_does_not_name_the_secret(world: World, db: Database) -> None:
    _, key = made(world)
    checked(key)  # notes the use
    digest = hashlib.sha256(key.encode()).hexdigest()
    with sent() as known:
        checked(key)
    assert len(known) == (2 if db.engine == "sqlite" else 0)  # on PostgreSQL it goes past the sessions
    with sent() as wrong:
        reason_of(whole(key[:-9] + ("0" if key[-9] != "0" else "1")))
    with sent() as unknown:
        reason_of(whole(f"sh_live_aaaaaaaa{key[16:-8]}"))
    shapes = [[statement for statement, *_ in some] for some in (wrong, unknown)]
    assert shapes[0] == shapes[1]  # so that the time tells nothing either
    everything_sent = str([known, wrong, unknown])
    assert key[17:-9] not in everything_sent
    assert digest not in everything_sent


def test_the_use_of_a_key_is_noted_once_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = made(world)
    start = utc_now()
    for seconds, noted in ((0, 0), (59.9, 0), (60, 60), (119, 60), (300, 300), (0, 300)):
        monkeypatch.setattr(api_key_use, "utc_now", lambda at=start + timedelta(seconds=seconds): at)
        checked(key)
        (row,) = rows_of(ApiKey)
        assert row["last_used_at"] == start + timedelta(seconds=noted)


def test_of_ten_threads_one_notes_the_use(world: World) -> None:
    _, key = made(world)
    together = Barrier(10)

    def use(_: int) -> KeyHolder:
        together.wait(60)
        return check_api_key(get_db_session, key, scope=READ)

    def all_have_looked(prefix: str) -> Any:
        row = find_api_key_row(prefix)
        together.wait(60)  # nobody has noted it yet
        return row

    with pytest.MonkeyPatch.context() as patch, sent() as statements_sent, ThreadPoolExecutor(10) as threads:
        patch.setattr(api_key_use, "find_api_key_row", all_have_looked)
        holders = list(threads.map(use, range(10)))
    assert len({holder.key_id for holder in holders}) == 1
    updates = [rows for statement, _, rows in statements_sent if statement.startswith("UPDATE api_keys")]
    assert (len(updates), sum(updates)) == (10, 1)


def test_refusals_of_one_kind_are_noted_once_a_minute_and_a_flood_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_key_use, "REFUSALS_NOTED", 3)
    row, key = made(world)
    revoked(world, row.prefix)
    for _ in range(3):
        reason_of(key)
    for letter in "abcdef":
        reason_of(whole(f"sh_live_{letter * 8}{key[16:-8]}"))
    assert len(rows_of(LoginHistory, tenant_id=world.acme)) == 1
    assert len(rows_of(LoginHistory, tenant_id=PLATFORM_TENANT_ID)) == 3
    later = utc_now() + timedelta(minutes=1, seconds=1)
    monkeypatch.setattr(api_key_use, "utc_now", lambda: later)
    with pytest.raises(KeyRefused):
        check_api_key(get_db_session, key, scope=READ, ip_address="192.0.2.1")
    assert [found["ip_address"] for found in rows_of(LoginHistory, tenant_id=world.acme)] == [None, "192.0.2.1"]


def test_a_busy_database_changes_no_answer(world: World) -> None:
    _, key = made(world)

    def busy(**_: Any) -> Any:
        msg = "somebody else writes"
        raise Conflict(msg)

    assert check_api_key(busy, key, scope=READ).tenant_id == world.acme
    with pytest.raises(KeyRefused):
        check_api_key(busy, whole(f"sh_live_aaaaaaaa{key[16:-8]}"), scope=READ)


def test_what_was_asked_is_counted_and_summed_up(world: World) -> None:
    row, key = made(world)
    holder, other = checked(key), checked(made(world)[1])
    now = utc_now()
    requests = [
        ("/v1/instances?token=geheim#geheim", "get", 200, 10),
        ("/v1/instances#geheim", "GET", 500, 21),
        ("/v1/instances", "GET", 404, None),
        ("?geheim", "POST", 201, None),
        ("/" + "x\0" * 300, "GET", 200, 1),
    ]
    with get_db_session(tenant=world.acme) as session:
        for endpoint, method, status, ms in requests:
            record_usage(session, holder, endpoint=endpoint, method=method, status=status, ms=ms)
        record_usage(session, other, endpoint="/v1/other", method="GET", status=200, ms=1)
        old = {"endpoint": "/v1/old", "method": "GET", "status_code": 200}
        session.add(ApiUsage(api_key_id=row.id, timestamp=now - timedelta(minutes=61), **old))
    assert "geheim" not in str(rows_of(ApiUsage))
    with read_session(tenant=world.acme) as session:
        assert requests_in_last_hour(session, row.id) == len(requests)
        usage = list_usage(session, prefix=row.prefix, since=now - timedelta(hours=2))
        assert list_usage(session, prefix=row.prefix, since=now - timedelta(hours=2), limit=1) == usage[:1]
        assert list_usage(session, prefix=row.prefix, since=utc_now()) == []
    found = [(u.method, u.endpoint[:12], u.requests, u.failed, u.average_ms, u.slowest_ms) for u in usage]
    assert found[0] == ("GET", "/v1/instance", 3, 2, 16, 21)
    assert sorted(found[1:]) == [
        ("GET", "/v1/old", 1, 0, None, None),
        ("GET", "/x\\x00x\\x00x", 1, 0, 1, 1),
        ("POST", "/", 1, 0, None, None),
    ]
    for method, status, ms in (("no method", 200, 1), ("GET", 600, 1), ("GET", 200, -1)):
        with pytest.raises(ValueRefused), get_db_session(tenant=world.acme) as session:
            record_usage(session, holder, endpoint="/", method=method, status=status, ms=ms)


def test_the_look_up_and_the_count_use_their_indexes(world: World, db: Database) -> None:
    tenant, owner = world.acme, world.anna.user_id
    keys = [
        {"user_id": owner, "name": "ci", "prefix": f"sh_live_{n:08}", "key_hash": f"{n:064x}", "scopes": [READ]}
        for n in range(1000)
    ]
    with get_db_session(tenant=tenant) as session:
        session.execute(sa.insert(ApiKey), [row | {"tenant_id": tenant} for row in keys])
    look_up = api_key_row_query(sa.literal("sh_live_00000007"))
    count = sa.select(sa.func.count()).where(ApiUsage.api_key_id == owner, ApiUsage.timestamp > utc_now())
    count = count.where(ApiUsage.tenant_id == tenant)
    texts = [
        str(query.compile(dialect=ENGINES[db.engine], compile_kwargs={"literal_binds": True}))
        for query in (look_up, count)
    ]
    with db.raw(owner=True) as owner_connection:
        owner_connection.execute("ANALYZE")
        how = "EXPLAIN" if db.engine == "postgresql" else "EXPLAIN QUERY PLAN"
        plans = [str(owner_connection.execute(f"{how} {text}").fetchall()) for text in texts]
    if db.engine == "postgresql":
        assert "Index Scan using uq_api_keys_prefix on api_keys" in plans[0]
    else:
        assert "SEARCH api_keys USING INDEX sqlite_autoindex_api_keys" in plans[0]
        assert "(prefix=?)" in plans[0]
        assert "SCAN" not in plans[0]
        assert "ix_api_usage_tenant_id_api_key_id_timestamp (tenant_id=? AND api_key_id=? AND timestamp>?)" in plans[1]
