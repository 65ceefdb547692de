"""Whose instance an interruption hit is known in system scope alone; that it came, everybody may know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Table,
    alias,
    column,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    table,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.orm import aliased, foreign, registry, relationship, selectinload

from spothive.database import SessionLocal, TenantSession, get_db_session, read_session, system_scope
from spothive.errors import NotAllowed
from spothive.models import GlobalRiskEvent, RiskSource, User
from tests.conftest import ENGINES, migrated_copy
from tests.factories.samples import TABLES, Row, sample, sample_graph

HIDDEN = [table for table in TABLES.values() if table.info.get("system_only")]
SOURCES = TABLES["risk_sources"]
ALPHA, BETA = UUID(int=0xA1FA), UUID(int=0xBE7A)
REFUSAL = r"risk_sources is for system scope alone: enter system_scope\(session, reason\)"


@pytest.fixture(scope="module", params=ENGINES)
def hit(
    request: pytest.FixtureRequest, templates: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Row]]:
    """Return a row of every table for tenant alpha, whose instance was interrupted; beta has as many."""
    with migrated_copy(request.param, templates, tmp_path_factory.mktemp("hit")):
        with get_db_session() as session, system_scope(session, "test"):
            sample_graph(session, BETA, 2)
            rows = sample_graph(session, ALPHA, 1)
            event = sample("global_risk_events", {}, 3)
            session.execute(insert(GlobalRiskEvent).values(event))
            source = {
                "risk_event_id": event["id"],
                "source_client_id": ALPHA,
                "account_id": rows["accounts"]["id"],
                "instance_id": "i-of-alpha",
            }
            session.execute(insert(RiskSource).values(source))
        yield rows | {"global_risk_events": event}


class Event:
    """An event that leads to its source, as code above might map it."""

    source: Any


class Source:
    """The other end."""


_mapped = registry()
_mapped.map_imperatively(Source, SOURCES)
_mapped.map_imperatively(
    Event,
    TABLES["global_risk_events"],
    properties={
        "source": relationship(
            Source,
            primaryjoin=TABLES["global_risk_events"].c.id == foreign(SOURCES.c.risk_event_id),
            viewonly=True,
            uselist=False,
        )
    },
)

READS: dict[str, Callable[[TenantSession], Any]] = {
    "model": lambda s: s.scalars(select(RiskSource)).all(),
    "alias of the model": lambda s: s.scalars(select(aliased(RiskSource))).all(),
    "column": lambda s: s.scalars(select(RiskSource.instance_id)).all(),
    "count": lambda s: s.scalar(select(func.count()).select_from(RiskSource)),
    "by id": lambda s: s.get(RiskSource, UUID(int=1)),
    "query": lambda s: s.query(RiskSource).all(),
    "core": lambda s: s.execute(select(SOURCES)).all(),
    "core on the connection": lambda s: s.connection().execute(select(SOURCES)).all(),
    "alias of the table": lambda s: s.execute(select(alias(SOURCES))).all(),
    "bare table": lambda s: s.execute(select(table("risk_sources", column("instance_id")))).all(),
    "text": lambda s: s.execute(text("SELECT * FROM risk_sources")).all(),
    "text in capitals": lambda s: s.execute(text("SELECT * FROM RISK_SOURCES")).all(),
    "text for a model": lambda s: s.scalars(
        select(RiskSource).from_statement(text("SELECT * FROM risk_sources"))
    ).all(),
    "text among columns": lambda s: s.execute(select(text("(SELECT max(instance_id) FROM risk_sources)"))).all(),
    "literal column": lambda s: s.execute(select(literal_column("(SELECT max(instance_id) FROM risk_sources)"))).all(),
    "join": lambda s: s.execute(
        select(GlobalRiskEvent.pool_id).join(RiskSource, RiskSource.risk_event_id == GlobalRiskEvent.id)
    ).all(),
    "outer join": lambda s: s.execute(
        select(GlobalRiskEvent.pool_id).outerjoin(SOURCES, SOURCES.c.risk_event_id == GlobalRiskEvent.id)
    ).all(),
    "cross join": lambda s: s.execute(
        select(GlobalRiskEvent.pool_id, SOURCES.c.account_id).join(SOURCES, true())
    ).all(),
    "subquery": lambda s: s.execute(select(select(RiskSource.instance_id).subquery())).all(),
    "scalar subquery": lambda s: s.scalar(select(select(func.max(SOURCES.c.instance_id)).scalar_subquery())),
    "exists": lambda s: s.scalars(
        select(GlobalRiskEvent).where(exists().where(RiskSource.risk_event_id == GlobalRiskEvent.id))
    ).all(),
    "in": lambda s: s.scalars(
        select(GlobalRiskEvent).where(GlobalRiskEvent.id.in_(select(RiskSource.risk_event_id)))
    ).all(),
    "common table": lambda s: s.execute(select(select(RiskSource.instance_id).cte("found"))).all(),
    "union": lambda s: s.execute(union_all(select(GlobalRiskEvent.id), select(RiskSource.id))).all(),
    "relationship": lambda s: [event.source for event in s.scalars(select(Event))],
    "relationship at once": lambda s: s.scalars(select(Event).options(selectinload(Event.source))).all(),
    "condition on a relationship": lambda s: s.scalars(select(Event).where(Event.source.has())).all(),
    "written to one's own table": lambda s: s.execute(
        update(User).values(full_name=select(func.max(RiskSource.instance_id)).scalar_subquery())
    ),
    "inserted elsewhere": lambda s: s.execute(
        insert(TABLES["tags"]).from_select(["name"], select(RiskSource.instance_id))
    ),
}


@pytest.mark.parametrize("tenant", [ALPHA, BETA, None], ids=["the one that was hit", "another", "unbound"])
@pytest.mark.parametrize("way", READS)
def test_no_way_of_reading_leads_to_a_source(hit: dict[str, Row], way: str, tenant: UUID | None) -> None:
    writes = way in {"written to one's own table", "inserted elsewhere"}
    if writes and tenant is None:
        return  # refused for another reason already
    with SessionLocal(tenant=tenant) as session, pytest.raises(NotAllowed, match=REFUSAL):
        READS[way](session)


def _source() -> Row:
    return {"risk_event_id": UUID(int=7), "source_client_id": BETA, "account_id": UUID(int=8), "instance_id": "i-1"}


def _flush(session: TenantSession) -> None:
    session.add(RiskSource(**_source()))
    session.flush()


WRITES: dict[str, Callable[[TenantSession], Any]] = {
    "model": lambda s: s.bulk_save_objects([RiskSource(**_source())]),
    "flush": _flush,
    "core": lambda s: s.execute(insert(SOURCES).values(**_source())),
    "update": lambda s: s.execute(update(RiskSource).values(instance_id="i-forged")),
    "delete": lambda s: s.execute(delete(SOURCES)),
    "text": lambda s: s.execute(text("DELETE FROM risk_sources")),
}


@pytest.mark.parametrize("way", WRITES)
def test_no_tenant_writes_a_source(hit: dict[str, Row], way: str) -> None:
    said = r"risk_sources .*system_scope\(session, reason\)"
    with SessionLocal(tenant=ALPHA) as session, pytest.raises(NotAllowed, match=said):
        WRITES[way](session)


def test_system_scope_reads_it_in_every_way_and_for_its_own_length_only(hit: dict[str, Row]) -> None:
    query = select(RiskSource.source_client_id).where(RiskSource.risk_event_id == hit["global_risk_events"]["id"])
    for _ in range(2):  # the second time the statement is compiled already
        with SessionLocal(tenant=BETA) as session:
            with system_scope(session, "test"):
                assert session.scalars(query).all() == [ALPHA]
                assert "i-of-alpha" in session.scalars(text("SELECT instance_id FROM risk_sources")).all()
                assert [event.source.instance_id for event in _events(session) if event.id == _id_of(hit)] == [
                    "i-of-alpha"
                ]
            with pytest.raises(NotAllowed, match=REFUSAL):
                session.scalars(query).all()


def _events(session: TenantSession) -> Any:
    return session.scalars(select(Event).options(selectinload(Event.source)))


def _id_of(hit: dict[str, Row]) -> UUID:
    found: UUID = hit["global_risk_events"]["id"]
    return found


@pytest.mark.parametrize("tenant", [ALPHA, BETA, None], ids=["the one that was hit", "another", "unbound"])
def test_everybody_reads_the_events(hit: dict[str, Row], tenant: UUID | None) -> None:
    with read_session(tenant=tenant) as session:
        event = session.get_one(GlobalRiskEvent, _id_of(hit))
        assert event.pool_id == hit["global_risk_events"]["pool_id"]
        assert event.id in session.scalars(select(TABLES["global_risk_events"].c.id)).all()
        events = session.scalars(select(GlobalRiskEvent)).all()
        assert session.scalar(text("SELECT count(*) FROM global_risk_events")) == len(events)


def test_nothing_a_tenant_can_read_names_who_was_hit(hit: dict[str, Row]) -> None:
    """Beta searches every column it can read for alpha; alpha searches what all tenants share."""
    names = {str(ALPHA), ALPHA.hex, str(hit["accounts"]["id"]), hit["accounts"]["id"].hex, "i-of-alpha"}
    readable = [each for each in TABLES.values() if each not in HIDDEN]
    shared = [each for each in readable if "global" in each.info and each.name != "tenants"]
    for tenant, searched in ((BETA, readable), (ALPHA, shared)):
        with read_session(tenant=tenant) as session:
            found = {each.name: list(_values(session, each)) for each in searched}
        assert found["global_risk_events"], "there is nothing to search"
        telling = {name for name, values in found.items() for value in values if any(n in value for n in names)}
        assert not telling, f"{sorted(telling)} would tell {tenant} who was hit"


def _values(session: TenantSession, searched: Table) -> Iterator[str]:
    for row in session.execute(select(searched)):
        for value in row:
            yield value.hex() if isinstance(value, bytes) else str(value)


def test_the_search_would_have_found_it(hit: dict[str, Row]) -> None:
    """In system scope the same search finds alpha: in the sources, and in its own rows."""
    with SessionLocal() as session, system_scope(session, "test"):
        telling = {each.name for each in TABLES.values() if str(ALPHA) in set(_values(session, each))}
    assert {"risk_sources", "accounts"} <= telling
    assert "global_risk_events" not in telling
