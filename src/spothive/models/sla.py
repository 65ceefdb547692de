"""Service level: every second that spothive itself kept an instance down."""

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column, synonym

from spothive.models.base import Base, Timestamped, check_each, index_where, json_object
from spothive.schema.refusal import HasColumns, Refusal, rewritten
from spothive.schema.tenancy import TenantOwned
from spothive.schema.types import Text, TextEnum, Whole


class DowntimeCause(enum.StrEnum):
    """What spothive did, or failed to do. Causes that are AWS's have no value here on purpose."""

    EMERGENCY_SWITCH = "emergency_switch"
    NO_REPLICA = "no_replica"
    OPTIMIZER_FAILURE = "optimizer_failure"
    WORKER_CRASH = "worker_crash"


_BEGINNING = ("instance_id", "cluster_id", "start_time", "cause", "cause_details", "decision_id")
"""Who was down, since when and why."""

_END = ("end_time", "duration_seconds")


def _told_otherwise(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that an outage gets another beginning, or another end than the one it had."""
    return sa.or_(rewritten(*_BEGINNING)(old, new), sa.and_(old.c.end_time.is_not(None), rewritten(*_END)(old, new)))


class DowntimeLog(TenantOwned, Timestamped, Base):
    """One outage of one instance, in whole seconds. Rows are never merged: reports unite overlapping ones."""

    __tablename__ = "downtime_logs"

    client_id: Mapped[UUID] = synonym("tenant_id")
    instance_id: Mapped[str] = mapped_column(Text(50, 1), comment="EC2's id; no key, the log outlives the instance")
    cluster_id: Mapped[UUID | None] = mapped_column(comment="cluster it worked for; no key")
    start_time: Mapped[datetime] = mapped_column(comment="first second of the outage, UTC")
    end_time: Mapped[datetime | None] = mapped_column(comment="second in which it was over, UTC; none while it lasts")
    duration_seconds: Mapped[int | None] = mapped_column(
        Whole(0, 2**40), comment="end_time - start_time, in seconds; none while it lasts"
    )
    cause: Mapped[DowntimeCause] = mapped_column(TextEnum(DowntimeCause), comment="what spothive did")
    cause_details: Mapped[str | None] = mapped_column(Text(), comment="the same for people")
    decision_id: Mapped[UUID | None] = mapped_column(comment="row in experiment_logs that led to it; no key")
    downtime_metadata: Mapped[dict[str, Any]] = json_object(comment="what else is known")

    __table_args__ = (
        Index(None, "tenant_id", "start_time"),
        Index(None, "tenant_id", "cluster_id", "start_time"),
        Index(None, "tenant_id", "instance_id"),
        # Few last: whose do is asked minute by minute.
        index_where("ix_downtime_logs_lasting", "tenant_id", where="end_time IS NULL"),
        *check_each(
            "whole_seconds",
            "an outage is counted in whole seconds",
            postgresql="date_trunc('second', start_time) = start_time AND (end_time IS NULL "
            "OR date_trunc('second', end_time) = end_time)",
            sqlite="substr(start_time, 20) = '.000000' AND (end_time IS NULL OR substr(end_time, 20) = '.000000')",
        ),
        *check_each(
            "duration",
            "duration_seconds is end_time - start_time, at least 0, and both are empty while the outage lasts",
            postgresql="(end_time IS NULL) = (duration_seconds IS NULL) "
            "AND (end_time IS NULL OR duration_seconds = extract(epoch FROM end_time - start_time))",
            sqlite="(end_time IS NULL) = (duration_seconds IS NULL) "
            "AND (end_time IS NULL OR duration_seconds = unixepoch(end_time) - unixepoch(start_time))",
        ),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_downtime_logs_facts",
                        events=("update",),
                        columns=(*_BEGINNING, *_END),
                        when=_told_otherwise,
                        message="who was down, since when and why never changes, nor when an outage was over",
                    )
                ]
            }
        },
    )
