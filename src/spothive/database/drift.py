"""Does the database still look as the models declare? Asked of the catalogue, so tampering shows too.

The declared schema is built beside the real one (PostgreSQL: in a scratch schema that is rolled back, SQLite: in
memory) and both are read the same way. Tables, columns, constraints, indexes, triggers, functions, policies and
grants are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import Connection, create_engine, text

from spothive.database import guards
from spothive.database.connection import make_owner_engine
from spothive.models import Base
from spothive.settings import get_settings

Catalogue = dict[str, str]
_LEDGERS = ("alembic_version", guards.LEDGER, guards.MANIFEST)
_SCRATCH = "spothive_scratch"

_IN_SCHEMA = "CAST(:schema AS regnamespace)"
_TABLES = f"""
    SELECT 'table ' || c.relname, format('row security %s force %s, granted %s',
        c.relrowsecurity, c.relforcerowsecurity,
        (SELECT string_agg(format('%s %s', a.grantee::regrole, a.privilege_type), ', '
            ORDER BY a.grantee::regrole::text, a.privilege_type)
         FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner))
    FROM pg_class c WHERE c.relnamespace = {_IN_SCHEMA} AND c.relkind = 'r'"""
_COLUMNS = f"""
    SELECT format('column %s.%s', c.relname, a.attname), concat_ws(' ', format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attnotnull THEN 'not null' END, 'default ' || pg_get_expr(d.adbin, d.adrelid),
        'comment ' || col_description(c.oid, a.attnum), 'granted ' || a.attacl::text)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = {_IN_SCHEMA} AND c.relkind = 'r'"""
# PostgreSQL 18 lists NOT NULL among the constraints, older ones do not; the columns tell it anyway.
_CONSTRAINTS = f"""
    SELECT format('constraint %s on %s', k.conname, c.relname),
        concat_ws(' ', pg_get_constraintdef(k.oid), CASE WHEN NOT k.convalidated THEN 'not valid' END)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.connamespace = {_IN_SCHEMA} AND k.contype <> 'n'"""
_INDEXES = f"""
    SELECT 'index ' || i.relname, concat_ws(' ', pg_get_indexdef(i.oid), CASE WHEN NOT x.indisvalid THEN 'invalid' END)
    FROM pg_class i JOIN pg_index x ON x.indexrelid = i.oid WHERE i.relnamespace = {_IN_SCHEMA}"""
_TRIGGERS = f"""
    SELECT format('trigger %s on %s', t.tgname, c.relname), concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = {_IN_SCHEMA} AND NOT t.tgisinternal"""
_FUNCTIONS = f"""
    SELECT format('function %s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
        concat_ws(' ', pg_get_functiondef(p.oid),
        CASE WHEN p.prosecdef THEN 'owner ' || p.proowner::regrole END, 'granted ' || (SELECT string_agg(format('%s %s',
            CASE a.grantee WHEN 0 THEN 'public' ELSE a.grantee::regrole::text END, a.privilege_type), ', '
            ORDER BY a.grantee::regrole::text)
            FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee <> p.proowner))
    FROM pg_proc p WHERE p.pronamespace = {_IN_SCHEMA} AND p.prokind IN ('f', 'p')"""
_POLICIES = """
    SELECT format('policy %s on %s', policyname, tablename),
        concat_ws(' ', permissive, roles::text, cmd, qual, with_check)
    FROM pg_policies WHERE schemaname = :schema"""
_RULES = "SELECT format('rule %s on %s', rulename, tablename), definition FROM pg_rules WHERE schemaname = :schema"
_POSTGRESQL = (_TABLES, _COLUMNS, _CONSTRAINTS, _INDEXES, _TRIGGERS, _FUNCTIONS, _POLICIES, _RULES)
_SQLITE = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"


def find_drift() -> list[str]:
    """Return one line for each difference between the database and the models; none when they agree.

    Meant for a database at head. PostgreSQL needs CREATE on the database, so it runs as the owner.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
    """
    return differences(*read_both())


def read_both() -> tuple[Catalogue, Catalogue]:
    """Return what the models declare and what the database holds; as the owner, and raising like :func:`find_drift`."""
    engine = make_owner_engine(get_settings())
    try:
        with engine.connect() as connection:
            return _read_both(connection)
    finally:
        engine.dispose()


def drift_of(connection: Connection) -> list[str]:
    """Return what :func:`find_drift` does, as the transaction of ``connection`` sees it; nothing of it is changed."""
    return differences(*_read_both(connection))


def _read_both(connection: Connection) -> tuple[Catalogue, Catalogue]:
    found = read_catalogue(connection)
    if connection.dialect.name == "sqlite":
        return _declared_in_memory(), found
    with connection.begin_nested() as scratch:
        declared = _declared_in_scratch(connection)
        scratch.rollback()
    return declared, found


def read_catalogue(connection: Connection, schema: str | None = None) -> Catalogue:
    """Return object to definition, for every table, column, index, constraint, trigger, function, policy and rule.

    Args:
        connection: any connection to the database.
        schema: PostgreSQL schema to read; the current one when None.
    """
    if connection.dialect.name == "sqlite":
        return dict(_read_sqlite(connection))
    schema = schema or connection.execute(text("SELECT current_schema()")).scalar_one()
    catalogue: Catalogue = {}
    for query in _POSTGRESQL:
        for name, definition in connection.execute(text(query), {"schema": schema}):
            if not any(ledger in name for ledger in _LEDGERS):
                plain = definition.replace(f"{schema}.", "")
                plain = re.sub(rf"search_path TO '?{schema}'?,", "search_path TO schema,", plain)
                catalogue[name] = _one_line(plain)
    return catalogue


def _read_sqlite(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield what SQLite keeps as text; a table part by part, since rebuilding one changes their order and quotes."""
    for kind, name, table, ddl in connection.exec_driver_sql(_SQLITE):
        if name in _LEDGERS:
            continue
        if kind != "table":
            yield f"{kind} {name}" + (f" on {table}" if kind == "trigger" else ""), _one_line(ddl)
            continue
        start, end = ddl.index("("), ddl.rindex(")")
        yield f"table {name}", _one_line(ddl[end + 1 :])
        for part in _parts(ddl[start + 1 : end]):
            # A column that was added later brings its constraints along, in its own line.
            column, *constraints = f" {part}".split(" CONSTRAINT ")
            if column:
                yield f"column {name}.{column.split()[0]}", column.strip()
            for constraint in constraints:
                yield f"constraint {constraint.split()[0]} on {name}", constraint


def _parts(body: str) -> list[str]:
    """Split the inside of a CREATE TABLE at its outer commas."""
    parts, depth, quoted = [""], 0, False
    for letter in body:
        quoted ^= letter == "'"
        depth += 0 if quoted else (letter == "(") - (letter == ")")
        if letter == "," and not depth and not quoted:
            parts.append("")
        elif quoted or letter != '"':
            parts[-1] += letter
    return [_one_line(part) for part in parts]


def _declared_in_memory() -> Catalogue:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        guards.raise_all(connection)
        return read_catalogue(connection)


def _declared_in_scratch(connection: Connection) -> Catalogue:
    connection.execute(text(f"CREATE SCHEMA {_SCRATCH}"))
    connection.execute(text(f"SET LOCAL search_path TO {_SCRATCH}, pg_temp"))
    Base.metadata.create_all(connection)
    guards.raise_all(connection)
    return read_catalogue(connection, _SCRATCH)


def differences(declared: Catalogue, found: Catalogue) -> list[str]:
    """Return one line for each name that is on one side only, or not the same on both, in order."""
    return sorted(
        [f"{name} is missing" for name in declared.keys() - found.keys()]
        + [f"{name} is not declared" for name in found.keys() - declared.keys()]
        + [
            f"{name} is {found[name]!r}, declared {declared[name]!r}"
            for name in declared.keys() & found.keys()
            if declared[name] != found[name]
        ]
    )


def _one_line(definition: str) -> str:
    return " ".join(definition.split())
