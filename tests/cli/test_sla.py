"""``spothive sla`` on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from spothive.clock import utc_now
from spothive.database import get_db_session
from spothive.models import DowntimeCause, DowntimeLog
from tests.cli.conftest import Spothive
from tests.conftest import Database
from tests.factories import make_account, make_cluster, make_instance, make_tenant
from tests.watching import everything


def test_a_report_shows_every_cluster(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    initech = make_tenant("initech")
    shop = make_cluster(initech, make_account(initech, "main").id, "shop")
    start = datetime(2026, 3, 31, 23, 59, 50, tzinfo=UTC)
    down = {"instance_id": "i-1", "cluster_id": shop.id, "start_time": start, "cause": DowntimeCause.NO_REPLICA}
    with get_db_session(tenant=initech) as session:
        end = datetime(2026, 4, 1, 0, 2, tzinfo=UTC)
        session.add(DowntimeLog(**down, end_time=end, duration_seconds=130, downtime_metadata={}))
    words = ["sla", "report", "--tenant", "initech"]
    march, april = (done(*words, "--json", "--month", month).json for month in ("2026-03", "2026-04"))
    assert march["month"] == "2026-03"
    assert march["clusters"] == [
        {
            "cluster": "shop",
            "cluster_id": str(shop.id),
            "account": "main",
            "region": "eu-west-1",
            "seconds": 10,
            "budget": 60,
            "left": 50,
            "kept": True,
            "outages": 1,
            "ongoing": 0,
        }
    ]
    assert [(each["seconds"], each["left"], each["kept"]) for each in april["clusters"]] == [(120, -60, False)]
    shown = done(*words, "--month", "2026-04").out
    assert shown.startswith("downtime in 2026-04 (UTC)\n")
    assert [word for word in ("shop", "120", "-60", "no") if word not in shown] == []
    assert done("sla", "report").out.startswith(f"downtime in {utc_now():%Y-%m} (UTC)\nno clusters")
    for wrong in ("", "march", "2026-13", "2026-3", "0000-01", "2026-03-01"):
        assert refused("sla", "report", "--month", wrong).startswith("--month: ")
    assert refused("sla", "report", "--month", "9999-12").startswith("a month is before")


def test_rows_of_a_report_can_be_told_apart_at_80_columns(
    people: Database, done: Spothive, monkeypatch: pytest.MonkeyPatch
) -> None:
    initech = make_tenant("initech")
    for account in ("shop-east", "shop-west"):
        make_cluster(initech, make_account(initech, account).id, "checkout-and-payments", region="ap-southeast-2")
    monkeypatch.setenv("COLUMNS", "80")
    lines = done("sla", "report", "--tenant", "initech").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [each.strip() for each in lines[1].split("|")][:6] == [
        "cluster",
        "account",
        "region",
        "down, seconds",
        "allowed",
        "left",
    ]
    shown = "".join(lines)
    assert [word for word in ("ap-southeast-2", "shop-east", "shop-west") if word not in shown] == []


def test_outages_are_recorded_listed_and_ended(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    initech = make_tenant("initech")
    account = make_account(initech)
    make_instance(initech, account.id, "i-1", cluster_id=make_cluster(initech, account.id, "shop").id)
    at_home = ["--tenant", "initech"]
    words = ["sla", "record", "i-1", "--cause", "worker_crash", *at_home]
    first = done(*words, "--start", "2026-03-31T23:59:50.7", "--details", "it fell").out
    assert first == "i-1 down since 2026-03-31 23:59:50 UTC (worker_crash)\n"
    whole = done(*words, "--start", "2026-04-02", "--end", "2026-04-02T00:01", "--json").json
    assert (whole["seconds"], whole["cause"], whole["start_time"]) == (60, "worker_crash", "2026-04-02T00:00:00Z")
    shown = done("sla", "outages", "--open", *at_home).words
    assert [word for word in ("i-1", "shop", "lasts", "2026-03-31 23:59:50 UTC") if word not in shown] == []
    april = done("sla", "outages", "--month", "2026-04", "--json", *at_home).json
    assert [(each["cluster"], each["seconds"]) for each in april] == [("shop", 60), ("shop", None)]
    assert done("sla", "outages", *at_home, "--month", "2026-02").out == "nothing was down\n"
    assert done("sla", "outages").out.startswith("nothing was down")
    before = everything()
    for wrong, message in {
        ("--start", "tomorrow"): "--start: ",
        ("--start", ""): "--start: ",
        ("--start", "9999-12-31"): "the outage begins at 9999-12-31 00:00:00 UTC, in the future",
        ("--start", "2026-03-02", "--end", "2026-03-01"): "the outage ends at 2026-03-01 00:00:00 UTC, before",
        ("--start", "2h", "--end", "9999-01-01"): "the outage ends at 9999-01-01 00:00:00 UTC, in the future",
        ("--start", "2h", "--details", "x" * 4001): "cause_details",
    }.items():
        assert message in refused(*words, *wrong)
    for name in ("i-2", "", "x" * 300):
        assert refused("sla", "record", name, "--cause", "no_replica", "--start", "1h", *at_home).startswith("no inst")
        assert refused("sla", "end", name, *at_home).startswith("no outage of ")
    assert refused("sla", "end", "i-1", "--at", "2026-03-01", *at_home).endswith("it ended later")
    assert refused("sla", "end", "i-1", "--at", "soon", *at_home).startswith("--at: ")
    assert refused("sla", "outages", "--limit", "0").startswith("a list has 1 to")
    assert everything() == before
    ended = done("sla", "end", "i-1", "--at", "2026-04-01T00:00:10", *at_home).out
    assert ended == "i-1 down since 2026-03-31 23:59:50 UTC (worker_crash) until 2026-04-01 00:00:10 UTC\n"
    assert refused("sla", "end", "i-1", *at_home).startswith("no outage of 'i-1' lasts: ")
    assert done("sla", "outages", "--open", *at_home).out == "no outage lasts\n"
