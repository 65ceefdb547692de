"""``spothive logs`` and ``spothive health`` on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from sqlalchemy import insert

from spothive.cli.logs import COLUMNS, Level
from spothive.cli.moments import moment
from spothive.clock import utc_now
from spothive.database import LogLevel, SystemLog, get_db_session, system_scope
from spothive.errors import InvalidInput
from spothive.schema.types import new_id
from tests.cli.conftest import Spothive
from tests.conftest import Database, settings
from tests.watching import everything


def _log(tenant: str, **facts: object) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        tenants = {row["slug"]: row["id"] for row in everything()["tenants"]}
        row = {"id": new_id(), "tenant_id": tenants[tenant], "action": "a.b", "component": "queue", "message": "m"}
        session.execute(insert(SystemLog).values(row | facts))


def test_the_log_of_the_tenant_is_shown_page_by_page(
    people: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    now = utc_now()
    for hours in range(5):
        _log("acme", message=f"{hours} hours ago", timestamp=now - timedelta(hours=hours, minutes=1))
    _log("acme", level=LogLevel.ERROR, person_name="anna", message="bad \x1b[2J", component="model", action="x")
    _log("globex", message="theirs")
    own = ["logs", "--tenant", "acme", "--as", "acme-user"]
    assert done("logs").out == "nothing was logged\n"
    lines = done(*own).out.splitlines()
    assert lines[0].split() == " | ".join(column.heading for column in COLUMNS).split()
    assert len(lines) == 2 + 6
    assert "theirs" not in str(lines)
    assert r"bad \x1b[2J" in lines[2]
    first = done(*own, "--limit", "4", "--json").json
    rest = done(*own, "--limit", "4", "--json", "--before", first["next"]).json
    told = [row["message"] for row in first["logs"] + rest["logs"]]
    assert told == ["bad \x1b[2J", *(f"{hours} hours ago" for hours in range(5))]
    assert rest["next"] is None
    assert f"--before {first['next']}" in done(*own, "--limit", "4").out
    narrowed = {
        "--level warning": 1,
        "--component queue": 5,
        "--action a.b --since 2h": 2,
        "--user anna": 1,
        "--until 150m": 2,
        f"--since {now + timedelta(hours=1):%Y-%m-%dT%H:%M}": 0,
    }
    found = {words: len(done(*own, *words.split(), "--json").json["logs"]) for words in narrowed}
    assert found == narrowed
    assert "--since: 'yesterday' is no moment" in refused(*own, "--since", "yesterday")
    assert "no place to go on from" in refused(*own, "--before", "x")
    assert "1 to 10000 rows" in refused(*own, "--limit", "0")


@pytest.mark.parametrize(
    "text", ["", "2", "h", "2y", "-2h", "9999999h", "999999w", "24:00", "2026-13-01", "0000-01-01"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"--since: .* is no moment"):
        moment(text, "--since")


def test_moments() -> None:
    assert moment(None, "--since") is None
    assert moment("2026-03-04", "--since") == datetime(2026, 3, 4, tzinfo=UTC)
    assert moment(" 2026-03-04T10:30+02:00 ", "--since") == datetime(2026, 3, 4, 8, 30, tzinfo=UTC)
    ago = moment("2H", "--since")
    assert ago is not None
    assert abs(utc_now() - ago - timedelta(hours=2)) < timedelta(minutes=1)


def test_the_levels_are_those_of_the_model() -> None:
    assert get_args(Level) == tuple(LogLevel)


def test_health_is_checked_kept_and_shown(people: Database, done: Spothive, spothive: Spothive) -> None:
    assert done("health", "--stored").out == "nothing was checked yet: spothive health\n"
    found = {part["component"]: part for part in done("health", "--json").json}
    assert {name: part["status"] for name, part in found.items()} == {
        "database": "healthy",
        "queue": "healthy",
        "market data": "unknown",
        "model": "unknown",
        "sealer": "unknown",
    }
    shown = done("health").words
    assert "database | healthy" in shown
    stored = done("health", "--stored", "--json", "--tenant", "acme", "--as", "acme-user").json  # for everybody
    assert {part["component"]: part["success_count_24h"] for part in stored}["queue"] == 2
    refusal = spothive("health", "--tenant", "acme", "--as", "acme-user")
    assert refusal.code == 1
    assert "may not manage models" in refusal.err
    with people.raw(owner=True) as connection:
        connection.execute("UPDATE component_health SET status = 'down' WHERE component = 'queue'")
    bad = spothive("health", "--stored")
    assert (bad.code, bad.err) == (1, "error: queue: down\n")
    assert "queue" in bad.out


@pytest.mark.engines("postgresql")
def test_without_a_database_health_says_so(people: Database, spothive: Spothive) -> None:
    with settings(DATABASE_URL="postgresql://u:s3cret@127.0.0.1:1/x"):
        for words in (["health"], ["health", "--stored"]):
            ran = spothive(*words, "--json")
            assert (ran.code, ran.err) == (1, "error: database: down\n")
            assert [part["status"] for part in ran.json] == ["down", *["unknown"] * 4]
            assert not any(part["recorded"] for part in ran.json)
            assert "s3cret" not in ran.out
