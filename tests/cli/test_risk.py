"""``spothive market`` on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from spothive.cli.risk import REFUSED_SHOWN
from spothive.database import OnDemandPrice
from tests.cli.conftest import Spothive, audited, everything
from tests.conftest import Database

REAL = Path(__file__).parents[3] / "shared" / "data" / "on-demand-prices.json"


def _table(**prices: object) -> str:
    return json.dumps({"source": "a test", "regions": {"eu-west-1": prices}})


def test_prices_are_added_and_changed(people: Database, done: Spothive) -> None:
    words = ["market", "import", "-"]
    first = done(*words, given=_table(m5="0.1", c5="0.2"))
    assert first.out == "on-demand prices from a test: 2 added, 0 changed, 0 unchanged, 0 refused\n"
    again = done(*words, "--json", given=_table(m5="0.1", c5="0.3")).json
    counts = {"added": 0, "changed": 1, "unchanged": 1, "kept": 0}
    assert again == {"facts": "on-demand prices", "source": "a test", "refused": []} | counts
    assert {str(row["price"]) for row in everything()[OnDemandPrice.__tablename__]} == {"0.100000", "0.300000"}
    assert len(audited("market.imported")) == 2


def test_a_bad_price_is_refused_by_name(people: Database, done: Spothive) -> None:
    entries = {f"t{number}.nano": "free" for number in range(REFUSED_SHOWN + 3)}
    lines = done("market", "import", "-", given=_table(good="0.1", **entries)).out.splitlines()
    assert lines[0] == "on-demand prices from a test: 1 added, 0 changed, 0 unchanged, 23 refused"
    assert lines[1].startswith("refused 'eu-west-1' 't0.nano': not an amount of money")
    assert lines[-1] == "and 3 more refused, all of them with --json"


@pytest.mark.skipif(not REAL.is_file(), reason="the real price table is not part of the project")
def test_the_real_table(people: Database, done: Spothive) -> None:
    assert done("market", "import", str(REAL), "--json").json["added"] == 1367
    assert done("market", "import", str(REAL), "--json").json["unchanged"] == 1367


def test_what_is_no_file_of_market_facts(people: Database, refused: Callable[..., str]) -> None:
    before = everything()
    for given in (b"", b"[]", b"{}", b'{"regions": []}', b'{"regions": {"eu-west-1": 1}}', b"[" * 10_000, b"\xff"):
        assert refused("market", "import", "-", given=given).startswith("standard input "), given[:20]
    assert everything() == before


def test_a_customer_imports_no_prices(people: Database, refused: Callable[..., str]) -> None:
    words = ["market", "import", "-", "--tenant", "acme", "--as", "acme-client"]
    assert "may not manage" in refused(*words, given=_table(m5="0.1"))
    assert [row["outcome"] for row in audited("market.imported")] == ["DENIED"]
