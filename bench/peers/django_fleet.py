"""Django on the table of instances: bulk_create with update_conflicts, its way to bring many rows up to date.

It is as owner, so that no row policy keeps it back, and is given the values as they are to be stored: what spothive
has to find out by itself (which cluster, which fingerprint) costs it nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, cast

import django
import sqlalchemy as sa
from django.conf import settings
from django.db import connections, models, transaction
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from bench.place import Database, EngineName
from spothive.clock import utc_now
from spothive.database.bulk import plain_type
from spothive.models import Instance
from spothive.schema.types.instants import utc_text

BATCH: Final = 1000
"""Rows of one statement on PostgreSQL; on SQLite Django reckons it by the number of parameters."""

_KEPT: Final = frozenset({"id", "tenant_id", "account_id", "instance_id", "created_at"})
"""What an upsert leaves as it is."""

_FIELDS: Final[dict[str, type[Any]]] = {
    "UUID": models.UUIDField,
    "TEXT": models.TextField,
    "VARCHAR": models.TextField,
    "NUMERIC": models.DecimalField,
    "JSONB": models.JSONField,
    "BOOLEAN": models.BooleanField,
    "BIGINT": models.BigIntegerField,
    "INTEGER": models.BigIntegerField,
    "FLOAT": models.FloatField,
    "REAL": models.FloatField,
    "TIMESTAMP WITH TIME ZONE": models.DateTimeField,
}
"""By the type of the column. Of what is text on SQLite, such as times and JSON, Django is given the text."""

if not settings.configured:
    settings.configure(USE_TZ=True, DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    django.setup()


@cache
def model_of(engine: EngineName) -> Any:
    """Return Django's model of the table, with the columns in the table's order."""
    dialect: Any = (postgresql if engine == "postgresql" else sqlite).dialect()
    fields: dict[str, Any] = {}
    for column in cast("sa.Table", Instance.__table__).columns:
        name = plain_type(column, dialect).compile(dialect=dialect)
        options: dict[str, Any] = {"null": bool(column.nullable), "primary_key": column.name == "id"}
        if name.startswith("NUMERIC"):
            options |= {"max_digits": 14, "decimal_places": 6}
        fields[column.name] = _FIELDS[name.partition("(")[0]](**options)
    meta = type("Meta", (), {"managed": False, "db_table": "instances", "app_label": "bench"})
    return type(f"Instance_{engine}", (models.Model,), {"__module__": __name__, "Meta": meta} | fields)


@contextmanager
def django_on(database: Database) -> Iterator[Any]:
    """Let Django's default connection lead to ``database``, already open; yield the model."""
    _connect(database)
    connections["default"].ensure_connection()
    try:
        yield model_of(database.engine)
    finally:
        connections["default"].close()
        del connections["default"]


def _connect(database: Database) -> None:
    url = make_url(database.owner_url)
    config: dict[str, Any] = {
        "ENGINE": f"django.db.backends.{'sqlite3' if database.engine == 'sqlite' else 'postgresql'}"
    }
    if database.engine == "sqlite":
        # What Django's documentation advises for writers, and spothive's own pragmas.
        pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA recursive_triggers = ON"
        config |= {"NAME": str(database.file), "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": pragmas}}
    else:
        names = {"NAME": url.database, "USER": url.username, "PASSWORD": url.password, "HOST": url.host}
        config |= names | {"PORT": str(url.port or ""), "OPTIONS": dict(url.query)}
    connections.settings = connections.configure_settings({"default": config})


def upsert(model: Any, rows: Sequence[Sequence[Any]], account_id: Any) -> None:
    """Bring the account to ``rows``, values in the order of the columns, and end what is not among them."""
    names = [column.name for column in Instance.__table__.columns]
    engine = connections["default"].vendor
    now: Any = utc_now()
    now = utc_text(now) if engine == "sqlite" else now
    touched = names.index("updated_at")
    with transaction.atomic():
        model.objects.bulk_create(
            [model(*row[:touched], now, *row[touched + 1 :]) for row in rows],
            batch_size=BATCH if engine == "postgresql" else None,
            update_conflicts=True,
            unique_fields=["tenant_id", "instance_id"],
            update_fields=[name for name in names if name not in _KEPT],
        )
        unlisted = model.objects.filter(account_id=account_id, updated_at__lt=now).exclude(state="terminated")
        unlisted.update(state="terminated", terminated_at=now, content_hash=0, updated_at=now)
