"""Datasets that models are trained on, how they are made, and the words that experiments are found by."""

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.models.base import Base, Timestamped, check, json_array, json_object
from spothive.models.decisions import LabExperiment
from spothive.models.identity import User
from spothive.schema.refusal import HasColumns, Refusal, rewritten
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, owned
from spothive.schema.types import AsciiText, Text, TextEnum, Whole, clock_timestamp


class DatasetKind(enum.StrEnum):
    """What a row of the dataset describes."""

    MARKET = "market"
    INTERRUPTIONS = "interruptions"
    DECISIONS = "decisions"


_FILE = ("file_path", "file_hash")


def _is_tampered(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that a dataset gets another hash or path otherwise than by a job that makes it anew."""
    making = [
        sa.select(jobs.c.id)
        .where(
            jobs.c.tenant_id == new.c.tenant_id, jobs.c.status == DatasetJobStatus.RUNNING, jobs.c.name == new.c.name
        )
        .exists()
        for jobs in (DatasetGeneration.__table__, DatasetImport.__table__)
    ]
    return sa.and_(rewritten(*_FILE)(old, new), sa.or_(new.c.file_path == old.c.file_path, sa.not_(sa.or_(*making))))


class Dataset(TenantOwned, Timestamped, Base):
    """One file of training data; the row vouches for its content by hash."""

    __tablename__ = "datasets"

    name: Mapped[str] = mapped_column(Text(255, 1), comment="name for people")
    description: Mapped[str | None] = mapped_column(Text(), comment="for people")
    kind: Mapped[DatasetKind] = mapped_column(TextEnum(DatasetKind), comment="what a row of the file describes")
    row_count: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0", comment="rows in the file")
    file_path: Mapped[str] = mapped_column(Text(512, 1), comment="where the store keeps the file")
    file_hash: Mapped[str] = mapped_column(AsciiText(64, 64, "0-9a-f"), comment="SHA-256 of the file, hexadecimal")
    columns: Mapped[list[Any]] = json_array(comment="column names in file order")
    created_by: Mapped[UUID | None] = mapped_column(comment="user; no key, the row outlives its maker")

    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_datasets_file",
                        events=("update",),
                        columns=_FILE,
                        when=_is_tampered,
                        message="the file of a dataset never changes: a job that replaces it brings another",
                    )
                ]
            }
        },
    )


class Tag(TenantOwned, Timestamped, Base):
    """A word that experiments are found by."""

    __tablename__ = "tags"

    name: Mapped[str] = mapped_column(Text(50, 1), comment="for people")
    slug: Mapped[str] = mapped_column(AsciiText(50, 1, "a-z0-9-"), comment="how a search spells it")
    color: Mapped[str | None] = mapped_column(AsciiText(7, 4, "#0-9a-f"), comment="for example #ff8800")
    created_by: Mapped[UUID | None] = mapped_column(comment="user; no key, the row outlives its maker")

    __table_args__ = (UniqueConstraint("tenant_id", "slug"),)


class ExperimentTag(TenantOwned, Timestamped, Base):
    """One tag on one lab experiment."""

    __tablename__ = "experiment_tags"

    lab_experiment_id: Mapped[UUID] = owned("lab_experiments", comment="what is tagged")
    tag_id: Mapped[UUID] = owned("tags", comment="with what")
    added_by: Mapped[UUID | None] = mapped_column(comment="user; no key, the row outlives its maker")

    lab_experiment: Mapped[LabExperiment] = belongs_to("ExperimentTag.lab_experiment_id")
    tag: Mapped[Tag] = belongs_to("ExperimentTag.tag_id")

    __table_args__ = (UniqueConstraint("tenant_id", "lab_experiment_id", "tag_id"),)


class SavedSearch(TenantOwned, Timestamped, Base):
    """A search that a user wants to make again."""

    __tablename__ = "saved_searches"

    user_id: Mapped[UUID] = owned("users", comment="whose search it is")
    name: Mapped[str] = mapped_column(Text(100, 1), comment="what the user calls it")
    query: Mapped[str] = mapped_column(Text(1000, 1), comment="as it was typed")
    is_pinned: Mapped[bool] = mapped_column(default=False, server_default=sa.false(), comment="shown first")
    usage_count: Mapped[int] = mapped_column(Whole(), default=0, server_default="0", comment="times it was made")
    last_used_at: Mapped[datetime | None] = mapped_column(comment="UTC")

    user: Mapped[User] = belongs_to("SavedSearch.user_id")

    __table_args__ = (UniqueConstraint("tenant_id", "user_id", "name"),)


class DatasetJobStatus(enum.StrEnum):
    """How far the making of a dataset is."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


DATASET_JOB_LIFE = StateMachine(
    DatasetJobStatus,
    first={DatasetJobStatus.PENDING},
    moves={
        DatasetJobStatus.PENDING: {DatasetJobStatus.RUNNING, DatasetJobStatus.CANCELLED},
        DatasetJobStatus.RUNNING: {
            DatasetJobStatus.COMPLETED,
            DatasetJobStatus.FAILED,
            DatasetJobStatus.CANCELLED,
        },
    },
)


class DatasetJob:
    """What both ways of making a dataset have in common."""

    dataset_id: Mapped[UUID | None] = owned("datasets", nullable=True, sibling=True, comment="what came of it")
    name: Mapped[str] = mapped_column(Text(255, 1), comment="of the dataset")
    config: Mapped[dict[str, Any]] = json_object(comment="what it is made from")
    status: Mapped[DatasetJobStatus] = DATASET_JOB_LIFE.column(comment="how far it is")
    lease_token: Mapped[UUID | None] = mapped_column(comment="worker that has the job")
    leased_until: Mapped[datetime | None] = mapped_column(comment="after this another worker may take it, UTC")
    progress: Mapped[int] = mapped_column(Whole(0, 100), default=0, server_default="0", comment="percent")
    rows: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0", comment="rows so far")
    output_path: Mapped[str | None] = mapped_column(Text(512), comment="file that was written")
    error_message: Mapped[str | None] = mapped_column(Text(4000, 1), comment="why it failed")
    started_at: Mapped[datetime | None] = mapped_column(comment="UTC")
    completed_at: Mapped[datetime | None] = mapped_column(comment="when it ended, well or badly, UTC")


def _is_taken(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that a job is taken from a worker whose lease runs: at once, or by shortening it first."""
    leased = sa.and_(old.c.lease_token.is_not(None), old.c.leased_until > clock_timestamp())
    other = sa.or_(new.c.lease_token != old.c.lease_token, new.c.leased_until < old.c.leased_until)
    return sa.and_(leased, new.c.lease_token.is_not(None), other)


def _is_another(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that something else is asked for than before; what was refused is added at the end."""
    ends = sa.and_(new.c.status == DatasetJobStatus.COMPLETED, old.c.status == DatasetJobStatus.RUNNING)
    return sa.or_(rewritten("name")(old, new), sa.and_(rewritten("config")(old, new), sa.not_(ends)))


def _job_rules(table: str) -> tuple[Index | CheckConstraint | dict[str, Any], ...]:
    guards = [
        Refusal(
            rule=f"lc_{table}_ended",
            events=("update",),
            when=lambda old, _: old.c.status.not_in([DatasetJobStatus.PENDING, DatasetJobStatus.RUNNING]),
            message="a job that has ended is not changed",
        ),
        Refusal(
            rule=f"lc_{table}_progress",
            events=("update",),
            columns=("progress", "rows"),
            when=lambda old, new: sa.or_(new.c.progress < old.c.progress, new.c.rows < old.c.rows),
            message="what a job has done is never undone: neither its progress nor its rows become fewer",
        ),
        Refusal(
            rule=f"lc_{table}_claimed",
            events=("update",),
            columns=("lease_token", "leased_until"),
            when=_is_taken,
            message="another worker has this job: its lease has not run out",
        ),
        Refusal(
            rule=f"lc_{table}_asked",
            events=("update",),
            columns=("name", "config"),
            when=_is_another,
            message="what a job was asked for never changes: cancel it, and ask anew",
        ),
        Refusal(
            rule=f"lc_{table}_result",
            events=("insert", "update"),
            columns=("status", "dataset_id"),
            when=lambda _, new: sa.and_(new.c.status == DatasetJobStatus.COMPLETED, new.c.dataset_id.is_(None)),
            message="a job is completed by the dataset that came of it",
        ),
    ]
    return (
        Index(None, "tenant_id", "status"),
        check(
            "started",
            "CASE status WHEN 'pending' THEN started_at IS NULL WHEN 'cancelled' THEN true "
            "ELSE started_at IS NOT NULL END",
            "started_at is set exactly when the job has begun",
        ),
        check(
            "completed",
            "(status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)",
            "completed_at is set exactly when the job has ended",
        ),
        check(
            "failed",
            "(status = 'failed') = (error_message IS NOT NULL)",
            "a job that failed, and no other, says why",
        ),
        check(
            "lease",
            "(status = 'running') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (leased_until IS NULL)",
            "a job is leased exactly while it is running",
        ),
        {"info": {"refusals": guards}},
    )


class DatasetGeneration(DatasetJob, TenantOwned, Timestamped, Base):
    """A job that writes decisions and risk events into a dataset; who was hit never leaves."""

    __tablename__ = "dataset_generations"

    dataset: Mapped[Dataset | None] = belongs_to("DatasetGeneration.dataset_id")

    __table_args__ = _job_rules("dataset_generations")


class DatasetImport(DatasetJob, TenantOwned, Timestamped, Base):
    """A job that reads a file of market facts or events into a dataset."""

    __tablename__ = "dataset_imports"

    dataset: Mapped[Dataset | None] = belongs_to("DatasetImport.dataset_id")

    __table_args__ = _job_rules("dataset_imports")
