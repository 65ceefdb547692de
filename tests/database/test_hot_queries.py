"""What is asked often, or of much, is found by an index although row policies filter too.

A condition whose operator is not leakproof cannot be a condition of an index under a row policy: the plan then reads
all rows of the tenant, which no result shows. So the plans of the very statements are looked at that functions send.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession, get_db_session, read_session, system_scope
from spothive.database.sample import make_sample
from spothive.models import Account, Cluster, Decision, DecisionStatus, ExperimentLog, Instance, Tenant
from spothive.operations.decisions import DecisionFilter, find_decision, list_decisions, rollups, savings_report
from spothive.operations.fleet import InstanceFilter, accounts, list_accounts, list_instances
from spothive.operations.jobs import ActionFilter, list_actions, list_jobs
from spothive.operations.risk import check_pools
from spothive.operations.sla import downtime_report, list_outages
from tests.conftest import ENGINES, Database, migrated_copy, settings
from tests.factories.sealing import make_keyring
from tests.watching import explained_all

NOW = utc_now()
TODAY = NOW.date()
POOL = "us-east-1:us-east-1a:m5.large"


class World(NamedTuple):
    """A sample, and what of its first tenant is asked for."""

    db: Database
    tenant: UUID
    account: Account
    instance: Instance
    cluster: Cluster
    decision: UUID


@pytest.fixture(scope="module")
def worlds(templates: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, World]]:
    with ExitStack() as databases:
        yield {
            engine: _make_world(
                databases.enter_context(migrated_copy(engine, templates, tmp_path_factory.mktemp("hot")))
            )
            for engine in ENGINES
        }


def _make_world(db: Database) -> World:
    made = make_sample(make_keyring(), tenants=2, instances=20, days=10, seed=1)
    if db.engine == "postgresql":  # SQLite judges by the keys alone, as it does where nobody lets it count
        with db.raw(owner=True) as owner:
            owner.execute("ANALYZE")
    with read_session() as session, system_scope(session, "a test looks"):
        tenant = session.scalars(select(Tenant.id).where(Tenant.slug == made.slugs[0])).one()
    with read_session(tenant=tenant) as session:
        decision = session.scalars(select(ExperimentLog).limit(1)).one()
        account = session.get_one(Account, decision.account_id)
        cluster = session.scalars(select(Cluster).limit(1)).one()
        return World(db, tenant, account, session.get_one(Instance, decision.instance_id), cluster, decision.id)


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, worlds: dict[str, World]) -> Iterator[World]:
    found = worlds[request.param]
    with settings(DATABASE_URL=found.db.service_url, SPOTHIVE_OWNER_URL=found.db.owner_url):
        yield found


Ask = Callable[[World, TenantSession], object]


def _decisions(**wanted: Any) -> Ask:
    return lambda _, session: list_decisions(session, DecisionFilter(**wanted), limit=20)


def _report(_: World, session: TenantSession) -> object:
    return savings_report(session, since=TODAY, until=TODAY + timedelta(days=1))


def _delete_decisions(world: World, session: TenantSession) -> object:
    mine: Any = lambda **_: nullcontext(session)  # noqa: E731 - sessions that are this one
    return accounts._delete_decisions(mine, world.tenant, world.account.id, after=NOW)  # noqa: SLF001 - its plan


def _delete_instances(world: World, session: TenantSession) -> object:
    mine: Any = lambda **_: nullcontext(session)  # noqa: E731 - as above
    return accounts._delete_batch(mine, world.tenant, world.account.id)  # noqa: SLF001 - its plan


def _count_a_day(_: World, session: TenantSession) -> object:
    with system_scope(session, "a day is counted"):
        return session.execute(rollups._counts(TODAY)).all()  # noqa: SLF001 - its plan


def _find_a_day(_: World, session: TenantSession) -> object:
    with system_scope(session, "a day is looked for"):
        return rollups._first_day(session, TODAY)  # noqa: SLF001 - its plan


HOT: dict[str, tuple[Ask, dict[str, str]]] = {
    "report": (_report, {"experiment_logs": "execution_time", "decision_rollups": "tenant_id"}),
    "find a day": (_find_a_day, {"experiment_logs": "tenant_id.*execution_time"}),
    "count a day": (_count_a_day, {"experiment_logs": "execution_time"}),
    "decisions": (_decisions(since=NOW), {"experiment_logs": "execution_time"}),
    "decisions of an account": (
        lambda world, session: _decisions(account=world.account.account_name, since=NOW)(world, session),
        {"experiment_logs": "account_id|execution_time"},
    ),
    "decisions that were reverted": (_decisions(status=DecisionStatus.REVERTED), {"experiment_logs": "status"}),
    "decisions that failed": (_decisions(decision=Decision.FAILED), {"experiment_logs": r"\bdecision\b"}),
    "decisions about an instance": (
        lambda world, session: _decisions(instance=world.instance.instance_id)(world, session),
        {"experiment_logs": "tenant_id", "instances": r"\bid\b|instance_id"},
    ),
    "a decision": (
        lambda world, session: find_decision(session, world.decision),
        {"experiment_logs": r"\bid\b", "explanations": "experiment_log_id"},
    ),
    "delete decisions": (_delete_decisions, {"experiment_logs": "execution_time"}),
    "delete instances": (_delete_instances, {"instances": "account_id|instance_id|replica_of_id"}),
    "accounts": (lambda _, session: list_accounts(session), {"instances": "tenant_id"}),
    "instances of an account": (
        lambda world, session: list_instances(session, InstanceFilter(account=world.account.account_name)),
        {"instances": "tenant_id"},
    ),
    "pools": (lambda _, session: check_pools(session, [POOL]), {"spot_pool_risks": "pool_id"}),
    "actions": (lambda _, session: list_actions(session, ActionFilter()), {"agent_actions": "tenant_id"}),
    "actions of a cluster": (
        lambda world, session: list_actions(session, ActionFilter(cluster_id=world.cluster.id)),
        {"agent_actions": "tenant_id"},
    ),
    "jobs": (lambda _, session: list_jobs(session), {"optimization_jobs": "tenant_id"}),
    "outages": (lambda _, session: list_outages(session, month=TODAY), {"downtime_logs": "tenant_id"}),
    "months": (lambda _, session: downtime_report(session, month=TODAY), {"downtime_logs": "tenant_id"}),
}
"""What is asked, and of which tables which column has to be a condition of the index."""


@pytest.mark.parametrize("name", HOT)
def test_an_index_is_told_what_is_looked_for(world: World, name: str) -> None:
    ask, tables = HOT[name]
    for table, column in tables.items():
        with get_db_session(tenant=world.tenant) as session:
            if world.db.engine == "postgresql":  # which reads a small table from end to end
                session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")
            plans = explained_all(session, table, lambda: ask(world, session))
            session.rollback()
        assert plans
        for plan in plans:
            looks = _looks(world.db.engine, table, plan)
            assert looks, plan
            assert all(re.search(column, conditions) for conditions in looks), plan


def _looks(engine: str, table: str, plan: str) -> list[str]:
    """Return the conditions with which indexes of ``table`` are searched, once for each time it is read."""
    if engine == "sqlite":
        read = rf"(?:SEARCH|SCAN) (?:main\.)?{table}(?:_\d+)?\b.*"
        return [line.partition("(")[2] for line in re.findall(read, plan)]
    # A Bitmap Heap Scan has its index on a line of its own.
    nodes = re.split(r"\n(?=\s*(?:->|SubPlan|InitPlan|CTE))", plan)
    mine = [
        node
        for node in nodes
        if re.search(rf"(?:Seq Scan|Index(?: Only)? Scan(?: Backward)? using \S+) on {table}\b", node)
    ]
    mine += [node for node in nodes if re.search(rf"Bitmap Index Scan on \S*_{table}(?:_|\b)", node)]
    return [" ".join(re.findall(r"Index Cond: (.*)", node)) for node in mine]
