"""The spot market of the AWS stand-in: moto knows one price for everything, so this answers in its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element, SubElement, tostring

from spothive.gateways.fleet_stand_in import synthetic_spot_prices

OPERATION = "DescribeSpotPriceHistory"

_HOURS = 24  # one price an hour
_MOST = 1000


def spot_price_history(region: str, form: dict[str, str]) -> bytes:
    """Return a page of the prices of the last 24 hours, newest first, as EC2 would answer the request ``form``."""
    now = datetime.now(UTC)
    since = datetime.fromisoformat(form.get("StartTime", now.isoformat()))
    types = {value for name, value in form.items() if name.startswith("InstanceType.")}
    entries = [
        entry
        for hour in range(_HOURS)
        for entry in synthetic_spot_prices(seed=hour, regions=[region], now=now - timedelta(hours=hour), types=types)[
            "SpotPriceHistory"
        ]
        if datetime.fromisoformat(entry["Timestamp"]) >= since
    ]
    first = int(form.get("NextToken") or 0)
    after = first + min(int(form.get("MaxResults") or _MOST), _MOST)
    answer = Element(f"{OPERATION}Response", xmlns="http://ec2.amazonaws.com/doc/2016-11-15/")
    SubElement(answer, "requestId").text = "0"
    listed = SubElement(answer, "spotPriceHistorySet")
    for entry in entries[first:after]:
        item = SubElement(listed, "item")
        for name, value in entry.items():
            SubElement(item, name[0].lower() + name[1:]).text = value
    SubElement(answer, "nextToken").text = str(after) if after < len(entries) else ""
    return tostring(answer)
