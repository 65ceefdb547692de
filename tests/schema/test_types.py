"""Every column type behaves alike on both databases, through the type and against raw SQL."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings, strategies as st

from spothive.errors import InvalidInput, ValueRefused
from spothive.schema.types import (
    MONEY_MAX,
    Json,
    Text,
    declare_checks,
    derived_checks,
    exact_money,
    strict_json,
    utc_timestamp,
)
from tests.schema.conftest import PROBE, Colour, Probe

ANY_ID = UUID("0193a1b2-5c4d-7e6f-8a9b-0c1d2e3f4a5b")
same_database = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def test_null_is_null_in_every_type(probe: Probe) -> None:
    for column in PROBE.columns:
        if not column.primary_key:
            assert probe.store(column.name, None) is None
            assert probe.raw(column.name, "NULL") is None


# --- refused by the type, before any SQL is sent -------------------------------------------------

NOT_VALUES: list[tuple[str, Any]] = [
    ("word", "a\x00b"),
    ("word", "a\ud800"),
    ("word", 12),
    ("word", b"ab"),
    ("code", "a\x00"),
    ("code", "\udfff"),
    ("colour", "green"),
    ("colour", "RED"),
    ("colour", 1),
    ("at", datetime(2026, 1, 1)),  # noqa: DTZ001 - naive on purpose
    ("at", "2026-01-01 00:00:00+00"),
    ("at", timedelta(1)),
    ("at", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
    ("at", datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2)))),
    ("price", 1.5),
    ("price", True),
    ("price", "1.50 USD"),
    ("price", "NaN"),
    ("price", Decimal("NaN")),
    ("price", Decimal("sNaN")),
    ("price", Decimal("Infinity")),
    ("price", Decimal("0.0000001")),
    ("price", Decimal("1E-999999")),
    ("price", MONEY_MAX + Decimal("0.000001")),
    ("price", 10**30),
    ("price", [1]),
    ("saving", Decimal("-1E9")),
    ("count", True),
    ("count", 1.0),
    ("count", "1"),
    ("count", 2**63),
    ("count", -(2**63) - 1),
    ("bits", True),
    ("bits", 2**63),
    ("bits", -(2**63) - 1),
    ("bits", 1e3),
    ("share", math.nan),
    ("share", math.inf),
    ("share", -math.inf),
    ("share", 10**400),
    ("share", True),
    ("share", "0.5"),
    ("share", Decimal("0.5")),
    ("flag", 1),
    ("flag", 0),
    ("flag", "true"),
    ("ref", "not-an-id"),
    ("ref", 7),
    ("document", {"a": math.nan}),
    ("document", {"a": math.inf}),
    ("document", {"a": "\x00"}),
    ("document", {"\x00": 1}),
    ("document", {"a": "\ud800"}),
    ("document", {"\udc00": 1}),
    ("document", {1: "a"}),
    ("document", {True: "a"}),
    ("document", {"a": {1, 2}}),
    ("document", {"a": Decimal(1)}),
    ("document", {"a": b"b"}),
    ("document", {"a": "x" * 2048}),
    ("mail", "a\x00@b"),
    ("words", ["a\x00"]),
    ("words", {"a"}),
    ("week", [math.nan] * 168),
    ("day", datetime(2026, 1, 1, tzinfo=UTC)),
    ("day", "2026-01-01"),
    ("blob", "abc"),
    ("blob", bytearray(b"abc")),
]


@pytest.mark.parametrize(("column", "value"), NOT_VALUES, ids=lambda value: repr(value)[:40])
def test_what_no_database_could_hold_is_refused_before_it_is_sent(probe: Probe, column: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        probe.store(column, value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    with pytest.raises(InvalidInput):  # a condition binds values too
        probe.ask(PROBE.c[column] == value)


def test_json_deeper_than_64_levels_is_refused_however_deep(probe: Probe) -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(InvalidInput, match="64 levels"):
        probe.store("items", deep)
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(InvalidInput, match="64 levels"):
        probe.store("items", ring)
    allowed: list[Any] = []
    for _ in range(63):
        allowed = [allowed]
    assert probe.store("items", allowed) == allowed


# --- refused by the database, through the type and by raw SQL -------------------------------------

BROKEN_BOUNDS: list[tuple[str, Any, str]] = [
    ("word", "a", "ck_probe_word_length"),
    ("word", "", "ck_probe_word_length"),
    ("word", "abcdef", "ck_probe_word_length"),
    ("word", "abcde ", "ck_probe_word_length"),  # no trailing space is dropped to make it fit
    ("word", "éééééé", "ck_probe_word_length"),
    ("code", "", "ck_probe_code_length"),
    ("code", "aaaaaa", "ck_probe_code_length"),
    ("code", "A", "ck_probe_code_ascii"),
    ("code", "é", "ck_probe_code_ascii"),
    ("code", "a b", "ck_probe_code_ascii"),
    ("code", "a\n", "ck_probe_code_ascii"),
    ("price", Decimal("-0.000001"), "ck_probe_price_money"),
    ("count", 6, "ck_probe_count_range"),
    ("count", -6, "ck_probe_count_range"),
    ("count", 2**63 - 1, "ck_probe_count_range"),
    ("share", 1.0000001, "ck_probe_share_range"),
    ("share", -1e-9, "ck_probe_share_range"),
    ("document", [], "ck_probe_document_json"),
    ("document", "text", "ck_probe_document_json"),
    ("document", sa.JSON.NULL, "ck_probe_document_json"),
    ("items", {}, "ck_probe_items_json"),
    ("mail", "a" * 254 + "@b", "ck_probe_mail_length"),
    ("mail", "Ann@example.com", "ck_probe_mail_ascii"),
    ("mail", "ann", "ck_probe_mail_email"),
    ("mail", "ann@", "ck_probe_mail_email"),
    ("mail", "@example.com", "ck_probe_mail_email"),
    ("mail", "a@b@c", "ck_probe_mail_email"),
    ("words", {}, "ck_probe_words_json"),
    ("words", [], "ck_probe_words_names"),
    ("words", [""], "ck_probe_words_names"),
    ("words", ["a b"], "ck_probe_words_names"),
    ("words", ["é"], "ck_probe_words_names"),
    ("words", ['a"b'], "ck_probe_words_names"),
    ("words", ["a", 1], "ck_probe_words_names"),
    ("words", ["a", None], "ck_probe_words_names"),
    ("words", [True], "ck_probe_words_names"),
    ("words", [["a"]], "ck_probe_words_names"),
    ("words", [{"a": "b"}], "ck_probe_words_names"),
    ("words", ["a,b"], "ck_probe_words_names"),
    ("colours", ["green"], "ck_probe_colours_names"),
    ("colours", ["red", "RED"], "ck_probe_colours_names"),
    ("colours", ["red", 1], "ck_probe_colours_names"),
    ("colours", [["red"]], "ck_probe_colours_names"),
    ("colours", [{"red": "red"}], "ck_probe_colours_names"),
    ("week", {}, "ck_probe_week_json"),
    ("week", [[1] * 168], "ck_probe_week_week"),
    ("blob", b"12345", "ck_probe_blob_size"),
]


@pytest.mark.parametrize(("column", "value", "rule"), BROKEN_BOUNDS, ids=lambda value: repr(value)[:30])
def test_a_broken_bound_is_refused_by_the_same_rule(probe: Probe, column: str, value: Any, rule: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        probe.store(column, value)
    assert caught.value.rule == rule
    assert repr(value) not in str(caught.value)


RAW_ON_BOTH = [
    ("word", "'abcdef'", "ck_probe_word_length"),
    ("word", "'abcdef' || '   '", "ck_probe_word_length"),
    ("code", "'A'", "ck_probe_code_ascii"),
    ("colour", "'green'", "ck_probe_colour_values"),
    ("colour", "'RED'", "ck_probe_colour_values"),
    ("colour", "''", "ck_probe_colour_values"),
    ("count", "6", "ck_probe_count_range"),
    ("share", "2", "ck_probe_share_range"),
    ("price", "-1", "ck_probe_price_money"),
    ("document", "'null'", "ck_probe_document_json"),
    ("document", "'[]'", "ck_probe_document_json"),
    ("document", "'1'", "ck_probe_document_json"),
    ("items", "'{}'", "ck_probe_items_json"),
]
RAW_ON_SQLITE = [
    ("word", "'ab' || char(0)", "ck_probe_word_length"),
    ("word", "'ab' || char(0) || 'cdefghij'", "ck_probe_word_length"),
    ("at", "'2026-02-30 00:00:00.000000'", "ck_probe_at_utc"),
    ("at", "'2026-01-01 24:00:00.000000'", "ck_probe_at_utc"),
    ("at", "'2026-01-01 00:60:00.000000'", "ck_probe_at_utc"),
    ("at", "'2026-01-01 00:00:60.000000'", "ck_probe_at_utc"),
    ("at", "'2026-01-01 00:00:00'", "ck_probe_at_utc"),
    ("at", "'2026-01-01T00:00:00.000000'", "ck_probe_at_utc"),
    ("at", "'2026-01-01 00:00:00.000000+00'", "ck_probe_at_utc"),
    ("at", "'0000-01-01 00:00:00.000000'", "ck_probe_at_utc"),
    ("at", "''", "ck_probe_at_utc"),
    ("price", "99999999999999 + 1", "ck_probe_price_money"),
    ("flag", "2", "ck_probe_flag_bool"),
    ("flag", "-1", "ck_probe_flag_bool"),
    ("ref", "'0193a1b2-5c4d-7e6f-8a9b-0c1d2e3f4a5b'", "ck_probe_ref_uuid"),
    ("ref", "'0193A1B25C4D7E6F8A9B0C1D2E3F4A5B'", "ck_probe_ref_uuid"),
    ("ref", "'0193a1b25c4d7e6f8a9b0c1d2e3f4a5'", "ck_probe_ref_uuid"),
    ("ref", "'{193a1b25c4d7e6f8a9b0c1d2e3f4a5}'", "ck_probe_ref_uuid"),
    ("document", "'{\"a\":'", "ck_probe_document_json"),
    ("document", "'{\"a\": NaN}'", "ck_probe_document_json"),
    ("document", "''", "ck_probe_document_json"),
    ("document", "'{\"a\": \"' || printf('%.2048c', 'x') || '\"}'", "ck_probe_document_json"),
    ("words", "'[\"a\"'", "ck_probe_words_json"),
    ("words", '\'["a" "b"]\'', "ck_probe_words_json"),
    ("week", "'1'", "ck_probe_week_json"),
    ("day", "'2026-02-30'", "ck_probe_day_day"),
    ("day", "'0000-01-01'", "ck_probe_day_day"),
    ("day", "'2026-1-1'", "ck_probe_day_day"),
    ("day", "'2026-01-01 00:00:00'", "ck_probe_day_day"),
]
RAW_ON_POSTGRESQL = [
    ("word", "'ab' || chr(0)", "54000"),
    ("at", "'infinity'", "ck_probe_at_utc"),
    ("at", "'-infinity'", "ck_probe_at_utc"),
    ("at", "'0001-12-31 00:00:00+00 BC'", "ck_probe_at_utc"),
    ("at", "'10000-01-01 00:00:00+00'", "ck_probe_at_utc"),
    ("price", "'NaN'", "ck_probe_price_money"),
    ("price", "100000000", "22003"),
    ("share", "'NaN'", "ck_probe_share_range"),
    ("share", "'Infinity'", "ck_probe_share_range"),
    ("document", '\'{"a": "\\u0000"}\'', "22P05"),
    ("document", "'{\"a\": NaN}'", "22P02"),
    ("document", "jsonb_build_object('a', repeat('x', 2048))", "ck_probe_document_json"),
]


@pytest.mark.parametrize(("column", "literal", "rule"), RAW_ON_BOTH)
def test_raw_sql_is_held_to_the_same_bounds(probe: Probe, column: str, literal: str, rule: str) -> None:
    assert probe.refused(column, literal) == rule


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize(("column", "literal", "rule"), RAW_ON_SQLITE)
def test_raw_sql_cannot_put_into_sqlite_what_postgresql_would_not_hold(
    probe: Probe, column: str, literal: str, rule: str
) -> None:
    assert probe.refused(column, literal) == rule


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize(("column", "literal", "rule"), RAW_ON_POSTGRESQL)
def test_raw_sql_cannot_put_into_postgresql_what_python_could_not_read(
    probe: Probe, column: str, literal: str, rule: str
) -> None:
    assert probe.refused(column, literal) == rule


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize(
    ("column", "literal"), [("count", "'x'"), ("share", "'x'"), ("word", "x'6162'"), ("flag", "'x'")]
)
def test_an_sqlite_column_takes_its_own_kind_of_value_only(probe: Probe, column: str, literal: str) -> None:
    assert "cannot store" in probe.refused(column, literal)


# --- what is stored comes back ----------------------------------------------------------------------

KEPT: list[tuple[str, Any]] = [
    ("word", "ab"),
    ("word", "  x  "),
    ("word", "日本語🚀é"),
    ("word", "\u202e\ufeff"),
    ("word", "\\'%:"),
    ("code", "!-@[~"),
    ("code", "]^_`{"),
    ("colour", Colour.SKY_BLUE),
    ("at", datetime(1, 1, 1, tzinfo=UTC)),
    ("at", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ("at", datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC)),
    ("price", Decimal(0)),
    ("price", Decimal("0.000001")),
    ("price", MONEY_MAX),
    ("saving", -MONEY_MAX),
    ("saving", Decimal("-0.000001")),
    ("count", -5),
    ("count", 5),
    ("bits", 2**63 - 1),
    ("bits", -(2**63)),
    ("share", 0.1),
    ("share", 5e-324),
    ("flag", True),
    ("flag", False),
    ("ref", ANY_ID),
    ("document", {}),
    ("document", {"a": {"b": [1, 2.5, None, True, "é🚀\u2028"]}, "": "\\u0000 written out"}),
    ("document", {"big": 10**300, "small": -1e-300, "zero": 0}),
    ("items", [[], {}, "text", None]),
    ("mail", "a@b"),
    ("mail", "ann+tag@example.com"),
    ("words", ["m6i", "c7g.metal-24xl", "A_b", "m6i"]),
    ("colours", []),
    ("colours", ["sky-blue", "red", "red"]),
    ("week", [0, 1] * 84),
    ("day", date(1, 1, 1)),
    ("day", date(9999, 12, 31)),
    ("day", date(2024, 2, 29)),
    ("blob", b""),
    ("blob", b"\x00'\xff\\"),
]


@pytest.mark.parametrize(("column", "value"), KEPT, ids=lambda value: repr(value)[:30])
def test_what_is_stored_comes_back_equal_and_of_the_same_type(probe: Probe, column: str, value: Any) -> None:
    found = probe.store(column, value)
    assert found == value
    assert type(found) is type(value)
    assert probe.ask(sa.func.count()).count == 1
    if not isinstance(PROBE.c[column].type, Json):
        assert probe.ask(sa.func.count().filter(PROBE.c[column] == value)) == (1,)


@same_database
@given(
    text=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=2, max_size=5)
)
def test_any_text_comes_back(probe: Probe, text: str) -> None:
    assert probe.store("word", text) == text


@same_database
@given(moment=st.datetimes(timezones=st.timezones(), min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)))  # noqa: DTZ001 - hypothesis adds the zone
def test_any_instant_comes_back_in_utc(probe: Probe, moment: datetime) -> None:
    found = probe.store("at", moment)
    assert found == moment.astimezone(UTC)
    assert found.tzinfo is UTC


@same_database
@given(
    value=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(-1e15, 1e15).map(lambda f: f + 0.0),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_any_json_comes_back(probe: Probe, value: dict[str, Any]) -> None:
    assert probe.store("document", value) == value


@same_database
@given(millionths=st.lists(st.integers(-99_999_999_999_999, 99_999_999_999_999), min_size=1, max_size=8))
def test_sums_and_order_of_money_are_exact(probe: Probe, millionths: list[int]) -> None:
    amounts = [Decimal(amount).scaleb(-6) for amount in millionths]
    with probe.connection.begin_nested() as part:
        for amount in amounts:
            probe.store("saving", amount)
        saving = PROBE.c.saving
        assert probe.ask(sa.func.sum(saving), sa.func.min(saving), sa.func.max(saving)) == (
            sum(amounts),
            min(amounts),
            max(amounts),
        )
        ordered = (
            probe.connection.execute(sa.select(saving).where(saving.is_not(None)).order_by(saving)).scalars().all()
        )
        assert ordered == sorted(amounts)
        part.rollback()


# --- time -----------------------------------------------------------------------------------------


def test_times_of_any_zone_are_one_instant(probe: Probe) -> None:
    autumn = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert probe.store("at", autumn) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert probe.store("at", autumn.replace(fold=1)) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert probe.store("at", datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=14)))).hour == 10


def test_times_sort_and_compare_as_times(probe: Probe) -> None:
    moments = [datetime(*day, tzinfo=UTC) for day in ((1, 1, 1), (999, 12, 31), (2026, 1, 2), (9999, 1, 1))]
    for moment in reversed(moments):
        probe.store("at", moment)
    found = probe.connection.execute(sa.select(PROBE.c.at).order_by(PROBE.c.at)).scalars().all()
    assert found == moments
    assert probe.ask(sa.func.max(PROBE.c.at)) == (moments[-1],)
    early = sa.func.count().filter(PROBE.c.at < datetime(2026, 1, 2, 0, 0, 0, 1, tzinfo=UTC))
    assert probe.ask(early) == (3,)


def test_the_databases_own_time_is_a_time_like_any_other(probe: Probe) -> None:
    before = datetime.now(UTC)
    probe.connection.execute(sa.insert(PROBE).values(number=1, at=utc_timestamp()))
    found, asked = probe.ask(PROBE.c.at, utc_timestamp())
    for moment in (found, asked):
        assert moment.tzinfo is UTC
        assert abs(moment - before) < timedelta(seconds=60)


# --- money ----------------------------------------------------------------------------------------


def test_money_is_added_and_compared_in_sql(probe: Probe) -> None:
    probe.store("price", Decimal("19.99"))
    price = PROBE.c.price
    asked = probe.ask(
        price + Decimal("0.01"), price - 1, price + price, 100 - price, price > "19.98", sa.func.coalesce(price, price)
    )
    assert asked == (Decimal(20), Decimal("18.99"), Decimal("39.98"), Decimal("80.01"), True, Decimal("19.99"))
    probe.connection.execute(sa.update(PROBE).values(price=price + 1))
    assert probe.ask(price) == (Decimal("20.99"),)


def test_money_is_not_scaled_or_averaged_in_sql() -> None:
    price, count, share = PROBE.c.price, PROBE.c["count"], PROBE.c.share
    attempts: list[Callable[[], Any]] = [
        lambda: price * 2,
        lambda: 2 * price,
        lambda: price * count,
        lambda: count * price,
        lambda: share * price,
        lambda: price / 3,
        lambda: 3 / price,
        lambda: price // 3,
        lambda: price % 3,
        lambda: sa.func.sum(price) / 2,
        lambda: sa.func.sum(price) / sa.func.count(),
        lambda: sa.func.avg(price),
        lambda: sa.func.avg(price + 1),
    ]
    for attempt in attempts:
        with pytest.raises(TypeError, match="do it in Python"):
            attempt()


def test_other_numbers_are_scaled_and_averaged_in_sql(probe: Probe) -> None:
    probe.store("count", 2)
    probe.store("count", 4)
    total, mean = probe.ask(sa.func.sum(PROBE.c["count"] * 10), sa.func.avg(PROBE.c["count"]))
    assert (total, float(mean)) == (60, 3.0)


def test_exact_money_has_six_decimals_and_no_exponent() -> None:
    assert str(exact_money("1E2")) == "100.000000"
    assert str(exact_money(Decimal("0E-999999"))) == "0.000000"
    assert str(exact_money(7)) == "7.000000"
    with pytest.raises(InvalidInput, match="at most"):
        exact_money(Decimal("-1.5E+999999999999"))
    with pytest.raises(InvalidInput, match="six decimals"):
        exact_money("0.1234567")


# --- ids and JSON ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling", [str(ANY_ID), str(ANY_ID).upper(), ANY_ID.hex, f"{{{ANY_ID}}}", ANY_ID.urn], ids=lambda text: text[:9]
)
def test_an_id_is_found_under_any_spelling(probe: Probe, spelling: str) -> None:
    assert probe.store("ref", spelling) == ANY_ID
    assert probe.ask(sa.func.count().filter(PROBE.c.ref == spelling)) == (1,)


def test_json_is_limited_by_bytes_not_by_characters() -> None:
    fitting = {"a": "é" * 100}
    assert len(strict_json(fitting)) == 109
    assert strict_json(fitting, 209)
    with pytest.raises(InvalidInput, match="limited to"):
        strict_json(fitting, 208)


def test_256_kilobytes_of_json_fit_and_one_byte_more_does_not(probe: Probe) -> None:
    fitting = ["x" * (256 * 1024 - 4)]
    assert probe.store("items", fitting) == fitting
    with pytest.raises(InvalidInput, match="256 kB"):
        probe.store("items", ["x" * (256 * 1024 - 3)])


def test_checks_are_declared_once_whoever_asks_for_them() -> None:
    table = sa.Table("wide", sa.MetaData(), *[sa.Column(f"c{number}", Text(number)) for number in range(1, 60)])
    together = threading.Barrier(8)

    def declare(_: int) -> set[str]:
        together.wait()
        declare_checks(table)
        return {str(constraint.name) for constraint in tuple(table.constraints)}

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(declare, range(8)))
    declared = [str(check.name) for check in table.constraints if isinstance(check, sa.CheckConstraint)]
    assert sorted(declared) == sorted(name for name, _, _ in derived_checks(table))
    assert all(names >= set(declared) for names in seen), "somebody went on before all were declared"
