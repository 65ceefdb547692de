import copy
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from spothive.errors import InvalidInput
from spothive.gateways.ec2_answer import FleetAnswer, ObservedInstance, read_answer, read_answers
from spothive.gateways.fleet_stand_in import (
    MAX_INSTANCES,
    STAND_IN_NOW,
    STAND_IN_REGIONS,
    Answer,
    changed_answer,
    generated_answer,
    synthetic_prices,
    synthetic_ratings,
    synthetic_spot_prices,
)
from spothive.gateways.instance_types import INSTANCE_TYPES

OWNER = "123456789012"
PRICES = Path(__file__).parents[3] / "shared" / "data" / "on-demand-prices.json"


def read(*pages: Answer) -> FleetAnswer:
    return read_answers((f"page {number}", json.dumps(page).encode()) for number, page in enumerate(pages, 1))


def by_id(answer: FleetAnswer) -> dict[str, ObservedInstance]:
    return {observed.instance_id: observed for observed in answer.instances}


def test_the_fleet_has_every_wanted_type_in_every_region() -> None:
    fleet = read(generated_answer(owner_id=OWNER))
    assert fleet.owner_ids == {OWNER}
    assert fleet.refused == []
    assert fleet.complete
    assert 300 <= len(fleet.instances) <= MAX_INSTANCES
    assert len({observed.instance_type for observed in fleet.instances}) == 300
    assert {observed.region for observed in fleet.instances} == set(STAND_IN_REGIONS)


def test_the_fleet_shows_what_a_real_one_has() -> None:
    fleet = read(generated_answer(owner_id=OWNER)).instances
    assert {"running", "stopped", "terminated"} <= {observed.state for observed in fleet}
    assert {observed.lifecycle for observed in fleet} == {"spot", "on-demand"}
    assert {"shop-prod", "shop-staging", "analytics", None} == {observed.cluster_name for observed in fleet}
    assert any(observed.cluster_name and not observed.node_group for observed in fleet)
    assert any(observed.in_asg and not observed.cluster_name for observed in fleet)
    assert any(not observed.tags for observed in fleet)
    managers = {observed.tags.get("ManagedBy", "").lower() for observed in fleet}
    assert {"spothive", "terraform", ""} <= managers
    for observed in fleet:
        assert observed.vcpus == INSTANCE_TYPES[observed.instance_type].vcpus
        assert observed.launched_at is not None
        assert STAND_IN_NOW - timedelta(days=200) <= observed.launched_at < STAND_IN_NOW
        assert (observed.vpc_id is None) == (observed.state == "terminated")


def test_the_same_words_give_the_same_fleet() -> None:
    again = generated_answer(owner_id=OWNER)
    assert again == generated_answer(owner_id=OWNER)
    assert again != generated_answer(owner_id=OWNER, seed=8)


def test_ids_of_two_accounts_or_two_days_never_meet() -> None:
    answer = generated_answer(owner_id=OWNER)
    ids = by_id(read(answer)).keys()
    assert not ids & by_id(read(generated_answer(owner_id="210987654321"))).keys()
    one_day = by_id(read(*changed_answer(answer))).keys() - ids
    another = by_id(read(*changed_answer(answer, now=STAND_IN_NOW + timedelta(days=2)))).keys() - ids
    assert one_day
    assert another
    assert not one_day & another


def test_size_regions_and_moment_can_be_chosen() -> None:
    now = datetime(2031, 5, 1, tzinfo=UTC)
    fleet = read(generated_answer(owner_id=OWNER, instance_types=12, regions=["sa-east-1"], now=now))
    assert len({observed.instance_type for observed in fleet.instances}) == 12
    assert {observed.region for observed in fleet.instances} == {"sa-east-1"}
    assert all(observed.launched_at and observed.launched_at < now for observed in fleet.instances)
    assert len(read(generated_answer(owner_id=OWNER, instance_types=MAX_INSTANCES)).instances) == MAX_INSTANCES


@pytest.mark.parametrize("count", [0, -1, MAX_INSTANCES + 1])
def test_an_impossible_size_is_refused(count: int) -> None:
    with pytest.raises(InvalidInput, match=f"not {count}"):
        generated_answer(owner_id=OWNER, instance_types=count)


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'mars-north-1'"):
        generated_answer(owner_id=OWNER, regions=["mars-north-1"])


def test_a_day_later_something_of_every_kind_has_happened() -> None:
    first_answer = generated_answer(owner_id=OWNER)
    before_change = copy.deepcopy(first_answer)
    pages = changed_answer(first_answer)
    assert first_answer == before_change
    assert len(pages) == len(STAND_IN_REGIONS)
    later_fleet = read(*pages)
    assert later_fleet.owner_ids == {OWNER}
    assert later_fleet.refused == []

    before, after = by_id(read(first_answer)), by_id(later_fleet)
    kept = before.keys() & after.keys()
    moves = {(before[key].state, after[key].state) for key in kept}
    assert {("running", "terminated"), ("running", "stopped"), ("stopped", "running")} <= moves
    assert ("running", "running") in moves
    assert after.keys() - before.keys()
    assert any(before[key].state == "running" for key in before.keys() - after.keys())
    assert any(before[key].instance_type != after[key].instance_type for key in kept)
    assert all(before[key].state == "stopped" for key in kept if before[key].instance_type != after[key].instance_type)
    assert all(before[key].availability_zone == after[key].availability_zone for key in kept)
    assert sum(before[key] == after[key] for key in kept) > len(before) // 2


def test_what_starts_or_is_new_was_launched_within_the_day() -> None:
    first_answer = generated_answer(owner_id=OWNER)
    before, after = by_id(read(first_answer)), by_id(read(*changed_answer(first_answer)))
    for key, observed in after.items():
        is_new = key not in before or (before[key].state, observed.state) == ("stopped", "running")
        assert observed.launched_at is not None
        assert (observed.launched_at > STAND_IN_NOW) == is_new
        assert observed.launched_at < STAND_IN_NOW + timedelta(days=1)


def test_the_change_is_the_same_each_time_and_another_with_another_seed() -> None:
    answer = generated_answer(owner_id=OWNER)
    assert changed_answer(answer) == changed_answer(answer)
    assert changed_answer(answer) != changed_answer(answer, seed=9)


def test_an_empty_fleet_stays_empty() -> None:
    assert changed_answer({"Reservations": []}) == ()


def test_prices_are_marked_as_invented_and_exact_to_a_millionth() -> None:
    prices = synthetic_prices(3)
    assert prices["source"].startswith("synthetic")
    assert prices["unit"] == "USD per hour, Linux on-demand"
    assert prices["regions"].keys() == set(STAND_IN_REGIONS)
    for listed in prices["regions"].values():
        assert listed.keys() == INSTANCE_TYPES.keys()
        for price in listed.values():
            assert Decimal(price).as_tuple().exponent == -6
            assert 0 < Decimal(price) < 200


def test_prices_follow_size_region_and_seed() -> None:
    regions = synthetic_prices(3)["regions"]
    assert Decimal(regions["us-east-1"]["m5.large"]) * 10 < Decimal(regions["us-east-1"]["m5.24xlarge"])
    assert Decimal(regions["us-east-1"]["m5.large"]) < Decimal(regions["eu-west-1"]["m5.large"])
    assert synthetic_prices(3) == synthetic_prices(3)
    assert synthetic_prices(3)["regions"] != synthetic_prices(4)["regions"]
    assert synthetic_prices(regions=["us-west-2"])["regions"].keys() == {"us-west-2"}


def test_prices_are_of_the_right_size() -> None:
    if not PRICES.exists():
        pytest.skip("on-demand-prices.json is not beside this checkout")
    real = json.loads(PRICES.read_bytes())["regions"]["us-east-1"]
    invented = synthetic_prices()["regions"]["us-east-1"]
    ratios = [Decimal(invented[name]) / Decimal(real[name]) for name in invented.keys() & real.keys()]
    far_off = [ratio for ratio in ratios if not Decimal("0.5") <= ratio <= 2]
    assert len(ratios) > 1000
    assert len(far_off) <= len(ratios) // 50


def test_one_source_with_all_pages_reads_like_its_pages() -> None:
    pages = changed_answer(generated_answer(owner_id=OWNER))
    joined = "\n".join(json.dumps(page) for page in pages).encode()
    assert read_answer("joined", joined).instances == read(*pages).instances


def test_a_made_up_market_is_the_same_for_the_same_seed() -> None:
    for make in (synthetic_ratings, synthetic_spot_prices):
        assert make(3) == make(3)
        assert make(3) != make(4)
    assert synthetic_ratings(3)["spot_advisor"]["us-east-1"]["Linux"].keys() == INSTANCE_TYPES.keys()
    pools = synthetic_spot_prices(3, regions=["us-east-1"])["SpotPriceHistory"]
    assert {pool["AvailabilityZone"] for pool in pools} == {f"us-east-1{letter}" for letter in "abcdef"}
    on_demand = synthetic_prices(3)["regions"]["us-east-1"]
    assert all(0 < float(pool["SpotPrice"]) < float(on_demand[pool["InstanceType"]]) for pool in pools)
