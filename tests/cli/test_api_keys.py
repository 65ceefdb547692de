"""``spothive apikey`` on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import Tenant, get_db_session, system_scope
from spothive.errors import KeyRefused
from spothive.operations.identity import check_api_key, record_usage
from tests.cli.conftest import Ran, Spothive
from tests.conftest import Database
from tests.factories import make_account, make_cluster
from tests.watching import everything

ACTING = ["--tenant", "acme", "--as", "acme-client"]


def test_a_key_is_made_used_watched_and_revoked(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    made = done("apikey", "create", "nightly report", "--scope", "read", "--scope", "write", *ACTING).out.splitlines()
    key = made[1].removeprefix("shown this once: ")
    prefix = key[:16]
    assert made == [f"made API key {prefix} for acme-client: read, write", f"shown this once: {key}"]
    holder = check_api_key(get_db_session, key, scope=None)
    with get_db_session(tenant=holder.tenant_id) as session:
        record_usage(session, holder, endpoint="/v1/waste", method="GET", status=429, ms=3)
    [usage] = done("apikey", "usage", prefix, "--json", *ACTING).json
    assert (usage["endpoint"], usage["requests"], usage["failed"]) == ("/v1/waste", 1, 1)
    assert "GET    | /v1/waste |" in done("apikey", "usage", prefix, *ACTING).out
    listed = done("apikey", "list", *ACTING).out
    assert re.search(rf"{prefix} +\| nightly report \| acme-client \| read, write \| 20\S+ \S+ UTC \| - ", listed)
    assert done("apikey", "revoke", prefix, "--reason", "left", *ACTING).out == f"API key {prefix} is revoked\n"
    with pytest.raises(KeyRefused):
        check_api_key(get_db_session, key, scope=None)
    assert "was revoked already" in refused("apikey", "revoke", prefix, "--reason", "again", *ACTING)
    assert done("apikey", "list", *ACTING).out == "no API keys yet: spothive apikey create --help\n"
    [row] = done("apikey", "list", "--revoked", "--json", *ACTING).json
    assert (row["prefix"], row["revoked_reason"], row["owner"]) == (prefix, "left", "acme-client")
    assert not {"key", "key_hash"} & set(row)
    del (rows := everything())["api_keys"]
    assert key[17:] not in str(rows)


def test_keys_for_others_for_agents_and_for_a_while(
    people: Database, done: Spothive, refused: Callable[..., str], spothive: Spothive
) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        acme = session.scalars(select(Tenant.id).where(Tenant.slug == "acme")).one()
    make_cluster(acme, make_account(acme, "shop").id, "web")
    create = ["apikey", "create", "x", "--json", *ACTING]
    agent = done(*create, "--cluster", "shop/web", "--rate-limit", "5").json
    assert (agent["owner"], agent["scopes"], agent["rate_limit"]) == ("shop/web", ["agent"], 5)
    assert agent["key"].startswith(f"{agent['prefix']}_")
    user = done(*create, "--user", "acme-user", "--expires-in", "90").json
    assert (user["owner"], user["scopes"]) == ("acme-user", ["read"])
    assert abs(datetime.fromisoformat(user["expires_at"]) - utc_now() - timedelta(days=90)) < timedelta(minutes=5)
    before = everything()
    assert "exactly the scope agent" in refused(*create, "--cluster", "shop/web", "--scope", "read")
    assert "one user or to one cluster" in refused(*create, "--cluster", "shop/web", "--user", "acme-user")
    assert "leave the scope admin out" in refused(*create, "--scope", "admin")
    assert "no user of this tenant" in refused(*create, "--user", "gina")
    for wrong in (["--expires-in", "0"], ["--rate-limit", "0"], ["--scope", "agent"]):
        assert spothive(*create, *wrong).code == 2
    assert everything() == before


def test_a_key_is_checked_for_whoever_may_know(
    people: Database, done: Spothive, refused: Callable[..., str], on_terminal: Callable[..., Ran]
) -> None:
    made = done("apikey", "create", "ci", "--json", *ACTING).json
    key, check = made["key"], ["apikey", "check"]
    gina, acme = ["--tenant", "globex", "--as", "gina"], ["--tenant", "acme", "--as", "acme-user"]
    found = done(*check, *acme, "--json", given=f"{key}\r\n").json
    assert (found["prefix"], found["user"], found["acts_as"], found["scopes"]) == (
        made["prefix"],
        "acme-client",
        "user",
        "read",
    )
    assert done(*check, given=key).out.startswith("prefix")  # staff
    assert "is not for write, it is for read" in refused(*check, "--scope", "write", *acme, given=key)
    unknown = "this API key does not work: unknown key"
    for scope in ([], ["--scope", "write"]):
        assert refused(*check, *scope, *gina, given=key) == unknown
    assert refused(*check, given="nonsense") == "this API key does not work: cut or mistyped"
    assert refused(*check, given="") == "standard input holds no API key"
    done("apikey", "revoke", key, "--reason", "test", *ACTING)
    assert refused(*check, *acme, given=key) == "this API key does not work: revoked"
    assert refused(*check, *gina, given=key) == unknown
    ran = on_terminal(*check, *acme, answers=[("API key: ", key)])
    assert ran.code == 1
    assert ran.out.endswith("error: this API key does not work: revoked\n")
    assert key not in ran.out
