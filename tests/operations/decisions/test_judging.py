"""The rules at their borders. Nothing here needs a database or a model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from spothive.models import Decision
from spothive.operations.decisions.judging import Staying, Thresholds, Verdict, decide, percent
from spothive.operations.decisions.pool_facts import KnownPool, Pool

NOW = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)
HERE = Pool("us-east-1", "us-east-1a", "m5.large")


def pool(zone: str = "b", instance_type: str = "m6i.large", price: str | None = "0.069", **facts: Any) -> KnownPool:
    where = Pool("us-east-1", f"us-east-1{zone}", instance_type)
    return KnownPool(where, None if price is None else Decimal(price), NOW, **facts)


def judged(
    *candidates: tuple[KnownPool, float], price: str | None = "0.1", risk: float = 0.12, spot: bool = True, **facts: Any
) -> Verdict:
    amount = None if price is None else Decimal(price)
    here = KnownPool(HERE, amount if spot else None, NOW, None if spot else amount, **facts)
    risks = {each.pool: score for each, score in candidates}
    return decide(Staying(here, spot, risk if spot else 0.0), [each for each, _ in candidates], risks, Thresholds())


def test_a_cheaper_and_safe_pool_is_worth_a_switch() -> None:
    verdict = judged((pool(), 0.04))
    assert verdict.decision is Decision.SWITCH
    assert verdict.target is not None
    assert (verdict.target.saving, verdict.target.score) == (Decimal("0.31"), Decimal("0.27"))
    assert verdict.reason == "us-east-1b m6i.large is 31 % cheaper at a risk of 0.04; staying risks 0.12"


@pytest.mark.parametrize(
    ("price", "risk", "own", "decision", "why"),
    [
        ("0.095", 0.0, 0.5, "SWITCH", "5 % cheaper"),
        ("0.095001", 0.0, 0.5, "HOLD", "4.9 % cheaper at a risk of 0.00: a switch must save 5 %"),
        ("0.01", 0.8499999, 0.5, "SWITCH", "90 % cheaper"),
        ("0.01", 0.85, 0.5, "HOLD", "a switch needs a risk below 0.85"),
        ("0.09", 0.3, 0.2, "HOLD", "not worth more than staying, which risks 0.20"),
        ("0.09", 0.3, 0.2000001, "SWITCH", "10 % cheaper"),
        ("0.12", 0.0, 0.9, "HOLD", "no cheaper at a risk of 0.00: a switch must save 5 %"),
        ("0.1", 0.0, 0.9, "HOLD", "no cheaper"),
    ],
)
def test_each_border(price: str, risk: float, own: float, decision: str, why: str) -> None:
    # 0.10 - 0.30 against 0 - 0.20 is a tie in decimals, and would be none in binary floating point.
    verdict = judged((pool(price=price), risk), risk=own)
    assert verdict.decision == decision
    assert why in verdict.reason
    assert (verdict.target is not None) is (decision == "SWITCH")


def test_the_best_score_that_may_be_chosen_wins_and_ties_go_to_the_cheaper_and_then_by_name() -> None:
    best_but_risky = (pool("c", price="0.001"), 0.86)
    chosen = judged(best_but_risky, (pool("d", price="0.05"), 0.2), (pool("b", price="0.05"), 0.2)).target
    assert chosen is not None
    assert chosen.pool.zone == "us-east-1b"
    chosen = judged((pool("b", price="0.05"), 0.2), (pool("d", price="0.04"), 0.3)).target
    assert chosen is not None
    assert chosen.pool.zone == "us-east-1d"


def test_what_is_blocked_unsafe_or_without_a_price_is_dropped_and_named() -> None:
    until = NOW + timedelta(days=3)
    verdict = judged(
        (pool("b", blocked_until=until), 0.0),
        (pool("c", band=4), 0.0),
        (pool("d", price=None), 0.0),
        (pool("e", "m6g.large"), 0.0),
    )
    assert verdict.decision is Decision.HOLD
    assert {each.pool.zone[-1]: each.reason for each in verdict.dropped} == {
        "b": "blocked until 2026-03-07 10:30 UTC",
        "c": "AWS's advisor: over 20 % interrupted a month",
        "d": "no spot price of the last 24 hours: the newest is of 2026-03-04 10:30 UTC",
        "e": "its processors are arm64, those of m5.large are not",
    }
    assert verdict.compared == ()
    assert verdict.reason == (
        "each of the 4 other pools is out: 1 blocked, 1 interrupted too often, 1 of another architecture, "
        "1 without a fresh price"
    )
    assert judged((pool(band=3), 0.0)).decision is Decision.SWITCH
    alone = judged((pool("b", blocked_until=until), 0.0)).reason
    assert alone == "us-east-1b m6i.large, the only other pool, is out: blocked until 2026-03-07 10:30 UTC"
    assert "no other pool in us-east-1 that could do the work of m5.large" in judged().reason


def test_an_instance_whose_own_pool_is_blocked_or_unsafe_is_compared_like_any_other() -> None:
    until = NOW + timedelta(days=3)
    assert judged((pool(), 0.04), blocked_until=until, band=4).decision is Decision.SWITCH
    assert judged((pool(price="0.099"), 0.04), blocked_until=until, band=4).decision is Decision.HOLD


def test_an_instance_on_demand_risks_nothing_and_costs_the_on_demand_price() -> None:
    verdict = judged((pool(price="0.03"), 0.6), spot=False)
    assert verdict.decision is Decision.SWITCH
    assert verdict.reason == "us-east-1b m6i.large is 70 % cheaper at a risk of 0.60; on demand it is not interrupted"
    assert judged((pool(price="0.03"), 0.7), spot=False).decision is Decision.HOLD  # 0.7 - 0.7 is no more than 0
    assert judged((pool(), 0.0), spot=False, price=None).reason == (
        "what m5.large costs on demand in us-east-1 is not known"
    )


def test_without_a_present_price_nothing_can_be_compared() -> None:
    verdict = judged((pool(), 0.0), price=None)
    assert (verdict.decision, verdict.compared) == (Decision.HOLD, ())
    assert verdict.reason == "what us-east-1a m5.large costs is not known: no spot price of the last 24 hours"
    assert judged((pool(), 0.0), price="0").reason == "us-east-1a m5.large costs nothing, and nothing is cheaper"


def test_among_pools_that_save_enough_the_best_says_why_not() -> None:
    verdict = judged((pool("b", price="0.099"), 0.0), (pool("c", price="0.09"), 0.5))
    assert verdict.reason == (
        "us-east-1c m6i.large is 10 % cheaper at a risk of 0.50 (the best of 2 pools): "
        "that is not worth more than staying, which risks 0.12"
    )


@pytest.mark.parametrize(
    ("part", "words"), [("0.31", "31 %"), ("0.0499999", "4.9 %"), ("-0.2", "-20 %"), ("1", "100 %")]
)
def test_percents_never_promise_more_than_there_is(part: str, words: str) -> None:
    assert percent(Decimal(part)) == words
