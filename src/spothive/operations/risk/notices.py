"""Reading what AWS EventBridge sends about spot instances."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from spothive.clock import CLOCKS_DIFFER, utc_now
from spothive.errors import InvalidInput
from spothive.gateways.instance_types import is_region
from spothive.models import SpotEventType

_FIRST_NOTICE: Final = datetime(2015, 1, 1, tzinfo=UTC)
"""AWS announced no interruption before; an earlier time is a clock that was never set."""

_TYPES: Final = {
    "EC2 Spot Instance Interruption Warning": SpotEventType.TERMINATION_NOTICE,
    "EC2 Instance Rebalance Recommendation": SpotEventType.REBALANCE_NOTICE,
}
_EVENT_ID = re.compile(r"[\x21-\x7e]{1,128}")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_SHOWN = 40
"""Characters of a wrong value that its refusal repeats."""


@dataclass(frozen=True, slots=True)
class SpotNotice:
    """What AWS announced about an instance, as far as it is believed: place and type come from the inventory."""

    event_id: str
    event_type: SpotEventType
    account_id: str
    region: str
    instance_id: str
    reported_at: datetime


def read_spot_event(event: object) -> SpotNotice | None:
    """Return what an EventBridge event announces about a spot instance; None if it is about something else.

    Raises:
        InvalidInput: it is no event, lacks something, or says what cannot be.
    """
    if not isinstance(event, Mapping):
        _refuse(f"an event is a JSON object; got {shortly(event)}")
    kind, detail = event.get("detail-type"), event.get("detail")
    if not isinstance(kind, str):
        _refuse(f"detail-type of an event is a text; got {shortly(kind)}")
    if kind not in _TYPES:
        return None
    if event.get("source") != "aws.ec2":
        _refuse(f"source of such an event is aws.ec2; got {shortly(event.get('source'))}")
    if not isinstance(detail, Mapping):
        _refuse(f"detail of an event is a JSON object; got {shortly(detail)}")
    return SpotNotice(
        _matching(event, "id", _EVENT_ID, "AWS's id of the event"),
        _TYPES[kind],
        _matching(event, "account", _ACCOUNT_ID, "12 digits, as a text"),
        _region(event),
        _matching(detail, "instance-id", INSTANCE_ID, "EC2's id of an instance"),
        _moment(_matching(event, "time", _MOMENT, "a time such as 2026-03-04T10:30:00Z")),
    )


def _matching(facts: Mapping[str, Any], key: str, form: re.Pattern[str], what: str) -> str:
    value = facts.get(key)
    if not isinstance(value, str) or not form.fullmatch(value):
        _refuse(f"{key} of an event is {what}; got {shortly(value)}")
    return value


def _region(event: Mapping[str, Any]) -> str:
    region = event.get("region")
    if not isinstance(region, str) or not is_region(region):
        _refuse(f"region of an event is one of AWS, such as us-east-1; got {shortly(region)}")
    return region


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        _refuse(f"time of an event is a date that exists; got {text}")
    if moment < _FIRST_NOTICE:
        _refuse(f"time of an event is {text}, before AWS announced any interruption: correct the sender's clock")
    if moment > utc_now() + CLOCKS_DIFFER:
        _refuse(f"time of an event is {text}, in the future: correct the clock of the sender, or of this machine")
    return moment


def _refuse(message: str) -> NoReturn:
    raise InvalidInput(message)


def shortly(value: object) -> str:
    """Return how a stranger's value looks, or the beginning of it."""
    if value is None:
        return "nothing"
    shown = ascii(value) if isinstance(value, (str, int, float)) else type(value).__name__
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}.."
