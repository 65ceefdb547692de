"""What a cluster's agent does: it shows its key, takes actions, keeps them and reports. None of it is audited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from spothive.database import TenantSession
from spothive.errors import NotAllowed, TenantMismatch
from spothive.models import Account, ApiScope, Cluster, ClusterStatus
from spothive.operations.identity import KeyHolder
from spothive.operations.jobs.settling import settle
from spothive.queue import Exchanged, HandedOut, Lease, Report, Reported, exchange, extend
from spothive.queue.engines import words_of
from spothive.queue.later import clock_after
from spothive.schema.types import clock_timestamp, sendable_text
from spothive.settings import get_settings

HEARD_EVERY: Final = 30.0
"""Seconds after which it is noted again that an agent was heard of."""

_VERSION_MAX: Final = 32


def claim_actions(
    session: TenantSession,
    holder: KeyHolder,
    *,
    limit: int = 10,
    lease: timedelta | None = None,
    agent_version: str | None = None,
) -> list[HandedOut]:
    """Take what is to be done next; an empty answer wrote nothing, unless that the agent lives was to be noted.

    Args:
        session: of the holder's tenant.
        holder: as ``check_api_key`` returned it.
        limit: most actions, up to 100.
        lease: for how long they are withheld from others; the setting ``action_lease`` when None.
        agent_version: what the agent says of itself.

    Raises:
        NotAllowed: it is no key of a cluster's agent.
        TenantMismatch: the session is of another tenant than the key.
        InvalidInput: a number or the lease is out of range.
    """
    return report_actions(session, holder, (), limit=limit, lease=lease, agent_version=agent_version).handed_out


def report_actions(
    session: TenantSession,
    holder: KeyHolder,
    reports: Sequence[Report],
    *,
    limit: int = 0,
    lease: timedelta | None = None,
    agent_version: str | None = None,
) -> Exchanged:
    """Report what is finished, and take what is next in the same breath; jobs end with the last of their actions.

    It waits for nobody, but for one: a report that ends an action of a job waits while another transaction that asked
    for an action of the same job, or ended one, is open. Once the account is being disconnected the cluster is as good
    as gone: nothing is handed out, and every report is STALE.

    Args:
        session: of the holder's tenant.
        holder: as ``check_api_key`` returned it.
        reports: at most 100; one with a token that is not the latest is STALE, and spoils no other.
        limit: most actions to take, up to 100; none by default.
        lease: as for :func:`claim_actions`; likewise ``agent_version``.
        agent_version: what the agent says of itself.

    Raises:
        NotAllowed: as for :func:`claim_actions`; likewise TenantMismatch and InvalidInput.
    """
    cluster_id = _cluster_of(session, holder)
    if not _hear(session, cluster_id, agent_version):
        return Exchanged({each.lease.action_id: Reported.STALE for each in reports}, [], frozenset())
    done = exchange(session, cluster_id, reports, limit=limit, lease=_usual() if lease is None else lease)
    settle(session, done.jobs)
    return done


def extend_leases(
    session: TenantSession, holder: KeyHolder, leases: Iterable[Lease], *, by: timedelta | None = None
) -> dict[UUID, datetime | None]:
    """Keep actions for longer; return until when (UTC), None where the lease is lost and work must stop.

    Raises:
        NotAllowed: as for :func:`claim_actions`; likewise TenantMismatch and InvalidInput.
    """
    cluster_id, wanted = _cluster_of(session, holder), list(leases)
    if not _hear(session, cluster_id, None):
        return {each.action_id: None for each in wanted}
    return extend(session, cluster_id, wanted, by=_usual() if by is None else by)


def _usual() -> timedelta:
    return timedelta(seconds=get_settings().action_lease)


def _cluster_of(session: TenantSession, holder: KeyHolder) -> UUID:
    """Return the cluster whose agent shows the key."""
    holder.require(ApiScope.AGENT)
    if holder.cluster_id is None:
        msg = f"the API key {holder.prefix} is no cluster's: make one with `spothive apikey create --cluster`"
        raise NotAllowed(msg)
    if session.tenant_id != holder.tenant_id:
        msg = "the key belongs to another tenant: open the session with get_db_session(tenant=holder.tenant_id)"
        raise TenantMismatch(msg)
    return holder.cluster_id


def _hear(session: TenantSession, cluster_id: UUID, version: str | None) -> bool:
    """Note that the agent lives, unless that was noted within 30 seconds; return whether its cluster is there.

    A cluster whose account is being disconnected is as good as gone. One statement, and another one to note it, which
    waits for nobody: a cluster that somebody else is changing is noted the next time.
    """
    unheard = sa.or_(
        Cluster.last_heartbeat.is_(None),
        Cluster.last_heartbeat < clock_after(sa.literal(-HEARD_EVERY, sa.Float)),
        Cluster.last_heartbeat > clock_timestamp(),  # the clock was put back
        Cluster.status != ClusterStatus.ACTIVE,
        sa.not_(Cluster.agent_installed),
    )
    there = (Cluster.id == cluster_id, Account.disconnecting_at.is_(None))
    is_unheard = session.scalar(sa.select(unheard).join(Account, Account.id == Cluster.account_id).where(*there))
    if not is_unheard:
        return is_unheard is not None
    values: dict[str, Any] = {
        "last_heartbeat": clock_timestamp(),
        "agent_installed": True,
        "status": ClusterStatus.ACTIVE,
    }
    if version is not None:
        values["agent_version"] = sendable_text(version.replace("\0", ""))[:_VERSION_MAX]
    free = words_of(session).locked(sa.select(Cluster.id).where(Cluster.id == cluster_id, unheard))
    hear = sa.update(Cluster).where(Cluster.id.in_(free)).values(**values)
    session.execute(hear, execution_options={"synchronize_session": False})
    return True
