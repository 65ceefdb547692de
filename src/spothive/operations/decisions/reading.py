"""Reading decisions: pages of them, and one with all it was taken from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import literal_column, select
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.sql.elements import ColumnClause

from spothive.database import TenantSession
from spothive.database.pages import Page, newest_first
from spothive.errors import NotFound
from spothive.models import Decision, DecisionStatus, ExperimentLog
from spothive.operations.fleet import find_account, find_instance


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions to list; what is None does not matter.

    Attributes:
        instance: EC2's id of the instance.
        account: name of the account, or its id at AWS.
        decision: with this outcome only.
        status: of which this became.
        since: from this moment on (UTC).
    """

    instance: str | None = None
    account: str | None = None
    decision: Decision | None = None
    status: DecisionStatus | None = None
    since: datetime | None = None


_WITH_NAMES = (
    joinedload(ExperimentLog.instance, innerjoin=True),
    joinedload(ExperimentLog.account, innerjoin=True),
    joinedload(ExperimentLog.model),
)


def list_decisions(
    session: TenantSession, wanted: DecisionFilter, *, limit: int = 100, before: str | None = None
) -> Page[ExperimentLog]:
    """Return one page of the tenant's decisions with instance, account and model of each, newest first.

    Args:
        session: of the tenant.
        wanted: which.
        limit: most rows, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        NotFound: the tenant has no such instance or account.
        InvalidInput: ``limit`` or ``before`` cannot be used.
    """
    query = select(ExperimentLog).options(*_WITH_NAMES)
    if wanted.instance is not None:
        query = query.where(ExperimentLog.instance_id == find_instance(session, wanted.instance).instance.id)
    if wanted.account is not None:
        query = query.where(ExperimentLog.account_id == find_account(session, wanted.account).id)
    if wanted.decision is not None:
        query = query.where(ExperimentLog.decision == wanted.decision)
        if wanted.decision != Decision.HOLD:
            query = query.where(ExperimentLog.decision != _literal(Decision.HOLD))  # in the words of an index
    if wanted.status is not None:
        query = query.where(ExperimentLog.status == wanted.status)
        if wanted.status != DecisionStatus.RECORDED:
            query = query.where(ExperimentLog.status != _literal(DecisionStatus.RECORDED))  # as above
    return newest_first(
        session, ExperimentLog, query, limit=limit, since=wanted.since, before=before, by="execution_time"
    )


def _literal(member: StrEnum) -> ColumnClause[str]:
    """Return a value that stands in the statement itself: SQLite knows no other when it chooses an index."""
    return literal_column(f"'{member}'")


def find_decision(session: TenantSession, decision_id: UUID) -> ExperimentLog:
    """Return one decision with its instance, account, model and explanations.

    Raises:
        NotFound: the tenant has no such decision.
    """
    query = select(ExperimentLog).where(ExperimentLog.id == decision_id).options(*_WITH_NAMES)
    found = session.scalar(query.options(selectinload(ExperimentLog.explanations)))
    if found is None:
        raise no_decision(decision_id)
    return found


def no_decision(decision_id: object) -> NotFound:
    """Return the answer to an id that is none of the tenant's."""
    return NotFound(f"no decision has the id {str(decision_id)[:60]!r}: see `spothive decision list`")
