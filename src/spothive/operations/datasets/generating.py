"""Generating datasets for training: decisions with what came of them, and what AWS announced of spot pools.

Whose they are never leaves: no id, no name, no text that a person or a customer wrote. What does leave is listed
here column by column, and each value has to be a number, a moment, one of the words spothive knows, or what AWS
itself calls a type or a zone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from heapq import merge
from itertools import islice
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, or_, select

from spothive.blocks import refuse_in_block
from spothive.database import PLATFORM_TENANT_ID, TenantSession, read_session, system_scope
from spothive.errors import InvalidInput, NotAllowed
from spothive.gateways.dataset_store import DatasetStore
from spothive.gateways.instance_types import follows_naming, is_region, region_of_zone
from spothive.models import (
    DatasetGeneration,
    DatasetKind,
    ExperimentLog,
    GlobalRiskEvent,
    Instance,
    ResourceType,
    Tenant,
)
from spothive.operations.actor import Actor
from spothive.operations.datasets.importing import Progress, csv_bytes, tidy_replaced, writing
from spothive.operations.datasets.jobs import HeldJob, MadeDataset, Written, ask, claim, find_job
from spothive.operations.datasets.place import own_part
from spothive.operations.datasets.reading_files import INTERRUPTIONS, Row, moment_text
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions
from spothive.schema.types import clock_timestamp
from spothive.scoring.features import FEATURES, Feature
from spothive.settings import get_settings

DECISIONS: Final = (
    "decided_at",
    "instance_type",
    "availability_zone",
    "pipeline_mode",
    "is_shadow_run",
    "decision",
    "status",
    "prediction_score",
    "candidates_evaluated",
    "selected_instance_type",
    "selected_availability_zone",
    "old_spot_price",
    "new_spot_price",
    "projected_hourly_savings",
    *(f"feature_{feature.name}" for feature in FEATURES),
)
"""Columns of a dataset of the kind decisions; USD per hour."""

AT_ONCE: Final = 2000
"""Rows that are read by one statement; of many tenants together about ten times as many are kept at a time."""

_LEAST_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class GenerationWish:
    """What is to be in a dataset.

    Attributes:
        name: of the dataset.
        kind: decisions or interruptions.
        since: from this moment on (UTC).
        until: up to this moment, which is left out; that of the request when None.
        all_tenants: of every tenant; for staff, in platform.
        replace: whether it may take the place of a dataset of this name.
    """

    name: str
    kind: DatasetKind
    since: datetime | None = None
    until: datetime | None = None
    all_tenants: bool = False
    replace: bool = False


def request_generation(session: TenantSession, actor: Actor, wish: GenerationWish) -> DatasetGeneration:
    """Ask for a dataset of what spothive knows, to be made by :func:`run_generation`.

    Raises:
        Denied: the role does not allow it.
        NotAllowed: ``all_tenants`` outside of platform.
        InvalidInput: the kind cannot be generated, the range is empty or without a zone, or the name is blank.
        Conflict: a dataset has this name.
    """
    event = "dataset.generation_asked"
    if wish.all_tenants:
        require(actor, Action.MANAGE_PLATFORM, attempt=event, resource=wish.name, resource_type=ResourceType.DATASET)
        _refuse_outside_platform(session.tenant_id)
    if wish.kind not in _TAKE:
        msg = f"{wish.kind} cannot be generated, only imported: choose {' or '.join(_TAKE)}"
        raise InvalidInput(msg)
    if any(moment is not None and moment.tzinfo is None for moment in (wish.since, wish.until)):
        msg = "since and until are moments with a zone, such as 2026-01-15T09:30:00Z"
        raise InvalidInput(msg)
    now = session.scalars(select(clock_timestamp())).one()
    until = min(wish.until or now, now)  # what is decided meanwhile would make each run another
    if wish.since is not None and wish.since >= until:
        msg = "the range is empty: --since lies before --until, and in the past"
        raise InvalidInput(msg)
    config = {
        "kind": wish.kind,
        "since": wish.since.isoformat() if wish.since else None,
        "until": until.isoformat(),
        "all_tenants": wish.all_tenants,
        "replace": wish.replace,
    }
    job = DatasetGeneration(name=wish.name, config=config)
    ask(session, actor, job, event=event)
    return job


def generate_dataset(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    store: DatasetStore,
    wish: GenerationWish,
    progress: Progress | None = None,
) -> MadeDataset:
    """Ask for a dataset and make it at once; raises as :func:`request_generation` and :func:`run_generation`."""
    refuse_in_block("generate_dataset")
    with sessions(tenant=tenant_id) as session:
        job = request_generation(session, actor, wish)
        held = HeldJob(sessions, actor, tenant_id, job, claim(session, job))
    return _make(held, tenant_id, store, progress)


def run_generation(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    store: DatasetStore,
    job_id: UUID,
    progress: Progress | None = None,
) -> MadeDataset:
    """Make a dataset that was asked for; the same rows make the same file, to the byte.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        actor: who makes it.
        tenant_id: whose dataset it becomes.
        store: where its file goes.
        job_id: what :func:`request_generation` returned.
        progress: is told rows written and in all.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such job.
        Conflict: the job is no longer PENDING, or another dataset has its name by now.
        InvalidInput: there are more rows than a dataset may have.
        JobCancelled: somebody cancelled it meanwhile.
        AlreadyRunning: it stood still for so long that its lease ran out.
        ConfigurationError: the store cannot be written.
    """
    refuse_in_block("run_generation")
    with sessions(tenant=tenant_id) as session:
        job = find_job(session, str(job_id))
        require(
            actor,
            Action.MANAGE,
            attempt="dataset.generated",
            resource=job.name,
            resource_type=ResourceType.DATASET,
        )
        held = HeldJob(sessions, actor, tenant_id, job, claim(session, job))
    return _make(held, tenant_id, store, progress)


def _make(held: HeldJob, tenant_id: UUID, store: DatasetStore, progress: Progress | None) -> MadeDataset:
    store = own_part(store)
    with writing(held, store, tenant_id) as draft:
        kind = DatasetKind(held.config["kind"])
        columns, take = _TAKE[kind]
        found = take(_Wanted(tenant_id, held.config))
        draft.write(csv_bytes([columns]))
        rows, most = 0, get_settings().dataset_max_rows
        if found.count > most:
            msg = f"{found.count:,} rows are more than {most:,}: choose a range, or set SPOTHIVE_DATASET_MAX_ROWS"
            raise InvalidInput(msg)
        stream = iter(found.rows)
        while batch := list(islice(stream, AT_ONCE)):
            draft.write(csv_bytes(batch))
            rows += len(batch)
            held.keep(rows, rows * 100 // max(found.count, rows))
            if progress:
                progress(rows, max(found.count, rows))
        made = held.complete(Written(kind, draft.path, draft.keep(), rows, columns))
    tidy_replaced(store, tenant_id, made)
    return made


@dataclass(frozen=True, slots=True)
class _Stream:
    """Rows in their order, and about how many there are."""

    count: int
    rows: Iterator[Row]


class _Wanted:
    """What a job is to take, read from its row."""

    def __init__(self, tenant_id: UUID, config: dict[str, Any]) -> None:
        self.tenant_id = tenant_id
        self.all_tenants = bool(config["all_tenants"])
        if self.all_tenants:
            _refuse_outside_platform(tenant_id)
        self.since = datetime.fromisoformat(config["since"]) if config["since"] else None
        self.until = datetime.fromisoformat(config["until"])

    def within(self, query: Select[Any], moment: Any) -> Select[Any]:
        """Restrict ``query`` to the range."""
        query = query.where(moment < self.until)
        return query if self.since is None else query.where(moment >= self.since)

    def tenants(self) -> list[UUID]:
        """Return the tenants whose rows are taken."""
        if not self.all_tenants:
            return [self.tenant_id]
        with read_session() as session, system_scope(session, "a dataset of every tenant is made"):
            return list(session.scalars(select(Tenant.id).order_by(Tenant.id)))


def _refuse_outside_platform(tenant_id: UUID | None) -> None:
    if tenant_id != PLATFORM_TENANT_ID:
        msg = "a dataset of all tenants is kept in platform, where no customer reads it: leave --tenant out"
        raise NotAllowed(msg)


# --- decisions --------------------------------------------------------------------------------------------------------


def _take_decisions(wanted: _Wanted) -> _Stream:
    """Merge the tenants' decisions by time, so that not even their order tells which belong together."""
    log, tenants, count = ExperimentLog, wanted.tenants(), 0
    for tenant_id in tenants:
        with read_session(tenant=tenant_id) as session:
            query = select(func.count()).select_from(log).where(log.tenant_id == tenant_id)
            count += session.scalars(wanted.within(query, log.execution_time)).one()
    at_once = max(_LEAST_AT_ONCE, min(AT_ONCE, 10 * AT_ONCE // max(len(tenants), 1)))
    streams = [_decisions(wanted, tenant_id, at_once) for tenant_id in tenants]
    merged = merge(*streams, key=lambda row: (row.execution_time, row.id))
    return _Stream(count, (_decision_row(row) for row in merged))


def _decisions(wanted: _Wanted, tenant_id: UUID, at_once: int) -> Iterator[Any]:
    log = ExperimentLog
    columns: Any = (
        log.id,
        log.execution_time,
        Instance.instance_type,
        Instance.availability_zone,
        log.pipeline_mode,
        log.is_shadow_run,
        log.decision,
        log.status,
        log.prediction_score,
        log.candidates_evaluated,
        log.selected_instance_type,
        log.selected_availability_zone,
        log.old_spot_price,
        log.new_spot_price,
        log.projected_hourly_savings,
        log.features_used,
    )
    query = wanted.within(select(*columns).join(log.instance), log.execution_time).where(log.tenant_id == tenant_id)
    yield from _pages(query, log.execution_time, log.id, tenant_id, at_once)


def _pages(query: Select[Any], when: Any, row_id: Any, tenant_id: UUID, at_once: int) -> Iterator[Any]:
    """Yield the rows of ``query``, oldest first, each page in a transaction of its own.

    Their first column is the id, and the second the moment.
    """
    query, last = query.order_by(when, row_id).limit(at_once), None
    while True:
        page = query
        if last is not None:
            # The first condition is all that an index on the time can use.
            page = query.where(when >= last[1], or_(when > last[1], row_id > last[0]))
        with read_session(tenant=tenant_id) as session:
            rows = session.execute(page).all()
        yield from rows
        if len(rows) < at_once:
            return
        last = rows[-1]


def _decision_row(row: Any) -> Row:
    return (
        moment_text(row.execution_time),
        _type(row.instance_type),
        _zone(row.availability_zone),
        row.pipeline_mode.value,
        "true" if row.is_shadow_run else "false",
        row.decision.value,
        row.status.value,
        _number(row.prediction_score),
        _number(row.candidates_evaluated),
        _type(row.selected_instance_type),
        _zone(row.selected_availability_zone),
        _number(row.old_spot_price),
        _number(row.new_spot_price),
        _number(row.projected_hourly_savings),
        *(_feature(feature, row.features_used.get(feature.name)) for feature in FEATURES),
    )


# --- interruptions ----------------------------------------------------------------------------------------------------


def _take_interruptions(wanted: _Wanted) -> _Stream:
    """Take what the hive knows, which is shared by every tenant and names none."""
    event = GlobalRiskEvent
    with read_session(tenant=wanted.tenant_id) as session:
        query = select(func.count()).select_from(event)
        count = session.scalars(wanted.within(query, event.reported_at)).one()
    columns: Any = (
        event.id,
        event.reported_at,
        event.event_type,
        event.region,
        event.availability_zone,
        event.instance_type,
    )
    query = wanted.within(select(*columns), event.reported_at)
    rows = _pages(query, event.reported_at, event.id, wanted.tenant_id, AT_ONCE)
    return _Stream(count, (_interruption_row(row) for row in rows))


def _interruption_row(row: Any) -> Row:
    region = row.region if is_region(row.region) else ""
    zone, instance_type = _zone(row.availability_zone), _type(row.instance_type)
    return (row.event_type.value, region, zone, instance_type, moment_text(row.reported_at))


_TAKE: Final[dict[DatasetKind, tuple[tuple[str, ...], Callable[[_Wanted], _Stream]]]] = {
    DatasetKind.DECISIONS: (DECISIONS, _take_decisions),
    DatasetKind.INTERRUPTIONS: (INTERRUPTIONS, _take_interruptions),
}


# --- one value --------------------------------------------------------------------------------------------------------


def _type(value: str | None) -> str:
    return value if value is not None and follows_naming(value) else ""


def _zone(value: str | None) -> str:
    return value if value is not None and region_of_zone(value) is not None else ""


def _feature(feature: Feature, value: Any) -> str:
    """Write a feature to the millionth; out of the range within which every model is told it, it is something else."""
    if not _number(value) or not feature.low <= value <= feature.high:
        return ""
    return _number(round(value, 6))


def _number(value: Any) -> str:
    """Write a number; whatever else stands in its place is left out."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return ""
    try:
        if not math.isfinite(value):
            return ""
    except OverflowError:  # a whole number of hundreds of digits
        return ""
    return f"{value:f}" if isinstance(value, Decimal) else repr(value)
