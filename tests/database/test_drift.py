"""Whatever somebody changes behind spothive's back is reported, in one line."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

import pytest

from spothive.database.drift import Catalogue, find_drift
from tests.conftest import Database

ON_BOTH: dict[str, str | dict[str, str]] = {
    "column accounts.extra is not declared": "ALTER TABLE accounts ADD COLUMN extra TEXT",
    "column datasets.description is missing": {
        "postgresql": "ALTER TABLE datasets DROP COLUMN description",
        "sqlite": "ALTER TABLE datasets RENAME COLUMN description TO descr",
    },
    "table extra is not declared": "CREATE TABLE extra (id TEXT)",
    "index ix_accounts_tenant_id_status is missing": "DROP INDEX ix_accounts_tenant_id_status",
    "index one_more is not declared": "CREATE INDEX one_more ON accounts (region)",
    "trigger lc_accounts_status_move on accounts is missing": {
        "postgresql": "DROP TRIGGER lc_accounts_status_move ON accounts",
        "sqlite": "DROP TRIGGER lc_accounts_status_move",
    },
    "trigger extra on accounts is not declared": {
        "postgresql": "CREATE TRIGGER extra BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION spothive_stamp()",
        "sqlite": "CREATE TRIGGER extra BEFORE INSERT ON accounts BEGIN SELECT 1; END",
    },
}
ON_POSTGRESQL = {
    "trigger lc_accounts_status_move on accounts is": "ALTER TABLE accounts DISABLE TRIGGER lc_accounts_status_move",
    "trigger ao_audit_logs_update on audit_logs is": (
        "ALTER TABLE audit_logs ENABLE REPLICA TRIGGER ao_audit_logs_update"
    ),
    "policy tenant on accounts is missing": "DROP POLICY tenant ON accounts",
    "policy tenant on accounts is": "ALTER POLICY tenant ON accounts USING (true)",
    "policy extra on accounts is not declared": "CREATE POLICY extra ON accounts USING (true)",
    "table accounts is 'row security t force f": "ALTER TABLE accounts NO FORCE ROW LEVEL SECURITY",
    "table accounts is 'row security f": "ALTER TABLE accounts DISABLE ROW LEVEL SECURITY",
    "table users is": "GRANT SELECT ON users TO PUBLIC",
    "table ml_models is": "GRANT UPDATE ON ml_models TO spothive_app",
    "table audit_logs is": "REVOKE INSERT ON audit_logs FROM spothive_app",
    "column users.password_hash is": "GRANT SELECT (password_hash) ON users TO spothive_readonly",
    "column users.full_name is": "ALTER TABLE users ALTER full_name SET DEFAULT 'x'",
    "column users.email is": "ALTER TABLE users ALTER email DROP NOT NULL",
    "column users.role is": "COMMENT ON COLUMN users.role IS 'none'",
    "constraint ck_accounts_role_proof on accounts is missing": (
        "ALTER TABLE accounts DROP CONSTRAINT ck_accounts_role_proof"
    ),
    "constraint fk_accounts_tenant_id_user_id on accounts is missing": (
        "ALTER TABLE accounts DROP CONSTRAINT fk_accounts_tenant_id_user_id"
    ),
    "constraint ck_extra on accounts is": "ALTER TABLE accounts ADD CONSTRAINT ck_extra CHECK (region <> '') NOT VALID",
    "constraint fk_instances_tenant_id_cluster_id on instances is": (
        "ALTER TABLE instances ALTER CONSTRAINT fk_instances_tenant_id_cluster_id NOT DEFERRABLE"
    ),
    "function spothive_refuse() is": (
        "CREATE OR REPLACE FUNCTION spothive_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    ),
    "function login_row(name text) is": "GRANT EXECUTE ON FUNCTION login_row TO PUBLIC",
    "function login_row(name integer) is not declared": (
        "CREATE FUNCTION login_row(name integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'"
    ),
    "function account_owner_exists(name text) is": "ALTER FUNCTION account_owner_exists SECURITY INVOKER",
    "rule extra on accounts is not declared": "CREATE RULE extra AS ON DELETE TO accounts DO INSTEAD NOTHING",
}


Change = TypeVar("Change")


def together(changes: dict[str, Change]) -> list[dict[str, Change]]:
    """Deal the changes out so that no two of one hand are of the same object: in as few databases as that takes."""
    hands: list[dict[str, Change]] = []
    met: Counter[tuple[str, ...]] = Counter()
    for line, change in changes.items():
        thing = tuple(line.split()[:2])
        if met[thing] == len(hands):
            hands.append({})
        hands[met[thing]][line] = change
        met[thing] += 1
    return hands


@pytest.fixture(autouse=True)
def built_anew(schema_declared_once: dict[object, Catalogue]) -> dict[object, Catalogue]:
    """Build what is declared in each of these tests, and return what keeps it, to be cleared again."""
    schema_declared_once.clear()
    return schema_declared_once


def drift_after(db: Database, *changes: str | dict[str, str]) -> list[str]:
    with db.raw(owner=True) as connection:
        for change in changes:
            connection.execute(change if isinstance(change, str) else change[db.engine])
    return find_drift()


def test_a_migrated_database_has_not_drifted(db: Database, built_anew: dict[object, Catalogue]) -> None:
    assert find_drift() == []
    built_anew.clear()
    assert find_drift() == []  # looking leaves nothing behind


def test_changes_are_reported_by_name(db: Database) -> None:
    [changes] = together(ON_BOTH)
    found = drift_after(db, *changes.values())
    assert changes.keys() <= set(found)
    assert not any("\n" in text for text in found)


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("changes", together(ON_POSTGRESQL), ids=["first", "second"])
def test_what_only_postgresql_has_is_reported_too(db: Database, changes: dict[str, str]) -> None:
    found = drift_after(db, *changes.values())
    for line in changes:
        assert len([text for text in found if text.startswith(line)]) == 1, (line, found)
    assert not any("\n" in text for text in found)
    assert len(found) == len(changes), found


@pytest.mark.engines("sqlite")
def test_a_rewritten_definition_is_reported_on_sqlite(db: Database) -> None:
    found = drift_after(db, "DROP TRIGGER lc_users_last_admin")
    assert found == ["trigger lc_users_last_admin on users is missing"]
    with db.raw() as connection:
        connection.execute("CREATE TRIGGER lc_users_last_admin BEFORE UPDATE ON users BEGIN SELECT 1; END")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'STRICT', '') WHERE name = 'datasets'")
    found = find_drift()
    assert len(found) == 2
    assert found[0].startswith("table datasets is ''")
    assert found[1].startswith("trigger lc_users_last_admin on users is 'CREATE TRIGGER")
