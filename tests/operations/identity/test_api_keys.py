"""Making, listing and revoking API keys."""

from __future__ import annotations

import hashlib
import logging
import re
from datetime import datetime, timedelta
from itertools import repeat
from typing import Any

import pytest
from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import Account, ApiKey, ApiScope, Role, get_db_session, read_session
from spothive.errors import Conflict, Denied, DuplicateValue, InvalidInput, NotFound, SpothiveError, ValueRefused
from spothive.operations.identity import (
    api_keys,
    check_api_key,
    create_api_key,
    list_api_keys,
    owner_of,
    revoke_api_key,
    set_user_active,
)
from tests.factories import make_account, make_cluster, make_user
from tests.operations.conftest import World, audited
from tests.watching import everything, rows_of

READ, WRITE, ADMIN, AGENT = ApiScope.READ, ApiScope.WRITE, ApiScope.ADMIN, ApiScope.AGENT


def made(world: World, **facts: Any) -> tuple[ApiKey, str]:
    """Let anna, a client of acme, make a key for herself that reads; ``facts`` differ."""
    tenant = facts.pop("tenant", world.acme)
    with get_db_session(tenant=tenant) as session:
        return create_api_key(session, facts.pop("actor", world.anna), **{"name": "ci", "scopes": [READ], **facts})


def revoked(world: World, prefix: str, reason: str = "lost") -> ApiKey:
    """Let anna revoke a key of acme."""
    with get_db_session(tenant=world.acme) as session:
        return revoke_api_key(session, world.anna, prefix=prefix, reason=reason)


def test_a_key_is_shown_once_and_only_its_hash_is_stored(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    expires = utc_now() + timedelta(days=90)
    row, key = made(world, scopes=[WRITE, READ, READ], rate_limit=50, expires_at=expires)
    assert re.fullmatch(r"sh_live_[2-9a-z]{8}_[0-9a-f]{72}", key)
    assert row.prefix == key[:16]
    (stored,) = rows_of(ApiKey)
    assert (stored["key_hash"], stored["user_id"]) == (hashlib.sha256(key.encode()).hexdigest(), world.anna.user_id)
    assert (stored["scopes"], stored["rate_limit"], stored["expires_at"]) == (["read", "write"], 50, expires)
    check_api_key(get_db_session, key, scope=READ)
    secret, all_rows = key.split("_")[-1], everything()
    for shown in (all_rows, repr(row), caplog.text):
        assert secret not in str(shown)
    del all_rows["api_keys"]
    for shown in (all_rows, repr(row), caplog.text):
        assert stored["key_hash"] not in str(shown)


def test_an_agents_key_belongs_to_its_cluster_and_goes_with_it(world: World) -> None:
    account = make_account(world.acme, "shop")
    for region in ("eu-west-1", "us-east-1"):
        make_cluster(world.acme, account.id, "web", region=region)
    cluster = make_cluster(world.acme, account.id, "batch")
    row, key = made(world, cluster="shop/batch", scopes=[AGENT])
    assert re.fullmatch(r"sh_agent_[2-9a-z]{7}_[0-9a-f]{72}", key)
    assert (row.prefix, row.cluster_id, row.user_id, owner_of(row)) == (key[:16], cluster.id, None, "shop/batch")
    with pytest.raises(Conflict, match=r"as account/region/name, for example shop/[a-z0-9-]+/web or shop/"):
        made(world, cluster="shop/web", scopes=[AGENT])
    assert made(world, cluster="shop/us-east-1/web", scopes=[AGENT])[0].cluster_id != cluster.id
    assert made(world, cluster="batch", scopes=[AGENT])[0].cluster_id == cluster.id
    for other in ("bat", "shop/", "shop/%", "warehouse/batch"):
        with pytest.raises(NotFound, match="no cluster is called"):
            made(world, cluster=other, scopes=[AGENT])
    with pytest.raises(NotFound):
        made(world, actor=world.gina, tenant=world.globex, cluster="shop/batch", scopes=[AGENT])
    with get_db_session(tenant=world.acme) as session:
        session.delete(session.get_one(Account, account.id))
    assert rows_of(ApiKey) == []
    with pytest.raises(SpothiveError, match="not valid"):
        check_api_key(get_db_session, key, scope=AGENT)


def test_a_key_that_cannot_be(world: World) -> None:
    account = make_account(world.acme, "shop")
    make_cluster(world.acme, account.id, "web")
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="udo", active=False)
    before = everything()
    cases: list[tuple[type[SpothiveError], str, dict[str, Any]]] = [
        (InvalidInput, "one or more of the scopes", {"scopes": []}),
        (InvalidInput, "agent is for a cluster's", {"scopes": [READ, AGENT]}),
        (InvalidInput, "exactly the scope agent", {"cluster": "shop/web", "scopes": [AGENT, READ]}),
        (InvalidInput, "exactly the scope agent", {"cluster": "shop/web", "scopes": [READ]}),
        (InvalidInput, "one user or to one cluster", {"cluster": "shop/web", "scopes": [AGENT], "owner": "anna"}),
        (InvalidInput, "anna is client, and a key has no more power", {"scopes": [ADMIN]}),
        (InvalidInput, "expires in the future", {"expires_at": utc_now()}),
        (InvalidInput, "names a time zone", {"expires_at": datetime(2099, 1, 1)}),  # noqa: DTZ001 - that is the case
        (InvalidInput, "blank", {"name": " "}),
        (ValueRefused, "api_keys.name", {"name": "x" * 101}),
        (ValueRefused, "api_keys.rate_limit", {"rate_limit": 0}),
        (ValueRefused, "api_keys.rate_limit", {"rate_limit": 100_001}),
        (Conflict, "udo is disabled", {"owner": "udo"}),
        (NotFound, "no user of this tenant", {"owner": "gina"}),
        (NotFound, "admin is no user of this tenant", {"actor": world.admin}),
    ]
    for error, words, facts in cases:
        with pytest.raises(error, match=words):
            made(world, **facts)
    assert everything() == before


def test_nobody_makes_a_key_with_more_power_than_his_own(world: World) -> None:
    make_user(world.acme, "boss", role=Role.ADMIN)
    with pytest.raises(Denied, match="may not make or unmake admins"):
        made(world, owner="boss", scopes=[READ, ADMIN])
    made(world, owner="boss", scopes=[READ, WRITE])  # acts as a client, which anna is
    platform = world.admin.home_tenant_id
    _, key = made(world, actor=world.admin, tenant=platform, scopes=[WRITE])
    by_key = check_api_key(get_db_session, key, scope=WRITE).actor
    assert by_key is not None
    with pytest.raises(Denied):  # by a key that writes, the admin makes no key that may more
        made(world, actor=by_key, tenant=platform, scopes=[ADMIN])
    made(world, actor=world.admin, tenant=platform, scopes=[ADMIN])
    denied = [(row[0], row[1], row[3]) for row in audited(outcome="DENIED")]
    assert denied == [("api_key.created", "ci", "anna"), ("api_key.created", "ci", by_key.label)]


def test_a_prefix_that_is_taken_is_drawn_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["aaaaaaaa", "aaaaaaaa", "aaaaaaaa", "bbbbbbbb"])
    monkeypatch.setattr(api_keys, "_random_letters", lambda _: next(drawn))
    assert made(world)[0].prefix == "sh_live_aaaaaaaa"
    with get_db_session(tenant=world.globex) as session:  # a prefix is one of the whole system
        row, key = create_api_key(session, world.gina, name="ci", scopes=[READ])
        session.execute(select(ApiKey))  # the transaction has not suffered
    assert row.prefix == "sh_live_bbbbbbbb"
    assert check_api_key(get_db_session, key, scope=READ).tenant_id == world.globex
    monkeypatch.setattr(api_keys, "_random_letters", lambda _: next(repeat("aaaaaaaa")))
    with pytest.raises(DuplicateValue):
        made(world)
    assert len(audited(event="api_key.created")) == len(rows_of(ApiKey)) == 2


def test_keys_are_listed_with_their_owners_and_without_those_revoked(world: World) -> None:
    make_cluster(world.acme, make_account(world.acme, "shop").id, "web")
    gone, _ = made(world, name="gone")
    made(world, name="agent", cluster="shop/web", scopes=[AGENT])
    made(world, name="udo's", owner="udo")
    made(world, name="gina's", actor=world.gina, tenant=world.globex)
    revoked(world, gone.prefix)
    with read_session(tenant=world.acme) as session:
        assert [(key.name, owner_of(key)) for key in list_api_keys(session)] == [
            ("agent", "shop/web"),
            ("udo's", "udo"),
        ]
        assert [key.name for key in list_api_keys(session, revoked=True)] == ["gone", "agent", "udo's"]


def test_a_key_is_revoked_once_by_its_prefix_or_by_itself(world: World) -> None:
    row, key = made(world)
    before = audited()
    for prefix in ("", row.prefix[:-1], f"{row.prefix[:-1]}_", "sh_live_%", row.prefix.upper()):
        with pytest.raises(NotFound, match="no API key of this tenant begins with"):
            revoked(world, prefix)
    with pytest.raises(NotFound), get_db_session(tenant=world.globex) as session:
        revoke_api_key(session, world.gina, prefix=row.prefix, reason="not hers")
    with pytest.raises(InvalidInput, match="say why"):
        revoked(world, row.prefix, " ")
    with pytest.raises(ValueRefused, match="revoked_reason"):
        revoked(world, row.prefix, "x" * 256)
    assert audited() == before
    assert revoked(world, key, "found in a log").revoked_reason == "found in a log"
    with pytest.raises(Conflict, match=rf"{row.prefix} was revoked already, at 20.* UTC \(found in a log\)"):
        revoked(world, row.prefix)
    assert audited()[len(before) :] == [
        ("api_key.revoked", row.prefix, "SUCCESS", "anna", None, {"name": "ci", "reason": "found in a log"})
    ]


def test_a_whole_key_in_the_place_of_a_prefix_is_never_repeated(world: World) -> None:
    _, key = made(world)
    strange = f"{key[:8]}zzzzzzzz{key[16:]}"
    with pytest.raises(NotFound) as refusal:
        revoked(world, strange)
    with pytest.raises(Denied) as denial, get_db_session(tenant=world.acme) as session:
        revoke_api_key(session, world.lena, prefix=key, reason="x")
    for shown in (refusal.value, denial.value, everything()):
        assert key[17:40] not in str(shown)
