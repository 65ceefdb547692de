"""The downtime budget: what counts twice, what lies in which month, and what still lasts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies as st

from spothive.database import get_db_session, read_session
from spothive.errors import InvalidInput, NotFound
from spothive.models import DowntimeCause, DowntimeLog
from spothive.operations.sla import DowntimeBudget, downtime_budget, downtime_report, seconds_down
from tests.factories import make_account, make_cluster
from tests.operations.conftest import World

MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LONG = 300

offsets = st.integers(-50, 150)
spans = st.lists(st.tuples(offsets, st.one_of(st.none(), st.integers(0, 80))), max_size=12)


def after(seconds: int, since: datetime = MARCH) -> datetime:
    return since + timedelta(seconds=seconds)


@given(spans)
def test_each_second_that_something_was_down_counts_once(drawn: list[tuple[int, int | None]]) -> None:
    outages = [(after(begun), None if length is None else after(begun + length)) for begun, length in drawn]
    down: set[int] = set()
    for begun, length in drawn:
        down |= set(range(begun, LONG if length is None else begun + length))
    assert seconds_down(outages, MARCH, after(100)) == len(down & set(range(100)))
    assert seconds_down(reversed(outages), MARCH, after(100)) == seconds_down(outages * 2, MARCH, after(100))


@given(spans, st.integers(0, 100))
def test_months_add_up_and_more_outages_are_never_less(drawn: list[tuple[int, int | None]], middle: int) -> None:
    outages = [(after(begun), None if length is None else after(begun + length)) for begun, length in drawn]
    whole = seconds_down(outages, MARCH, after(100))
    # What lasts at the middle goes on behind it, as over the end of a month.
    assert whole == sum(
        seconds_down([(begun, over or after(LONG)) for begun, over in outages], start, end)
        for start, end in ((MARCH, after(middle)), (after(middle), after(100)))
    )
    assert 0 <= seconds_down(outages[1:], MARCH, after(100)) <= whole <= 100
    assert seconds_down(outages, after(10), MARCH) == 0


def _down(tenant_id: UUID, cluster_id: UUID | None, start: datetime, seconds: int | None) -> None:
    with get_db_session(tenant=tenant_id) as session:
        session.add(
            DowntimeLog(
                instance_id=f"i-{uuid4().hex[:17]}",
                cluster_id=cluster_id,
                start_time=start,
                end_time=None if seconds is None else after(seconds, start),
                duration_seconds=seconds,
                cause=DowntimeCause.NO_REPLICA,
                downtime_metadata={},
            )
        )


def test_the_budget_of_a_month(world: World) -> None:
    account = make_account(world.acme)
    shop, idle = (make_cluster(world.acme, account.id, name).id for name in ("shop", "idle"))
    gone = uuid4()
    _down(world.acme, shop, after(-20), 30)  # 10 seconds of it in March
    _down(world.acme, shop, after(-40), 40)  # ends as March begins: no part of it
    _down(world.acme, shop, NOON, 20)
    _down(world.acme, shop, after(10, NOON), 20)  # 10 of them at once with the one before
    _down(world.acme, shop, after(100, NOON), 0)
    _down(world.acme, shop, after(-5, APRIL), None)
    _down(world.acme, gone, NOON, 61)
    _down(world.acme, None, NOON, 1)
    their = make_cluster(world.globex, make_account(world.globex).id, "theirs").id
    _down(world.globex, their, NOON, 1000)
    soon = after(7, APRIL) + timedelta(microseconds=999_999)
    with read_session(tenant=world.acme) as session:
        march = downtime_budget(session, cluster=shop, month=date(2026, 3, 31), now=soon)
        april = downtime_budget(session, cluster=shop, month=date(2026, 4, 1), now=soon)
        may = downtime_budget(session, cluster=shop, month=date(2026, 5, 1), now=soon)
        february = downtime_budget(session, cluster=shop, month=date(2026, 2, 1), now=soon)
        report = downtime_report(session, month=date(2026, 3, 1), now=soon)
        with pytest.raises(NotFound):
            downtime_budget(session, cluster=their, month=date(2026, 3, 1))
        with pytest.raises(InvalidInput):
            downtime_report(session, month=date(9999, 12, 1))
    assert march == DowntimeBudget(shop, "shop", date(2026, 3, 1), 45, 5, 1)
    assert (march.left, march.is_kept) == (15, True)
    assert (april.seconds, april.ongoing, february.seconds) == (7, 1, 40)
    assert may == DowntimeBudget(shop, "shop", date(2026, 5, 1), 0, 0, 0), "nothing of a month to come"
    assert report[:2] == [DowntimeBudget(idle, "idle", date(2026, 3, 1), 0, 0, 0), march]
    assert {each.cluster_id: (each.cluster_name, each.left, each.is_kept) for each in report[2:]} == {
        gone: (None, -1, False),
        None: (None, 59, True),
    }
