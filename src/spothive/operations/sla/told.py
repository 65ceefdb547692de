"""What people are told of outages: each that is written down, and once a month that a cluster's budget is used up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from shlex import quote
from typing import Final
from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.models import Cluster, DowntimeLog, NoticeEvent
from spothive.operations.notifications import News, tell_all
from spothive.operations.notifications.once import note_told
from spothive.operations.sla.months import (
    DowntimeBudget,
    Outage,
    budget_in,
    known_clusters,
    month_ends,
    outages_between,
)

_LONG_AGO: Final = timedelta(days=366)
"""Months that ended longer ago are not looked at for an outage that lasts."""


@dataclass(frozen=True, slots=True)
class Down:
    """When a cluster was down; without an end it still is."""

    cluster_id: UUID | None
    start: datetime
    end: datetime | None

    @classmethod
    def by(cls, outage: DowntimeLog) -> Down:
        """Return what an outage says of it."""
        return cls(outage.cluster_id, outage.start_time, outage.end_time)


def tell_of_outage(session: TenantSession, outage: DowntimeLog) -> None:
    """Tell everybody of an outage that is written down, and of the budget if it is used up by it."""
    if outage.duration_seconds == 0:  # it counts no second
        return
    news = downtime_news(outage.instance_id, outage.cause, outage.start_time, outage.end_time)
    tell_all(session, [news, *budget_news(session, [Down.by(outage)])])


def tell_of_end(session: TenantSession, outages: Sequence[DowntimeLog]) -> None:
    """Tell everybody of the budgets that are used up by outages which are over now."""
    tell_all(session, budget_news(session, map(Down.by, outages)))


def tell_of_lasting(session: TenantSession) -> int:
    """Tell everybody of the budgets that outages use up which still last; return how many. For the sweep."""
    lasting = select(DowntimeLog).where(DowntimeLog.end_time.is_(None), DowntimeLog.tenant_id == session.tenant_id)
    news = budget_news(session, map(Down.by, session.scalars(lasting)))
    tell_all(session, news)
    return len(news)


def downtime_news(instance_id: str, cause: str, start: datetime, end: datetime | None) -> News:
    """Return what is told of an outage."""
    seconds = int((end - start).total_seconds()) if end else None
    since = f"{start:%Y-%m-%d %H:%M:%S} UTC"
    end_it = f"spothive sla end {quote(instance_id)}"
    return News(
        NoticeEvent.DOWNTIME_RECORDED,
        f"{instance_id} {f'was down for {seconds} s' if end else 'is down'}: {cause}",
        f"spothive answers for an outage of {instance_id} since {since} ({cause}), "
        f"{f'which lasted for {seconds} seconds' if end else f'which lasts until somebody says `{end_it}`'}. "
        "It counts against the month's budget of its cluster: `spothive sla report`.",
        {
            "instance": instance_id,
            "cause": cause,
            "start": start.isoformat(),
            "end": end and end.isoformat(),
            "seconds": seconds,
        },
        "spothive sla outages",
    )


def budget_news(session: TenantSession, down: Iterable[Down], *, now: datetime | None = None) -> list[News]:
    """Return what is told of budgets that are used up by what was down; each cluster and month once.

    That it is told is noted in the same transaction. Whoever raises a budget afterwards is told no more of that month.
    No statement if no cluster was down; else one each for clusters, outages and what was told, and one to note it.

    Args:
        session: of the tenant, in the transaction that writes the outages.
        down: which clusters were down when.
        now: until when what still lasts is counted; the present if None.
    """
    moment = now or utc_now()
    months = {(each.cluster_id, month) for each in down if each.cluster_id for month in _months(each, moment)}
    if not months:
        return []
    session.flush()  # what is new is read with the rest
    ids = {cluster_id for cluster_id, _ in months}
    known = known_clusters(session, Cluster.id.in_(ids))
    begin, end = month_ends(min(month for _, month in months))[0], month_ends(max(month for _, month in months))[1]
    query = outages_between(begin, end).where(DowntimeLog.cluster_id.in_(ids))
    outages: dict[UUID | None, list[Outage]] = defaultdict(list)
    for cluster_id, begun, over in session.execute(query):
        outages[cluster_id].append((begun, over))
    exceeded = {}
    for cluster_id, month in sorted(months):
        if cluster_id in known:
            budget = budget_in(cluster_id, known[cluster_id], *month_ends(month), outages[cluster_id], moment)
            if not budget.is_kept:
                exceeded[f"{cluster_id} {month:%Y-%m}"] = budget
    if not exceeded:
        return []
    until = {subject: month_ends(budget.month)[1] for subject, budget in exceeded.items()}
    before = note_told(session, NoticeEvent.DOWNTIME_BUDGET_EXCEEDED, until)
    return [_exceeded(budget) for subject, budget in exceeded.items() if subject not in before]


def _months(down: Down, now: datetime) -> Iterable[date]:
    """Yield the first days of the months in which it was down, by now."""
    last = min(down.end or now, now)
    first = max(down.start, last - _LONG_AGO)
    month = first.date().replace(day=1)
    while month <= last.date():
        yield month
        month = month_ends(month)[1].date()


def _exceeded(budget: DowntimeBudget) -> News:
    month = f"{budget.month:%Y-%m}"
    lasting = " It goes on." if budget.ongoing else ""
    return News(
        NoticeEvent.DOWNTIME_BUDGET_EXCEEDED,
        f"Cluster {budget.cluster_name} has used up its downtime budget of {month}",
        f"spothive kept {budget.cluster_name} (account {budget.account_name}, {budget.region}) down for "
        f"{budget.seconds} seconds in {month}; {budget.budget} are allowed.{lasting} "
        f"Which outages these were: `spothive sla outages --month {month}`. It is told once a month.",
        {
            "cluster": budget.cluster_name,
            "cluster_id": str(budget.cluster_id),
            "month": month,
            "seconds": budget.seconds,
            "budget": budget.budget,
        },
        f"spothive sla report --month {month}",
    )
