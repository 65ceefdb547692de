"""``spothive decision fold`` and ``spothive savings`` on both databases."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest

from spothive.clock import utc_now
from spothive.database.seed_data import seed_initial_data
from spothive.models import Decision, Role
from tests.cli.conftest import Spothive, audited
from tests.conftest import Database
from tests.factories import make_account, make_instance, make_tenant, make_user
from tests.factories.decisions import DAY, decide, decision, midnight, model

pytestmark = pytest.mark.own_server  # a day is counted when every transaction is over that was open before

FIRST = midnight(40)
SPAN = ["--since", f"{FIRST:%Y-%m-%d}", "--until", f"{FIRST + 2 * DAY:%Y-%m-%d}"]
NAMES = ("decisions", "switches", "holds", "failures", "shadow")


@pytest.fixture
def acme(db: Database) -> UUID:
    """Return a tenant with six decisions on two days."""
    seed_initial_data()
    tenant_id = make_tenant("acme")
    make_user(tenant_id, "anna", role=Role.CLIENT)
    make_user(tenant_id, "udo", role=Role.USER)
    shop, blog = (make_instance(tenant_id, make_account(tenant_id, name).id) for name in ("shop", "blog"))
    saves = {"projected_hourly_savings": Decimal("0.041000"), "model_id": model("1"), "prediction_score": 0.5}
    decide(
        decision(shop, FIRST, Decision.SWITCH, **saves),
        decision(shop, FIRST, Decision.SWITCH, **saves | {"projected_hourly_savings": Decimal("0.010001")}),
        decision(shop, FIRST, Decision.SWITCH, **saves, is_shadow_run=True),
        decision(shop, FIRST, Decision.HOLD, **saves),  # so that only the decisions tell which one was a shadow run
        decision(blog, FIRST, Decision.FAILED),
        decision(blog, FIRST + DAY, Decision.HOLD, **saves),
    )
    return tenant_id


def numbers(row: dict[str, int]) -> tuple[int, ...]:
    return tuple(row[name] for name in NAMES)


def test_a_report_is_the_same_before_and_after_the_days_are_counted(acme: UUID, done: Spothive) -> None:
    report = ["savings", "report", "--tenant", "acme", "--as", "udo", *SPAN]
    ways = [
        [*report, *way] for way in ([], ["--json"], *(["--json", "--by", by] for by in ("day", "model", "account")))
    ]
    before = [done(*way).out for way in ways]
    assert done("decision", "fold", "--json").json == {
        "days": 2,
        "decisions": 6,
        "rollups": 3,
        "waiting": 0,
        "counted_until": f"{(utc_now() - DAY):%Y-%m-%d}",
    }
    assert [done(*way).out for way in ways] == before
    by_account, by_day, by_model = (done(*way).json for way in (ways[1], *ways[2:4]))
    assert by_account == done(*ways[4]).json
    blog, shop = by_account["rows"]
    assert (blog["account"], numbers(blog), blog["projected_savings"]) == ("blog", (2, 0, 1, 1, 0), "0.000000")
    assert (shop["account"], numbers(shop), shop["projected_savings"]) == ("shop", (4, 3, 1, 0, 1), "0.051001")
    assert (shop["real_switches"], shop["savings_per_switch"]) == (2, "0.025500")  # half of it, rounded
    assert (blog["real_switches"], blog["savings_per_switch"]) == (0, None)
    assert by_account["total"]["savings_per_switch"] == "0.025500"
    assert numbers(by_account["total"]) == (6, 3, 2, 1, 1)
    assert {"account", "account_id"} & by_account["total"].keys() == set()
    assert [(row["day"], row["decisions"]) for row in by_day["rows"]] == [(SPAN[1], 5), (f"{FIRST + DAY:%Y-%m-%d}", 1)]
    assert [(row["model"], row["decisions"]) for row in by_model["rows"]] == [("risk 1", 5), ("none", 1)]
    assert by_model["rows"][1]["model_id"] is None
    shown = before[0].splitlines()
    assert shown[0] == f"decisions from {SPAN[1]} to before {SPAN[3]} (UTC)"
    assert shown[-2].replace("|", " ").split() == ["all", "6", "3", "2", "1", "1", "0.051001", "0.025500"]
    assert shown[-1] == "each switch counted for one hour"


def test_without_a_span_it_is_the_present_month(acme: UUID, done: Spothive) -> None:
    machine = make_instance(acme, make_account(acme, "now").id)
    decide(decision(machine, utc_now()))
    this = done("savings", "report", "--tenant", "acme", "--json").json
    assert (this["since"], this["total"]["decisions"] >= 1) == (f"{utc_now():%Y-%m}-01", True)
    month = done("savings", "report", "--tenant", "acme", "--json", "--month", f"{FIRST:%Y-%m}").json
    assert month["since"] == f"{FIRST:%Y-%m}-01"
    assert month["until"] == f"{(FIRST.replace(day=1) + 31 * DAY):%Y-%m}-01"
    assert done("savings", "report").out.endswith("(UTC)\nno decisions\n")


def test_what_is_no_span_is_refused(acme: UUID, refused: Callable[..., str]) -> None:
    for wrong in ("", "march", "2026-13", "2026-3", "0000-01", "9999-12"):
        assert refused("savings", "report", "--month", wrong).startswith("--month: ")
    day = ["--since", "2026-03-01"]
    for words in (day, ["--until", "2026-03-01"], [*day, "--until", "2026-03-02", "--month", "2026-03"]):
        assert refused("savings", "report", *words) == "give --month, or both --since and --until"
    assert refused("savings", "report", *day, "--until", "20260302").startswith("--until: '20260302' is no day")
    assert refused("savings", "report", *day, "--until", "2026-02-30").startswith("--until: ")
    assert refused("savings", "report", *day, "--until", "2026-03-01").startswith("a report ends after it begins")


def test_counting_is_for_staff_and_tells_what_waits(
    db: Database, acme: UUID, done: Spothive, refused: Callable[..., str]
) -> None:
    assert refused("decision", "fold", "--tenant", "acme", "--as", "anna").startswith("anna (client) may not ")
    assert [row["outcome"] for row in audited("decisions.counted")] == ["DENIED"]
    if db.engine == "postgresql":  # SQLite has one writer, for whom counting waits
        with db.raw() as other:
            other.execute("BEGIN")
            other.execute("SELECT pg_current_xact_id()")
            waits = done("decision", "fold").out
            days = ((utc_now() - DAY).date() - FIRST.date()).days
            assert waits.splitlines()[1].startswith(f"{days} days more once the transactions are over")
    assert done("decision", "fold").out.splitlines()[0] == "counted 6 decisions of 2 days into 3 rows"
    assert done("decision", "fold").out.splitlines()[0] == "counted 0 decisions of 0 days into 0 rows"
