"""The sample: rows in every table, as the rules want them and in agreement with one another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import sqlalchemy as sa

from spothive.clock import utc_now
from spothive.database import get_db_session, read_session, system_scope
from spothive.database.drift import find_drift
from spothive.database.passwords import check_password
from spothive.database.sample import MOST_SEED, Sampled, make_sample
from spothive.database.sample.judging import score_range
from spothive.database.sample.people import NO_PASSWORD
from spothive.errors import Conflict, InvalidInput
from spothive.keyring import Keyring
from spothive.models import (
    PLATFORM_TENANT_ID,
    Account,
    ActionStatus,
    AuditLog,
    Base,
    Decision,
    RollupWatermark,
    Tenant,
    User,
    WebhookConfiguration,
)
from spothive.schema.sealed import Sealed, sealed_columns, unseal
from spothive.schema.tenancy import TenantOwned
from spothive.schema.types import TextEnum
from tests.conftest import ENGINES, Database, migrated_copy, settings
from tests.factories import make_price
from tests.factories.samples import sql_delete
from tests.factories.sealing import make_keyring

UNTIL = datetime(2026, 1, 15, 9, tzinfo=UTC)
SMALL: dict[str, Any] = {"tenants": 2, "instances": 10, "days": 3, "until": UNTIL}
TENANTS, INSTANCES, DAYS = 3, 20, 30
HISTORY = {"account_logs", "audit_logs", "login_history", "system_logs"}
BLOCKED = timedelta(hours=360)
STAMPED = {("audit_logs", "timestamp"), ("audit_logs", "txid")}

Row = dict[str, Any]
Content = dict[str, list[Row]]


class World(NamedTuple):
    """A sample, where it is, and what was told while it was made."""

    db: Database
    made: Sampled
    keyring: Keyring
    rows: Content
    told: list[tuple[int, int]]


@pytest.fixture(scope="module")
def worlds(templates: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, World]]:
    """A sample on each database, large enough for everything to happen."""
    with ExitStack() as databases:
        yield {
            engine: make_world(
                databases.enter_context(migrated_copy(engine, templates, tmp_path_factory.mktemp("sample")))
            )
            for engine in ENGINES
        }


def make_world(db: Database) -> World:
    keyring = make_keyring()
    told: list[tuple[int, int]] = []
    sizes: dict[str, Any] = {"tenants": TENANTS, "instances": INSTANCES, "days": DAYS, "seed": 1, "until": UNTIL}
    made = make_sample(keyring, **sizes, progress=lambda done, expected: told.append((done, expected)))
    return World(db, made, keyring, content(), told)


@pytest.fixture(params=ENGINES)
def world(request: pytest.FixtureRequest, worlds: dict[str, World]) -> Iterator[World]:
    """The sample on one of the databases, which a test only reads."""
    found = worlds[request.param]
    with settings(DATABASE_URL=found.db.service_url, SPOTHIVE_OWNER_URL=found.db.owner_url):
        yield found


def content() -> Content:
    """Return every row of every table, in the order of the ids."""
    found = {}
    with read_session() as session, system_scope(session, "a test looks"):
        for table in Base.metadata.sorted_tables:
            rows = session.execute(sa.select(table).order_by(table.c.id)).mappings()
            found[table.name] = [dict(row) for row in rows]
    return found


def by_id(rows: list[Row]) -> dict[UUID, Row]:
    return {row["id"]: row for row in rows}


def terminations(rows: Content) -> dict[str, list[datetime]]:
    found = defaultdict(list)
    for event in rows["global_risk_events"]:
        if event["event_type"] == "termination_notice":
            found[event["pool_id"]].append(event["reported_at"])
    return found


def pool_of(row: Row) -> str:
    return f"{row['region']}:{row['availability_zone']}:{row['instance_type']}"


# --- the whole -----------------------------------------------------------------------------------


LEFT_TO_OTHERS = {"audit_seals", "decision_rollups", "rollup_watermarks", "withdrawn_keys"}
"""Made from rows of all tenants, or of real keys."""


def test_every_table_has_rows_but_those_that_tell_of_real_keys(world: World) -> None:
    assert {name for name, rows in world.rows.items() if not rows} == LEFT_TO_OTHERS


def test_the_rows_are_counted(world: World) -> None:
    there = {name: len(rows) for name, rows in world.rows.items() if rows}
    there["tenants"] -= 1  # platform was there before
    assert world.made.counts == there
    assert world.made.slugs == ("sample-1-1", "sample-1-2", "sample-1-3")


def test_there_is_about_one_decision_an_instance_a_day(world: World) -> None:
    assert world.made.counts["experiment_logs"] == pytest.approx(TENANTS * INSTANCES * DAYS, rel=0.2)


def test_postgresql_knows_what_it_holds(world: World) -> None:
    if world.db.engine != "postgresql":
        return  # SQLite plans without
    with world.db.raw(owner=True) as connection:
        query = "SELECT relname FROM pg_stat_user_tables WHERE last_analyze IS NULL"
        unknown = {name for (name,) in connection.execute(query).fetchall()}
    assert unknown.isdisjoint(Base.metadata.tables)


def test_no_guard_was_lowered(world: World) -> None:
    assert find_drift() == []


def test_the_history_lies_before_its_end(world: World) -> None:
    late = {
        (name, column)
        for name, rows in world.rows.items()
        for row in rows
        for column in ("created_at", "updated_at", "timestamp", "execution_time", "started_at", "completed_at")
        if (name, column) not in STAMPED and isinstance(row.get(column), datetime) and row[column] > UNTIL
        if row.get("tenant_id") != PLATFORM_TENANT_ID and row.get("slug") != "platform"
    }
    assert late == set()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("accounts", "status"),
        ("accounts", "connection_method"),
        ("onboarding_requests", "status"),
        ("instances", "auth_status"),
        ("scan_runs", "kind"),
        ("scan_units", "status"),
        ("experiment_logs", "decision"),
        ("experiment_logs", "status"),
        ("ml_models", "status"),
        ("lab_experiments", "status"),
        ("waste_resources", "status"),
        ("approval_requests", "status"),
        ("approval_requests", "action_type"),
        ("optimization_jobs", "status"),
        ("agent_actions", "status"),
        ("email_logs", "status"),
        ("webhook_logs", "status"),
    ],
)
def test_states_that_can_be_told_are_there(world: World, table: str, column: str) -> None:
    untold = {
        "accounts.status": {"connected"},  # it becomes active within the hour
        "instances.auth_status": {"terminated"},
        "ml_models.status": {"CANDIDATE", "ARCHIVED"},
        "scan_units.status": {"PENDING"},
    }
    kind = Base.metadata.tables[table].c[column].type
    assert isinstance(kind, TextEnum)
    expected = {member.value for member in kind.enum_class} - untold.get(f"{table}.{column}", set())
    assert {str(row[column]) for row in world.rows[table]} == expected


# --- the same arguments, the same rows -----------------------------------------------------------


def test_every_database_gets_the_same_rows(templates: dict[str, str], tmp_path: Path) -> None:
    seen = []
    for number, engine in enumerate((*ENGINES, "sqlite")):
        folder = tmp_path / str(number)
        folder.mkdir()
        with migrated_copy(engine, templates, folder):
            make_sample(make_keyring(), **SMALL)
            seen.append(comparable(content()))
    for other in seen[1:]:
        for table, rows in seen[0].items():
            assert other[table] == rows, table


def comparable(rows: Content) -> Content:
    """Leave out what the databases stamp, and what sealing never makes twice."""
    sealed = {(column.table.name, column.name) for column in sealed_columns(Base.metadata)}
    return {
        name: [
            {column: value for column, value in row.items() if (name, column) not in STAMPED | sealed}
            for row in found
            if row["id"] != PLATFORM_TENANT_ID
        ]
        for name, found in rows.items()
    }


def test_another_seed_makes_others_beside_the_first(db: Database) -> None:
    make_sample(make_keyring(), **SMALL)
    prices = len(content()["spot_prices"])
    second = make_sample(make_keyring(), **SMALL, seed=2)
    rows = content()
    assert {row["slug"] for row in rows["tenants"]} == {
        "platform",
        "sample-1-1",
        "sample-1-2",
        "sample-2-1",
        "sample-2-2",
    }
    assert len(rows["spot_prices"]) == prices, "the market is one"
    assert "spot_prices" not in second.counts
    assert_pools_tell_of_the_events(rows)
    assert find_drift() == []


# --- all or nothing ------------------------------------------------------------------------------


@pytest.mark.engines("postgresql")
def test_a_sample_stands_though_its_statistics_cannot_be_made(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    with settings(DATABASE_URL=db.service_url, SPOTHIVE_OWNER_URL="postgresql://nobody@127.0.0.1:1/nothing"):
        made = make_sample(make_keyring(), tenants=1, instances=10, days=1)
    assert made.counts["instances"] >= 10
    assert "no statistics" in caplog.text


def test_a_second_run_is_refused_and_changes_nothing(db: Database) -> None:
    make_sample(make_keyring(), **SMALL)
    before = content()
    with pytest.raises(Conflict, match="has, or had, a sample of seed 1: take another seed"):
        make_sample(make_keyring(), **SMALL)
    assert content() == before
    for row in before["tenants"]:
        if row["slug"] != "platform":
            delete(db, "tenants", row["id"])
    with pytest.raises(Conflict, match="has, or had, a sample of seed 1"):
        make_sample(make_keyring(), **SMALL)


def test_a_tenant_of_that_name_is_left_alone(db: Database) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        session.add(Tenant(slug="sample-1-2", name="a real one"))
    before = content()
    with pytest.raises(Conflict, match="there is a tenant sample-1-2, which is no sample"):
        make_sample(make_keyring(), **SMALL)
    assert content() == before


def test_real_prices_are_left_alone(db: Database) -> None:
    make_price("m5.large", "0.1")
    before = content()
    with pytest.raises(Conflict, match=r"prices from elsewhere \(test\)"):
        make_sample(make_keyring(), **SMALL)
    assert content() == before


def test_what_is_interrupted_leaves_nothing(db: Database) -> None:
    before = content()

    def interrupt(done: int, _expected: int) -> None:
        assert done > 0, "it had begun to write"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_sample(make_keyring(), **SMALL, progress=interrupt)
    assert content() == before
    make_sample(make_keyring(), **SMALL)


def test_progress_ends_with_all_decisions(world: World) -> None:
    assert world.told == sorted(world.told)
    assert all(done <= expected for done, expected in world.told)
    assert world.told[-1][0] == world.made.counts["experiment_logs"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tenants": 0}, "1 to 1000 for tenants, not 0"),
        ({"instances": 9}, "10 to 100000 for instances, not 9"),
        ({"days": 366}, "1 to 365 for days, not 366"),
        ({"seed": MOST_SEED + 1}, "for seed"),
        ({"until": datetime(2026, 1, 1)}, "aware time"),  # noqa: DTZ001 - naive on purpose
        ({"until": utc_now() + timedelta(days=1)}, "ends now or earlier"),
    ],
)
def test_sizes_have_bounds(db: Database, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        make_sample(make_keyring(), **(SMALL | wrong))


def test_the_smallest_and_a_present_one_work(db: Database) -> None:
    made = make_sample(make_keyring(), tenants=1, instances=10, days=1)
    assert (made.until.minute, made.until.second) == (0, 0)
    assert utc_now() - made.until < timedelta(hours=2)
    empty = {name for name, rows in content().items() if not rows}
    assert empty == LEFT_TO_OTHERS


def test_days_that_are_counted_get_no_sample(db: Database) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        session.add(RollupWatermark(name="decisions", position="2026-01-01 2026-01-01 1"))
    make_sample(make_keyring(), tenants=1, instances=10, days=1)
    before = content()
    with pytest.raises(Conflict, match="has counted its decisions up to 2026-01-01: make the sample in another"):
        make_sample(make_keyring(), tenants=1, instances=10, days=1, seed=2, until=datetime(2026, 1, 1, tzinfo=UTC))
    assert content() == before


def delete(db: Database, table: str, row_id: UUID) -> None:
    """Delete a row by one raw DELETE."""
    with db.raw() as raw:
        if db.engine == "postgresql":
            raw.execute("SET ROLE spothive_system")
        assert raw.execute(sql_delete(db.engine, table, row_id)).rowcount == 1


def test_a_tenant_can_be_deleted_by_raw_sql(db: Database) -> None:
    make_sample(make_keyring(), **SMALL)
    before = content()
    gone = next(row["id"] for row in before["tenants"] if row["slug"] == "sample-1-1")
    delete(db, "tenants", gone)
    after = content()
    for name, rows in before.items():
        if "tenant_id" not in Base.metadata.tables[name].c:
            left = [row for row in rows if row["id"] != gone]
        else:
            left = [row for row in rows if row["tenant_id"] != gone or name in HISTORY]
        assert after[name] == left, name


def test_its_parts_can_be_deleted_by_raw_sql(db: Database) -> None:
    make_sample(make_keyring(), **SMALL)
    before = content()
    cluster = next(row for row in before["clusters"] if row["name"] == "shop")
    account = next(row for row in before["accounts"] if row["id"] == cluster["account_id"])
    for table, row_id in (("clusters", cluster["id"]), ("accounts", account["id"]), ("users", account["user_id"])):
        delete(db, table, row_id)
        assert row_id not in by_id(content()[table])
    after = content()
    for name in HISTORY | {"global_risk_events", "risk_sources"}:
        assert after[name] == before[name], name
    for name in ("accounts", "instances", "experiment_logs", "webhook_configurations"):
        assert account["tenant_id"] not in {row["tenant_id"] for row in after[name]}, name


# --- people and secrets --------------------------------------------------------------------------


def test_nobody_can_sign_in(world: World) -> None:
    assert {row["password_hash"] for row in world.rows["users"]} == {NO_PASSWORD}
    assert not check_password(NO_PASSWORD, NO_PASSWORD)


def test_nothing_can_reach_anyone(world: World) -> None:
    addresses = [row["email"] for row in world.rows["users"]]
    addresses += [row["recipient_email"] for row in world.rows["email_logs"]]
    addresses += [row["url_host"] for row in world.rows["webhook_configurations"]]
    assert {address.rpartition(".")[2] for address in addresses} == {"example"}


def test_every_sealed_column_opens_with_the_given_keyring(world: World) -> None:
    opened: Counter[str] = Counter()
    models: list[type[Account | User | WebhookConfiguration]] = [Account, User, WebhookConfiguration]
    with read_session() as session, system_scope(session, "a test looks"):
        for model in models:
            names = [column.name for column in model.__table__.c if isinstance(column.type, Sealed)]
            for row in session.scalars(sa.select(model)).all():
                assert isinstance(row, TenantOwned)
                for name in names:
                    if getattr(row, name) is not None:
                        assert unseal(world.keyring, row, name)
                        opened[f"{model.__tablename__}.{name}"] += 1
    assert set(opened) == {f"{column.table.name}.{column.name}" for column in sealed_columns(Base.metadata)}


def test_log_ins_fail_too_and_unknown_names_belong_to_platform(world: World) -> None:
    rows = world.rows["login_history"]
    users = by_id(world.rows["users"])
    assert {row["success"] for row in rows} == {True, False}
    for row in rows:
        if row["user_id"] is None:
            assert (row["tenant_id"], row["failure_reason"]) == (PLATFORM_TENANT_ID, "unknown user")
        else:
            assert users[row["user_id"]]["username"] == row["login_name"]


def test_no_key_is_used_before_it_is_made_or_after_it_is_revoked(world: World) -> None:
    keys = by_id(world.rows["api_keys"])
    last: dict[UUID, datetime] = {}
    for row in world.rows["api_usage"]:
        key = keys[row["api_key_id"]]
        assert key["created_at"] < row["timestamp"] <= (key["revoked_at"] or UNTIL)
        last[key["id"]] = max(row["timestamp"], last.get(key["id"], row["timestamp"]))
    assert last == {key: row["last_used_at"] for key, row in keys.items()}


def test_the_audit_trail_is_honest(world: World) -> None:
    rows = world.rows["audit_logs"]
    assert {row["actor_name"] for row in rows} == {"spothive (sample)"}
    assert {row["event"] for row in rows} == {"sample.created"}
    now = utc_now()
    assert all(now - timedelta(minutes=10) < row["timestamp"] <= now for row in rows)
    for table, kind in (("users", "USER"), ("accounts", "ACCOUNT"), ("clusters", "CLUSTER"), ("ml_models", "MODEL")):
        assert sum(row["resource_type"] == kind for row in rows) == len(world.rows[table])


# --- fleet ---------------------------------------------------------------------------------------


def test_proven_accounts_have_ids_of_their_own(world: World) -> None:
    proven = [row["account_id"] for row in world.rows["accounts"] if row["status"] != "pending"]
    assert all(len(one) == 12 and one.isdigit() for one in proven)
    assert len(set(proven)) == len(proven) == 3 * 4


def test_instances_agree_with_their_clusters(world: World) -> None:
    clusters = by_id(world.rows["clusters"])
    for row in world.rows["instances"]:
        assert row["availability_zone"].startswith(row["region"])
        assert row["launched_at"] <= UNTIL
        if row["cluster_id"]:
            cluster = clusters[row["cluster_id"]]
            assert (cluster["account_id"], cluster["region"]) == (row["account_id"], row["region"])
            assert row["cluster_membership"]["cluster_name"] == cluster["name"]


def test_runs_are_what_their_units_say(world: World) -> None:
    units = defaultdict(list)
    for unit in world.rows["scan_units"]:
        units[unit["scan_run_id"]].append(unit)
    for run in world.rows["scan_runs"]:
        mine = units[run["id"]]
        failed = [unit for unit in mine if unit["status"] == "FAILED"]
        assert len(mine) == run["units_expected"]
        assert (run["status"] == "COMPLETE") == (not failed)
        assert run["seen"] == sum(unit["items"] for unit in mine)


def test_waste_is_what_complete_scans_saw(world: World) -> None:
    runs = by_id(world.rows["scan_runs"])
    for row in world.rows["waste_resources"]:
        run = runs[row["scan_run_id"]]
        assert (run["kind"], run["status"], run["account_id"]) == ("waste", "COMPLETE", row["account_id"])
        if row["status"] != "DETECTED":
            assert row["last_seen_at"] - row["detected_at"] >= timedelta(hours=24)


def test_what_was_deleted_was_approved_before(world: World) -> None:
    approved = {
        row["waste_resource_id"]: row for row in world.rows["approval_requests"] if row["executed_at"] is not None
    }
    going = [row for row in world.rows["waste_resources"] if row["status"] in {"SCHEDULED_DELETE", "DELETED"}]
    assert going
    for row in going:
        request = approved[row["id"]]
        assert request["plan_hash"] == row["plan_hash"]
        end = row["deleted_at"] or row["scheduled_deletion_date"]
        assert end - request["executed_at"] >= timedelta(days=7)


# --- decisions -----------------------------------------------------------------------------------


def test_decisions_are_taken_by_the_rules(world: World) -> None:
    rows = world.rows
    instances = by_id(rows["instances"])
    prices = {
        (row["availability_zone"], row["instance_type"], row["observed_at"].date()): row["price"]
        for row in rows["spot_prices"]
    }
    hits = terminations(rows)
    for row in rows["experiment_logs"]:
        instance, day = instances[row["instance_id"]], row["execution_time"].date()
        assert instance["launched_at"] <= row["execution_time"] <= (instance["terminated_at"] or UNTIL)
        assert instance["account_id"] == row["account_id"]
        if row["decision"] == Decision.FAILED:
            assert row["projected_hourly_savings"] is row["old_spot_price"] is row["prediction_score"] is None
            continue
        here = (instance["availability_zone"], instance["instance_type"])
        target = (row["selected_availability_zone"], row["selected_instance_type"])
        assert row["old_spot_price"] == prices[(*here, day)]
        assert row["projected_hourly_savings"] == row["old_spot_price"] - row["new_spot_price"]
        assert f"{row['old_spot_price'].normalize():f}" in row["decision_reason"] or "risk" in row["decision_reason"]
        if row["decision"] == Decision.HOLD:
            assert target == (None, None)
            assert row["projected_hourly_savings"] == 0
            continue
        assert row["new_spot_price"] == prices[(*target, day)]
        assert row["projected_hourly_savings"] >= row["old_spot_price"] * Decimal("0.05")
        assert target[0].startswith(instance["region"])
        pool = f"{instance['region']}:{':'.join(target)}"
        assert not [hit for hit in hits[pool] if hit <= row["execution_time"] < hit + BLOCKED]


def test_some_candidates_were_blocked(world: World) -> None:
    assert any(row["metrics"]["blocked"] for row in world.rows["experiment_logs"] if row["metrics"])


def test_scores_follow_the_advisor_band(world: World) -> None:
    instances = by_id(world.rows["instances"])
    bands = {
        (row["region"], row["instance_type"]): row["interruption_band"] for row in world.rows["spot_advisor_ratings"]
    }
    for row in world.rows["experiment_logs"]:
        if row["prediction_score"] is not None:
            instance = instances[row["instance_id"]]
            band = bands[instance["region"], instance["instance_type"]]
            low, high = score_range(band)
            assert low <= row["prediction_score"] < high
            assert row["features_used"]["advisor_band"] == band


def test_every_switch_is_explained(world: World) -> None:
    switches = {row["id"]: row for row in world.rows["experiment_logs"] if row["decision"] == Decision.SWITCH}
    explained = {row["experiment_log_id"]: row for row in world.rows["explanations"]}
    assert set(explained) == set(switches)
    for log_id, row in explained.items():
        total = row["base_value"] + sum(part["attribution"] for part in row["explanation_data"])
        assert abs(total - switches[log_id]["prediction_score"]) < 1e-6


def test_what_was_switched_is_gone_and_what_was_taken_back_is_not(world: World) -> None:
    instances = by_id(world.rows["instances"])
    for row in world.rows["experiment_logs"]:
        ended = instances[row["instance_id"]]["terminated_at"]
        if row["status"] == "ACTED":
            assert ended == row["execution_time"] + timedelta(minutes=5)
        if row["status"] == "REVERTED":
            assert ended is None or ended > row["execution_time"] + timedelta(minutes=9)


def test_no_model_is_active_and_nothing_is_counted_yet(world: World) -> None:
    for row in world.rows["ml_models"]:
        assert not row["is_active_prod"]
        assert row["name"] == "sample-1-interruption"
        assert row["total_predictions"] == 0
    assert {row["model_id"] for row in world.rows["experiment_logs"]} < {row["id"] for row in world.rows["ml_models"]}


# --- risk ----------------------------------------------------------------------------------------


def assert_pools_tell_of_the_events(rows: Content) -> None:
    hits = terminations(rows)
    pools = {row["pool_id"]: row for row in rows["spot_pool_risks"]}
    assert set(pools) == set(hits)
    for pool, times in hits.items():
        row, last = pools[pool], max(times)
        blocked = last + BLOCKED > UNTIL
        assert (row["interruption_count"], row["last_interruption"]) == (len(times), last)
        assert row["is_poisoned"] == blocked
        assert row["poison_expires_at"] == (last + BLOCKED if blocked else None)


def test_pools_tell_of_the_events(world: World) -> None:
    assert_pools_tell_of_the_events(world.rows)
    assert {row["is_poisoned"] for row in world.rows["spot_pool_risks"]} == {True, False}


def test_each_event_hit_an_instance_of_its_pool(world: World) -> None:
    sources = {row["risk_event_id"]: row for row in world.rows["risk_sources"]}
    instances = {row["instance_id"]: row for row in world.rows["instances"]}
    accounts = by_id(world.rows["accounts"])
    assert set(sources) == set(by_id(world.rows["global_risk_events"]))
    for event in world.rows["global_risk_events"]:
        source = sources[event["id"]]
        instance = instances[source["instance_id"]]
        assert pool_of(instance) == event["pool_id"]
        assert (instance["tenant_id"], instance["account_id"]) == (source["source_client_id"], source["account_id"])
        if event["event_type"] == "termination_notice":
            assert instance["terminated_at"] == event["reported_at"] + timedelta(minutes=2)
            assert accounts[source["account_id"]]["environment_type"] == "PROD"


def test_only_what_had_no_replica_was_down(world: World) -> None:
    rows = world.rows
    sources = {row["risk_event_id"]: row["instance_id"] for row in rows["risk_sources"]}
    hit = defaultdict(set)
    for event in rows["global_risk_events"]:
        hit[event["event_type"]].add(sources[event["id"]])
    alone = hit["termination_notice"] - hit["rebalance_notice"]
    down = [row["instance_id"] for row in rows["downtime_logs"] if row["cause"] == "no_replica"]
    assert sorted(down) == sorted(alone)
    assert alone
    assert hit["termination_notice"] & hit["rebalance_notice"]


def test_replicas_stand_beside_their_primaries(world: World) -> None:
    instances = by_id(world.rows["instances"])
    replicas = [row for row in instances.values() if row["is_replica"]]
    assert {row["terminated_at"] is None for row in replicas} == {True, False}
    for row in replicas:
        primary = instances[row["replica_of_id"]]
        assert row["region"] == primary["region"]
        assert row["availability_zone"] != primary["availability_zone"]
        assert (row["terminated_at"] or row["replica_expiry"]) == row["replica_expiry"]
        if row["terminated_at"] is None:
            assert primary["terminated_at"] is None


# --- work ----------------------------------------------------------------------------------------


def test_a_job_ended_as_its_actions_did(world: World) -> None:
    actions = defaultdict(set)
    for action in world.rows["agent_actions"]:
        actions[action["optimization_job_id"]].add(action["status"])
    for job in world.rows["optimization_jobs"]:
        ends = actions[job["id"]]
        if job["status"] == "COMPLETED":
            assert ends == {ActionStatus.COMPLETED}
        elif job["status"] == "FAILED":
            assert ends & {ActionStatus.FAILED, ActionStatus.EXPIRED}
        elif job["status"] == "QUEUED":
            assert not ends
        else:
            assert ActionStatus.PICKED_UP in ends


def test_overrides_lie_in_the_history(world: World) -> None:
    for row in world.rows["hibernation_overrides"]:
        assert UNTIL - timedelta(days=DAYS) <= row["starts_at"] < row["ends_at"] <= UNTIL


def test_audit_rows_of_the_models_are_the_platforms(world: World) -> None:
    owners = {row["tenant_id"] for row in world.rows[AuditLog.__tablename__] if row["resource_type"] == "MODEL"}
    assert owners == {PLATFORM_TENANT_ID}
