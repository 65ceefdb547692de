"""Examine the surroundings: is this database, seen by this very login, the one spothive's promises hold for?"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, text

from spothive.clock import utc_now
from spothive.database import postgresql, sqlite
from spothive.database.connection import get_engine, read_session
from spothive.database.drift import find_drift
from spothive.database.revisions import require_head
from spothive.database.tenancy import system_scope
from spothive.errors import DatabaseUnavailable, KeyMissing, SchemaTooNew, SpothiveError
from spothive.keyring import load_keyring
from spothive.models import Base, WithdrawnKey
from spothive.schema.sealed import key_id_of, sealed_columns
from spothive.settings import Settings, get_settings, unknown_variables
from spothive.signing import load_signing_keys

OLDEST_POSTGRESQL = 130000
LARGEST_SKEW = 2.0
"""Seconds by which the clocks of database and host may differ."""
BCRYPT_ROUNDS = 12


class Severity(enum.StrEnum):
    """How bad a finding is; an error makes the examination fail."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was found, and how to mend it."""

    name: str
    severity: Severity
    found: str
    repair: str = ""

    @property
    def ok(self) -> bool:
        """Whether all is well here."""
        return self.severity is Severity.OK


def examine() -> list[Finding]:
    """Look at everything; a part that cannot be looked at is a finding of its own. Never raises an expected error."""
    try:
        settings = get_settings()
    except SpothiveError as error:
        return [Finding("settings", Severity.ERROR, str(error), "correct the variable")]
    findings = [Finding("settings", Severity.OK, "readable"), *_settings(settings)]
    try:
        with get_engine().connect() as connection:
            checks = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
            findings.append(Finding("connection", Severity.OK, _place(connection)))
            for check in checks:
                findings += check(connection, settings)
                connection.rollback()
    except SpothiveError as error:
        return [*findings, Finding("connection", Severity.ERROR, str(error), "see the message")]
    return [*findings, *_schema()]


def _good(name: str, is_good: bool, found: str, repair: str, *, else_: Severity = Severity.ERROR) -> Finding:  # noqa: FBT001 - the verdict
    return Finding(name, Severity.OK, found) if is_good else Finding(name, else_, found, repair)


def _settings(settings: Settings) -> Iterator[Finding]:
    rounds = settings.bcrypt_rounds
    yield _good(
        "password cost",
        rounds >= BCRYPT_ROUNDS,
        f"bcrypt rounds {rounds}",
        f"unset SPOTHIVE_BCRYPT_ROUNDS: fewer than {BCRYPT_ROUNDS} are for tests",
        else_=Severity.WARNING,
    )
    for name, meant in unknown_variables():
        repair = f"unset it, or write {meant}" if meant else "unset it"
        yield Finding("unknown setting", Severity.WARNING, f"nothing reads {name}", repair)


def _sealing_keys(settings: Settings) -> Finding:
    """Compare the keys that stored secrets need with those that are here."""
    needed: set[str] = set()
    try:
        with read_session() as session, system_scope(session, "doctor looks for the keys of sealed values"):
            for column in sealed_columns(Base.metadata):
                needed |= set(session.scalars(select(key_id_of(column)).where(column.is_not(None)).distinct()))
            withdrawn = set(session.scalars(select(WithdrawnKey.key_id)))
    except SpothiveError as error:
        return Finding("sealing keys", Severity.ERROR, f"cannot be compared: {error}", "see the message")
    try:
        present = load_keyring(settings).key_ids
    except KeyMissing:
        present = ()
    except SpothiveError as error:
        return Finding("sealing keys", Severity.ERROR, str(error), "see the message")
    return _compare_keys(present, needed, withdrawn)


def _compare_keys(present: tuple[str, ...], needed: set[str], withdrawn: set[str]) -> Finding:
    if missing := sorted(needed - set(present)):
        found = f"missing {', '.join(missing)}, which sealed stored secrets"
        repair = "bring them back in the key file or SPOTHIVE_SEALING_KEYS"
        return Finding("sealing keys", Severity.ERROR, found, repair)
    rotate = "run `spothive secrets rotate`"
    if present and present[0] in withdrawn:
        found = f"{present[0]} comes first and was withdrawn: no secret can be stored"
        return Finding("sealing keys", Severity.ERROR, found, rotate)
    older = sorted(needed - set(present[:1]))
    found = f"{', '.join(older)} sealed stored secrets, not yet {present[0]}" if older else ", ".join(present) or "none"
    return _good("sealing keys", not older, found, rotate, else_=Severity.WARNING)


def _signing_key(settings: Settings) -> Finding:
    """Tell whether the audit trail can be sealed from here."""
    name, file = "signing key", settings.audit_signing_key_file
    try:
        key = load_signing_keys(file).key_id
    except KeyMissing:
        return Finding(name, Severity.WARNING, "none: the audit trail is not sealed from here", "spothive audit init")
    except SpothiveError as error:
        return Finding(name, Severity.ERROR, str(error), "see the message")
    return Finding(name, Severity.OK, key)


def _place(connection: Connection) -> str:
    url = connection.engine.url
    return sqlite.place(url) if connection.dialect.name == "sqlite" else postgresql.place(url)


def _schema() -> Iterator[Finding]:
    try:
        status = require_head()
    except SpothiveError as error:
        newer = isinstance(error, SchemaTooNew)
        yield Finding("schema", Severity.ERROR, str(error), "see the message" if newer else "spothive db upgrade")
        return
    yield Finding("schema", Severity.OK, f"at {status.current}")
    yield _sealing_keys(get_settings())
    yield _signing_key(get_settings())
    try:
        drift = find_drift()
    except SpothiveError as error:
        yield Finding("guards", Severity.WARNING, f"cannot be compared: {error}", "set SPOTHIVE_OWNER_URL")
        return
    found = "as declared" if not drift else f"{len(drift)} differences, the first: {drift[0][:120]}"
    yield _good("guards", not drift, found, "spothive db check --repair restores guards and lists what else differs")


def _writable(connection: Connection, _: Settings) -> Iterator[Finding]:
    repair = "make the file and its folder writable for the user who runs spothive"
    if connection.dialect.name == "postgresql":
        repair = (
            "connect to the primary server, or ALTER ROLE and ALTER DATABASE .. RESET default_transaction_read_only"
        )
    try:
        connection.exec_driver_sql("UPDATE users SET full_name = full_name WHERE false")
    except DatabaseUnavailable as error:
        yield Finding("writable", Severity.ERROR, str(error), repair)
    except SpothiveError as error:  # no such table, or no right to write it
        yield Finding("writable", Severity.ERROR, str(error), "see the message")
    else:
        yield Finding("writable", Severity.OK, "yes")


def _sqlite_version(_: Connection, __: Settings) -> Iterator[Finding]:
    import sqlite3

    oldest = ".".join(map(str, sqlite.OLDEST))
    good = sqlite3.sqlite_version_info >= sqlite.OLDEST
    yield _good("SQLite version", good, sqlite3.sqlite_version, f"use a Python with SQLite {oldest} or newer")


def _sqlite_pragmas(connection: Connection, settings: Settings) -> Iterator[Finding]:
    wanted = {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "synchronous": 1,
        "busy_timeout": int(settings.sqlite_busy_timeout * 1000),
    }
    for pragma, value in wanted.items():
        found = connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
        yield _good(
            pragma,
            found == value,
            str(found),
            f"expected {value}: keep the file on a local disk, not a share",
        )


def _sqlite_file(connection: Connection, _: Settings) -> Iterator[Finding]:
    sound = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    yield _good("file", sound == "ok", str(sound), "restore a backup")
    broken = sqlite.missing_parent(connection)
    repair = (
        "add the missing row, or delete the one that lacks it, with a program that sets PRAGMA foreign_keys = ON; "
        "until then no backup is made"
    )
    yield _good("keys", broken is None, broken or "every row has the rows it points at", repair)
    mode = Path(str(connection.engine.url.database)).stat().st_mode & 0o777
    private = not mode & 0o007
    repair = "chmod o-rwx the file: whoever reads it sees every tenant"
    yield _good("file mode", private, f"{mode:o}", repair, else_=Severity.WARNING)


def _postgresql_server(connection: Connection, _: Settings) -> Iterator[Finding]:
    version, encoding = connection.execute(
        text("SELECT current_setting('server_version_num')::int, current_setting('server_encoding')")
    ).one()
    name = f"{version // 10000}.{version % 10000}"
    yield _good("PostgreSQL version", version >= OLDEST_POSTGRESQL, name, "use PostgreSQL 13 or newer")
    yield _good("encoding", encoding == "UTF8", encoding, "create the database with ENCODING 'UTF8'")


def _postgresql_login(connection: Connection, settings: Settings) -> Iterator[Finding]:
    row = connection.execute(
        text(
            "SELECT current_user AS who, session_user AS login, r.rolsuper, r.rolbypassrls, "
            "pg_has_role(session_user, oid_system.oid, 'USAGE') AND NOT login.rolsuper AS inherits, "
            "pg_has_role(session_user, oid_system.oid, 'MEMBER') AS may_enter, "
            "has_database_privilege(current_database(), 'TEMPORARY') AS temporary "
            "FROM pg_roles r, pg_roles login, pg_roles oid_system WHERE r.rolname = current_user "
            "AND login.rolname = session_user AND oid_system.rolname = :system"
        ),
        {"system": postgresql.SYSTEM_ROLE},
    ).one_or_none()
    if row is None:
        yield Finding("roles", Severity.ERROR, "missing", "spothive db upgrade, or run the SQL of spothive db roles")
        return
    weak = row.rolsuper or row.rolbypassrls
    yield _good("role", not weak, f"{row.who} (login {row.login})", "use a login without SUPERUSER and BYPASSRLS")
    yield _good(
        "system scope is a step",
        not row.inherits,
        "not inherited" if not row.inherits else "inherited: outside spothive this login sees every tenant",
        f"REVOKE {postgresql.SYSTEM_ROLE} FROM the login; spothive db roles prints the right grants",
    )
    yield _good(
        "system scope is possible",
        row.may_enter,
        "yes" if row.may_enter else "no",
        "run the SQL of spothive db roles",
    )
    yield _good(
        "temporary tables",
        row.temporary,
        "allowed" if row.temporary else "refused",
        "GRANT TEMPORARY ON DATABASE",
    )
    yield _good(
        "logins behind pgbouncer",
        not (settings.behind_pgbouncer and settings.one_login),
        "one" if settings.one_login else "two",
        "set SPOTHIVE_OWNER_URL to the owner and DATABASE_URL to another login",
    )


def _postgresql_isolation(connection: Connection, _: Settings) -> Iterator[Finding]:
    names = ["tenants", *(t.name for t in Base.metadata.sorted_tables if "tenant_id" in t.c)]
    query = text(
        "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class "
        "WHERE relname = ANY(:names) AND relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    )
    tables = connection.execute(query, {"names": names}).all()
    unforced = [table for table, forced in tables if not forced]
    found = "forced on every tenant table" if not unforced else f"not forced on {', '.join(unforced)}"
    yield _good("row security", not unforced, found, "spothive db check --repair")
    seen = [t for t, _ in tables if connection.execute(text(f"SELECT EXISTS (SELECT FROM {t})")).scalar()]
    found = "0 rows without a tenant" if not seen else f"rows without a tenant in {', '.join(seen)}"
    yield _good("isolation", not seen, found, "do not use this login; see `spothive db roles`")


def _postgresql_clock(connection: Connection, _: Settings) -> Iterator[Finding]:
    before = utc_now()
    theirs = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    after = utc_now()
    skew = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
    yield _good(
        "clock", skew <= LARGEST_SKEW, f"{skew:.3f} s apart", "synchronise both hosts (NTP)", else_=Severity.WARNING
    )


def _postgresql_pool(connection: Connection, settings: Settings) -> Iterator[Finding]:
    most = settings.pool_size + settings.max_overflow
    allowed = int(connection.execute(text("SELECT current_setting('max_connections')")).scalar_one())
    yield _good(
        "pool",
        most <= allowed,
        f"up to {most} of {allowed} connections a process",
        "lower SPOTHIVE_POOL_SIZE and SPOTHIVE_MAX_OVERFLOW or raise max_connections",
        else_=Severity.WARNING,
    )


_Check = Callable[[Connection, Settings], Iterator[Finding]]
_SQLITE: tuple[_Check, ...] = (_sqlite_version, _sqlite_pragmas, _sqlite_file, _writable)
_POSTGRESQL: tuple[_Check, ...] = (
    _postgresql_server,
    _postgresql_login,
    _postgresql_isolation,
    _postgresql_clock,
    _postgresql_pool,
    _writable,
)
