"""The doctor finds what is wrong, says how to mend it, and finds nothing on a healthy database."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from spothive.database import doctor, get_db_session, run_all_migrations
from spothive.database.doctor import Finding, Severity, examine
from spothive.errors import NotAllowed
from spothive.keyring import init_key_file
from spothive.schema.sealed import seal
from tests.conftest import Database, settings
from tests.factories import make_tenant, make_user
from tests.factories.sealing import make_keyring, new_account


def wrong(findings: list[Finding]) -> dict[str, Finding]:
    return {f.name: f for f in findings if f.severity is Severity.ERROR}


def test_a_migrated_database_is_healthy(db: Database) -> None:
    findings = examine()
    assert wrong(findings) == {}
    assert len(findings) > 8
    assert {"settings", "connection", "schema", "guards"} <= {f.name for f in findings}


def test_every_trouble_comes_with_a_repair(db: Database) -> None:
    assert all(f.repair for f in examine() if not f.ok)
    assert not any(f.repair for f in examine() if f.ok)


def test_an_empty_database_is_an_error_that_names_the_cure(empty_db: Database) -> None:
    found = wrong(examine())
    assert any("spothive db upgrade" in f.found + f.repair for f in found.values())


def test_a_dropped_guard_is_found(db: Database) -> None:
    name = "ao_audit_logs_delete"
    with db.raw(owner=True) as owner:
        owner.execute(f"DROP TRIGGER {name}" + ("" if db.engine == "sqlite" else " ON audit_logs"))
    finding = wrong(examine())["guards"]
    assert name in finding.found
    assert "spothive db check --repair" in finding.repair


@pytest.mark.engines("postgresql")
def test_a_login_that_inherits_system_scope_is_found(db: Database) -> None:
    with db.raw(owner=True) as owner:
        owner.execute("CREATE ROLE spothive_inheriting LOGIN PASSWORD 'x' INHERIT")
        owner.execute("GRANT spothive_app, spothive_gate, spothive_system TO spothive_inheriting")
    try:
        url = db.service_url.replace("spothive_test_service:service@", "spothive_inheriting:x@")
        with settings(DATABASE_URL=url):
            found = wrong(examine())
        assert "REVOKE" in found["system scope is a step"].repair
        assert "isolation" not in found, "spothive itself has stepped down"
    finally:
        with db.raw(owner=True) as owner:
            owner.execute("DROP ROLE spothive_inheriting")


@pytest.mark.engines("postgresql")
def test_a_superuser_that_owns_the_tables_has_stepped_down(empty_db: Database) -> None:
    run_all_migrations()
    findings = {f.name: f for f in examine()}
    assert findings["role"].ok
    assert "spothive_app (login postgres)" in findings["role"].found
    assert findings["isolation"].ok


@pytest.mark.engines("sqlite")
def test_a_file_everybody_may_read_is_a_warning(db: Database) -> None:
    Path(db.service_url.removeprefix("sqlite:///")).chmod(0o644)
    found = {f.name: f for f in examine()}["file mode"]
    assert found.severity is Severity.WARNING
    assert "chmod" in found.repair


@pytest.mark.engines("postgresql")
def test_a_database_that_nobody_can_write_is_found(db: Database) -> None:
    name = make_url(db.owner_url).database
    with db.raw(owner=True) as owner:
        owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    finding = wrong(examine())["writable"]
    assert "takes no writes" in finding.found
    assert "RESET default_transaction_read_only" in finding.repair


def test_a_newer_database_is_not_told_to_upgrade(db: Database) -> None:
    with db.raw(owner=True) as owner:
        owner.execute("UPDATE alembic_version SET version_num = '999_later'")
    finding = wrong(examine())["schema"]
    assert "install a newer spothive" in finding.found
    assert "upgrade" not in finding.repair


def test_a_wrong_setting_is_a_finding_without_its_value(db: Database) -> None:
    with settings(DATABASE_URL="mysql://root:hunter2@localhost/x"):
        (found,) = examine()
    assert found.severity is Severity.ERROR
    assert "hunter2" not in found.found


def test_a_setting_that_nobody_reads_is_a_warning_with_the_name_that_was_meant(db: Database) -> None:
    with settings(SPOTHIVE_POOLSIZE="7", SPOTHIVE_QQ="hunter2", spothive_pool_timeout="9", SPOTHIVE_USER="ann"):
        found = [f for f in examine() if f.name == "unknown setting"]
    assert {f.severity for f in found} == {Severity.WARNING}
    assert [(f.found, f.repair) for f in found] == [
        ("nothing reads SPOTHIVE_POOLSIZE", "unset it, or write SPOTHIVE_POOL_SIZE"),
        ("nothing reads SPOTHIVE_QQ", "unset it"),
    ]


def test_no_password_is_shown(db: Database) -> None:
    assert not any("service@" in f.found or ":service" in f.found for f in examine())


def test_sealing_keys_that_others_can_read_are_found(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with settings(SPOTHIVE_SEALING_KEY_FILE=str(path)):
        assert {f.name: f.found for f in examine()}["sealing keys"].startswith("none")
        key_id = init_key_file(path)
        assert {f.name: f.found for f in examine()}["sealing keys"] == key_id
        path.chmod(0o644)
        assert "chmod 600" in wrong(examine())["sealing keys"].found


def test_a_key_that_stored_secrets_need_is_missed(db: Database, tmp_path: Path) -> None:
    owner, ring = make_user(make_tenant()), make_keyring("a1b2c3d4")
    account = new_account(owner)
    seal(ring, account, "aws_secret_access_key", "secret")
    with get_db_session(tenant=owner.tenant_id) as session:
        session.add(account)
    with settings(SPOTHIVE_SEALING_KEY_FILE=str(tmp_path / "keys")):
        init_key_file(tmp_path / "keys")
        finding = wrong(examine())["sealing keys"]
    assert finding.found == "missing a1b2c3d4, which sealed stored secrets"
    assert finding.repair.startswith("bring them back")


def test_a_login_that_cannot_see_the_sealed_values_is_told_not_raised(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NotAllowed("the login may not enter system scope")

    monkeypatch.setattr(doctor, "system_scope", refuse)
    found = wrong(examine())["sealing keys"].found
    assert found == "cannot be compared: the login may not enter system scope"
