"""Statements compiled once for all tests, as a service compiles them once for all requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.engine import Compiled
from sqlalchemy.sql import ClauseElement
from sqlalchemy.util import LRUCache

STATEMENTS = 1_000
"""As many are kept, those of the tests that ran last: two engines have two of nearly each."""


class _Statements(LRUCache[Any, Compiled]):
    """What SQLAlchemy compiled, by statement and kind of dialect: its own key names the one engine's."""

    __slots__ = ()

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_a_kind(key), default)

    def __setitem__(self, key: Any, value: Compiled) -> None:
        super().__setitem__(_of_a_kind(key), value)


def _of_a_kind(key: Any) -> tuple[Any, ...]:
    dialect, *others = key
    # The compiler too: on SQLite one writes the tenant's filter and the other, for system scope, does not.
    return type(dialect), dialect.statement_compiler, *others


@contextmanager
def compiled_once() -> Iterator[None]:
    """Let every engine and mapper find what any engine of its kind compiled, for as long as the block lasts.

    Each test has an engine of its own, and compiling anew was a third of the processor time of a test. Where
    SQLAlchemy is told to keep nothing, nothing is kept.
    """
    known = _Statements(STATEMENTS)
    compile_ = vars(ClauseElement)["_compile_w_cache"]

    def find(self: ClauseElement, dialect: Any, *, compiled_cache: Any, **how: Any) -> Any:
        return compile_(self, dialect, compiled_cache=None if compiled_cache is None else known, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClauseElement, "_compile_w_cache", find)
        yield
