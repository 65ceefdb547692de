"""Generating datasets: what leaves, in which order, and that nobody can be told from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    Dataset,
    DatasetGeneration,
    DatasetKind,
    Decision,
    ExperimentLog,
    GlobalRiskEvent,
    Instance,
    Tenant,
    get_db_session,
    system_scope,
)
from spothive.errors import Conflict, Denied, InvalidInput, NotAllowed, NotFound
from spothive.operations.datasets import (
    DECISIONS,
    INTERRUPTIONS,
    GenerationWish,
    JobCancelled,
    cancel_job,
    request_generation,
    run_generation,
)
from tests.conftest import settings
from tests.factories import make_account, make_instance
from tests.factories.decisions import decision
from tests.factories.samples import TABLES, sample
from tests.operations.datasets.conftest import Desk
from tests.watching import rows_of, statements

NOW = utc_now().replace(microsecond=0)
KINDS = (DatasetKind.DECISIONS, DatasetKind.INTERRUPTIONS)


def decide(instance: Instance, *minutes: int, **facts: Any) -> None:
    """Write decisions of so many minutes ago."""
    rows = [decision(instance, NOW - timedelta(minutes=each), **facts) for each in minutes]
    with get_db_session(tenant=instance.tenant_id) as session:
        session.execute(insert(ExperimentLog), rows)


def machine(tenant_id: UUID, number: int = 1) -> Instance:
    return make_instance(tenant_id, make_account(tenant_id).id, f"i-{number:08x}")


def interrupt(*numbers: int) -> None:
    """Write events, each of another minute."""
    rows = []
    for number in numbers:
        row = sample("global_risk_events", {}, 7, source_event_id=f"{number:064x}")
        at = NOW - timedelta(minutes=number)
        rows.append(row | {"reported_at": at, "expires_at": at + timedelta(hours=360)})
    with get_db_session() as session, system_scope(session, "a test"):
        session.execute(insert(GlobalRiskEvent), rows)


def test_decisions_are_written_with_what_they_were_taken_from(desk: Desk) -> None:
    told = {"price_ratio": 0.31, "size_class": 4.0, "customer": "initech", "advisor_band": "acme"}
    decide(
        machine(desk.world.acme),
        5,
        kind=Decision.SWITCH,
        features_used=told,
        selected_instance_type="c5.large",
        selected_availability_zone="eu-west-1b",
        prediction_score=0.25,
        candidates_evaluated=3,
        old_spot_price=1,
        new_spot_price=0,
        decision_reason="anna said so",
    )
    made = desk.generate(DatasetKind.DECISIONS)
    (row,) = desk.rows(made)
    assert tuple(row) == DECISIONS
    assert {key: value for key, value in row.items() if value} == {
        "decided_at": f"{NOW - timedelta(minutes=5):%Y-%m-%dT%H:%M:%S}.000000Z",
        "instance_type": "m5.large",
        "availability_zone": "eu-west-1a",
        "pipeline_mode": "CLUSTER",
        "is_shadow_run": "false",
        "decision": "SWITCH",
        "status": "RECORDED",
        "prediction_score": "0.25",
        "candidates_evaluated": "3",
        "selected_instance_type": "c5.large",
        "selected_availability_zone": "eu-west-1b",
        "old_spot_price": "1.000000",
        "new_spot_price": "0.000000",
        "feature_price_ratio": "0.31",
        "feature_size_class": "4.0",
    }
    assert rows_of(Dataset)[0]["columns"] == list(DECISIONS)


def test_what_only_looks_like_a_type_or_a_feature_stays(desk: Desk) -> None:
    told = {"price_ratio": 111122223333, "size_class": 1e308, "generation": 10**400, "price_change_1d": 0.1111222233334}
    own = machine(desk.world.acme)
    with get_db_session() as session, system_scope(session, "a test"):
        session.execute(update(Instance).values(instance_type="acme-corp.prod-db"))
    decide(own, 5, kind=Decision.SWITCH, features_used=told, selected_instance_type="m5.alice-smith")
    (row,) = desk.rows(desk.generate(DatasetKind.DECISIONS))
    names = ("instance_type", "selected_instance_type", *(f"feature_{name}" for name in told))
    assert [row[name] for name in names] == ["", "", "", "", "", "0.111122"]


def test_the_same_rows_make_the_same_file(desk: Desk, at_every_step: Callable[[], None]) -> None:
    decide(machine(desk.world.acme), 3, 9, 1, 7)
    interrupt(2, 8, 4)
    first = [desk.generate(kind, f"first {kind}") for kind in KINDS]
    at_every_step()  # in pages of another size
    second = [desk.generate(kind, f"second {kind}") for kind in KINDS]
    assert [made.written.file_hash for made in first] == [made.written.file_hash for made in second]
    assert [made.written.rows for made in first] == [4, 3]
    for made, moment in zip(first, ("decided_at", "reported_at"), strict=True):
        times = [row[moment] for row in desk.rows(made)]
        assert times == sorted(times)


def test_rows_of_one_moment_are_all_there_whatever_the_page(desk: Desk, at_every_step: Callable[[], None]) -> None:
    decide(machine(desk.world.acme), 5, 5, 5, 4)
    at_every_step()
    assert desk.generate(DatasetKind.DECISIONS).written.rows == 4


def test_a_range_takes_its_beginning_and_leaves_its_end_out(desk: Desk) -> None:
    decide(machine(desk.world.acme), 1, 2, 3, 4)
    since, until = (NOW - timedelta(minutes=each) for each in (3, 1))
    assert desk.generate(DatasetKind.DECISIONS, since=since, until=until).written.rows == 2
    assert desk.generate(DatasetKind.DECISIONS, "b", since=since).written.rows == 3
    assert desk.generate(DatasetKind.DECISIONS, "c", until=until + timedelta(days=9)).written.rows == 4


def test_the_own_tenant_alone_unless_staff_asks_for_all(desk: Desk) -> None:
    world = desk.world
    decide(machine(world.acme), 1, 4)
    decide(machine(world.globex), 2, 3)
    assert desk.generate(DatasetKind.DECISIONS).written.rows == 2
    both = desk.generate(DatasetKind.DECISIONS, by=world.admin, all_tenants=True)
    times = [row["decided_at"] for row in desk.rows(both)]
    assert (times, len(times)) == (sorted(times), 4)
    assert desk.generate(DatasetKind.DECISIONS, "own", by=world.admin).written.rows == 0
    with pytest.raises(Denied):
        desk.generate(DatasetKind.DECISIONS, "c", all_tenants=True)
    with pytest.raises(NotAllowed, match="is kept in platform"), get_db_session(tenant=world.acme) as session:
        request_generation(session, world.admin, GenerationWish("x", DatasetKind.DECISIONS, all_tenants=True))
    forged = {"kind": "decisions", "since": None, "until": NOW.isoformat(), "all_tenants": True}
    with get_db_session(tenant=world.acme) as session:
        job = DatasetGeneration(name="forged", config=forged)
        session.add(job)
    with pytest.raises(NotAllowed, match="is kept in platform"):
        run_generation(get_db_session, world.anna, tenant_id=world.acme, store=desk.store, job_id=job.id)


def test_nothing_that_names_anybody_leaves(desk: Desk) -> None:
    """Two whole graphs, in which every text is one that could give somebody away, and every id is known."""
    known: set[str] = set()
    tenants = [desk.world.acme, desk.world.globex]
    with get_db_session() as session, system_scope(session, "a test"):
        for number, tenant_id in enumerate(tenants, 11):
            graph: dict[str, Any] = {}
            parents = {"tenants": tenant_id}
            rows = _graph(session, parents, number)
            graph.update(rows)
            known |= _words(graph)
    for row in rows_of(Tenant):
        known |= {str(row["id"]), row["id"].hex, row["name"], row["slug"]}
    known -= {"Platform", "platform"}
    known |= {"platform", "admin", "anna", "acme", "globex"}
    for kind in KINDS:
        made = desk.generate(kind, kind, by=desk.world.admin, all_tenants=True)
        assert made.written.rows == len(tenants)
        text = desk.text(made).partition("\n")[2]
        cells = set(text.replace("\n", ",").split(","))
        assert [word for word in known if word in cells or (len(word) >= MARKED and word in text)] == []


MARKED = 6
"""Shorter texts, such as "x1", are looked for as whole values; they would be found in any number."""


def _graph(session: Any, parents: dict[str, UUID], number: int) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for name, table in TABLES.items():
        if name == "tenants":
            continue
        row = sample(name, parents, number, **_marked(name, number))
        session.execute(insert(table).values(row))
        rows[name], parents[name] = row, row["id"]
    return rows


def _marked(table: str, number: int) -> dict[str, Any]:
    """Return texts that give somebody away, where a decision or an event could carry them."""
    secret = f"secret-{number}-of-somebody"
    marked: dict[str, dict[str, Any]] = {
        "experiment_logs": {
            "decision_reason": secret,
            "experiment_name": secret,
            "selected_instance_type": f"m{number}.somebody",
            "selected_availability_zone": f"somebody-{number}",
            "features_used": {secret: 1.0, "price_ratio": secret, "generation": 6},
            "metrics": {"candidates": [secret]},
            "execution_time": NOW,
        },
        "instances": {"instance_id": f"i-somebody{number}", "availability_zone": f"zone-of-{number}-somebody"},
        "global_risk_events": {"event_metadata": {"whose": secret}},
    }
    return marked.get(table, {})


def _words(graph: dict[str, dict[str, Any]]) -> set[str]:
    found: set[str] = set()
    for row in graph.values():
        for name, value in row.items():
            if isinstance(value, UUID):
                found |= {str(value), value.hex}
            elif isinstance(value, str) and (name in NAMING or name.endswith(("_id", "_name", "_hash"))):
                found.add(value)
    return {word for word in found if word}


NAMING = {
    "name",
    "slug",
    "email",
    "username",
    "full_name",
    "role_arn",
    "external_id",
    "decision_reason",
    "notes",
    "prefix",
    "title",
    "url",
}
"""Columns whose texts name somebody or something of theirs."""


def test_what_cannot_be_made_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match="market cannot be generated, only imported"):
        desk.generate(DatasetKind.MARKET)
    with pytest.raises(InvalidInput, match="the range is empty"):
        desk.generate(DatasetKind.DECISIONS, since=NOW + timedelta(days=1))
    with pytest.raises(InvalidInput, match="the range is empty"):
        desk.generate(DatasetKind.DECISIONS, since=NOW, until=datetime(2020, 1, 1, tzinfo=UTC))
    since = datetime(2020, 1, 1)  # noqa: DTZ001 - that is the point
    naive: list[dict[str, Any]] = [{"since": since}, {"until": since}]
    for wish in naive:
        with pytest.raises(InvalidInput, match="are moments with a zone"):
            desk.generate(DatasetKind.DECISIONS, **wish)
    with pytest.raises(InvalidInput, match="is blank"):
        desk.generate(DatasetKind.DECISIONS, " ")
    decide(machine(desk.world.acme), 1, 2)
    with settings(SPOTHIVE_DATASET_MAX_ROWS="1"), pytest.raises(InvalidInput, match="2 rows are more than 1"):
        desk.generate(DatasetKind.DECISIONS)
    first = desk.generate(DatasetKind.DECISIONS)
    with pytest.raises(Conflict, match="is called 'made' already"):
        desk.generate(DatasetKind.DECISIONS)
    assert desk.generate(DatasetKind.DECISIONS, replace=True).replaced == first.written.path
    assert len(desk.files) == 1


def test_a_job_is_done_once_and_by_its_own_tenant(desk: Desk) -> None:
    world = desk.world
    with get_db_session(tenant=world.acme) as session:
        job_id = request_generation(session, world.anna, GenerationWish("later", DatasetKind.DECISIONS)).id
    with pytest.raises(NotFound):
        run_generation(get_db_session, world.gina, tenant_id=world.globex, store=desk.store, job_id=job_id)
    run_generation(get_db_session, world.anna, tenant_id=world.acme, store=desk.store, job_id=job_id)
    with pytest.raises(Conflict):
        run_generation(get_db_session, world.anna, tenant_id=world.acme, store=desk.store, job_id=job_id)
    assert (len(rows_of(Dataset)), len(desk.files)) == (1, 1)


def test_a_generation_that_is_cancelled_leaves_no_file(desk: Desk, at_every_step: Callable[[], None]) -> None:
    decide(machine(desk.world.acme), 1, 2, 3)
    at_every_step()

    def cancel(*_: int) -> None:
        (row,) = rows_of(DatasetGeneration)
        if row["status"] == "running":
            with get_db_session(tenant=desk.world.acme) as session:
                cancel_job(session, desk.world.anna, job_id=str(row["id"]))

    with pytest.raises(JobCancelled):
        desk.generate(DatasetKind.DECISIONS, progress=cancel)
    assert (rows_of(Dataset), desk.files) == ([], [])


def test_pages_cost_a_statement_each(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    decide(machine(desk.world.acme), *range(1, 10))
    monkeypatch.setattr("spothive.operations.datasets.generating.AT_ONCE", 4)
    monkeypatch.setattr("spothive.operations.datasets.generating._LEAST_AT_ONCE", 4)
    with statements() as sent:
        desk.generate(DatasetKind.DECISIONS)
    assert sum(count for text, count in sent.items() if "features_used" in text) == 3


def test_all_tenants_are_kept_in_platform(desk: Desk) -> None:
    desk.generate(DatasetKind.INTERRUPTIONS, by=desk.world.admin, all_tenants=True)
    (row,) = rows_of(Dataset)
    assert (row["tenant_id"], row["columns"]) == (PLATFORM_TENANT_ID, list(INTERRUPTIONS))
