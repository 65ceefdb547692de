"""Write the next revision, for a contributor to read and complete: ``spothive db revision``."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Column

from spothive.database import drift, revisions
from spothive.database.migrations import picture
from spothive.database.migrations.upgrade import next_name
from spothive.errors import InvalidInput
from spothive.models import Base

if TYPE_CHECKING:
    from alembic.config import Config

CHECKOUT = Path(__file__).parents[4]
MESSAGE_MAX = 100
_RUN_SQL = "from spothive.database.migrations.upgrade import run_sql_file"
_LOWERED = "from spothive.database import guards"
_NOTHING_YET = "-- Each statement ends with a line that ends in ; and a blank line follows.\n"


@dataclass(frozen=True, slots=True)
class NewRevision:
    """A revision that was written.

    Attributes:
        name: such as ``011_add_notes``.
        files: what was written; the Python file is the last.
        left: differences between models and database that it does not mend, a line each.
    """

    name: str
    files: tuple[Path, ...]
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Missing:
    """What the models have and the database has not."""

    tables: tuple[str, ...]
    """New ones, parents first."""
    columns: dict[str, list[str]]
    """New ones of tables that are there, by table."""
    left: tuple[str, ...]
    """All other differences, without those of guards, which are no business of a revision."""


def write_revision(message: str, *, sql: bool = False, autogenerate: bool = False) -> NewRevision:
    """Write the next revision into the checkout this spothive runs from.

    Args:
        message: what it does, in a few words; they make its name and its docstring.
        sql: have it run frozen SQL, which is written beside it for each database.
        autogenerate: fill it with what the models have and the database in the settings has not. As ``sql`` these are
            new tables and columns; otherwise everything else that Alembic sees.

    Raises:
        InvalidInput: the message makes no name, this is no checkout or cannot be written, or there is nothing to fill
            it with; nothing was written.
        SchemaOutdated: there is something to compare only where the database is at the newest revision.
        SchemaTooNew: likewise.
    """
    if not (CHECKOUT / "alembic.ini").is_file():
        msg = "spothive is installed here without its source: a revision is written in a checkout (`make setup`)"
        raise InvalidInput(msg)
    message = _sentence(message)
    missing = _missing() if autogenerate else None
    if not sql:
        return _write_python(message, missing)
    if missing and not (missing.tables or missing.columns):
        msg = f"{missing.left[0]}: only new tables and columns can be written as SQL, leave --sql out"
        raise InvalidInput(msg)
    return _write_sql(message, missing)


def _sentence(message: str) -> str:
    words = " ".join(message.split()).rstrip(".")
    if next_name(words).isdigit() or not words.isprintable() or set(words) & set('"\\') or len(words) > MESSAGE_MAX:
        msg = f"the text names the revision: a few plain words, without quotes, at most {MESSAGE_MAX} characters"
        raise InvalidInput(msg)
    return words[0].upper() + words[1:]


def _missing() -> _Missing:
    revisions.require_head()
    declared, found = (_without_guards(catalogue) for catalogue in drift.read_both())
    new = declared.keys() - found.keys()
    tables, columns = [], {}
    for table in Base.metadata.sorted_tables:
        if f"table {table.name}" in new:
            tables.append(table.name)
        elif added := [column for column in table.columns if f"column {table}.{column.name}" in new]:
            _refuse_required(added)
            columns[table.name] = [column.name for column in added]
    ddl = "\n".join(statement for engine in picture.ENGINES for statement in _statements(engine, tables, columns))
    made = set(re.findall(r"(?:TABLE|INDEX|CONSTRAINT) (\w+)", ddl))
    made |= {f"{table}.{column}" for table in tables for column in Base.metadata.tables[table].c.keys()}  # noqa: SIM118 - not a dict
    made |= {f"{table}.{column}" for table, names in columns.items() for column in names}
    rest = {name: what for name, what in declared.items() if name not in new or name.split()[1] not in made}
    left = drift.differences(rest, found)
    if not (tables or columns or left):
        msg = "the database has all that the models declare: there is nothing to write"
        raise InvalidInput(msg)
    return _Missing(tuple(tables), columns, tuple(left))


def _refuse_required(added: Iterable[Column[Any]]) -> None:
    for column in added:
        if not column.nullable and column.server_default is None:
            msg = f"column {column} may not be null and has no server default: what would it be in the rows there are?"
            raise InvalidInput(msg)


def _without_guards(catalogue: drift.Catalogue) -> drift.Catalogue:
    """Leave what revisions make; of a table its name only, since the rest of its line tells of grants and policies."""
    kept = {
        name: what
        for name, what in catalogue.items()
        if name.startswith(("table ", "column ", "constraint ", "index "))
    }
    return {name: "" if name.startswith("table ") else what for name, what in kept.items()}


def _statements(engine: str, tables: Iterable[str], columns: dict[str, list[str]]) -> Iterator[str]:
    yield from picture.table_statements(engine, set(tables))
    for table, names in columns.items():
        yield from picture.column_statements(engine, Base.metadata.tables[table], names)


def _write_sql(message: str, missing: _Missing | None) -> NewRevision:
    name, imports, downgrades = next_name(message), [_RUN_SQL], []
    scripts = dict.fromkeys(picture.ENGINES, _NOTHING_YET)
    if missing:
        for engine in scripts:
            scripts[engine] = picture.script([*_statements(engine, missing.tables, missing.columns)])
        downgrades = [f'op.drop_table("{table}")' for table in reversed(missing.tables)]
        for table, names in missing.columns.items():
            # The reverse order: a CHECK over two columns came, and goes, with the later one.
            dropped = [f'op.drop_column("{table}", "{column}")' for column in reversed(names)]
            downgrades.append(f'with guards.lowered(op, "{table}"):\n        ' + "\n        ".join(dropped))
            imports = [_LOWERED, _RUN_SQL]
    with _all_or_nothing() as files:
        for engine, script in scripts.items():
            path = revisions.VERSIONS / f"{name}.{engine}.sql"
            with path.open("x", encoding="utf-8") as file:
                files.append(path)
                file.write(script)
        files.append(revisions.VERSIONS / f"{name}.py")
        ScriptDirectory.from_config(_config()).generate_revision(
            name,
            message,
            imports="\n".join(imports),
            upgrades="run_sql_file(op, __file__)",
            downgrades="\n    ".join(downgrades),
        )
    return NewRevision(name, tuple(files), missing.left if missing else ())


def _write_python(message: str, missing: _Missing | None) -> NewRevision:
    if missing and (missing.tables or missing.columns):
        tables, columns = missing.tables, missing.columns
        what = f"table {tables[0]}" if tables else next(f"column {table}.{columns[table][0]}" for table in columns)
        msg = f"{what} is new: add --sql, which writes it with its CHECKs for both databases, and then do the rest"
        raise InvalidInput(msg)
    name = next_name(message)
    with _all_or_nothing() as files:
        files.append(revisions.VERSIONS / f"{name}.py")
        command.revision(_config(), message, autogenerate=missing is not None, rev_id=name)
    # Alembic compares no CHECKs.
    unseen = [line for line in missing.left if line.startswith("constraint ck_")] if missing else []
    return NewRevision(name, tuple(files), tuple(unseen))


def _config() -> Config:
    config = revisions.alembic_config()
    config.set_main_option("file_template", "%%(rev)s")
    config.cmd_opts = Namespace(quiet=True)  # Alembic would print the file's name among our output
    return config


@contextmanager
def _all_or_nothing() -> Iterator[list[Path]]:
    """Yield a list for the files that are made inside; they go again when one of them cannot be."""
    files: list[Path] = []
    try:
        yield files
    except (OSError, CommandError) as error:
        for file in files:
            file.unlink(missing_ok=True)
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error).splitlines()[0]
        msg = f"the revision cannot be written: {why}"
        raise InvalidInput(msg) from None
