"""H2: how long migrations take on an empty database, and where there is nothing to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event, inspect
from sqlalchemy.pool import NullPool

from bench.measuring import Contender, in_turns, must_be_equal, ratio
from bench.place import ENGINES, Database, EngineName, Place, in_use
from bench.question import Answer, Finding, Goal, Question, Run, held, told
from spothive.database import run_all_migrations, run_migration
from spothive.database.revisions import current_revision, resolve
from spothive.models import Base
from spothive.settings import get_settings

FROM_EMPTY: Final = {
    engine: Goal(f"all revisions on an empty database / create_all ({engine})", "<=", 2)
    for engine in ("postgresql", "sqlite")
}
AT_HEAD: Final = {
    engine: Goal(f"at head / create_all with nothing to do ({engine})", "<=", 3) for engine in ("postgresql", "sqlite")
}

FIRST: Final = "010"
"""Those after it add columns and indexes to tables that are there already; before it only 009 and 010 do."""


def measure(run: Run) -> Answer:
    """Compare with SQLAlchemy's create_all, which brings neither guards nor policies."""
    findings: list[Finding] = []
    timings: dict[str, Any] = {}
    for engine in ENGINES:
        found = in_turns(_contenders(run.place, engine), run.repeat)
        findings += [
            held(FROM_EMPTY[engine], ratio(found["migrated"], found["create_all"])),
            told(f"revisions 000 .. {FIRST} / create_all ({engine})", ratio(found["first"], found["create_all"])),
            held(AT_HEAD[engine], ratio(found["at head"], found["create_all, nothing to do"])),
        ]
        timings |= {f"{engine}: {name}": timing.facts() for name, timing in found.items()}
    return Answer(tuple(findings), {"tables": len(Base.metadata.tables), "timings": timings})


def _contenders(place: Place, engine: EngineName) -> list[Contender[Any]]:
    def emptied() -> AbstractContextManager[Database]:
        return _empty_and_used(place, engine)

    @contextmanager
    def with_tables() -> Iterator[Database]:
        with place.used_copy(place.migrated(engine)) as database:
            get_settings()  # as below
            yield database

    return [
        Contender("migrated", emptied, lambda _: run_all_migrations(), _has_all_tables),
        Contender("first", emptied, lambda _: run_migration(FIRST), _is_at_first),
        Contender("create_all", partial(_owned, emptied), _create_all, _has_all_tables_by),
        Contender("at head", with_tables, lambda _: run_all_migrations(), _has_all_tables),
        Contender("create_all, nothing to do", partial(_owned, with_tables), _create_all, _has_all_tables_by),
    ]


@contextmanager
def _empty_and_used(place: Place, engine: EngineName) -> Iterator[Database]:
    with place.empty(engine) as database, in_use(database):
        get_settings()  # reading them is no part of the question
        yield database


@contextmanager
def _owned(given: Any) -> Iterator[Engine]:
    """Give an engine of plain SQLAlchemy, as owner and without a pool, as migrations have it."""
    with given() as database:
        engine = create_engine(database.owner_url, poolclass=NullPool)
        if engine.dialect.name == "sqlite":  # which migrations set as well, and which is faster
            event.listen(engine, "connect", lambda opened, _: opened.execute("PRAGMA journal_mode = WAL"))
            event.listen(engine, "connect", lambda opened, _: opened.execute("PRAGMA synchronous = NORMAL"))
        yield engine
        engine.dispose()


def _create_all(engine: Engine) -> None:
    Base.metadata.create_all(engine)


def _is_at_first(_: Database) -> None:
    must_be_equal("revision", current_revision(), resolve(FIRST))


def _has_all_tables(database: Database) -> None:
    _has_all_tables_by(create_engine(database.owner_url, poolclass=NullPool))


def _has_all_tables_by(engine: Engine) -> None:
    missing = set(Base.metadata.tables) - set(inspect(engine).get_table_names())
    must_be_equal("tables that are missing", missing, set())


QUESTION = Question("H2", "What do migrations cost, and what when there is nothing to do?", measure)
