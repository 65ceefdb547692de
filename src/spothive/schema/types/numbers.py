"""Numbers: exact money, bounded whole numbers and fractions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine

from spothive.errors import InvalidInput
from spothive.schema.types.checked import Check, CheckedType

MONEY_SCALE = 6
MONEY_MAX = Decimal("99999999.999999")
"""Largest amount a NUMERIC(14,6) holds, in USD."""
WHOLE_MAX = 2**31 - 1
_SCALING = {"mul", "truediv", "floordiv", "mod"}
_STEP = Decimal(1).scaleb(-MONEY_SCALE)


class _Arithmetic(TypeDecorator.Comparator[Any]):
    """Refuses arithmetic that SQLite's millionths would get wrong, whichever side the money stands on."""

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        """Let comparison, + and - through."""
        if op.__name__ in _SCALING:
            _refuse_money(self.expr, *other)
        return super().operate(op, *other, **kwargs)

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        """Let comparison, + and - through."""
        if op.__name__ in _SCALING:
            _refuse_money(self.expr)
        return super().reverse_operate(op, other, **kwargs)


class avg(GenericFunction[Any]):  # noqa: N801 - it is what sa.func.avg makes
    """SQL's ``avg``, which refuses money."""

    inherit_cache = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Average ``args``.

        Raises:
            TypeError: they are money.
        """
        _refuse_money(*args)
        super().__init__(*args, **kwargs)


def _refuse_money(*parts: Any) -> None:
    if any(isinstance(getattr(part, "type", None), Money) for part in parts):
        msg = "money is not multiplied, divided or averaged in SQL (SQLite holds millionths): do it in Python"
        raise TypeError(msg)


class Money(CheckedType[Decimal]):
    """An exact amount of USD: NUMERIC(14,6), on SQLite an integer of millionths.

    Adding, comparing and summing are exact on both. Multiplying, dividing or averaging in SQL would be silently
    wrong on SQLite, so it raises TypeError: do it in Python. A bare number inside a function is not converted there
    either: write ``coalesce(price, literal(1, Money()))``.
    """

    impl = sa.Numeric(14, MONEY_SCALE)
    cache_ok = True
    comparator_factory = _Arithmetic

    def __init__(self, *, signed: bool = False) -> None:
        """Amounts are at least 0 unless ``signed``."""
        super().__init__()
        self.signed = signed

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """An integer of millionths on SQLite."""
        kind: TypeEngine[Any] = sa.Numeric(14, MONEY_SCALE) if dialect.name == "postgresql" else sa.BigInteger()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Convert an exact amount.

        Raises:
            InvalidInput: a float, NaN, infinity, or more than six decimals.
        """
        if value is None:
            return None
        amount = exact_money(value)
        return amount if dialect.name == "postgresql" else int(amount.scaleb(MONEY_SCALE))

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return a Decimal with six decimals."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            return Decimal(value)
        return Decimal(value).scaleb(-MONEY_SCALE)

    def checks(self, column: str) -> Iterator[Check]:
        """Bound both ends: on PostgreSQL NaN is greater than any number."""
        low = -MONEY_MAX if self.signed else Decimal(0)
        message = f"the amount is not within {low} and {MONEY_MAX} USD"
        yield Check("money", f"{column} >= {low} AND {column} <= {MONEY_MAX}", message, "postgresql")
        millionths = f"{column} >= {int(low.scaleb(6))} AND {column} <= {int(MONEY_MAX.scaleb(6))}"
        yield Check("money", millionths, message, "sqlite")


def exact_money(value: Decimal | int | str) -> Decimal:
    """Return ``value`` as an exact Decimal with six decimals.

    Raises:
        InvalidInput: a float, NaN, infinity, not a number, out of range, or finer than a millionth.
    """
    if isinstance(value, (bool, float)):
        msg = "money is exact: pass a Decimal, an int or a string, never a float"
        raise InvalidInput(msg)
    try:
        amount = Decimal(value)
    except (ArithmeticError, ValueError, TypeError):
        msg = f"not an amount of money: {str(value)[:40]!r}"
        raise InvalidInput(msg) from None
    if not amount.is_finite() or amount.copy_abs() > MONEY_MAX:  # abs() rounds, which 1.5e999999999999 does not survive
        msg = f"an amount of money is at most {MONEY_MAX} USD; got {str(value)[:40]!r}"
        raise InvalidInput(msg)
    exact = amount.quantize(_STEP)
    if exact != amount:
        msg = f"money has at most six decimals; round {str(value)[:40]} first"
        raise InvalidInput(msg)
    return exact


class Whole(CheckedType[int]):
    """A whole number within ``low``..``high``. BIGINT everywhere, so that the CHECK is the one that refuses."""

    impl = sa.BigInteger
    cache_ok = True
    comparator_factory = _Arithmetic

    def __init__(self, low: int = 0, high: int = WHOLE_MAX) -> None:
        """Set the bounds, both included."""
        super().__init__()
        self.low = low
        self.high = high

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:
        """Refuse what no database integer holds; the CHECK refuses the rest.

        Raises:
            InvalidInput: no int (a bool is none), or more than 64 bits.
        """
        del dialect
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
            msg = f"not a whole number of 64 bits: {str(value)[:40]!r}"
            raise InvalidInput(msg)
        return value

    def checks(self, column: str) -> Iterator[Check]:
        """State the range."""
        bounds = f"{column} >= {self.low} AND {column} <= {self.high}"
        yield Check("range", bounds, f"the number is not within {self.low} and {self.high}")


class Bits64(Whole):
    """Any signed 64-bit integer (hashes)."""

    cache_ok = True

    def __init__(self) -> None:
        """Allow all that BIGINT holds."""
        super().__init__(-(2**63), 2**63 - 1)

    def checks(self, column: str) -> Iterator[Check]:
        """Every value of the storage type is legal."""
        del column
        yield from ()


class Fraction(CheckedType[float]):
    """A float within ``low``..``high``; NaN, which SQLite would store as NULL, is refused."""

    impl = sa.Float(53)
    cache_ok = True
    comparator_factory = _Arithmetic

    def __init__(self, low: float = 0, high: float = 1) -> None:
        """Set the bounds, both included; the default suits a probability."""
        super().__init__()
        self.low = low
        self.high = high

    def process_bind_param(self, value: Any, dialect: Dialect) -> float | None:
        """Refuse NaN and infinity; the CHECK refuses the rest.

        Raises:
            InvalidInput: not finite, or no number (a bool is none).
        """
        del dialect
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            msg = f"a number expected; got {str(value)[:40]!r}"
            raise InvalidInput(msg)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            msg = "a number must be finite: NaN and infinity are refused"
            raise InvalidInput(msg)
        return number

    def checks(self, column: str) -> Iterator[Check]:
        """State the range."""
        bounds = f"{column} >= {self.low} AND {column} <= {self.high}"
        yield Check("range", bounds, f"the number is not within {self.low} and {self.high}")
