"""Reads what ``aws ec2 describe-instances`` prints, from any year, and trusts none of it.

A source (a file, standard input) holds one or several answers: pages or regions one after the other, or a
JSON list of them, in UTF-8 or, as PowerShell writes it, UTF-16. Two kinds of trouble are told apart:

* the source is no such answer: nothing can be taken from it and ``InvalidInput`` is raised;
* one instance cannot be used: it is refused by name with the reason, and the rest is taken.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Literal

import orjson

from spothive.errors import InvalidInput
from spothive.gateways.aws_output import kind, read_documents, shown, shown_source, try_again
from spothive.gateways.instance_types import INSTANCE_TYPES, region_of_zone

COMMAND: Final = "aws ec2 describe-instances --output json"
"""What prints the answers that are read here."""

MAX_TAGS: Final = 50
"""AWS's limit of tags on one instance, not counting those it adds itself (``aws:...``)."""

MAX_TAG_KEY: Final = 128
MAX_TAG_VALUE: Final = 256
"""AWS's limits for one tag, in characters."""

MAX_TAG_CHARACTERS: Final = 20_000
"""Room for 50 tags of full size and a bound for those AWS adds; fully escaped still below 256 kB of JSON."""

Lifecycle = Literal["spot", "on-demand"]
_Json = dict[str, object]

_SAVE_AGAIN = try_again(COMMAND)
_STATES = frozenset({"pending", "running", "stopping", "stopped", "shutting-down", "terminated"})
_INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_INSTANCE_TYPE = re.compile(r"[a-z0-9-]{1,16}\.[a-z0-9-]{1,15}")
_OWNER_ID = re.compile(r"[0-9]{12}")
_NETWORK_ID = re.compile(r"(?:vpc|subnet)-[0-9a-z]{1,50}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # NUL and lone surrogates: PostgreSQL refuses both
_CLUSTER_TAG = "kubernetes.io/cluster/"
_MAX_CLUSTER_NAME = 255
_MAX_VCPUS = 10_000


@dataclass(frozen=True, slots=True)
class ObservedInstance:
    """One EC2 instance as AWS described it.

    Attributes:
        state: EC2's word: pending, running, stopping, stopped, shutting-down or terminated.
        lifecycle: ``spot`` where AWS says so. Everything else AWS may say (nothing, ``scheduled``,
            ``capacity-block``) is no spot capacity and counts as ``on-demand``.
        launched_at: the latest start, in UTC.
        cluster_name: from the tag ``eks:cluster-name``, else from ``kubernetes.io/cluster/<name>``.
        node_group: from the tag ``eks:nodegroup-name``.
        in_asg: True for a member of an Auto Scaling group.
        vcpus: cores times threads as configured, else the default of the type; None if the type is unknown.
        memory_mib: memory of the type in MiB; None if the type is unknown.
    """

    instance_id: str
    instance_type: str
    region: str
    availability_zone: str
    state: str
    lifecycle: Lifecycle
    launched_at: datetime | None
    cluster_name: str | None
    node_group: str | None
    in_asg: bool
    tags: dict[str, str]
    vpc_id: str | None
    subnet_id: str | None
    vcpus: int | None
    memory_mib: int | None


@dataclass(frozen=True, slots=True)
class RefusedInstance:
    """An instance that was left out.

    Attributes:
        instance_id: None if it has no valid one; then the reason says where in the source it stands.
        source: the name of its source.
        reason: one line, safe to show.
    """

    instance_id: str | None
    source: str
    reason: str


@dataclass(slots=True)
class FleetAnswer:
    """What the sources hold together.

    Attributes:
        owner_ids: AWS accounts the reservations belong to; more than one means that fleets were mixed.
        instances: each instance once, in the order of first appearance.
        refused: what was left out, and why.
        complete: False if a source ends with a page that promises another one (``NextToken``): instances
            that are not here may well exist.
    """

    owner_ids: set[str] = field(default_factory=set)
    instances: list[ObservedInstance] = field(default_factory=list)
    refused: list[RefusedInstance] = field(default_factory=list)
    complete: bool = True


class _Unusable(Exception):
    """Why one instance is left out."""


def read_answer(source_name: str, data: bytes) -> FleetAnswer:
    """Read one source; ``source_name`` is how messages call it.

    Raises:
        InvalidInput: the source is too large, no JSON, or no answer of describe-instances.
    """
    return read_answers([(source_name, data)])


def read_answers(sources: Iterable[tuple[str, bytes]]) -> FleetAnswer:
    """Read several sources, each as (name, content), as if they were one.

    An instance may appear more than once, because the fleet goes on living between two pages. The later
    appearance counts: AWS was asked later. But no instance changes its type, zone or lifecycle while it is
    being listed; an appearance that contradicts an earlier one in these is refused by name.

    Raises:
        InvalidInput: a source is too large, no JSON, or no answer of describe-instances.
    """
    answer = FleetAnswer()
    seen: dict[str, ObservedInstance] = {}
    for source_name, data in sources:
        source = shown_source(source_name)
        more_to_come: object = None
        for page in _pages(source, data):
            more_to_come = page.get("NextToken")
            for found in _instances(source, page, answer.owner_ids):
                if isinstance(found, RefusedInstance):
                    answer.refused.append(found)
                elif why := _contradiction(seen.get(found.instance_id), found):
                    answer.refused.append(RefusedInstance(found.instance_id, source, why))
                else:
                    seen[found.instance_id] = found
        if more_to_come:
            answer.complete = False
    answer.instances = list(seen.values())
    return answer


def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def content_hash(observed: ObservedInstance) -> int:
    """Return a signed 64-bit fingerprint of everything in ``observed``, the same in every process.

    Equal content gives an equal hash, whatever the order of the tags. A re-scan writes only rows whose hash
    changed, so the vCPUs and memory of a type that spothive learns later find their way into the row too.
    """
    written = _quickly_written(_facts(observed)) or _canonical(_facts(observed)).encode()
    return int.from_bytes(hashlib.sha256(written).digest()[:8], "big", signed=True)


def _quickly_written(facts: Any) -> bytes | None:
    """Return ``facts`` as orjson writes them, in a tenth of the time; None where json writes otherwise."""
    try:
        written = orjson.dumps(facts, _utc_text, orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:
        return None
    return written if written.isascii() and b"\x7f" not in written else None


_facts = attrgetter(*(fact.name for fact in fields(ObservedInstance)))
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_utc_text).encode
"""What fingerprints are of."""


# --- from bytes to pages -------------------------------------------------------------------------


def _pages(source: str, data: bytes) -> Iterator[_Json]:
    """Yield every answer in a source, whether they follow one another or stand in a list."""
    for document in read_documents(source, data, command=COMMAND):
        pages = document if isinstance(document, list) else [document]
        if not pages:
            raise InvalidInput(f"{source} holds an empty list instead of an answer; {_SAVE_AGAIN}")
        for page in pages:
            if not isinstance(page, dict):
                raise InvalidInput(f"{source} holds {kind(page)} where an answer should be; {_SAVE_AGAIN}")
            if "Reservations" not in page:
                raise InvalidInput(f"{source} holds {_what_it_is_instead(page)}; {_SAVE_AGAIN}")
            yield page


def _what_it_is_instead(page: _Json) -> str:
    """Describe an object without Reservations; AWS and its tools write errors in several shapes."""
    error = page.get("Error")
    if not isinstance(error, dict):
        error = page
    code = error.get("Code") or error.get("__type")
    if code is not None and (error is not page or "__type" in page or "Message" in page):
        return f"the AWS error {shown(code)} and no answer"
    return "an object without 'Reservations', which is no answer of describe-instances"


def _objects(source: str, parent: _Json, key: str) -> Iterator[_Json]:
    """Yield the objects of a list that must be there; a wrong shape means that AWS did not write this."""
    entries = parent.get(key)
    if not isinstance(entries, list):
        raise InvalidInput(f"{source} holds {kind(entries)} as '{key}' where a list should be; {_SAVE_AGAIN}")
    for entry in entries:
        if not isinstance(entry, dict):
            raise InvalidInput(f"{source} holds {kind(entry)} in '{key}' where an object should be; {_SAVE_AGAIN}")
        yield entry


# --- from a reservation to observations ----------------------------------------------------------


def _instances(source: str, page: _Json, owner_ids: set[str]) -> Iterator[ObservedInstance | RefusedInstance]:
    """Take or refuse each instance of a page, and note whose they are."""
    for number, reservation in enumerate(_objects(source, page, "Reservations"), 1):
        owner_id = reservation.get("OwnerId")
        has_owner = isinstance(owner_id, str) and _OWNER_ID.fullmatch(owner_id) is not None
        if has_owner:
            owner_ids.add(str(owner_id))
        for place, raw in enumerate(_objects(source, reservation, "Instances"), 1):
            instance_id = _instance_id(raw)
            if instance_id is None:
                found = shown(raw.get("InstanceId"))
                reason = f"instance {place} of reservation {number} has no valid InstanceId (found {found})"
                yield RefusedInstance(None, source, reason)
            elif not has_owner:
                reason = f"its reservation has no OwnerId of 12 digits (found {shown(owner_id)})"
                yield RefusedInstance(instance_id, source, reason)
            else:
                try:
                    yield _observe(instance_id, raw)
                except _Unusable as why:
                    yield RefusedInstance(instance_id, source, str(why))


def _contradiction(earlier: ObservedInstance | None, later: ObservedInstance) -> str | None:
    """Say why two appearances of one instance cannot both be true, or None if they can."""
    if earlier is None:
        return None
    for fact in ("instance_type", "availability_zone", "lifecycle"):
        first, second = getattr(earlier, fact), getattr(later, fact)
        if first != second:
            return f"appears twice, with {fact} {first} and then {second}; the first is kept"
    return None


def _observe(instance_id: str, raw: _Json) -> ObservedInstance:
    instance_type = _instance_type(raw)
    zone, region = _zone_and_region(raw)
    tags = _tags(raw)
    known = INSTANCE_TYPES.get(instance_type)
    return ObservedInstance(
        instance_id=instance_id,
        instance_type=instance_type,
        region=region,
        availability_zone=zone,
        state=_state(raw),
        lifecycle=_lifecycle(raw),
        launched_at=_launch_time(raw),
        cluster_name=_cluster_name(tags),
        node_group=tags.get("eks:nodegroup-name") or None,
        in_asg="aws:autoscaling:groupName" in tags,
        tags=tags,
        vpc_id=_network_id(raw, "VpcId"),
        subnet_id=_network_id(raw, "SubnetId"),
        vcpus=_configured_vcpus(raw) or (known.vcpus if known else None),
        memory_mib=known.memory_mib if known else None,
    )


def _instance_id(raw: _Json) -> str | None:
    value = raw.get("InstanceId")
    return value if isinstance(value, str) and _INSTANCE_ID.fullmatch(value) else None


def _instance_type(raw: _Json) -> str:
    value = raw.get("InstanceType")
    if value is None:
        raise _Unusable("has no InstanceType")
    if not isinstance(value, str) or not _INSTANCE_TYPE.fullmatch(value):
        raise _Unusable(f"InstanceType {shown(value)} is not the name of a type")
    return value


def _zone_and_region(raw: _Json) -> tuple[str, str]:
    placement = raw.get("Placement")
    zone = placement.get("AvailabilityZone") if isinstance(placement, dict) else None
    if zone is None:
        raise _Unusable("has no Placement with an AvailabilityZone")
    region = region_of_zone(zone) if isinstance(zone, str) else None
    if not isinstance(zone, str) or region is None:
        raise _Unusable(f"AvailabilityZone {shown(zone)} lies in no region of AWS")
    return zone, region


def _state(raw: _Json) -> str:
    state = raw.get("State")
    name = state.get("Name") if isinstance(state, dict) else None
    if name is None:
        raise _Unusable("has no State with a Name")
    if not isinstance(name, str) or name not in _STATES:
        raise _Unusable(f"State {shown(name)} is not one of EC2's states")
    return name


def _lifecycle(raw: _Json) -> Lifecycle:
    value = raw.get("InstanceLifecycle")
    if value is not None and not isinstance(value, str):
        raise _Unusable(f"InstanceLifecycle is {kind(value)} where a word should be")
    return "spot" if value == "spot" else "on-demand"


def _launch_time(raw: _Json) -> datetime | None:
    value = raw.get("LaunchTime")
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Unusable(f"LaunchTime is {kind(value)} where a time should be")
    try:
        moment = datetime.fromisoformat(value)
        if moment.utcoffset() is None:
            raise _Unusable(f"LaunchTime {shown(value)} has no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Unusable(f"LaunchTime {shown(value)} is not a time") from None


def _network_id(raw: _Json, key: str) -> str | None:
    value = raw.get(key)
    if not value:  # a terminated instance has left its network; AWS leaves the key out or empty
        return None
    if not isinstance(value, str) or not _NETWORK_ID.fullmatch(value):
        raise _Unusable(f"{key} {shown(value)} is not an id of AWS")
    return value


def _configured_vcpus(raw: _Json) -> int | None:
    """Return cores times threads; answers from before CpuOptions existed have none."""
    options = raw.get("CpuOptions")
    if options is None:
        return None
    if not isinstance(options, dict):
        raise _Unusable(f"CpuOptions is {kind(options)} where an object should be")
    product = 1
    for key in ("CoreCount", "ThreadsPerCore"):
        count = options.get(key)
        if count is None:
            return None
        if type(count) is not int or not 0 < count <= _MAX_VCPUS:  # bool is an int too
            raise _Unusable(f"CpuOptions.{key} is not a number from 1 to {_MAX_VCPUS}")
        product *= count
    if product > _MAX_VCPUS:
        raise _Unusable(f"CpuOptions make more than {_MAX_VCPUS} vCPUs")
    return product


def _tags(raw: _Json) -> dict[str, str]:
    entries = raw.get("Tags")
    if entries is None:
        return {}
    if not isinstance(entries, list):
        raise _Unusable(f"Tags is {kind(entries)} where a list should be")
    tags = dict(map(_tag, entries))
    own = sum(not key.startswith("aws:") for key in tags)
    if own > MAX_TAGS:
        raise _Unusable(f"has {own} tags; AWS allows {MAX_TAGS}")
    if sum(len(key) + len(value) for key, value in tags.items()) > MAX_TAG_CHARACTERS:
        raise _Unusable(f"its tags are longer than {MAX_TAG_CHARACTERS} characters together")
    return tags


def _tag(entry: object) -> tuple[str, str]:
    if not isinstance(entry, dict):
        raise _Unusable(f"Tags holds {kind(entry)} where an object should be")
    key, value = entry.get("Key"), entry.get("Value", "")
    if not isinstance(key, str) or not isinstance(value, str):
        raise _Unusable(f"Tags holds {kind(key)} = {kind(value)} where two texts should be")
    if not 0 < len(key) <= MAX_TAG_KEY:
        raise _Unusable(f"tag {shown(key)} has a key of {len(key)} characters; AWS allows 1 to {MAX_TAG_KEY}")
    if len(value) > MAX_TAG_VALUE:
        raise _Unusable(f"tag {shown(key)} has a value of {len(value)} characters; AWS allows {MAX_TAG_VALUE}")
    if _UNSTORABLE.search(key) or _UNSTORABLE.search(value):
        raise _Unusable(f"tag {shown(key)} = {shown(value)} holds NUL or half a character, which cannot be stored")
    return key, value


def _cluster_name(tags: dict[str, str]) -> str | None:
    """Return the Kubernetes cluster the tags name: of several the one that owns the instance."""
    name = tags.get("eks:cluster-name")
    if not name:
        sharers = [
            (value != "owned", key.removeprefix(_CLUSTER_TAG))
            for key, value in tags.items()
            if key.startswith(_CLUSTER_TAG) and key != _CLUSTER_TAG
        ]
        name = min(sharers)[1] if sharers else None
    if name is not None and len(name) > _MAX_CLUSTER_NAME:
        raise _Unusable(f"names a cluster of {len(name)} characters; the longest is {_MAX_CLUSTER_NAME}")
    return name
