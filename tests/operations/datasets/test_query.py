"""What a search says: read without a database."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from spothive.errors import InvalidInput
from spothive.models import ExperimentStatus
from spothive.operations.datasets import TOKENS, Search, read_search, slug_of

quickly = settings(derandomize=True, deadline=None, max_examples=100)

FIRST, LAST = datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
HALF = Decimal("0.5")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tag:a tag:b", Search(tags=[("a",), ("b",)])),
        ("tag:a,b", Search(tags=[("a", "b")])),
        ('tag:"Night run"', Search(tags=[("Night run",)])),
        ("tag:Größe", Search(tags=[("Größe",)])),
        ("status:running,DRAFT", Search(statuses=[(ExperimentStatus.RUNNING, ExperimentStatus.DRAFT)])),
        ("model:risk@1.2", Search(models=["risk@1.2"])),
        ('model:"my model"', Search(models=["my model"])),
        ("created:>2026-01-31", Search(created=[(">", LAST)])),
        ("created:>=2026-01-31", Search(created=[(">=", FIRST)])),
        ("created:<2026-01-31", Search(created=[("<", FIRST)])),
        ("created:<=2026-01-31", Search(created=[("<=", LAST)])),
        ("created:2026-01-31", Search(created=[(">=", FIRST), ("<=", LAST)])),
        ("score:>0.5", Search(scores=[(">", HALF)])),
        ("score:<=-3", Search(scores=[("<=", Decimal(-3))])),
        ("SCORE:=0.5", Search(scores=[("=", HALF)])),
        ('"second try" 100% a_b', Search(words=["second try", "100%", "a_b"])),
        ("it's 5\" wide; \\n '--", Search(words=["it's", '5"', "wide;", "\\n", "'--"])),
        ('"not closed', Search(words=['"not', "closed"])),
        ('""', Search(words=['""'])),
        ('"http://x" 10:30 :x', Search(words=["http://x", "10:30", ":x"])),
        ('"tag:a"', Search(words=["tag:a"])),
        ("a;-- DROP", Search(words=["a;--", "DROP"])),
    ],
)
def test_what_is_typed_is_understood(text: str, found: Search) -> None:
    assert read_search(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "say what to look for"),
        (" \t", "say what to look for"),
        ("foo:bar", "no search knows foo: as a token"),
        ('foo:"b c"', "no search knows foo: as a token"),
        ("http://x", "no search knows http: as a token"),
        ("tag:", "tag: it says nothing; write tag:night"),
        ('tag:" "', "tag: it says nothing"),
        ("tag:a,,b", "a tag is missing beside a comma"),
        ("status:DONE", "'DONE' is none of DRAFT, RUNNING, COMPLETED, FAILED"),
        ("created:>31.1.2026", "'31.1.2026' is no date such as 2026-01-31; write created:>2026-01-31"),
        ("created:2026-02-30", "'2026-02-30' is no date"),
        ("created:>0000-01-01", "'0000-01-01' is no date"),
        ("created:=>2026-01-31", "'=>' compares nothing; write created:"),
        ("created:>", "'' is no date"),
        ("score:high", "'high' is no number such as 0.5"),
        ("score:>nan", "'nan' is no number"),
        ("score:1e5", "'1e5' is no number"),
        ("score:==1", "'==' compares nothing"),
        ("score:~1", "'~' compares nothing"),
        ("x\x00y", "NUL"),
        ("x" * 1001, "at most 1000 characters"),
        ("a " * 51, "at most 50 words"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_could(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_search(text)
    assert said in str(caught.value)


@quickly
@given(st.text(max_size=200))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    search = Search()
    with suppress(InvalidInput):
        search = read_search(text)
        assert any((search.tags, search.statuses, search.models, search.created, search.scores, search.words))
    assert all(word in text for word in search.words)


@quickly
@given(
    st.lists(
        st.text(st.characters(codec="ascii", exclude_characters=' \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f":\x00'), min_size=1),
        min_size=1,
        max_size=20,
    )
)
def test_words_without_colon_and_quote_stay_as_they_are(words: list[str]) -> None:
    assert read_search(" ".join(words)).words == words


@quickly
@given(st.text(st.characters(exclude_characters='"\x00', exclude_categories=["Cs"]), min_size=1, max_size=50))
def test_a_phrase_between_quotes_is_one_word_whatever_it_holds(phrase: str) -> None:
    assert read_search(f'"{phrase}"').words == [phrase]


@quickly
@given(
    st.dates(),
    st.sampled_from([">", ">=", "<", "<=", "="]),
    st.decimals(min_value=-1000, max_value=1000, places=3, allow_nan=False),
)
def test_every_date_and_number_can_be_compared(day: object, how: str, number: Decimal) -> None:
    search = read_search(f"created:{how}{day} score:{how}{number}")
    assert search.scores == [(how, number)]
    assert all(moment.date() == day for _, moment in search.created)


@quickly
@given(st.text(max_size=80))
def test_a_slug_is_spelled_like_itself(name: str) -> None:
    slug = slug_of(name)
    assert len(slug) <= 50
    assert slug_of(slug) == slug
    if slug:
        assert read_search(f"tag:{slug}").tags == [(slug,)]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Straße", "strasse"),
        ("Łódź", "lodz"),
        ("Ærø", "aero"),
        ("İzmir", "izmir"),
        ("Ørsted & søn", "orsted-son"),
        ("e\u0301te\u0301", "ete"),
        ("run 日本 2", "run-2"),
        ("日本", ""),
    ],
)
def test_a_slug_is_latin(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_every_token_is_shown_by_an_example_that_can_be_typed() -> None:
    for name, example in TOKENS.items():
        assert example.startswith(f"{name}:")
        read_search(example.split(",")[0])
