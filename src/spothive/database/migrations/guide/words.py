"""Parts of a declaration in plain words and Markdown: types, defaults, keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from spothive.schema.sealed import Sealed
from spothive.schema.types import (
    AsciiText,
    Bits64,
    Bytes,
    Day,
    Email,
    Flag,
    Fraction,
    Id,
    Json,
    Money,
    NameList,
    Text,
    TextEnum,
    UtcDateTime,
    WeekMatrix,
    Whole,
    derived_checks,
    utc_timestamp,
)

Key = sa.UniqueConstraint | sa.Index


def code(text: object) -> str:
    """Return ``text`` as Markdown code."""
    return f"`{text}`"


def codes(texts: Iterable[object]) -> str:
    """Return a comma-separated list of code."""
    return ", ".join(map(code, texts))


def prose(text: str) -> str:
    """Return a sentence of a docstring, comment or message as Markdown, in one line."""
    text = re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"`\1`", " ".join(text.split())).replace("``", "`")
    parts = text.split("`")
    parts[::2] = [re.sub(r"[<*]", r"\\\g<0>", part) for part in parts[::2]]  # not inside code
    return "`".join(parts)


def docstring(of: object) -> str:
    """Return a docstring as Markdown, its paragraphs as paragraphs."""
    return "\n\n".join(prose(paragraph) for paragraph in (of.__doc__ or "").strip().split("\n\n"))


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link(heading: str, page: str = "", *, text: str = "") -> str:
    """Return a link to a heading of this page or of another; ``text`` is what it shows instead of the heading."""
    return f"[{text or heading}]({page}#{anchor(heading)})"


def table_of(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]


# --- types -----------------------------------------------------------------------------------------


def _number(value: float) -> str:
    """Write a bound with its thousands apart; the edges of what computers count to as powers of two."""
    if isinstance(value, int) and value > 10**9:
        bits = value.bit_length()
        powers = {2**bits - 1: f"2^{bits}-1", 2 ** (bits - 1): f"2^{bits - 1}"}
        return powers.get(value, f"{value:,}")
    return f"{value:,}"


def _length(kind: Text) -> str:
    shortest, longest = _number(kind.min_length), _number(kind.max_length)
    return longest if shortest == longest else f"{shortest}..{longest}"


def _alphabet(kind: AsciiText) -> str:
    usual = AsciiText(1).alphabet
    return "in ASCII without capitals and spaces" if kind.alphabet == usual else f"of `{kind.alphabet}`"


_TYPES: dict[type, Callable[[Any], str]] = {
    AsciiText: lambda kind: f"text {_length(kind)} {_alphabet(kind)}",
    Bits64: lambda _: "whole number of 64 bits",
    Flag: lambda _: "true or false",
    Fraction: lambda kind: f"number {_number(kind.low)}..{_number(kind.high)}",
    Id: lambda _: "id",
    Json: lambda kind: f"JSON {kind.shape}, {kind.max_bytes // 1024} kB",
    Money: lambda kind: "money (USD), may be negative" if kind.signed else "money (USD)",
    Sealed: lambda _: "sealed secret",
    Text: lambda kind: f"text {_length(kind)}",
    TextEnum: lambda kind: codes(kind.enum_class),
    UtcDateTime: lambda _: "time (UTC)",
    Whole: lambda kind: f"whole number {_number(kind.low)}..{_number(kind.high)}",
    Bytes: lambda kind: "bytes" if kind.max_bytes is None else f"bytes, at most {_number(kind.max_bytes)}",
    Day: lambda _: "day (UTC)",
    Email: lambda _: "e-mail address",
    NameList: lambda kind: (
        f"JSON array of {codes(kind.enum_class) if kind.enum_class else 'names'}"
        + (", at least one" if kind.min_items else "")
    ),
    WeekMatrix: lambda _: "JSON array of 168 times 0 or 1",
}


def type_words(kind: Any) -> str:
    """Return what values of a column type look like.

    Raises:
        LookupError: the type is not known here.
    """
    for ancestor in type(kind).__mro__:
        if ancestor in _TYPES:
            return _TYPES[ancestor](kind)
    raise LookupError(f"{type(kind).__name__} has no words yet: add it to _TYPES in {__name__}")


def default_words(column: sa.Column[Any]) -> str:
    """Return what a row gets that does not name ``column``."""
    default: Any = column.server_default or column.default
    if default is None:
        return "null" if column.nullable else "required"
    if callable(default.arg):
        return "made by the application"
    if isinstance(default.arg, utc_timestamp):
        return "now"
    return code(default.arg if isinstance(default.arg, str) else getattr(default.arg, "text", default.arg))


# --- keys ------------------------------------------------------------------------------------------


def without_tenant(columns: Iterable[Any]) -> list[str]:
    """Return the names of key columns, leaving out the tenant that every key begins with."""
    names = [getattr(column, "name", None) or str(column) for column in columns]
    return [name for name in names if name != "tenant_id"] or names


def unique_words(table: sa.Table, key: Key) -> str:
    """Return what is unique, where, and under which condition."""
    within = " in the whole system" if "tenant_id" in table.c and "tenant_id" not in key.columns else ""
    where = f", among rows with {code(condition_of(key))}" if condition_of(key) else ""
    return f"{codes(without_tenant(key.columns))}{within}{where}"


def condition_of(key: Key) -> str:
    """Return the WHERE of a partial index, as SQL; empty for a key over all rows."""
    where = key.dialect_options["postgresql"].get("where") if isinstance(key, sa.Index) else None
    return "" if where is None else str(where)


def uniques_of(table: sa.Table) -> list[Key]:
    """Return the unique keys and indexes of ``table`` by name, without that of ``id``, which every table has."""
    keys: list[Key] = [key for key in table.constraints if isinstance(key, sa.UniqueConstraint)]
    keys += [index for index in table.indexes if index.unique]
    return sorted((key for key in keys if key.columns.keys() != ["id"]), key=lambda key: str(key.name))


def checks_by_hand(table: sa.Table) -> dict[str, sa.CheckConstraint]:
    """Return name to CHECK of those that the model states; the others follow from the types of single columns."""
    derived = {name for name, _, _ in derived_checks(table)}
    checks = {str(check.name): check for check in table.constraints if isinstance(check, sa.CheckConstraint)}
    return {name: checks[name] for name in sorted(checks.keys() - derived)}


def pointers_of(table: sa.Table) -> dict[str, sa.ForeignKeyConstraint]:
    """Return column to the key by which it points at a row; the tenant's own column only where it is all there is."""
    keys = {
        ", ".join(without_tenant(key.columns)): key
        for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
    }
    return {name: keys[name] for name in (c.name for c in table.columns) if name in keys}


def ending_words(key: sa.ForeignKeyConstraint) -> str:
    """Return what happens to a row when the row it points at is deleted."""
    if key.ondelete == "CASCADE":
        return "deleted with it"
    if any(column.info.get("detach") for column in key.columns):
        return "forgets it when it is deleted; checked at commit"
    if key.deferrable:
        return "keeps it from being deleted alone; checked at commit"
    return "keeps it from being deleted"
