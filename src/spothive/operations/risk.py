"""Risk: what is known of the spot market."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession, system_scope
from spothive.database.bulk import insert_rows, update_rows
from spothive.errors import InvalidInput
from spothive.models import OnDemandPrice, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.schema.types import exact_money, new_id


@dataclass(slots=True)
class PricesRead:
    """What a price file holds: USD per hour by (region, instance type), and the entries that were refused."""

    source: str
    prices: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PricesImported:
    """How many prices an import added, changed and found unchanged."""

    added: int
    changed: int
    unchanged: int


def read_prices(name: str, data: bytes) -> PricesRead:
    """Read a table of Linux on-demand prices: ``{"regions": {region: {type: "0.0116"}}, "source": ...}``.

    Raises:
        InvalidInput: it is no such table; a single bad entry is refused by name instead.
    """
    try:
        document = json.loads(data.decode("utf-8-sig"), parse_float=Decimal)  # 0.1 is exact as it is written
        regions, source = document["regions"], str(document.get("source", name))[:255]
        entries = [(r, t, price) for r, table in regions.items() for t, price in table.items()]
    except (ValueError, ArithmeticError, RecursionError, KeyError, TypeError, AttributeError):
        msg = f'{name} is no price table: expected {{"regions": {{"us-east-1": {{"t3.micro": "0.0104"}}}}}} as JSON'
        raise InvalidInput(msg) from None
    read = PricesRead(source or name)
    for region, instance_type, price in entries:
        try:
            read.prices[_name(region), _name(instance_type)] = _price(price)
        except InvalidInput as error:
            read.refused.append(f"{region[:40]!r} {instance_type[:40]!r}: {error}")
    return read


def _name(text: str) -> str:
    if not text.isascii() or not text.isprintable() or not 1 <= len(text) <= 32:  # noqa: PLR2004 - the columns' length
        msg = "a region or type is 1 to 32 printable ASCII characters"
        raise InvalidInput(msg)
    return text


def _price(value: Any) -> Decimal:
    price = exact_money(value)
    if price < 0:
        msg = f"a price is not negative; got {price}"
        raise InvalidInput(msg)
    return price


def import_prices(session: TenantSession, actor: Actor, read: PricesRead) -> PricesImported:
    """Store on-demand prices, shared by every tenant; only what differs is written.

    Raises:
        Denied: ``actor`` is no staff of platform.
    """
    require(
        actor,
        Action.MANAGE_PLATFORM,
        attempt="market.imported",
        resource=read.source,
        resource_type=ResourceType.RISK,
    )
    with system_scope(session, f"{actor.label} imports prices"):
        query = select(OnDemandPrice.region, OnDemandPrice.instance_type, OnDemandPrice.id, OnDemandPrice.price)
        known = {
            (row[0], row[1]): (row[2], row[3]) for row in session.execute(query.where(OnDemandPrice.os == "Linux"))
        }
        now = utc_now()
        facts = {"source": read.source, "observed_at": now, "updated_at": now}
        new = [
            {
                "id": new_id(),
                "region": r,
                "instance_type": t,
                "os": "Linux",
                "price": price,
                "created_at": now,
            }
            | facts
            for (r, t), price in read.prices.items()
            if (r, t) not in known
        ]
        changed = [
            {"id": known[key][0], "price": price} | facts
            for key, price in read.prices.items()
            if key in known and known[key][1] != price
        ]
        insert_rows(session, OnDemandPrice, new)
        update_rows(session, OnDemandPrice, changed)
        after = {"added": len(new), "changed": len(changed), "refused": len(read.refused)}
        record(session, actor, "market.imported", read.source, ResourceType.RISK, after=after)
    return PricesImported(len(new), len(changed), len(read.prices) - len(new) - len(changed))
