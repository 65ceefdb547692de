"""From a file of market facts or events to the rows of a dataset, one by one: large files never fit into memory."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

from spothive.clock import CLOCKS_DIFFER, utc_now
from spothive.errors import InvalidInput
from spothive.gateways.instance_types import is_instance_type, is_region, region_of_zone
from spothive.models import DatasetKind, SpotEventType
from spothive.operations.datasets.json_entries import SPOT_PRICES, Readable, json_entries
from spothive.operations.risk.market_files import read_rating, read_spot_price
from spothive.operations.risk.notices import read_spot_event

MARKET: Final = (
    "fact",
    "region",
    "availability_zone",
    "instance_type",
    "product",
    "observed_at",
    "price",
    "interruption_band",
    "savings_percent",
)
"""Columns of a dataset of the kind market. ``fact`` is ``rating`` or ``spot_price``; USD per hour."""

INTERRUPTIONS: Final = ("event_type", "region", "availability_zone", "instance_type", "reported_at")
"""Columns of a dataset of the kind interruptions: what AWS announced of which pool, never of whose instance."""

COLUMNS: Final = {DatasetKind.MARKET: MARKET, DatasetKind.INTERRUPTIONS: INTERRUPTIONS}

LONGEST_LINE: Final = 1 << 17
"""Most characters of a row of CSV, and of its line of names: a hundred times what a row with every column needs."""

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a file: a row, or why there is none.

    Attributes:
        line: where it begins, from 1.
        kind: what the row describes.
        row: the values of its columns, as text; empty where AWS tells of something else than a spot instance.
        instance_id: instance whose zone and type the row still lacks, since AWS does not say them.
        reason: why there is no row.
    """

    line: int
    kind: DatasetKind
    row: Row = ()
    instance_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be taken."""

    line: int
    reason: str


def moment_text(moment: datetime) -> str:
    """Write a moment as every dataset does: ISO 8601 in UTC, to the microsecond."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def read_entries(file: BinaryIO, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Entry]:
    """Yield the entries of a CSV or JSON file, told apart by its first sign.

    Args:
        file: open for reading bytes, and able to go back to its beginning.
        meanwhile: is called before each piece that is read, also where a long piece of the file holds no entry.

    Raises:
        InvalidInput: it is none of the files that can be imported, or an entry or a line of it is too large.
    """
    watched = _Watched(file, meanwhile)
    first = _first_sign(watched)
    file.seek(0)
    if not first:
        msg = "the file is empty"
        raise InvalidInput(msg)
    yield from _from_json(watched) if first in {b"{", b"["} else _from_csv(watched)


class _Watched:
    """A file, and somebody who is told before each piece that is read of it."""

    def __init__(self, file: BinaryIO, meanwhile: Callable[[], object]) -> None:
        self._file, self._meanwhile = file, meanwhile

    def read(self, size: int, /) -> bytes:
        self._meanwhile()
        return self._file.read(size)


def _first_sign(file: Readable) -> bytes:
    """Return the first byte that is no blank, nothing if there is none."""
    head = file.read(1 << 12).removeprefix(codecs.BOM_UTF8)
    while head and not (sign := head.lstrip()[:1]):
        head = file.read(1 << 18)
    return sign if head else b""


# --- JSON -------------------------------------------------------------------------------------------------------------


def _from_json(file: Readable) -> Iterator[Entry]:
    latest = utc_now() + CLOCKS_DIFFER
    for line, key, entry in json_entries(file):
        if key == SPOT_PRICES:
            yield _market(line, _price_row, entry, latest)
        elif isinstance(entry, dict) and "spot_advisor" in entry:
            yield from _ratings(line, entry["spot_advisor"])
        else:
            yield from _event(line, entry)


def _ratings(line: int, regions: Any) -> Iterator[Entry]:
    """Yield what the file of the Spot Instance Advisor says; it is one document, so all are on its line."""
    for region, systems in _pairs(regions):
        for system, table in _pairs(systems):
            for instance_type, rating in _pairs(table):
                yield _market(line, _rating_row, region, instance_type, system, rating)


def _pairs(table: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(table, dict):
        msg = "the file is no file of the Spot Instance Advisor: what stands below spot_advisor is to be objects"
        raise InvalidInput(msg)
    return table.items()


def _event(line: int, event: Any) -> Iterator[Entry]:
    kind = DatasetKind.INTERRUPTIONS
    try:
        notice = read_spot_event(event)
    except InvalidInput as error:
        yield Entry(line, kind, reason=str(error))
        return
    if notice is None:
        yield Entry(line, kind)
        return
    row = (notice.event_type.value, notice.region, "", "", moment_text(notice.reported_at))
    yield Entry(line, kind, row, instance_id=notice.instance_id)


# --- CSV --------------------------------------------------------------------------------------------------------------


def _from_csv(file: Readable) -> Iterator[Entry]:
    rows = _csv_rows(_Lines(file))
    _, first = next(rows, (1, list[str]()))
    names = [_NAMES.get(_plain(name), _plain(name)) for name in first]
    kind, read = _form(names)
    for line, values in rows:
        if len(values) != len(names):
            yield Entry(line, kind, reason=f"{len(values)} values instead of {len(names)}")
        else:
            yield _entry(line, kind, read, dict(zip(names, values, strict=True)))


def _csv_rows(lines: _Lines) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the values of each row that is not blank."""
    rows = csv.reader(lines, strict=True)
    try:
        for values in rows:
            line = lines.next_row()
            if values:
                yield line, values
    except UnicodeDecodeError:
        msg = "the file is no UTF-8"
        raise InvalidInput(msg) from None
    except csv.Error as error:
        msg = f"the file is no CSV at line {rows.line_num}: {error}"
        raise InvalidInput(msg) from None


class _Lines:
    """The lines of a file, each with its end, of which only the row that is being read is kept."""

    _LINE: Final = re.compile(r"[^\r\n]*+(?:\r\n|\r|\n)")

    def __init__(self, file: Readable) -> None:
        # It holds a carriage return back until it knows whether a line feed follows.
        utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._decoder = io.IncrementalNewlineDecoder(utf8, translate=False)
        self._file, self._text, self._at, self._over = file, "", 0, False
        self._line, self._begin, self._length = 0, 1, 0

    def next_row(self) -> int:
        """Begin another row; return the line on which this one began."""
        begin, self._begin, self._length = self._begin, self._line + 1, 0
        return begin

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        """Return the next line; refuse it once it makes its row too long."""
        while (found := self._LINE.match(self._text, self._at)) is None and not self._over:
            self._refuse_long(len(self._text) - self._at)
            data = self._file.read(LONGEST_LINE // 2)
            self._over = not data
            self._text, self._at = self._text[self._at :] + self._decoder.decode(data, final=self._over), 0
        line = found[0] if found else self._text[self._at :]
        if not line:
            raise StopIteration
        self._at += len(line)
        self._refuse_long(len(line))
        self._line, self._length = self._line + 1, self._length + len(line)
        return line

    def _refuse_long(self, more: int) -> None:
        if self._length + more > LONGEST_LINE:
            msg = f"the file has a row of more than {LONGEST_LINE:,} characters, at line {self._begin}"
            raise InvalidInput(msg)


def _plain(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())


_NAMES: Final = {_plain(name): name for name in (*MARKET, *INTERRUPTIONS)} | {
    "spotprice": "price",
    "timestamp": "observed_at",
    "productdescription": "product",
    "os": "product",
    "r": "interruption_band",
    "s": "savings_percent",
    "az": "availability_zone",
}
"""What a column is called in files, without blanks, hyphens and capitals, to what it is called in datasets."""

_FORMS: Final[tuple[tuple[frozenset[str], DatasetKind, str], ...]] = (
    (frozenset(MARKET), DatasetKind.MARKET, "any"),
    (
        frozenset({"availability_zone", "instance_type", "product", "price", "observed_at"}),
        DatasetKind.MARKET,
        "spot_price",
    ),
    (
        frozenset({"region", "instance_type", "product", "interruption_band", "savings_percent"}),
        DatasetKind.MARKET,
        "rating",
    ),
    (frozenset(INTERRUPTIONS), DatasetKind.INTERRUPTIONS, "event"),
)


def _form(names: list[str]) -> tuple[DatasetKind, Callable[[dict[str, str]], Row]]:
    """Return what a CSV file with these columns holds, and how a row of it is read."""
    if len(set(names)) != len(names):
        msg = "the file names a column twice"
        raise InvalidInput(msg)
    for columns, kind, form in _FORMS:
        if columns <= set(names):
            return kind, _CSV[form]
    wanted = "; or ".join(", ".join(sorted(columns)) for columns, _, form in _FORMS if form != "any")
    msg = f"the first line of the file names no columns that can be imported: expected {wanted}"
    raise InvalidInput(msg)


def _csv_price(values: dict[str, str]) -> Row:
    entry = {
        "AvailabilityZone": values["availability_zone"],
        "InstanceType": values["instance_type"],
        "ProductDescription": values["product"],
        "SpotPrice": values["price"],
        "Timestamp": values["observed_at"],
    }
    row = _price_row(entry, utc_now() + CLOCKS_DIFFER)
    if (said := values.get("region")) and said != row[1]:
        msg = "the zone belongs to another region than the one that is named"
        raise InvalidInput(msg)
    return row


def _csv_rating(values: dict[str, str]) -> Row:
    rating = {"r": _whole(values["interruption_band"]), "s": _whole(values["savings_percent"])}
    return _rating_row(values["region"], values["instance_type"], values["product"], rating)


def _csv_any(values: dict[str, str]) -> Row:
    read = {"spot_price": _csv_price, "rating": _csv_rating}.get(values["fact"])
    if read is None:
        msg = "fact is spot_price or rating"
        raise InvalidInput(msg)
    return read(values)


def _csv_event(values: dict[str, str]) -> Row:
    if values["event_type"] not in set(SpotEventType):
        msg = f"event_type is {' or '.join(SpotEventType)}"
        raise InvalidInput(msg)
    zone, instance_type, region = values["availability_zone"], values["instance_type"], values["region"]
    if not is_region(region) or (zone and region_of_zone(zone) != region):
        msg = "region is one of AWS, such as us-east-1, and the zone one of it"
        raise InvalidInput(msg)
    if instance_type and not is_instance_type(instance_type):
        msg = "that is no instance type of EC2; one looks like m5.large"
        raise InvalidInput(msg)
    return (values["event_type"], region, zone, instance_type, moment_text(_past(values["reported_at"])))


def _past(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None and (past := moment.astimezone(UTC)) <= utc_now() + CLOCKS_DIFFER:
            return past
    except (ValueError, OverflowError):
        pass
    msg = "reported_at is no past time with a zone, such as 2026-01-15T09:30:00Z"
    raise InvalidInput(msg)


_CSV: Final[dict[str, Callable[[dict[str, str]], Row]]] = {
    "any": _csv_any,
    "spot_price": _csv_price,
    "rating": _csv_rating,
    "event": _csv_event,
}


# --- one row ----------------------------------------------------------------------------------------------------------


def _market(line: int, read: Callable[..., Row], *said: Any) -> Entry:
    return _entry(line, DatasetKind.MARKET, read, *said)


def _entry(line: int, kind: DatasetKind, read: Callable[..., Row], *said: Any) -> Entry:
    try:
        return Entry(line, kind, read(*said))
    except InvalidInput as error:
        return Entry(line, kind, reason=str(error))


def _price_row(entry: Any, latest: datetime) -> Row:
    if not isinstance(entry, dict):
        msg = "an entry is to be an object"
        raise InvalidInput(msg)
    (zone, instance_type, product, moment), (region, price) = read_spot_price(entry, latest)
    return ("spot_price", region, zone, instance_type, product, moment_text(moment), f"{price:f}", "", "")


def _rating_row(region: Any, instance_type: Any, system: Any, rating: Any) -> Row:
    (place, kind, product), (band, savings) = read_rating(region, instance_type, system, rating)
    return ("rating", place, "", kind, product, "", "", str(band), str(savings))


def _whole(text: str) -> int | None:
    return int(text) if text.removeprefix("-").isdecimal() and len(text) <= 4 and text.isascii() else None  # noqa: PLR2004 - percent
