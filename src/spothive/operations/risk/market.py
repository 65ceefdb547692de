"""Facts of the market, shared by every tenant: writing what a source says."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, and_, delete, func, or_, select

from spothive.clock import utc_now
from spothive.database import TenantSession, system_scope
from spothive.database.bulk import insert_rows, is_any_of, listed_rows, update_rows
from spothive.models import Base, OnDemandPrice, ResourceType, SpotAdvisorRating, SpotPrice
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.risk.market_files import SYNTHETIC, MarketFact, MarketRead, is_made_up
from spothive.schema.types import new_id


@dataclass(frozen=True, slots=True)
class MarketImported:
    """What an import did.

    Attributes:
        added: facts that were new.
        changed: facts that were stored differently.
        unchanged: facts that were known.
        kept: made-up facts that were left out because true ones are known.
        removed: made-up spot prices that went because true ones of their pools came.
    """

    added: int
    changed: int
    unchanged: int
    kept: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class _Table:
    """Where a kind of fact is stored: the columns that tell one from another, and those that are told."""

    model: type[Any]
    key: tuple[str, ...]
    values: tuple[str, ...]


_Key: TypeAlias = tuple[Any, ...]
_Facts: TypeAlias = dict[_Key, tuple[Any, ...]]

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

    Made-up facts replace made-up ones only; true ones replace any. A spot pool, which has a price for each time, has
    true prices or made-up ones and never both: made-up ones of a pool with true ones are left out, true ones remove
    those that were made up.

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
    table, made_up, now = _TABLES[read.fact], is_made_up(read.source), utc_now()
    with system_scope(session, f"{actor.label} stores {read.fact}"):
        wanted, kept, removed = read.facts, 0, 0
        if read.fact is MarketFact.SPOT and made_up:
            wanted = _of_pools_without_true_prices(session, read.facts)
            kept = len(read.facts) - len(wanted)
        elif read.fact is MarketFact.SPOT:
            removed = _remove_made_up(session, read.facts)
        known = _known(session, table, wanted)
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for key, values in wanted.items():
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
        done = MarketImported(len(new), len(changed), unchanged, kept, removed)
        after = {
            "facts": read.fact.value,
            "added": done.added,
            "changed": done.changed,
            "unchanged": unchanged + kept,
            "refused": len(read.refused),
        }
        if removed:
            after["removed"] = removed
        record(session, actor, event, resource, ResourceType.RISK, after=after)
    return done


def _known(session: TenantSession, table: _Table, facts: _Facts) -> dict[_Key, tuple[UUID, str, tuple[Any, ...]]]:
    """Return what is stored about the places and times of ``facts``: key to id, source and values."""
    if not facts:
        return {}
    model: type[Base] = table.model
    columns = [getattr(model, name) for name in chain(("id", "source"), table.key, table.values)]
    places = {key[0] for key in facts}  # zones or regions
    query = select(*columns).where(is_any_of(session, getattr(model, table.key[0]), places))
    if "observed_at" in table.key:
        times = [key[-1] for key in facts]
        query = query.where(SpotPrice.observed_at.between(min(times), max(times)))
    width = 2 + len(table.key)
    return {tuple(row[2:width]): (row[0], row[1], tuple(row[width:])) for row in session.execute(query)}


# --- spot pools: true prices or made-up ones --------------------------------------------------------------------------

# Begins like is_made_up, and tells upper from lower case on both databases, which LIKE does not.
_MADE_UP: Final = func.substr(SpotPrice.source, 1, len(SYNTHETIC)) == SYNTHETIC
_POOL: Final = ("zone", "type", "product")


def _of_pools_without_true_prices(session: TenantSession, facts: _Facts) -> _Facts:
    """Return the spot prices of pools of which no true price is stored; one statement."""
    pools = listed_rows(session, "pools", _POOL, {key[:3] for key in facts})
    true = select(SpotPrice.id).where(_in(pools), ~_MADE_UP).correlate(pools).exists()
    taken = {tuple(row) for row in session.execute(select(*pools.c).where(true))}
    return {key: values for key, values in facts.items() if key[:3] not in taken}


def _remove_made_up(session: TenantSession, facts: _Facts) -> int:
    """Remove the made-up prices of the pools of ``facts``; return how many there were. At most two statements.

    The oldest and the newest price of a pool tell whether it has any, so that a long true history is not read.
    """
    pools = listed_rows(session, "pools", _POOL, {key[:3] for key in facts})
    one = select(_MADE_UP).where(_in(pools)).correlate(pools).limit(1)
    ends = (one.order_by(at).scalar_subquery() for at in (SpotPrice.observed_at.desc(), SpotPrice.observed_at))
    found = [tuple(row) for row in session.execute(select(*pools.c).where(or_(*ends)))]
    if not found:
        return 0
    pools = listed_rows(session, "pools", _POOL, found)
    doomed = select(SpotPrice.id).join(pools, _in(pools)).where(_MADE_UP)
    gone = session.execute(delete(SpotPrice).where(SpotPrice.id.in_(doomed)))
    return cast("CursorResult[Any]", gone).rowcount


def _in(pools: Any) -> ColumnElement[bool]:
    here = (SpotPrice.availability_zone, SpotPrice.instance_type, SpotPrice.product)
    return and_(*(column == pools.c[name] for column, name in zip(here, _POOL, strict=True)))
