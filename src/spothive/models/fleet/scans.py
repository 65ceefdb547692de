"""Looks at an account: what was seen, and how much of it can be trusted."""

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.clock import utc_now
from spothive.models.base import Base, Timestamped, check, unique_where
from spothive.models.fleet.accounts import Account
from spothive.models.identity import Tenant
from spothive.schema.refusal import HasColumns, Refusal, older_than
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, owned
from spothive.schema.types import Text, TextEnum, UtcDateTime, Whole, utc_timestamp

UNITS_KEPT_HOURS = 90 * 24


class ScanKind(enum.StrEnum):
    """What a scan looks for."""

    DISCOVERY = "discovery"
    WASTE = "waste"
    IMPORT = "import"


class ScanStatus(enum.StrEnum):
    """How a scan ended."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


class UnitStatus(enum.StrEnum):
    """How one region of a scan ended."""

    PENDING = "PENDING"
    DONE = "DONE"
    FAILED = "FAILED"


SCAN_LIFE = StateMachine(
    ScanStatus,
    first={ScanStatus.RUNNING},
    moves={ScanStatus.RUNNING: {ScanStatus.COMPLETE, ScanStatus.PARTIAL, ScanStatus.FAILED}},
)
UNIT_LIFE = StateMachine(
    UnitStatus,
    first={UnitStatus.PENDING},
    moves={UnitStatus.PENDING: {UnitStatus.DONE, UnitStatus.FAILED}},
)


def _units(run: HasColumns, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
    units = ScanUnit.__table__
    mine = (units.c.tenant_id == run.c.tenant_id, units.c.scan_run_id == run.c.id)
    return sa.select(sa.func.count()).select_from(units).where(*mine, *where).scalar_subquery()


def _all_done(run: HasColumns) -> sa.ColumnElement[bool]:
    done = _units(run, ScanUnit.__table__.c.status == UnitStatus.DONE)
    return sa.and_(_units(run) == run.c.units_expected, done == run.c.units_expected)


def _tenant_of(row: HasColumns) -> sa.ColumnElement[bool]:
    tenants = Tenant.__table__
    return sa.exists(sa.select(tenants.c.id).where(tenants.c.id == row.c.tenant_id))


def _run_of(unit: HasColumns) -> sa.Select[Any]:
    runs = ScanRun.__table__
    return sa.select(runs.c.id).where(runs.c.tenant_id == unit.c.tenant_id, runs.c.id == unit.c.scan_run_id)


def _account_of(run: HasColumns) -> sa.ColumnElement[bool]:
    accounts = Account.__table__
    mine = (accounts.c.tenant_id == run.c.tenant_id, accounts.c.id == run.c.account_id)
    return sa.exists(sa.select(accounts.c.id).where(*mine))


class ScanRun(TenantOwned, Timestamped, Base):
    """One look at an account. What it did not see is unknown unless the run is COMPLETE."""

    __tablename__ = "scan_runs"

    account_id: Mapped[UUID] = owned("accounts", comment="account that is looked at")
    kind: Mapped[ScanKind] = mapped_column(TextEnum(ScanKind), comment="what it looks for")
    status: Mapped[ScanStatus] = SCAN_LIFE.column(comment="how it ended")
    units_expected: Mapped[int] = mapped_column(Whole(1, 10_000), comment="regions x kinds that were to be looked at")
    lease_token: Mapped[UUID] = mapped_column(comment="who may write to the run")
    leased_until: Mapped[datetime] = mapped_column(comment="after this the run may be taken over")
    started_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="UTC"
    )
    finished_at: Mapped[datetime | None] = mapped_column(comment="UTC")
    seen: Mapped[int] = mapped_column(Whole(), default=0, server_default="0", comment="things found")
    added: Mapped[int] = mapped_column(Whole(), default=0, server_default="0", comment="of these, new ones")
    changed: Mapped[int] = mapped_column(
        Whole(), default=0, server_default="0", comment="of these, ones that differ from before"
    )
    vanished: Mapped[int] = mapped_column(
        Whole(), default=0, server_default="0", comment="known things no longer there"
    )
    error: Mapped[str | None] = mapped_column(Text(), comment="why it is not COMPLETE, for people")

    account: Mapped[Account] = belongs_to("ScanRun.account_id", back_populates="scan_runs")
    units: Mapped[list["ScanUnit"]] = has_many("ScanUnit.scan_run_id", back_populates="scan_run")

    __table_args__ = (
        check(
            "finished",
            "(status = 'RUNNING') = (finished_at IS NULL)",
            "finished_at is set exactly when the run has ended",
        ),
        Index(None, "tenant_id", "started_at"),
        Index(None, "tenant_id", "account_id", "kind", "started_at"),
        unique_where("uq_scan_runs_running", "tenant_id", "account_id", "kind", where="status = 'RUNNING'"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_scan_runs_complete",
                        events=("update",),
                        columns=("status",),
                        when=lambda old, new: sa.and_(
                            old.c.status == ScanStatus.RUNNING,
                            sa.or_(
                                sa.and_(new.c.status == ScanStatus.COMPLETE, sa.not_(_all_done(new))),
                                sa.and_(new.c.status == ScanStatus.PARTIAL, _all_done(new)),
                            ),
                        ),
                        message="a run is COMPLETE exactly when every expected unit exists and is DONE",
                    ),
                    Refusal(
                        rule="lc_scan_runs_ended",
                        events=("update",),
                        when=lambda old, _: old.c.status != ScanStatus.RUNNING,
                        message="a run that has ended is not changed",
                    ),
                    Refusal(
                        rule="lc_scan_runs_kept",
                        events=("delete",),
                        only=lambda old, _: sa.and_(old.c.kind == ScanKind.WASTE, old.c.status != ScanStatus.RUNNING),
                        # When the account or the tenant has gone, this is their cascade.
                        when=lambda old, _: sa.and_(_account_of(old), _tenant_of(old)),
                        message="a waste scan that has ended decides what may be deleted: it goes with its account",
                    ),
                ]
            }
        },
    )


class ScanUnit(TenantOwned, Timestamped, Base):
    """One region of one kind within a run. What a FAILED unit did not see is unknown, never vanished."""

    __tablename__ = "scan_units"

    scan_run_id: Mapped[UUID] = owned("scan_runs", comment="look it is a part of")
    region: Mapped[str] = mapped_column(Text(32, 1), comment="AWS region")
    resource_kind: Mapped[str] = mapped_column(Text(32, 1), comment="for example instances")
    status: Mapped[UnitStatus] = UNIT_LIFE.column(comment="how it ended")
    pages: Mapped[int] = mapped_column(Whole(), default=0, server_default="0", comment="pages AWS gave")
    items: Mapped[int] = mapped_column(Whole(), default=0, server_default="0", comment="things on them")
    error: Mapped[str | None] = mapped_column(Text(), comment="why it failed, for people")

    scan_run: Mapped[ScanRun] = belongs_to("ScanUnit.scan_run_id", back_populates="units")

    __table_args__ = (
        UniqueConstraint("tenant_id", "scan_run_id", "region", "resource_kind"),
        Index(None, "tenant_id", "updated_at"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_scan_units_frozen",
                        events=("insert", "update"),
                        when=lambda _, new: (
                            _run_of(new).where(ScanRun.__table__.c.status != ScanStatus.RUNNING).exists()
                        ),
                        # A run being completed at this moment must see this unit, or this unit its end.
                        lock=lambda _, new: _run_of(new).with_for_update(read=True),
                        message="the units of a run freeze when the run ends",
                    ),
                    Refusal(
                        rule="lc_scan_units_run",
                        events=("update",),
                        columns=("scan_run_id",),
                        when=lambda old, new: old.c.scan_run_id != new.c.scan_run_id,
                        message="a unit never changes its run: it is the evidence of this one",
                    ),
                    Refusal(
                        rule="lc_scan_units_kept",
                        events=("delete",),
                        # When the run or the tenant has gone, this is their cascade.
                        when=lambda old, _: sa.and_(
                            _run_of(old).exists(),
                            _tenant_of(old),
                            sa.not_(older_than(old.c.updated_at, UNITS_KEPT_HOURS)),
                        ),
                        message="the units of a run are its evidence: they go with the run, or after 90 days",
                    ),
                ]
            }
        },
    )
