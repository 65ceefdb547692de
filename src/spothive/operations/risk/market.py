"""Facts of the market, shared by every tenant: writing what a source says."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession, system_scope
from spothive.database.bulk import insert_rows, is_any_of, update_rows
from spothive.models import Base, OnDemandPrice, ResourceType, SpotAdvisorRating, SpotPrice
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.risk.market_files import MarketFact, MarketRead, is_made_up
from spothive.schema.types import new_id


@dataclass(frozen=True, slots=True)
class MarketImported:
    """How many facts an import added, changed and found unchanged; kept are true ones that made-up ones met."""

    added: int
    changed: int
    unchanged: int
    kept: int = 0


@dataclass(frozen=True, slots=True)
class _Table:
    """Where a kind of fact is stored: the columns that tell one from another, and those that are told."""

    model: type[Any]
    key: tuple[str, ...]
    values: tuple[str, ...]


_BY_REGION = ("region", "instance_type", "os")
_TABLES: Final = {
    MarketFact.ON_DEMAND: _Table(OnDemandPrice, _BY_REGION, ("price",)),
    MarketFact.ADVISOR: _Table(SpotAdvisorRating, _BY_REGION, ("interruption_band", "savings_percent")),
    MarketFact.SPOT: _Table(
        SpotPrice, ("availability_zone", "instance_type", "product", "observed_at"), ("region", "price")
    ),
}


def import_market(session: TenantSession, actor: Actor, read: MarketRead) -> MarketImported:
    """Store the facts of a file, shared by every tenant; only what differs is written.

    Made-up facts replace made-up ones only; true ones replace any.

    Raises:
        Denied: ``actor`` is no staff of platform.
    """
    require_staff(actor, "market.imported", read.source)
    return store_facts(session, actor, read, event="market.imported", resource=read.source)


def require_staff(actor: Actor, attempt: str, resource: str) -> None:
    """Let ``actor`` change facts of the market, or refuse.

    Raises:
        Denied: ``actor`` is no staff of platform.
    """
    require(actor, Action.MANAGE_PLATFORM, attempt=attempt, resource=resource, resource_type=ResourceType.RISK)


def store_facts(session: TenantSession, actor: Actor, read: MarketRead, *, event: str, resource: str) -> MarketImported:
    """Write what differs, and one row of the audit trail; whether ``actor`` may has been asked before."""
    table = _TABLES[read.fact]
    with system_scope(session, f"{actor.label} stores {read.fact}"):
        known = _known(session, table, read)
        now, made_up = utc_now(), is_made_up(read.source)
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        kept = 0
        for key, values in read.facts.items():
            told = dict(zip(table.values, values, strict=True)) | {"source": read.source, "updated_at": now}
            if "observed_at" not in table.key:
                told["observed_at"] = now
            if key not in known:
                new.append({"id": new_id(), "created_at": now} | dict(zip(table.key, key, strict=True)) | told)
                continue
            row_id, source, before = known[key]
            if made_up and not is_made_up(source):
                kept += 1
            elif before != values or (is_made_up(source) and not made_up):
                changed.append({"id": row_id} | told)
        insert_rows(session, table.model, new)
        update_rows(session, table.model, changed)
        unchanged = len(read.facts) - len(new) - len(changed) - kept
        done = MarketImported(len(new), len(changed), unchanged, kept)
        after = {
            "facts": read.fact.value,
            "added": done.added,
            "changed": done.changed,
            "unchanged": unchanged + kept,
            "refused": len(read.refused),
        }
        record(session, actor, event, resource, ResourceType.RISK, after=after)
    return done


def _known(
    session: TenantSession, table: _Table, read: MarketRead
) -> dict[tuple[Any, ...], tuple[UUID, str, tuple[Any, ...]]]:
    """Return what is stored about the places and times ``read`` speaks of: key to id, source and values."""
    if not read.facts:
        return {}
    model: type[Base] = table.model
    columns = [getattr(model, name) for name in chain(("id", "source"), table.key, table.values)]
    places = {key[0] for key in read.facts}  # zones or regions
    query = select(*columns).where(is_any_of(session, getattr(model, table.key[0]), places))
    if "observed_at" in table.key:
        times = [key[-1] for key in read.facts]
        query = query.where(SpotPrice.observed_at.between(min(times), max(times)))
    width = 2 + len(table.key)
    return {tuple(row[2:width]): (row[0], row[1], tuple(row[width:])) for row in session.execute(query)}
