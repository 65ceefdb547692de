"""``spothive event`` and ``spothive risk`` on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from spothive.clock import utc_now
from spothive.database import EnvironmentType, GlobalRiskEvent, RiskSource, Tenant, User, get_db_session
from spothive.operations.risk.pools import BLOCKED_FOR
from tests.cli.conftest import Spothive
from tests.conftest import Database
from tests.factories import make_instance
from tests.factories.fleets import connected_account
from tests.factories.spot_events import REBALANCE, spot_event
from tests.watching import everything, rows_of

POOL = "us-east-1:us-east-1a:m5.large"
PROD, INSTANCE = "111111111111", "i-00000000000000001"
AT_HOME = ["--tenant", "acme", "--as", "acme-client"]
ELSEWHERE = ["--tenant", "globex", "--as", "gina"]


@pytest.fixture
def fleet(people: Database) -> None:
    """Give acme a PROD account with one instance."""
    (acme,), (client,) = rows_of(Tenant, slug="acme"), rows_of(User, username="acme-client")
    with get_db_session(tenant=acme["id"]) as session:
        account = connected_account(session, client["id"], name="shop", account_id=PROD)
        account.environment_type = EnvironmentType.PROD
    make_instance(acme["id"], account.id, INSTANCE, region="us-east-1", availability_zone="us-east-1a")


def event(**facts: object) -> str:
    return json.dumps(spot_event(**({"account": PROD, "instance_id": INSTANCE} | facts)))  # type: ignore[arg-type]


@pytest.mark.usefixtures("fleet")
def test_good_lines_go_in_and_bad_ones_are_listed(spothive: Spothive, done: Spothive) -> None:
    at = utc_now().replace(microsecond=0) - timedelta(hours=2)
    lines = [
        event(event_id="a", at=at),
        "{not json",
        event(event_id="a", at=at),
        "",
        json.dumps({"detail-type": "Scheduled Event"}),
        event(event_id="b", kind=REBALANCE),
        event(event_id="c", account="999999999999"),
        "[" * 10_000,
        json.dumps(json.loads(event()) | {"time": "1970-01-01T00:00:00Z"}),
    ]
    given = "\r\n".join(lines).encode() + b"\n\xff\xfe\n"
    ran = spothive("event", "ingest", "-", "--json", given=given)
    assert ran.code == 1
    assert ran.err.startswith("error: 4 lines are malformed: mend the file; then take it again")
    told = ran.json
    assert {line["line"]: line["outcome"] for line in told.pop("lines")} == {
        1: "recorded",
        2: "malformed",
        3: "repeated",
        5: "ignored",
        6: "recorded",
        7: "unknown",
        8: "malformed",
        9: "malformed",
        10: "malformed",
    }
    assert told == {"recorded": 2, "repeated": 1, "ignored": 1, "unknown": 1, "unanswered": 0, "malformed": 4}
    assert (len(rows_of(GlobalRiskEvent)), len(rows_of(RiskSource))) == (2, 2)
    until = f"{at + BLOCKED_FOR:%Y-%m-%d %H:%M} UTC"
    shown = done("risk", "list", *ELSEWHERE).out
    assert [word for word in (POOL, until) if word not in shown] == []
    free = POOL.replace("1a", "1b")
    checked = done("risk", "check", POOL, free, "--json", *ELSEWHERE).json
    assert [(risk["pool_id"], risk["blocked"], risk["interruptions"]) for risk in checked] == [
        (POOL, True, 1),
        (free, False, 0),
    ]
    why = done("risk", "why", POOL, "--json", *ELSEWHERE)
    assert [(told["event_type"], told["counted"]) for told in why.json["events"]] == [
        ("rebalance_notice", False),
        ("termination_notice", True),
    ]
    for words in (shown, why.out, done("risk", "why", POOL, *ELSEWHERE).out):
        assert [name for name in (PROD, INSTANCE, "acme", "shop") if name in words] == []


@pytest.mark.usefixtures("fleet")
def test_one_event_may_take_many_lines_and_people_get_a_table(done: Spothive, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(json.loads(event()), indent=2), encoding="utf-8-sig")
    first, again = (done("event", "ingest", str(file), *AT_HOME) for _ in range(2))
    assert first.out.splitlines()[-1] == "1 recorded, 0 repeated, 0 ignored, 0 unknown, 0 unanswered, 0 malformed"
    assert "recorded; blocks its pool" in first.out
    assert again.out.splitlines()[-1] == "0 recorded, 1 repeated, 0 ignored, 0 unknown, 0 unanswered, 0 malformed"
    assert (
        done(
            "event",
            "ingest",
            "-",
            *ELSEWHERE,
            given=event(),
        ).words.count("unknown")
        > 1
    )


@pytest.mark.usefixtures("fleet")
def test_what_is_refused_as_a_whole(refused: Callable[..., str], done: Spothive) -> None:
    assert refused("event", "ingest", "-", given=b" \n\n") == "standard input holds no event"
    assert "may not" in refused("event", "ingest", "-", "--tenant", "acme", "--as", "acme-user", given=event())
    before = everything()
    for slip in ("m5.large", "us-east-1:eu-west-1a:m5.large", "us-east-1:us-east-1a:nonsense"):
        assert refused("risk", "check", POOL, slip).startswith("a pool is region:availability_zone:instance_type")
    assert refused("risk", "why", POOL, "--limit", "0") == "a history has 1 to 10000 events"
    assert done("risk", "list").out == "no pool is blocked\n"
    assert "AWS announced nothing about this pool" in done("risk", "why", POOL).out
    assert everything() == before
