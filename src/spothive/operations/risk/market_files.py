"""Files with facts of the market: three kinds, told apart by their shape and read without trusting a word."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePath
from typing import Any, Final, TypeAlias

from spothive.clock import CLOCKS_DIFFER, utc_now
from spothive.errors import InvalidInput
from spothive.gateways.aws_output import kind, read_documents, shown, shown_source
from spothive.gateways.fleet_stand_in import synthetic_prices, synthetic_ratings, synthetic_spot_prices
from spothive.gateways.instance_types import is_instance_type, is_region, region_of_zone
from spothive.schema.types import exact_money

SYNTHETIC: Final = "synthetic"
"""How the source of facts begins that were made up; they never take the place of true ones."""

SPOT_COMMAND: Final = "aws ec2 describe-spot-price-history --output json"
MAX_PRICE: Final = Decimal(10_000)
"""USD per hour; nothing AWS rents costs a tenth of it."""

_LINUX = "Linux"
_SYSTEMS = ("Linux", "Windows")
_HIGHEST_BAND = 4
_SOURCE_MAX = 255
_NAME_MAX, _PRODUCT_MAX = 32, 64
_OLDEST = datetime(2009, 1, 1, tzinfo=UTC)  # the year in which AWS began to sell spot instances
_DECIMAL = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?")


_Fact: TypeAlias = tuple[tuple[Any, ...], tuple[Any, ...]]


class MarketFact(StrEnum):
    """What a file tells of the market."""

    ON_DEMAND = "on-demand prices"
    ADVISOR = "advisor ratings"
    SPOT = "spot prices"


@dataclass(slots=True)
class MarketRead:
    """What a file holds.

    Attributes:
        fact: which kind of fact.
        source: where it comes from.
        facts: what is said of what. (region, type, system) to (USD per hour,) of on-demand prices, to (band, percent
            saved) of advisor ratings; (zone, type, product, observed at) to (region, USD per hour) of spot prices.
        refused: the entries that were refused, each with the reason.
    """

    fact: MarketFact
    source: str
    facts: dict[tuple[Any, ...], tuple[Any, ...]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def take(self, words: Iterable[Any], read: Callable[..., _Fact], *entry: Any) -> None:
        """Add the fact that ``read`` makes of an entry, or note that the one called by ``words`` is refused."""
        try:
            key, values = read(*entry)
        except InvalidInput as error:
            reason = str(error)
        else:
            if self.facts.setdefault(key, values) == values:
                return
            reason = "said twice, differently; the first counts"
        self.refused.append(f"{' '.join(map(shown, words))}: {reason}")


def read_market(name: str, data: bytes) -> MarketRead:
    """Read a file of any of the three kinds; ``name`` is how messages call it.

    * on-demand prices of Linux: ``{"regions": {region: {type: "0.0116"}}, "source": ...}``;
    * the file of AWS's Spot Instance Advisor: ``{"spot_advisor": {region: {"Linux": {type: {"r": 0, "s": 70}}}}}``;
      where spot costs more than on demand it says less than 0, and nothing is saved;
    * what ``aws ec2 describe-spot-price-history`` prints, also several of its answers one after the other.

    Raises:
        InvalidInput: it is none of them, is too large, or says a key twice in one object; a single bad entry is refused
            by name instead.
    """
    documents: list[Any] = list(read_documents(name, data, command=SPOT_COMMAND, exact=True))
    if len(documents) == 1 and isinstance(documents[0], list):
        documents = documents[0]  # answers that were put together into a list
    keys = [_kind_of(document) for document in documents]
    if set(keys) == {"SpotPriceHistory"}:
        return _read_spot_prices(name, documents)
    if keys == ["regions"]:
        return _read_on_demand(name, documents[0])
    if keys == ["spot_advisor"]:
        return _read_advisor(name, documents[0])
    msg = (
        f'{shown_source(name)} is no file of market facts: expected {{"regions": {{"us-east-1": {{"t3.micro": '
        f'"0.0104"}}}}}}, the file of the Spot Instance Advisor, or what `{SPOT_COMMAND}` prints'
    )
    raise InvalidInput(msg)


def made_up_market(seed: int) -> list[MarketRead]:
    """Return invented facts of each kind, the same for the same seed; spot prices are those of this hour."""
    documents = (synthetic_prices(seed), synthetic_ratings(seed), synthetic_spot_prices(seed, now=utc_now()))
    return [read_market(SYNTHETIC, json.dumps(each | {"source": SYNTHETIC}).encode()) for each in documents]


def is_made_up(source: str) -> bool:
    """Tell whether facts from ``source`` were invented."""
    return source.startswith(SYNTHETIC)


def _kind_of(document: Any) -> str | None:
    """Return the key that tells the kind of a document, if there is exactly one."""
    kinds = {"regions", "spot_advisor", "SpotPriceHistory"}
    found = kinds & document.keys() if isinstance(document, dict) else set()
    return found.pop() if len(found) == 1 else None


def _read_on_demand(name: str, document: Any) -> MarketRead:
    said = document.get("source")
    source = said[:_SOURCE_MAX] if isinstance(said, str) and said.isprintable() and said else _source(name)
    read = MarketRead(MarketFact.ON_DEMAND, source)
    for region, table in _tables(name, "price table", document["regions"]):
        for instance_type, price in table.items():
            read.take((region, instance_type), _on_demand_price, region, instance_type, price)
    return read


def _read_advisor(name: str, document: Any) -> MarketRead:
    read = MarketRead(MarketFact.ADVISOR, _source(name))
    for region, systems in _tables(name, "advisor file", document["spot_advisor"]):
        for system, table in _tables(name, "advisor file", systems):
            for instance_type, rating in table.items():
                words = (region, instance_type, system)
                read.take(words, read_rating, *words, rating)
    return read


def _read_spot_prices(name: str, documents: list[Any]) -> MarketRead:
    read = MarketRead(MarketFact.SPOT, _source(name))
    for document in documents:
        entries = document["SpotPriceHistory"]
        if not isinstance(entries, list):
            msg = f"{shown_source(name)} is no price history: SpotPriceHistory is {kind(entries)} instead of a list"
            raise InvalidInput(msg)
        take_spot_prices(read, entries)
    return read


def take_spot_prices(read: MarketRead, entries: Iterable[Any]) -> None:
    """Add the entries of one answer of DescribeSpotPriceHistory to ``read``."""
    latest = utc_now() + CLOCKS_DIFFER
    for entry in entries:
        if not isinstance(entry, dict):
            read.refused.append(f"an entry is {kind(entry)} instead of an object")
            continue
        words = (entry.get("AvailabilityZone"), entry.get("InstanceType"), entry.get("Timestamp"))
        read.take(words, read_spot_price, entry, latest)


def _on_demand_price(region: str, instance_type: str, price: Any) -> _Fact:
    return (_region(region), _type(instance_type), _LINUX), (_price(price),)


def read_rating(region: str, instance_type: str, system: str, rating: Any) -> _Fact:
    """Return what the Spot Instance Advisor says: (region, type, system) and (band, percent saved).

    Raises:
        InvalidInput: it is none that can be taken.
    """
    key = (_region(region), _type(instance_type), _system(system))
    band, savings = (rating.get("r"), rating.get("s")) if isinstance(rating, dict) else (None, None)
    if type(band) is not int or not 0 <= band <= _HIGHEST_BAND:
        msg = f"r, the band of interruptions, is a whole number from 0 to {_HIGHEST_BAND}"
        raise InvalidInput(msg)
    if type(savings) is not int or not -100 <= savings <= 100:  # noqa: PLR2004 - percent
        msg = "s, the percent saved, is a whole number from -100 (spot costs twice as much as on demand) to 100"
        raise InvalidInput(msg)
    return key, (band, max(savings, 0))


def read_spot_price(entry: dict[str, Any], latest: datetime) -> _Fact:
    """Return an entry of DescribeSpotPriceHistory: (zone, type, product, observed at) and (region, USD per hour).

    Raises:
        InvalidInput: it is none that can be taken, or of after ``latest``.
    """
    zone = entry.get("AvailabilityZone")
    region = region_of_zone(zone) if isinstance(zone, str) else None
    if region is None:
        msg = "AvailabilityZone is no zone of AWS, such as us-east-1a"
        raise InvalidInput(msg)
    product = _text("ProductDescription", entry.get("ProductDescription"), _PRODUCT_MAX)
    key = (zone, _type(entry.get("InstanceType")), product, _moment(entry.get("Timestamp"), latest))
    return key, (region, _price(entry.get("SpotPrice")))


def _source(name: str) -> str:
    """Return the last part of a file's name: every tenant reads it, and folders are nobody's business."""
    return shown_source(PurePath(name).name or name)


def _tables(name: str, what: str, tables: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        msg = f"{shown_source(name)} is no {what}: what stands below a region is to be an object"
        raise InvalidInput(msg)
    yield from tables.items()


def _region(name: str) -> str:
    if not is_region(name):
        msg = "that is no region of AWS; one looks like eu-west-1"
        raise InvalidInput(msg)
    return name


def _type(name: Any) -> str:
    if not is_instance_type(_text("an instance type", name, _NAME_MAX)):
        msg = "that is no instance type of EC2; one looks like m5.large"
        raise InvalidInput(msg)
    return name  # type: ignore[no-any-return]  # text, as has just been checked


def _system(name: str) -> str:
    if name not in _SYSTEMS:
        msg = f"the operating system is none of {', '.join(_SYSTEMS)}"
        raise InvalidInput(msg)
    return name


def _text(what: str, value: Any, longest: int) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not 1 <= len(value) <= longest:
        msg = f"{what} is 1 to {longest} printable ASCII characters"
        raise InvalidInput(msg)
    return value


def _price(value: Any) -> Decimal:
    if isinstance(value, (list, dict)):
        msg = f"a price is a number or text, not {kind(value)}"
        raise InvalidInput(msg)
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        msg = f"a price in text is plain digits, such as 0.0416; got {shown(value)}"
        raise InvalidInput(msg)
    price = exact_money(value)
    if not 0 < price <= MAX_PRICE:
        msg = f"a price is more than 0 and at most {MAX_PRICE:,} USD per hour; got {price:f}"
        raise InvalidInput(msg)
    return price


def _moment(value: Any, latest: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC) if datetime.fromisoformat(value).tzinfo else None
    except (ValueError, TypeError, OverflowError):
        moment = None
    if moment is None:
        msg = "Timestamp is no time with a zone, such as 2026-01-15T09:30:00Z"
        raise InvalidInput(msg)
    if moment > latest:
        msg = "Timestamp lies in the future"
        raise InvalidInput(msg)
    if moment < _OLDEST:
        msg = f"Timestamp is of before {_OLDEST:%Y}, when AWS sold no spot instances yet"
        raise InvalidInput(msg)
    return moment
