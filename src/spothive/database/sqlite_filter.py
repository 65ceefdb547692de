"""SQLite's half of tenancy: the row policies it does not have.

A connection of the service always works for the tenant of its session, or for none, and SQLite learns whose it is
from two functions that every connection brings along, ``spothive_tenant()`` and ``spothive_system()``. On them stand

* reading: the compiler writes ``FROM accounts`` as ``FROM (SELECT * FROM accounts WHERE tenant_id =
  spothive_tenant()) AS accounts``, in every query however deep, ORM or Core. SQLite dissolves such a subquery, so
  indexes are used as before. UPDATE and DELETE get the same condition. Text cannot be filtered: it may not name a
  table that belongs to tenants.
* writing: temporary triggers, which live and act in this connection alone, refuse a row of another tenant and every
  write to a global table, by whatever statement.

What this does not promise: a driver's connection, ``exec_driver_sql`` included, reads everything.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import Connection, Delete, Engine, TableClause, Update, event, func
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from spothive.errors import TenantNotBound
from spothive.models import Base
from spothive.schema.tenancy import owner_column

_OF_THIS_TENANT = "{owner} = spothive_tenant()"


def install(engine: Engine) -> None:
    """Make every connection of ``engine`` keep to the tenant of its session."""
    engine.dialect.statement_compiler = TenantCompiler
    engine.dialect.all_tenants = _all_tenants(engine.dialect)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "checkout", _on_checkout)
