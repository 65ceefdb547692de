"""What a database refuses arrives as the same error, with the same rule and table, on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from spothive import errors
from spothive.database import TenantSession, get_db_session, system_scope
from spothive.models import (
    Account,
    AccountLog,
    AuditLog,
    Base,
    Cluster,
    Dataset,
    ExperimentLog,
    Instance,
    OnDemandPrice,
    Tenant,
    User,
)
from spothive.schema.types import TextEnum, declare_checks
from tests.conftest import ENGINES, Database, settings
from tests.database.refusal_cases import (
    BY_HAND,
    CHECK,
    DELETED_PARENTS,
    TRIGGER,
    Act,
    Case,
    cases_of,
    counted,
    declared,
    kind_by_hand,
)
from tests.factories import make_account, make_instance, make_tenant
from tests.factories.graph import Graph
from tests.factories.logins import another_login
from tests.factories.samples import TABLES, Row, rule_of, sample
from tests.factories.ways import Core, Raw, meaning

CLASSES: dict[str, type[errors.RuleBroken]] = {
    "ck": errors.ValueRefused,
    "nn": errors.ValueRefused,
    "uq": errors.DuplicateValue,
    "pk": errors.DuplicateValue,
    "fk": errors.ParentMissing,
    "lc": errors.IllegalMove,
    "ao": errors.AppendOnly,
}


@pytest.fixture
def rows(sample_rows: dict[str, Row]) -> dict[str, Row]:
    return sample_rows


# --- every rule -------------------------------------------------------------------------------------


def in_a_session(rows: dict[str, Row], act: Act) -> errors.SpothiveError | None:
    """Return what ``act`` raises in a session, at once or at commit."""
    try:
        with get_db_session() as session, system_scope(session, "test"):
            act(Graph(Core(session), rows))
            session.commit()
    except errors.SpothiveError as error:
        return error
    return None


def by_the_driver(way: Raw, rows: dict[str, Row], case: Case) -> Exception | None:
    """Return what spothive makes of the driver's error in raw SQL; the driver itself names the rule, if it can."""
    try:
        case.act(Graph(way, rows))
        way.commit()
    except way.refusals as error:
        # SQLite names a key by its columns, or not at all; a CHECK and a trigger by name.
        if case.kind in {CHECK, TRIGGER} and rule_of(error) != case.rule:
            return AssertionError(f"the driver names {rule_of(error)}")
        return meaning(way.engine, error, way.connection, way.statement)
    finally:
        if way.in_transaction:
            way.connection.execute("ROLLBACK")
    return None


def complaint(table: str, rule: str, error: Exception | None, rows: dict[str, Row]) -> str | None:
    """Return what is wrong with the answer to a broken ``rule``; None if nothing is."""
    if not isinstance(error, CLASSES[rule[:2]]):
        return f"{rule}: got {error!r}, not {CLASSES[rule[:2]].__name__}"
    if (error.rule, error.table) != (rule, table):
        return f"{rule} of {table}: got {error.rule} of {error.table}"
    message = str(error)
    if "\n" in message or not 15 < len(message) < 200:
        return f"{rule}: not one clear line: {message!r}"
    return next((f"{rule}: tells {value!r}" for value in _values(rows) if value in message), None)


def _values(rows: dict[str, Row]) -> Iterator[str]:
    """Yield the values that a message might give away."""
    for table, row in rows.items():
        for name, value in row.items():
            if isinstance(value, (str, UUID)) and not isinstance(TABLES[table].c[name].type, TextEnum):
                text = str(value)
                if len(text) > 5:
                    yield text


@pytest.mark.parametrize("table", TABLES)
def test_every_rule_is_refused_by_name_in_a_session(db: Database, rows: dict[str, Row], table: str) -> None:
    cases = [case for case in cases_of(table, db.engine) if case.place == "service"]
    wrong = [complaint(table, case.rule, in_a_session(rows, case.act), rows) for case in cases]
    assert [line for line in wrong if line] == []


@pytest.mark.parametrize("table", TABLES)
def test_every_rule_is_refused_by_name_in_raw_sql(db: Database, rows: dict[str, Row], table: str) -> None:
    wrong, tenant = [], rows["tenants"]["id"]
    with db.raw() as service, db.raw(owner=True) as owner:
        for case in cases_of(table, db.engine):
            if case.place == "orphan":
                continue
            way = Raw(db.engine, service, tenant) if case.place == "service" else Raw(db.engine, owner)
            if case.place == "unguarded":
                without_triggers(way, table)
            wrong.append(complaint(table, case.rule, by_the_driver(way, rows, case), rows))
    assert [line for line in wrong if line] == []


def test_the_tenant_of_a_row_exists_even_where_its_other_parents_do(db: Database, rows: dict[str, Row]) -> None:
    wrong = []
    for number, table in enumerate(TABLES, 10):
        for case in cases_of(table, db.engine):
            if case.place == "orphan":
                beside = beside_nobody(db, rows, table, number)
                wrong.append(complaint(table, case.rule, in_a_session(beside, case.act), rows))
                with db.raw() as service:
                    way = Raw(db.engine, service, beside["tenants"]["id"])
                    wrong.append(complaint(table, case.rule, by_the_driver(way, beside, case), rows))
    assert len(wrong) > 2
    assert [line for line in wrong if line] == []


@pytest.mark.parametrize("engine", ENGINES)
def test_every_constraint_is_tried(engine: str) -> None:
    """Not one is left out, and nothing is tried that no table declares; the docs print the numbers."""
    kinds: Counter[str] = Counter()
    for table in TABLES.values():
        tried = [(case.kind, case.constraint) for case in cases_of(table.name, engine)]
        assert sorted(tried) == sorted(set(declared(table, engine))), (
            "add a violation to BY_HAND in tests/database/refusal_cases/by_hand.py, or remove the one that is left over"
        )
        kinds.update(kind for kind, _ in tried)
    assert kinds == counted()[engine]


def test_every_line_by_hand_is_for_a_rule() -> None:
    known = {name for table in TABLES.values() for name, _ in kind_by_hand(table)}
    assert BY_HAND.keys() <= known, "BY_HAND lists a rule that no table declares any more: remove the line"


@pytest.mark.parametrize("rule", DELETED_PARENTS)
def test_a_parent_with_children_is_kept_by_the_name_of_the_childrens_key(
    db: Database, rows: dict[str, Row], rule: str
) -> None:
    case = DELETED_PARENTS[rule]
    assert complaint(case.table, rule, in_a_session(rows, case.act), rows) is None
    with db.raw() as service:
        way = Raw(db.engine, service, rows["tenants"]["id"])
        assert complaint(case.table, rule, by_the_driver(way, rows, case), rows) is None


def beside_nobody(db: Database, rows: dict[str, Row], table: str, number: int) -> dict[str, Row]:
    """Plant rows of a tenant that does not exist, in every table before ``table``, and return them."""
    planted: dict[str, Row] = {"tenants": {"id": uuid4()}}
    off = "PRAGMA foreign_keys = OFF" if db.engine == "sqlite" else "SET session_replication_role = replica"
    with db.raw(owner=True) as owner:
        owner.execute(off)
        way = Raw(db.engine, owner)
        for name in TABLES:
            if name == table:
                break
            if "tenant_id" in TABLES[name].c:
                planted[name] = sample(name, {t: row["id"] for t, row in planted.items()}, number)
                way.insert(name, planted[name])
            elif name != "tenants":
                planted[name] = rows[name]
        way.commit()
    return planted


def without_triggers(way: Raw, table: str) -> None:
    """Take the triggers of ``table`` down for this transaction."""
    if way.engine == "postgresql":
        way.connection.execute("SET LOCAL session_replication_role = replica")
        return
    for (name,) in way.connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
    ).fetchall():
        way.connection.execute(f"DROP TRIGGER {name}")


# --- foreign keys, which SQLite does not name ---------------------------------------------------------


def refused(rows: dict[str, Row], act: Callable[[TenantSession], Any]) -> errors.RuleBroken:
    """Run ``act`` in a session of the tenant; return the refusal."""
    with pytest.raises(errors.RuleBroken) as caught, get_db_session(tenant=rows["tenants"]["id"]) as session:
        act(session)
    return caught.value


def parents_of(rows: dict[str, Row]) -> dict[str, UUID]:
    return {table: row["id"] for table, row in rows.items()}


def test_a_missing_parent_is_named_whichever_way_the_row_came(db: Database, rows: dict[str, Row]) -> None:
    parents = parents_of(rows)
    many = [sample("clusters", parents | ({"accounts": uuid4()} if n == 12 else {}), n) for n in range(10, 15)]
    ways: dict[str, Callable[[TenantSession], Any]] = {
        "ORM": lambda s: s.add(Cluster(**many[2])),
        "ORM, many at once": lambda s: s.add_all([Cluster(**row) for row in many]),
        "executemany": lambda s: s.execute(sa.insert(Cluster), many),
        "many with RETURNING": lambda s: s.scalars(sa.insert(Cluster).returning(Cluster.id), many).all(),
        "one statement": lambda s: s.execute(sa.insert(Cluster).values(many)),
        "UPDATE": lambda s: s.execute(sa.update(Cluster).values(account_id=uuid4())),
    }
    for way, act in ways.items():
        refusal = refused(rows, act)
        found = (type(refusal), refusal.rule, refusal.table)
        assert found == (errors.ParentMissing, "fk_clusters_tenant_id_account_id", "clusters"), way


def test_a_key_that_waits_for_commit_is_named(db: Database, rows: dict[str, Row]) -> None:
    parents = parents_of(rows)
    many = [sample("instances", parents | ({"clusters": uuid4()} if n == 12 else {}), n) for n in range(10, 15)]
    ways: dict[str, Callable[[TenantSession], Any]] = {
        "ORM": lambda s: s.add(Instance(**many[2])),
        "executemany": lambda s: s.execute(sa.insert(Instance), many),
        "UPDATE": lambda s: s.execute(sa.update(Instance).values(cluster_id=uuid4())),
    }
    for way, act in ways.items():
        refusal = refused(rows, act)
        found = (type(refusal), refusal.rule, refusal.table)
        assert found == (errors.ParentMissing, "fk_instances_tenant_id_cluster_id", "instances"), way


def test_a_key_that_waits_does_not_hide_one_that_does_not(db: Database, rows: dict[str, Row]) -> None:
    parents = parents_of(rows)

    def both(session: TenantSession) -> None:
        session.execute(sa.insert(Instance).values(**sample("instances", parents, 10, cluster_id=uuid4())))
        session.execute(sa.insert(Instance).values(**sample("instances", parents, 11, account_id=uuid4())))

    assert refused(rows, both).rule == "fk_instances_tenant_id_account_id"


def test_asking_which_key_broke_leaves_no_trace(db: Database, rows: dict[str, Row]) -> None:
    parents = parents_of(rows)
    with get_db_session(tenant=rows["tenants"]["id"]) as session:
        late = sample("clusters", parents, 20)
        session.execute(sa.insert(Instance).values(**sample("instances", parents, 10, cluster_id=late["id"])))
        with pytest.raises(errors.ParentMissing), session.begin_nested():
            session.execute(sa.insert(Cluster), [sample("clusters", parents, 11), late | {"account_id": uuid4()}])
        assert session.scalar(sa.select(sa.func.count()).select_from(Cluster)) == 1
        session.execute(sa.insert(Cluster).values(**late))
    bad = sample("instances", parents, 11, cluster_id=uuid4())
    assert refused(rows, lambda s: s.execute(sa.insert(Instance).values(**bad))).rule.endswith("cluster_id")


# --- afterwards ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "break_it",
    [
        lambda s, p: s.execute(sa.insert(Cluster).values(**sample("clusters", p, 9, account_id=uuid4()))),
        lambda s, p: s.execute(sa.insert(Instance).values(**sample("instances", p, 9, cluster_id=uuid4()))),
        lambda s, p: s.execute(sa.insert(Dataset), [sample("datasets", p, 9), sample("datasets", p, 1)]),
        lambda s, _: s.execute(sa.update(Account).values(status="active")),
        lambda s, p: s.add(Dataset(**sample("datasets", p, 9, name="\x00"))),
    ],
    ids=["key", "key at commit", "unique", "trigger", "type"],
)
def test_after_a_rollback_the_session_goes_on(db: Database, rows: dict[str, Row], break_it: Any) -> None:
    parents = parents_of(rows)
    with get_db_session(tenant=rows["tenants"]["id"]) as session:
        with pytest.raises(errors.SpothiveError):
            break_it(session, parents)
            session.commit()
        session.rollback()
        session.add(Dataset(**sample("datasets", parents, 30)))
        session.commit()
        assert session.scalars(sa.select(Dataset.name).order_by(Dataset.name)).all() == ["1", "30"]


def test_a_savepoint_takes_a_refusal_and_the_transaction_goes_on(db: Database, rows: dict[str, Row]) -> None:
    parents = parents_of(rows)
    with get_db_session(tenant=rows["tenants"]["id"]) as session:
        with pytest.raises(errors.DuplicateValue), session.begin_nested():
            session.execute(sa.insert(Dataset).values(**sample("datasets", parents, 1)))
        session.add(Dataset(**sample("datasets", parents, 31)))
    with get_db_session(tenant=rows["tenants"]["id"]) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Dataset)) == 2


# --- the other refusals -------------------------------------------------------------------------------


def test_a_value_of_the_wrong_kind_is_refused(db: Database, rows: dict[str, Row]) -> None:
    text_for_a_number = sa.update(User).values(failed_logins=sa.literal_column("'many'"))
    assert isinstance(refused(rows, lambda s: s.execute(text_for_a_number)), errors.ValueRefused)


@pytest.mark.engines("sqlite")
def test_a_writer_that_waits_too_long_is_told_to_try_again(db: Database) -> None:
    with db.raw() as connection, settings(SPOTHIVE_SQLITE_BUSY_TIMEOUT="0"):
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(errors.Conflict, match="try again"), get_db_session() as session:
            session.connection()


@pytest.mark.engines("postgresql")
def test_a_lock_that_is_held_too_long_is_a_conflict(db: Database, rows: dict[str, Row]) -> None:
    tenant = rows["tenants"]["id"]
    with get_db_session(tenant=tenant) as first:
        first.execute(sa.update(Dataset).values(row_count=1))
        with pytest.raises(errors.Conflict, match="try again"), get_db_session(tenant=tenant) as second:
            second.execute(sa.text("SET LOCAL lock_timeout = '5ms'"))
            second.execute(sa.update(Dataset).values(row_count=2))


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT * FROM accuonts", "a table accuonts that does not exist"),
        ("SELECT no_such(1)", "a function no_such that does not exist"),
        ("SELECT hunter2 FROM on_demand_prices", "a table, column, function or operator that does not exist"),
        ("SELECT x.hunter2 FROM on_demand_prices x", "a table, column, function or operator that does not exist"),
    ],
)
def test_a_name_that_nobody_declared_is_a_mistake_in_the_sql(db: Database, query: str, reason: str) -> None:
    with pytest.raises(errors.InvalidInput, match=reason) as caught, get_db_session(tenant=uuid4()) as session:
        session.execute(sa.text(query))
    assert "hunter2" not in str(caught.value)


def test_a_name_that_is_declared_elsewhere_may_be_either(db: Database) -> None:
    with pytest.raises(errors.SchemaOutdated) as caught, get_db_session(tenant=uuid4()) as session:
        session.execute(sa.text("SELECT full_name FROM on_demand_prices"))
    assert str(caught.value) == (
        "no column full_name here: run `spothive db upgrade` if the database is empty or older, else correct the SQL"
    )


@pytest.mark.parametrize("query", ["SELEC 1 FROM", "SELECT 'hunter2' FROM FROM 'x'", "SELECT 1 +", "WITH"])
def test_a_syntax_error_is_a_mistake_in_the_sql(db: Database, query: str) -> None:
    if db.engine == "sqlite" and query.startswith("SELEC "):
        query = "INSERT OVER x"  # another first word is refused before SQLite reads it
    with pytest.raises(errors.InvalidInput, match="the SQL is no statement") as caught, get_db_session() as session:
        session.execute(sa.text(query))
    assert "hunter2" not in str(caught.value)


@pytest.mark.engines("postgresql")
def test_a_statement_that_takes_too_long_is_told_by_its_limit(db: Database) -> None:
    with pytest.raises(errors.DatabaseUnavailable, match="statement_timeout") as caught, get_db_session() as session:
        session.execute(sa.text("SET LOCAL statement_timeout = '5ms'"))
        session.execute(sa.text("SELECT pg_sleep(60)"))
    assert "reached" not in str(caught.value)


@pytest.mark.engines("postgresql")
def test_a_transaction_that_was_idle_too_long_is_told_by_its_limit(db: Database) -> None:
    with pytest.raises(errors.DatabaseUnavailable, match="idle_in_transaction_session_timeout"):
        idle_too_long(db)


def idle_too_long(db: Database) -> None:
    with get_db_session() as session, db.raw(owner=True) as owner:
        pid = session.scalar(sa.text("SELECT pg_backend_pid()"))
        # Long enough for the answer to be read first: what comes with it libpq takes for a notice, and drops.
        session.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = '200ms'"))
        gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        while owner.execute(gone, (pid,)).fetchone()[0]:
            pass
        session.execute(sa.text("SELECT 1"))


@pytest.mark.engines("postgresql")
def test_a_login_that_may_not_enter_system_scope_is_sent_to_the_roles(db: Database) -> None:
    with (
        another_login(db, "IN ROLE spothive_app"),
        pytest.raises(errors.NotAllowed) as caught,
        get_db_session() as session,
        system_scope(session, "test"),
    ):
        session.execute(sa.text("SELECT 1"))  # what the server is told goes with a statement
    assert str(caught.value) == (
        "the login in DATABASE_URL may not become spothive_system: have somebody who may run the output of "
        "`spothive db roles`"
    )


@pytest.mark.engines("postgresql")
def test_a_right_that_is_missing_is_not_taken_for_a_shared_table(db: Database) -> None:
    with db.raw(owner=True) as owner:
        owner.execute("REVOKE SELECT ON users FROM spothive_app")
    with pytest.raises(errors.NotAllowed, match="spothive doctor"), get_db_session(tenant=uuid4()) as session:
        session.scalars(sa.select(User)).all()
    with pytest.raises(errors.NotAllowed, match="may only read this table"), get_db_session() as session:
        session.execute(sa.delete(OnDemandPrice))


@pytest.mark.engines("postgresql")
def test_a_server_that_only_reads_is_told_what_to_do(db: Database) -> None:
    with pytest.raises(errors.DatabaseUnavailable, match="have default_transaction_read_only turned off"):
        write_where_nobody_may()


def write_where_nobody_may() -> None:
    with get_db_session(tenant=uuid4()) as session:
        session.execute(sa.text("SET LOCAL transaction_read_only = on"))
        session.execute(sa.update(User).values(full_name="x"))


@pytest.mark.parametrize("model", [Account, User, AuditLog])
def test_giving_rows_away_is_refused_alike(db: Database, rows: dict[str, Row], model: Any) -> None:
    rule = {"accounts": "lc_accounts_key", "audit_logs": "ao_audit_logs_update"}.get(model.__tablename__)
    expected = CLASSES[rule[:2]] if rule else errors.TenantMismatch
    with pytest.raises(expected) as caught, get_db_session(tenant=rows["tenants"]["id"]) as session:
        session.execute(sa.update(model).values(tenant_id=uuid4()))
    assert getattr(caught.value, "rule", None) == rule


@pytest.mark.parametrize("model", [AccountLog, AuditLog])
def test_history_is_pruned_in_system_scope_only(db: Database, rows: dict[str, Row], model: Any) -> None:
    name = model.__tablename__
    silence = f"DROP TRIGGER ao_{name}_update" if db.engine == "sqlite" else "SET session_replication_role = replica"
    with db.raw(owner=True) as owner:  # a row from long ago, which no trigger would let in or age
        owner.execute(silence)
        owner.execute(f"UPDATE {name} SET timestamp = '2001-01-01 00:00:00.000000'")
    with pytest.raises(errors.AppendOnly) as caught, get_db_session(tenant=rows["tenants"]["id"]) as session:
        session.execute(sa.delete(model))
    assert caught.value.rule == f"ao_{name}_delete"


@pytest.mark.engines("postgresql")
def test_an_operator_for_other_types_is_a_mistake_in_the_sql(db: Database) -> None:
    with pytest.raises(errors.InvalidInput, match="operator"), get_db_session(tenant=uuid4()) as session:
        session.execute(sa.text("SELECT id FROM users WHERE id = 1"))


@pytest.mark.engines("postgresql")
def test_a_statement_after_a_refused_one_is_told_to_roll_back(db: Database) -> None:
    """SQLite takes it, and refuses the commit in the same words."""
    refused_before = "a statement of this transaction was refused, so nothing of it is kept: roll back"
    with get_db_session(tenant=uuid4()) as session:
        with pytest.raises(errors.InvalidInput):
            session.execute(sa.text("SELECT no_such(1)"))
        with pytest.raises(errors.Conflict, match=refused_before):
            session.scalars(sa.select(User)).all()
        session.rollback()
        assert session.scalars(sa.select(User)).all() == []


def test_an_empty_database_names_the_cure(empty_db: Database) -> None:
    with pytest.raises(errors.SchemaOutdated, match="spothive db upgrade"), get_db_session(tenant=uuid4()) as session:
        session.scalars(sa.select(Tenant)).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no database" * 500, "no SQLite database"), (b"SQLite format 3\x00" + b"\xff" * 5000, "cannot be used")],
)
def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "spothive.db"
    file.write_bytes(content)
    with settings(DATABASE_URL=f"sqlite:///{file}", SPOTHIVE_OWNER_URL=""):
        with pytest.raises(errors.DatabaseUnavailable, match=reason) as caught, get_db_session() as session:
            session.connection()
        assert "\n" not in str(caught.value)


def test_a_database_that_does_not_answer_is_unavailable_and_keeps_its_password(tmp_path: Path) -> None:
    url = "postgresql://somebody:s3cret@127.0.0.1:1/nowhere"
    with (
        settings(DATABASE_URL=url, SPOTHIVE_OWNER_URL=""),
        pytest.raises(errors.DatabaseUnavailable) as caught,
        get_db_session() as session,
    ):
        session.connection()
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_decision_of_an_account_that_is_not_there_belongs_to_no_instance(db: Database) -> None:
    tenant_id = make_tenant()
    instance = make_instance(tenant_id, make_account(tenant_id).id)
    decision = ExperimentLog(
        instance_id=instance.id, account_id=uuid4(), pipeline_mode="LINEAR", decision="HOLD", decision_reason="calm"
    )
    with pytest.raises(errors.IllegalMove) as caught, get_db_session(tenant=tenant_id) as session:
        session.add(decision)
    assert caught.value.rule == "lc_experiment_logs_account"


def test_every_check_says_what_it_means() -> None:
    for table in Base.metadata.sorted_tables:
        declare_checks(table)
    silent = [
        check.name
        for table in Base.metadata.sorted_tables
        for check in table.constraints
        if isinstance(check, sa.CheckConstraint) and "message" not in check.info
    ]
    assert not silent, f"give {silent} an info={{'message': ...}} that says in one line what the rule means"
