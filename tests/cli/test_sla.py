"""``spothive sla`` on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from spothive.clock import utc_now
from spothive.database import get_db_session
from spothive.models import DowntimeCause, DowntimeLog
from tests.cli.conftest import Spothive
from tests.conftest import Database
from tests.factories import make_account, make_cluster, make_tenant


def test_a_report_shows_every_cluster(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    initech = make_tenant("initech")
    shop = make_cluster(initech, make_account(initech).id, "shop")
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
