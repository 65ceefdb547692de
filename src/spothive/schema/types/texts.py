"""Text, and enums stored as text."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles

from spothive.errors import InvalidInput
from spothive.schema.types.checked import Check, CheckedType


def sendable_text(value: Any) -> str:
    """Return ``value`` if both databases can store it.

    Raises:
        InvalidInput: it is no text, or holds a NUL character or half of a surrogate pair.
    """
    if not isinstance(value, str):
        msg = f"text expected; got {type(value).__name__}"
        raise InvalidInput(msg)
    if "\x00" in value:
        msg = "text may not contain a NUL character"
        raise InvalidInput(msg)
    try:
        value.encode()
    except UnicodeEncodeError:
        msg = "text contains half of a surrogate pair and is not valid Unicode; send it as UTF-8"
        raise InvalidInput(msg) from None
    return value


class Text(CheckedType[str]):
    """TEXT of ``min_length``..``max_length`` characters (code points), equal on both databases."""

    cache_ok = True

    def __init__(self, max_length: int = 4000, min_length: int = 0) -> None:
        """Set the bounds, in characters."""
        super().__init__()
        self.max_length = max_length
        self.min_length = min_length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse what one of the databases could not store."""
        del dialect
        return None if value is None else sendable_text(value)

    def checks(self, column: str) -> Iterator[Check]:
        """Bound the length; SQLite's ``length`` stops at a NUL, so refuse one there."""
        low = f"length({column}) >= {self.min_length} AND " if self.min_length else ""
        bound = f"{low}length({column}) <= {self.max_length}"
        size = f"{self.min_length} to {self.max_length}" if self.min_length else f"at most {self.max_length}"
        message = f"the text has the wrong length: {size} characters fit"
        yield Check("length", bound, message, "postgresql")
        yield Check("length", f"{bound} AND instr({column}, char(0)) = 0", message, "sqlite")


_PLAIN = "!-@[-~"


class AsciiText(Text):
    """Text of a fixed ASCII alphabet, so that look-alikes cannot exist and no collation has a say.

    ``alphabet`` is written as the inside of a bracket expression, for example ``a-z0-9-``.
    """

    cache_ok = True

    def __init__(self, max_length: int, min_length: int = 1, alphabet: str = _PLAIN) -> None:
        """Set the bounds and the alphabet; the default is printable ASCII without capitals and spaces."""
        super().__init__(max_length, min_length)
        self.alphabet = alphabet

    def checks(self, column: str) -> Iterator[Check]:
        """Bound the length and the alphabet."""
        yield from super().checks(column)
        plain = self.alphabet == _PLAIN
        only = "lower-case ASCII letters, digits and signs" if plain else f"the characters {self.alphabet}"
        message = f"it may hold {only} only"
        yield Check("ascii", f"{column} COLLATE \"C\" ~ '^[{self.alphabet}]*$'", message, "postgresql")
        yield Check("ascii", f"{column} NOT GLOB '*[^{self.alphabet}]*'", message, "sqlite")


class Email(AsciiText):
    """An e-mail address as it is stored everywhere: lower-case ASCII, one @ with something on either side of it."""

    cache_ok = True

    def __init__(self) -> None:
        """Bound the length to what mail servers take."""
        super().__init__(255, 3)

    def checks(self, column: str) -> Iterator[Check]:
        """State the form too."""
        yield from super().checks(column)
        yield Check(
            "email",
            f"length({column}) - length(replace({column}, '@', '')) = 1 "
            f"AND substr({column}, 1, 1) <> '@' AND substr({column}, length({column}), 1) <> '@'",
            "it is no e-mail address: one @, and something on either side of it",
        )


class TextEnum(CheckedType[enum.StrEnum]):
    """A StrEnum stored as its value, with a CHECK that lists the values."""

    cache_ok = True

    def __init__(self, enum_class: type[enum.StrEnum]) -> None:
        """Store members of ``enum_class``."""
        super().__init__()
        self.enum_class = enum_class

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Accept a member or its exact value.

        Raises:
            InvalidInput: no member has this value.
        """
        del dialect
        if value is None:
            return None
        try:
            return str(self.enum_class(value).value)
        except ValueError:
            known = ", ".join(self.enum_class)
            msg = f"{self.enum_class.__name__} is one of {known}; got {str(value)[:40]!r}"
            raise InvalidInput(msg) from None

    def process_result_value(self, value: str | None, dialect: Dialect) -> enum.StrEnum | None:
        """Return the member."""
        del dialect
        return None if value is None else self.enum_class(value)

    def checks(self, column: str) -> Iterator[Check]:
        """List the values."""
        values = ", ".join(f"'{member.value}'" for member in self.enum_class)
        yield Check("values", f"{column} IN ({values})", "it is not one of the known values")


_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class contains_text(sa.sql.functions.FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """True if a text column holds ``words`` as they stand, except that A to Z count as a to z. No sign is a wildcard.

    Letters beyond those are compared as they are: which of them are one letter depends on the language, and SQLite
    knows of none. So both databases give the same answer, whatever their collation.
    """

    inherit_cache = True
    type = sa.Boolean()

    def __init__(self, column: sa.ColumnElement[Any], words: str) -> None:
        """Look for ``words`` in ``column``."""
        super().__init__(column, sa.literal(sendable_text(words).translate(_TO_LOWER), sa.Text()))


@compiles(contains_text, "postgresql")
def _contains_text_postgresql(element: contains_text, compiler: Any, **kw: Any) -> str:
    column, words = (compiler.process(part, **kw) for part in element.clauses)
    return f'(strpos(lower({column} COLLATE "C"), {words}) > 0)'  # "C" knows the capitals of ASCII alone


@compiles(contains_text, "sqlite")
def _contains_text_sqlite(element: contains_text, compiler: Any, **kw: Any) -> str:
    column, words = (compiler.process(part, **kw) for part in element.clauses)
    return f"(instr(lower({column}), {words}) > 0)"
