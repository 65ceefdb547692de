"""JSON documents, strict and bounded."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine

from spothive.errors import InvalidInput
from spothive.schema.types.checked import Check, CheckedType
from spothive.schema.types.texts import sendable_text

JSON_MAX_BYTES = 256 * 1024
JSON_MAX_DEPTH = 64
WEEK_HOURS = 7 * 24
_NAME_ALPHABET = "a-zA-Z0-9._-"
_UTF8_MAX = 4
_CONTAINERS = (dict, list, tuple)
_PLAIN_KEYS = {str}
_written = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode


class Json(CheckedType[Any]):
    """Strict JSON of at most ``max_bytes``: JSONB on PostgreSQL, text on SQLite. ``shape`` is object or array.

    Python's None is SQL's NULL; JSON's own ``null`` is no object and no array, so it is never stored. Numbers come
    back equal, though a float from 1e16 on may come back as an int.
    """

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def __init__(self, shape: str = "object", max_bytes: int = JSON_MAX_BYTES) -> None:
        """Set the outermost shape and the size limit in bytes."""
        super().__init__()
        self.shape = shape
        self.max_bytes = max_bytes

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """JSONB on PostgreSQL."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.JSONB(none_as_null=True))
        return dialect.type_descriptor(sa.JSON(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Refuse what strict JSON or one of the databases cannot hold.

        Raises:
            InvalidInput: see :func:`strict_json`.
        """
        del dialect
        if value is not None:
            strict_json(value, self.max_bytes)
        return value

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return what makes a document what the driver takes: the text that was judged, not written a second time."""
        max_bytes = self.max_bytes
        if dialect.name != "postgresql":
            return lambda value: None if value is None else strict_json(value, max_bytes)
        from psycopg.types.json import Jsonb

        return lambda value: None if value is None else Jsonb(strict_json(value, max_bytes), dumps=_as_it_is)

    def checks(self, column: str) -> Iterator[Check]:
        """State shape and size; SQLite has no JSON type of its own, so validity too."""
        message = f"it is no strict JSON {self.shape} of at most {self.max_bytes // 1024} kB"
        yield Check(
            "json",
            f"jsonb_typeof({column}) = '{self.shape}' AND octet_length({column}::text) <= {self.max_bytes}",
            message,
            "postgresql",
        )
        size = f"length(CAST({column} AS BLOB)) <= {self.max_bytes}"
        # CASE: json_type raises on malformed text instead of answering, and AND promises no order.
        yield Check(
            "json",
            f"CASE WHEN json_valid({column}) THEN json_type({column}) = '{self.shape}' AND {size} "
            f"ELSE {column} IS NULL END",
            message,
            "sqlite",
        )


class NameList(Json):
    """A JSON array of names: values of an enum, or words of ASCII letters, digits, ``.``, ``_`` and ``-``.

    PostgreSQL has arrays of text, SQLite has not: both hold the same JSON.
    """

    cache_ok = True

    def __init__(self, enum_class: type[enum.StrEnum] | None = None, min_items: int = 0) -> None:
        """Take values of ``enum_class`` only, if one is given, and at least ``min_items`` of them."""
        super().__init__("array")
        self.enum_class = enum_class
        self.min_items = min_items

    def checks(self, column: str) -> Iterator[Check]:
        """State shape, size and number, and that every element is such a name."""
        yield from super().checks(column)
        on_postgresql, on_sqlite = self._known_names(column) if self.enum_class else self._words(column)
        few = f"jsonb_array_length({column}) >= {self.min_items}" if self.min_items else "true"
        message = "it is no list of known names" if self.enum_class else "it is no list of plain ASCII names"
        if self.min_items:
            message += f", at least {self.min_items}"
        yield Check(
            "names",
            f"CASE WHEN jsonb_typeof({column}) = 'array' THEN {few} AND {on_postgresql} END",
            message,
            "postgresql",
        )
        # Neither CASE falls through to false: what is no array is the business of the CHECK above.
        few = f"json_array_length({column}) >= {self.min_items}"
        flat = f"instr(substr(json({column}), 2), '[') = 0"
        names = f"CASE WHEN json_valid({column}) THEN {few} AND {flat} AND {on_sqlite} END"
        yield Check("names", names, message, "sqlite")

    def _known_names(self, column: str) -> tuple[str, str]:
        values = [member.value for member in self.enum_class or ()]
        rest = f"json({column})"
        for value in values:
            rest = f"replace({rest}, '\"{value}\"', '')"
        return f"{column} <@ '{json.dumps(values)}'", f"trim({rest}, '[],') = ''"

    @staticmethod
    def _words(column: str) -> tuple[str, str]:
        """On SQLite, where no CHECK looks into an array: two quotes for each element, none empty, commas between."""
        text, alphabet = f"json({column})", _NAME_ALPHABET
        wrong = f'@.type() != "string" || !(@ like_regex "^[{alphabet}]+$")'
        on_postgresql = f"NOT jsonb_path_exists({column}, 'strict $[*] ? ({wrong})')"
        quotes = f"length({text}) - length(replace({text}, '\"', ''))"
        commas = f"length({text}) - length(replace({text}, ',', ''))"
        inside = f"substr({text}, 2, length({text}) - 2)"
        on_sqlite = (
            f"{quotes} = 2 * json_array_length({column}) AND instr({text}, '\"\"') = 0 "
            f"AND {commas} = max(json_array_length({column}) - 1, 0) "
            f"AND {inside} NOT GLOB '*[^\",{alphabet}]*'"
        )
        return on_postgresql, on_sqlite


class WeekMatrix(Json):
    """The 168 hours of a week as a JSON array of 0 and 1, Monday 00:00 first."""

    cache_ok = True

    def __init__(self) -> None:
        """Take no options: a week is a week."""
        super().__init__("array")

    def checks(self, column: str) -> Iterator[Check]:
        """Compare the text with 168 ones: true, "1", 1.0 and a missing hour all differ, on both databases."""
        yield from super().checks(column)
        ones = ["1"] * WEEK_HOURS
        message = f"it is not the {WEEK_HOURS} hours of a week, each 0 or 1"
        yield Check("week", f"replace({column}::text, '0', '1') = '[{', '.join(ones)}]'", message, "postgresql")
        yield Check(
            "week",
            f"CASE WHEN json_valid({column}) THEN replace(json({column}), '0', '1') = '[{','.join(ones)}]' END",
            message,
            "sqlite",
        )


def strict_json(value: Any, max_bytes: int = JSON_MAX_BYTES) -> str:
    """Return ``value`` as the JSON text SQLite stores (PostgreSQL prints JSONB with the same spacing).

    Raises:
        InvalidInput: NaN, NUL, a lone surrogate, a key that is no text, deeper than 64 levels, too large, or not
            JSON at all.
    """
    _refuse_deep(value, JSON_MAX_DEPTH)
    try:
        text = _written(value)
    except (TypeError, ValueError) as error:
        msg = f"not strict JSON: {str(error)[:80]}"
        raise InvalidInput(msg) from None
    if "\\u0000" in text:
        _refuse_nul(value)
    sendable_text(text)
    if len(text) * _UTF8_MAX > max_bytes and len(text.encode()) > max_bytes:
        msg = f"JSON is limited to {max_bytes // 1024} kB here; store large data elsewhere and keep its address"
        raise InvalidInput(msg)
    return text


def _as_it_is(text: str) -> str:
    return text


def _refuse_deep(value: Any, levels: int) -> None:
    """Refuse deep nesting, and keys that json.dumps would turn into text behind the caller's back."""
    if not isinstance(value, _CONTAINERS):
        return
    if levels == 0:
        msg = f"JSON is limited to {JSON_MAX_DEPTH} levels of nesting here"
        raise InvalidInput(msg)
    inside: Any = value
    if isinstance(value, dict):
        kinds = set(map(type, value))
        if not kinds <= _PLAIN_KEYS and not all(issubclass(kind, str) for kind in kinds):
            msg = "not strict JSON: the keys of an object are text"
            raise InvalidInput(msg)
        inside = value.values()
    for inner in inside:
        if isinstance(inner, _CONTAINERS):
            _refuse_deep(inner, levels - 1)


def _refuse_nul(value: Any) -> None:
    r"""Tell a real NUL from the six harmless characters ``\u0000`` written out."""
    if isinstance(value, str):
        sendable_text(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            sendable_text(key)
            _refuse_nul(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_nul(inner)


class number_at(sa.sql.functions.FunctionElement[Any]):  # noqa: N801 - reads as an SQL function
    """The number that a JSON object has under ``key``, a plain word; NULL if there is none, or something else."""

    inherit_cache = False
    type = sa.Numeric(asdecimal=False)

    def __init__(self, column: sa.ColumnElement[Any], key: str) -> None:
        """Look into ``column``."""
        super().__init__(column)
        self.key = key


@compiles(number_at, "postgresql")
def _number_at_postgresql(element: number_at, compiler: Any, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    # CASE, since a text is no number and to convert it raises. NUMERIC, since a whole number may have any length.
    number = f"CAST({column} ->> '{element.key}' AS NUMERIC)"
    return f"(CASE WHEN jsonb_typeof({column} -> '{element.key}') = 'number' THEN {number} END)"


@compiles(number_at, "sqlite")
def _number_at_sqlite(element: number_at, compiler: Any, **kw: Any) -> str:
    column, path = compiler.process(element.clauses, **kw), f"'$.{element.key}'"
    number = f"CAST(json_extract({column}, {path}) AS REAL)"
    return f"(CASE WHEN json_type({column}, {path}) IN ('integer', 'real') THEN {number} END)"
