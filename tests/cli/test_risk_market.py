"""``spothive market`` on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from spothive.cli.risk.market import REFUSED_SHOWN
from spothive.database import OnDemandPrice
from tests.cli.conftest import Spothive, audited
from tests.conftest import Database
from tests.watching import everything

REAL = Path(__file__).parents[3] / "shared" / "data" / "on-demand-prices.json"


def _table(**prices: object) -> str:
    return json.dumps({"source": "a test", "regions": {"eu-west-1": prices}})


def test_prices_are_added_and_changed(people: Database, done: Spothive) -> None:
    words = ["market", "import", "-"]
    first = done(*words, given=_table(**{"m5.large": "0.1", "c5.large": "0.2"}))
    assert first.out == "on-demand prices from a test: 2 added, 0 changed, 0 unchanged, 0 refused\n"
    again = done(*words, "--json", given=_table(**{"m5.large": "0.1", "c5.large": "0.3"})).json
    counts = {"added": 0, "changed": 1, "unchanged": 1, "kept": 0, "removed": 0}
    assert again == {"facts": "on-demand prices", "source": "a test", "refused": []} | counts
    assert {str(row["price"]) for row in everything()[OnDemandPrice.__tablename__]} == {"0.100000", "0.300000"}
    assert len(audited("market.imported")) == 2


def test_a_bad_price_is_refused_by_name(people: Database, done: Spothive) -> None:
    entries = {f"t{number}.nano": "free" for number in range(REFUSED_SHOWN + 3)}
    lines = done("market", "import", "-", given=_table(**{"m5.large": "0.1"}, **entries)).out.splitlines()
    assert lines[0] == "on-demand prices from a test: 1 added, 0 changed, 0 unchanged, 23 refused"
    assert lines[1].startswith("refused 'eu-west-1' 't0.nano': a price in text is plain digits")
    assert lines[-1] == "and 3 more refused, all of them with --json"


def test_a_file_without_one_good_entry_fails(people: Database, spothive: Spothive, done: Spothive) -> None:
    ran = spothive("market", "import", "-", given=_table(**{"m5.large": "free", "zzz": "0.1"}))
    assert (ran.code, ran.err.strip().splitlines()[-1]) == (1, "error: every entry was refused: nothing was stored")
    assert "refused 'eu-west-1' 'zzz': that is no instance type of EC2" in ran.out
    assert len(audited("market.imported")) == 1
    assert done("market", "import", "-", given='{"regions": {}}').code == 0  # nothing in it, and nothing wrong


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


def _history(*prices: tuple[str, str, str]) -> str:
    entries = [
        {"AvailabilityZone": zone, "InstanceType": "m5.large", "ProductDescription": "Linux/UNIX"}
        | {"SpotPrice": price, "Timestamp": since}
        for zone, price, since in prices
    ]
    return json.dumps({"SpotPriceHistory": entries})


def test_what_is_known_is_listed_to_everybody(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    acting = ["--tenant", "acme", "--as", "acme-client"]
    assert done("market", "list", *acting).out == (
        "no such facts of the market: see spothive market import and refresh\n"
    )
    nothing = done("market", "status", "--json").json
    assert [(row["facts"], row["source"], row["rows"], row["age_hours"]) for row in nothing] == [
        ("on-demand prices", None, 0, None),
        ("advisor ratings", None, 0, None),
        ("spot prices", None, 0, None),
    ]
    prices = {"us-east-1": {"m5.large": "0.096", "c5.large": "0.085"}, "eu-west-1": {"m5.large": "0.107"}}
    done("market", "import", "-", given=json.dumps({"regions": prices, "source": "a table"}))
    ratings = {"spot_advisor": {"us-east-1": {"Linux": {"m5.large": {"r": 1, "s": 70}}, "Windows": {}}}}
    done("market", "import", "-", given=json.dumps(ratings))
    history = _history(
        ("us-east-1b", "0.03", "2026-01-15T09:00:00Z"),
        ("us-east-1a", "0.02", "2026-01-15T09:00:00Z"),
        ("us-east-1a", "0.0312", "2026-01-15T10:00:00Z"),
    )
    done("market", "import", "-", given=history)
    offers = [
        {"zone": "us-east-1a", "price": "0.031200", "observed_at": "2026-01-15T10:00:00Z", "source": "standard input"},
        {"zone": "us-east-1b", "price": "0.030000", "observed_at": "2026-01-15T09:00:00Z", "source": "standard input"},
    ]
    whole = {"region": "us-east-1", "instance_type": "m5.large", "on_demand": "0.096000", "band": 1}
    known = done("market", "list", "--json", *acting).json
    assert [(row["region"], row["instance_type"]) for row in known] == [
        ("eu-west-1", "m5.large"),
        ("us-east-1", "c5.large"),
        ("us-east-1", "m5.large"),
    ]
    whole |= {"savings_percent": 70, "on_demand_source": "a table", "advisor_source": "standard input"}
    assert known[2] == whole | {"offers": offers}
    assert (known[1]["band"], known[1]["offers"]) == (None, [])
    narrow = ["--region", "us-east-1", "--type", "m5.large"]
    assert done("market", "list", "--json", *narrow).json == known[2:]
    shown = done("market", "list", *narrow).out.splitlines()
    assert not [line for line in shown if "*" in line]
    assert [line.split("|")[2].strip() for line in shown if "m5.large" in line] == ["us-east-1a", "us-east-1b"]
    assert done("market", "list", "--limit", "2").out.endswith("perhaps more: --limit, --region and --type\n")
    assert "is no AWS region" in refused("market", "list", "--region", "us-esat-1")
    assert "1 to 10000 entries" in refused("market", "list", "--limit", "0")
    status = done("market", "status", "--json", *acting).json
    assert [(row["source"], row["rows"]) for row in status] == [
        ("a table", 3),
        ("standard input", 1),
        ("standard input", 3),
    ]
    assert status[2]["newest"] == "2026-01-15T10:00:00Z"
    assert "a table" in done("market", "status").out


def test_a_market_can_be_made_up(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    done("market", "import", "-", given=json.dumps({"regions": {"us-east-1": {"m5.large": "0.096"}}}))
    first = done("market", "import", "--synthetic", "--seed", "3", "--json").json
    assert [row["facts"] for row in first] == ["on-demand prices", "advisor ratings", "spot prices"]
    assert {row["source"] for row in first} == {"synthetic"}
    assert [row["kept"] for row in first] == [1, 0, 0]
    assert not [row["refused"] for row in first if row["refused"]]
    again = done("market", "import", "--synthetic", "--seed", "3", "--json").json[:2]  # spot prices tell the hour
    assert [(row["added"], row["changed"]) for row in again] == [(0, 0), (0, 0)]
    [known] = done("market", "list", "--region", "us-east-1", "--type", "m5.large", "--json").json
    assert known["on_demand"] == "0.096000"
    assert len(known["offers"]) == 6
    sources = [known["on_demand_source"], known["advisor_source"], known["offers"][0]["source"]]
    assert sources == ["standard input", "synthetic", "synthetic"]
    shown = done("market", "list", "--region", "us-east-1", "--type", "m5.large").out.splitlines()
    first_row = [each.strip() for each in next(line for line in shown if "m5.large" in line).split("|")]
    assert [value.endswith(" *") for value in first_row[3:7]] == [True, False, True, True]
    assert shown[-1] == "* made up by spothive, not read anywhere"

    done("market", "import", "-", given=_history(("us-east-1a", "0.02", "2026-01-15T09:00:00Z")))
    third = done("market", "import", "--synthetic", "--seed", "4").out
    assert "1 made-up ones were left out: true ones are known\n" in third
    [known] = done("market", "list", "--region", "us-east-1", "--type", "m5.large", "--json").json
    assert [offer["source"] for offer in known["offers"]] == ["standard input"] + 5 * ["synthetic"]
    assert refused("market", "import") == refused("market", "import", "-", "--synthetic")
    assert refused("market", "import") == "give either a FILE or --synthetic"
