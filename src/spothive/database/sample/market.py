"""The made-up spot market: types, pools and prices.

A fact of the market depends on its pool and its day alone, not on the seed: the market is the same for every tenant,
so it is also the same for every sample in a database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final

from sqlalchemy import select

from spothive.database.sample.chance import Dice
from spothive.database.sample.world import Period, Row, shared_row
from spothive.database.sample.writing import Writer
from spothive.models import Base, OnDemandPrice, SpotAdvisorRating, SpotPrice

SOURCE: Final = "synthetic"
PRODUCT: Final = "Linux/UNIX"
OS: Final = "Linux"

REGIONS: Final = {"us-east-1": 1.0, "eu-west-1": 1.12, "ap-southeast-2": 1.25}
"""Regions of the sample and what a machine costs there, compared with the first."""
ZONES: Final = "abc"

AVOIDED_BAND: Final = 4
"""Advisor band of types that are interrupted too often to be chosen."""

_SIZES = {"large": 2, "xlarge": 4, "2xlarge": 8}
_GIB_PER_VCPU = {"compute": 2, "general": 4, "memory": 8}
_FAMILIES = {
    "compute": {"c5": 1.0, "c6i": 1.0, "c6a": 0.97},
    "general": {"m5": 1.0, "m6i": 1.0, "m6a": 0.97},
    "memory": {"r5": 1.0, "r6i": 1.0, "r6a": 0.97},
}
_USD_PER_VCPU, _USD_PER_GIB = 0.036, 0.003
_BAND_WEIGHTS = (48, 26, 14, 8, 4)
_MILLIONTHS = 6


@dataclass(frozen=True, slots=True)
class Kind:
    """An instance type; types of the same ``purpose`` and size can stand in for one another."""

    name: str
    vcpus: int
    memory_mib: int
    purpose: str


@dataclass(frozen=True, slots=True)
class Quote:
    """What a spot pool costs on one day.

    Attributes:
        price: USD per hour.
        millionths: the same in millionths of a USD, for sums in whole numbers.
        ratio: spot price / on-demand price, 0.30..0.45.
        change: how much it rose since the day before, as a part of that day's price.
    """

    price: Decimal
    millionths: int
    ratio: float
    change: float


def _kinds() -> dict[str, Kind]:
    found = {}
    for purpose, families in _FAMILIES.items():
        for family in families:
            for size, vcpus in _SIZES.items():
                name = f"{family}.{size}"
                found[name] = Kind(name, vcpus, vcpus * _GIB_PER_VCPU[purpose] * 1024, f"{purpose} {size}")
    return found


KINDS: Final = _kinds()
"""Instance types of the sample by name."""


def on_demand_price(region: str, kind: Kind) -> Decimal:
    """Return the invented on-demand price, in USD per hour."""
    family = kind.name.split(".")[0]
    factor = next(families[family] for families in _FAMILIES.values() if family in families)
    by_size = kind.vcpus * _USD_PER_VCPU + kind.memory_mib / 1024 * _USD_PER_GIB
    return Decimal(f"{by_size * factor * REGIONS[region]:.4f}")


class Market:
    """Every pool's price on every day of the sample."""

    def __init__(self, period: Period) -> None:
        """Know the prices from the day before the first decision to the last day."""
        self._first = (period.start - timedelta(days=1)).date()
        self._last = period.until.date()
        self._quotes: dict[tuple[str, date], Quote] = {}
        self._bases: dict[str, float] = {}
        self._bands: dict[str, int] = {}

    @property
    def days(self) -> list[date]:
        """The days with prices, in order."""
        return [self._first + timedelta(days=number) for number in range((self._last - self._first).days + 1)]

    @cached_property
    def pools(self) -> list[tuple[str, str, Kind]]:
        """Region, zone and type of every pool."""
        return [(region, region + letter, kind) for region in REGIONS for letter in ZONES for kind in KINDS.values()]

    def band(self, region: str, type_name: str) -> int:
        """Return the advisor's interruption band of a type, 0..4."""
        key = f"{region} {type_name}"
        if key not in self._bands:
            self._bands[key] = Dice("band", key).choices(range(5), _BAND_WEIGHTS)[0]
        return self._bands[key]

    def usual_ratio(self, zone: str, type_name: str) -> float:
        """Return what the pool costs on a quiet day, as a part of the on-demand price."""
        key = f"{zone} {type_name}"
        if key not in self._bases:
            self._bases[key] = Dice("pool", key).uniform(0.34, 0.41)
        return self._bases[key]

    def quote(self, zone: str, type_name: str, day: date) -> Quote:
        """Return what a pool costs on ``day``, from midnight UTC on."""
        key = (f"{zone} {type_name}", day)
        if key not in self._quotes:
            on_demand = on_demand_price(zone[:-1], KINDS[type_name])
            ratio, before = self._ratio(zone, type_name, day), self._ratio(zone, type_name, day - timedelta(days=1))
            price = Decimal(f"{float(on_demand) * ratio:.4f}")
            millionths = int(price.scaleb(_MILLIONTHS))
            self._quotes[key] = Quote(price, millionths, round(ratio, 4), round(ratio / before - 1, 4))
        return self._quotes[key]

    def _ratio(self, zone: str, type_name: str, day: date) -> float:
        """Return a quiet day's noise around the usual, and on every tenth day a shortage."""
        dice = Dice("price", zone, type_name, day)
        shortage = dice.uniform(0.01, 0.03) if dice.likely(0.1) else 0.0
        return self.usual_ratio(zone, type_name) + dice.uniform(-0.01, 0.01) + shortage

    def write(self, writer: Writer, period: Period) -> None:
        """Write what no earlier sample has written already."""
        dice = period.dice("market")
        at = midnight(self._first)
        source = {"source": SOURCE, "observed_at": at}
        types = [(region, kind) for region in REGIONS for kind in KINDS.values()]
        prices = [
            shared_row(dice, at, region=region, instance_type=kind.name, os=OS, price=on_demand_price(region, kind))
            | source
            for region, kind in types
        ]
        ratings = [
            shared_row(dice, at, region=region, instance_type=kind.name, os=OS)
            | {"interruption_band": self.band(region, kind.name), "savings_percent": self._savings(region, kind)}
            | source
            for region, kind in types
        ]
        spot = [row for day in self.days for row in self._spot_prices(dice, day)]
        of_type = ("region", "instance_type", "os")
        of_pool = ("availability_zone", "instance_type", "product", "observed_at")
        writer.insert(OnDemandPrice, missing(writer, OnDemandPrice, of_type, prices))
        writer.insert(SpotAdvisorRating, missing(writer, SpotAdvisorRating, of_type, ratings))
        writer.insert(SpotPrice, missing(writer, SpotPrice, of_pool, spot))

    def _spot_prices(self, dice: Dice, day: date) -> list[Row]:
        at = midnight(day)
        return [
            shared_row(
                dice,
                at,
                region=region,
                availability_zone=zone,
                instance_type=kind.name,
                product=PRODUCT,
                price=self.quote(zone, kind.name, day).price,
                observed_at=at,
                source=SOURCE,
            )
            for region, zone, kind in self.pools
        ]

    def _savings(self, region: str, kind: Kind) -> int:
        """Return by how many percent spot is usually cheaper, over the zones of the region."""
        ratios = [self.usual_ratio(region + letter, kind.name) for letter in ZONES]
        return round(100 * (1 - sum(ratios) / len(ratios)))


def missing(writer: Writer, model: type[Base], key: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """Return those of ``rows`` for whose ``key`` the table has no row yet: what all samples share is written once."""
    there = {tuple(found) for found in writer.session.execute(select(*(model.__table__.c[name] for name in key)))}
    return [row for row in rows if tuple(row[name] for name in key) not in there]


def midnight(day: date) -> datetime:
    """Return the first moment of ``day`` in UTC."""
    return datetime.combine(day, time(), UTC)
