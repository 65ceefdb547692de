"""What happens around each revision, whoever starts Alembic.

A killed or failed upgrade leaves the database at a whole revision with all guards up: revision, guards and the
version row are one transaction. Upgrades that run at once wait for one another (PostgreSQL) or retry (SQLite).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.ddl.postgresql import PostgresqlImpl
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, text

from spothive.database import guards, policies
from spothive.database.connection import make_owner_engine
from spothive.database.postgresql import script_limits
from spothive.database.roles import make_roles
from spothive.errors import InvalidInput, MigrationFailed, RuleBroken, SchemaOutdated
from spothive.settings import Settings, get_settings

_log = logging.getLogger(__name__)
_LOCK = "hashtextextended('spothive.migrations', 0)"
_POLL_SECONDS = 0.05
_LOCK_PATIENCE = 600
APPLIED = "spothive_applied"
"""Attribute of Alembic's configuration that lists the revisions this run has applied or taken back."""
REACHED = "spothive_reached"
"""Attribute of Alembic's configuration that names the revision at the end of this run; "" at base."""
SETTINGS = "spothive_settings"
"""Attribute of Alembic's configuration that says which database, if it is not that of this process."""


class HeadMovedError(Exception):
    """Another process applied this revision between our look and our lock; look again."""


class _PostgresqlImpl(PostgresqlImpl):
    """PostgreSQL, with room for long revision names."""

    __dialect__ = "postgresql"

    def version_table_impl(self, *, version_table: str, version_table_schema: str | None, **_: Any) -> Table:
        """Return a version table whose column takes any name; Alembic's own ends at 32 characters."""
        column = Column("version_num", Text, primary_key=True)
        return Table(version_table, MetaData(), column, schema=version_table_schema)


def migrate(context: Any, metadata: MetaData) -> None:
    """Do what Alembic was asked to do (upgrade, downgrade, current, ...) on the owner's connection.

    Args:
        context: Alembic's ``context``, as ``env.py`` imports it.
        metadata: what autogenerate compares the database with.

    Raises:
        MigrationFailed: the lock is held for more than ten minutes.
    """
    settings = context.config.attributes.get(SETTINGS) or get_settings()
    engine = make_owner_engine(settings)
    try:
        with engine.connect() as connection:
            # configure() before any statement: else Alembic believes the transaction is ours and commits nothing.
            context.configure(
                connection=connection,
                target_metadata=metadata,
                include_name=include_name,
                process_revision_directives=name_revision,
                transaction_per_migration=True,
                transactional_ddl=True,
                render_as_batch=connection.dialect.name == "sqlite",
            )
            migration = context.get_context()
            if "destination_rev" not in migration.opts or migration.opts.get("dont_mutate"):
                context.run_migrations()  # current, check, revision --autogenerate: they only look
                return
            applied = context.config.attributes.setdefault(APPLIED, [])
            migration._migrations_fn = _guarded(migration, migration._migrations_fn, settings, applied)  # noqa: SLF001 - Alembic has no hook around a step
            with upgrade_lock(engine):
                _run_until_settled(context, connection)
                context.config.attributes[REACHED] = _refresh_guards(migration, connection, settings)
    finally:
        engine.dispose()


def print_script(context: Any, metadata: MetaData) -> None:
    """Print what an upgrade to the newest revision would do: ``alembic upgrade head --sql``.

    Args:
        context: Alembic's ``context``, as ``env.py`` imports it; ``-x dialect=sqlite`` chooses that database.
        metadata: as for :func:`migrate`.

    Raises:
        CommandError: asked for another revision, since which guards can stand there only a database can tell;
            or, on SQLite, for an upgrade of a database that has guards already.
    """
    dialect = context.get_x_argument(as_dictionary=True).get("dialect", "postgresql")
    if context.get_revision_argument() != context.get_head_revision():
        msg = f"SQL can be printed for an upgrade to the newest revision only, which is {context.get_head_revision()}"
        raise CommandError(msg)
    if dialect == "sqlite" and context.get_starting_revision_argument():
        msg = "SQL for SQLite begins with an empty database: only an upgrade can ask which triggers to drop"
        raise CommandError(msg)
    context.configure(dialect_name=dialect, target_metadata=metadata, literal_binds=True, transactional_ddl=True)
    migration = context.get_context()
    with context.begin_transaction():
        if dialect == "postgresql":
            guards.emit(migration, script_limits(get_settings()))
            migration.impl.static_output("-- Then let each login in: GRANT spothive_app, spothive_gate TO <login>;")
            guards.emit(migration, policies.role_statements())
        context.run_migrations()
        guards.emit(migration, guards.script(dialect))


def include_name(name: str | None, kind: str, _: Any) -> bool:
    """Tell autogenerate which tables are its business: not spothive's own ledgers."""
    return not (kind == "table" and name in {guards.LEDGER, guards.MANIFEST})


def name_revision(_: MigrationContext, __: Any, directives: list[Any]) -> None:
    """Call a new revision as :func:`next_name` says, unless ``--rev-id`` did already."""
    for revision in directives:
        if not re.fullmatch(r"\d{3}_\w+", revision.rev_id):
            revision.rev_id = next_name(revision.message or "unnamed")


def next_name(message: str) -> str:
    """Return ``NNN_words``: the number after the newest revision, then ``message``."""
    from spothive.database.revisions import head

    words = re.findall(r"[a-z0-9]+", message.lower())
    return "_".join([f"{int(head()[:3]) + 1:03d}", *words])[:63].rstrip("_")


def _refresh_guards(migration: MigrationContext, connection: Connection, settings: Settings) -> str:
    """Make the roles a new login lacks, and replace the guards whose declaration changed although no revision did.

    Returns:
        The revision the database is at; "" at base.
    """
    connection.rollback()  # ends what reading the head began
    with connection.begin():
        heads = migration.get_current_heads()
        if heads:
            if connection.dialect.name == "postgresql":
                make_roles(connection, settings)
            guards.raise_all(connection)
    return "".join(heads)


def _run_until_settled(context: Any, connection: Connection) -> None:
    while True:
        try:
            with context.begin_transaction():
                context.run_migrations()
        except HeadMovedError:
            connection.rollback()
            continue
        return


def _guarded(
    migration: MigrationContext, steps: Callable[..., Iterator[Any]], settings: Settings, applied: list[str]
) -> Callable[..., Any]:
    """Wrap the steps Alembic is about to run: each checks the head, raises the guards and is added to ``applied``."""

    def run(heads: tuple[str, ...], context: MigrationContext) -> Iterator[Any]:
        for step in steps(heads, context):
            step.migration_fn = _one_step(migration, step, settings)
            yield step
            applied.append(step.info.up_revision_id)

    return run


def _one_step(migration: MigrationContext, step: Any, settings: Settings) -> Callable[..., None]:
    revision = step.migration_fn

    def run(**options: Any) -> None:
        connection = migration.connection
        assert connection is not None  # noqa: S101 - online only
        if set(migration.get_current_heads()) != set(step.from_revisions):
            raise HeadMovedError
        if connection.dialect.name == "postgresql":
            make_roles(connection, settings)
            if (
                step.is_downgrade
            ):  # it drops no column that a trigger names; released revisions do not know of later ones
                guards.lower_all(connection)
        _run_revision(revision, step.info.up_revision_id, options)
        if connection.dialect.name == "sqlite":
            _check_foreign_keys(connection)
        guards.raise_all(connection)
        _log.info("%s %s", "took back" if step.is_downgrade else "applied", step.info.up_revision_id)

    return run


def _run_revision(revision: Callable[..., None], name: str, options: dict[str, Any]) -> None:
    """Run one revision; a refusal means something else here than it would to the service."""
    try:
        revision(**options)
    except (InvalidInput, RuleBroken, SchemaOutdated) as refusal:
        reason = str(refusal.__cause__ or refusal).splitlines()[0]
        msg = f"revision {name} does not fit this database ({reason}); nothing of it was kept"
        raise MigrationFailed(msg) from refusal


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken:
        msg = f"the revision would leave rows of {broken[0]} without their row in {broken[2]}: nothing was changed"
        raise MigrationFailed(msg)


@contextmanager
def upgrade_lock(engine: Engine) -> Iterator[None]:
    """Hold PostgreSQL's upgrade lock on a connection of its own, since each revision's commit would release it.

    Polled, because a transaction that waits inside the lock call would hold back CREATE INDEX CONCURRENTLY.
    On SQLite every transaction of the owner has the file to itself from its beginning.

    Raises:
        MigrationFailed: another process has held the lock for ten minutes.
    """
    if engine.dialect.name == "sqlite":
        yield
        return
    with engine.connect() as connection:
        deadline = time.monotonic() + _LOCK_PATIENCE
        while not connection.execute(text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")).scalar_one():
            connection.rollback()
            if time.monotonic() > deadline:
                msg = "another upgrade has held the lock for ten minutes: see pg_stat_activity, then run this again"
                raise MigrationFailed(msg)
            time.sleep(_POLL_SECONDS)
        yield
        connection.rollback()


def run_sql_file(op: guards.Migration, revision_file: str) -> None:
    """Run, or print, the frozen SQL beside a revision: ``<revision>.<engine>.sql``, or ``<revision>.sql`` for both."""
    context, path = op.get_context(), Path(revision_file)
    specific = path.with_suffix(f".{context.dialect.name}.sql")
    script = (specific if specific.exists() else path.with_suffix(".sql")).read_text(encoding="utf-8")
    guards.emit(context, split(script))


def split(script: str) -> list[str]:
    """Split an SQL script into statements, each ended by a line that ends in ``;`` and followed by a blank line."""
    parts = (part.strip() for part in script.split(";\n\n"))
    return [part for part in parts if part and not all(line.startswith("--") for line in part.splitlines())]


def stamp(connection: Connection, revision: str) -> None:
    """Write ``revision`` into a version table that does not exist yet."""
    migration = MigrationContext.configure(connection)
    migration._ensure_version_table()  # noqa: SLF001 - the public stamp needs a script directory and its own commit
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:revision)"), {"revision": revision})
