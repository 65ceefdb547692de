"""The stand-in for ``aws ec2 describe-instances`` and for a price list: a made-up company and its fleet.

Everything follows from the owner, a seed and a moment, so a demo or a test sees the same fleet each time. The
types are real; ids, names and prices are invented.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from spothive.errors import InvalidInput
from spothive.gateways.instance_types import INSTANCE_TYPES, REGIONS, InstanceType, region_of_zone

Answer = dict[str, Any]
"""What describe-instances prints, as Python objects."""

STAND_IN_REGIONS: Final = ("us-east-1", "eu-west-1", "ap-southeast-2")
STAND_IN_NOW: Final = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
"""The moment of the made-up answer unless another is given."""

MAX_INSTANCES: Final = 600

_MAX_VCPUS = 64
_DAY = timedelta(days=1)
_OLDEST = timedelta(days=200)
_STATE_CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
_STATES_OF_SCALED = {"running": 93, "terminated": 4, "pending": 2, "shutting-down": 1}
_STATES_OF_LOOSE = {"running": 74, "stopped": 20, "terminated": 4, "stopping": 2}


@dataclass(frozen=True, slots=True)
class _Group:
    """Instances with one purpose: an EKS node group, another Auto Scaling group, or single machines."""

    name: str
    team: str
    environment: str
    managed_by: str
    weight: int
    cluster: str | None = None
    scaled: bool = False
    spot_share: float = 0.0


# name, team, environment, managed by, weight, cluster
_GROUPS = (
    _Group("general", "platform", "production", "eksctl", 6, "shop-prod", scaled=True, spot_share=0.6),
    _Group("burst", "platform", "production", "spothive", 5, "shop-prod", scaled=True, spot_share=1.0),
    _Group("general", "platform", "staging", "eksctl", 3, "shop-staging", scaled=True, spot_share=0.9),
    _Group("workers", "data", "production", "terraform", 5, "analytics", scaled=True, spot_share=0.8),
    _Group("checkout-web", "shop", "production", "terraform", 4, scaled=True, spot_share=0.3),
    _Group("nightly-batch", "data", "production", "SpotHive", 3, scaled=True, spot_share=1.0),
    _Group("database", "data", "production", "terraform", 2),
    _Group("build", "developers", "development", "terraform", 2, spot_share=0.5),
    _Group("sandbox", "developers", "development", "", 3),
)


def generated_answer(
    *,
    owner_id: str,
    instance_types: int = 300,
    regions: Iterable[str] = STAND_IN_REGIONS,
    seed: int = 7,
    now: datetime = STAND_IN_NOW,
) -> Answer:
    """Return a believable answer: so many types, each at least once, in at most 600 instances.

    ``owner_id`` is the made-up AWS account of 12 digits; instances were launched in the 200 days before
    ``now`` (aware).

    Raises:
        InvalidInput: more types are wanted than the stand-in has, or spothive knows no zones of a region.
    """
    rng = _rng(f"{owner_id} {seed}")  # like real ones, ids of two accounts never meet
    zones = [zone for region in regions for zone in _zones(region)]
    types = [known for known in INSTANCE_TYPES.values() if _is_everyday(known)]
    if not 0 < instance_types <= MAX_INSTANCES:
        message = f"the stand-in fleet has 1 to {MAX_INSTANCES} instance types, not {instance_types}"
        raise InvalidInput(message)
    chosen = rng.sample(types, instance_types)
    chosen += rng.choices(chosen, k=min(instance_types // 2, MAX_INSTANCES - instance_types))
    groups = rng.choices(_GROUPS, weights=[group.weight for group in _GROUPS], k=len(chosen))
    return {
        "Reservations": [
            _reservation(rng, owner_id, _instance(rng, known, group, rng.choice(zones), now=now))
            for known, group in zip(chosen, groups, strict=True)
        ]
    }


def changed_answer(answer: Answer, *, seed: int = 8, now: datetime = STAND_IN_NOW + _DAY) -> tuple[Answer, ...]:
    """Return what AWS would answer a day later, one page for each region, and leave ``answer`` as it is.

    Of the running instances some are terminated, some have left the list altogether, some were stopped; of
    the stopped ones some run again and some have another type; groups have started new instances; whatever
    was on its way has arrived. ``now`` (aware) is the later moment.
    """
    rng = _rng(f"{now.isoformat()} {seed}")  # the new ids of one day are not those of the next
    reservations: list[Answer] = copy.deepcopy(answer["Reservations"])
    fleet = [instance for reservation in reservations for instance in reservation["Instances"]]
    running = _shuffled(rng, (instance for instance in fleet if _state(instance) == "running"))
    stopped = _shuffled(rng, (instance for instance in fleet if _state(instance) == "stopped"))
    gone = {id(instance) for instance in fleet if _state(instance) in {"terminated", "shutting-down"}}
    _settle(fleet)

    few = _some(running, 25)
    for instance in running[:few]:
        _terminate(instance, now)
    gone |= {id(instance) for instance in running[few : 2 * few]}
    staying = running[2 * few :]
    loose = [instance for instance in staying if not _is_scaled(instance) and not _is_spot(instance)]
    for instance in loose[: _some(loose, 10)]:
        _set_state(instance, "stopped")

    third = _some(stopped, 3)
    for instance in stopped[:third]:
        _set_state(instance, "running")
        instance["LaunchTime"] = _moment(rng, now, _DAY)
    for instance in stopped[third : 2 * third]:
        _retype(rng, instance)

    for reservation in reservations:
        reservation["Instances"] = [each for each in reservation["Instances"] if id(each) not in gone]
    models = [instance for instance in staying if _is_scaled(instance)]
    for model in models[: 2 * few]:
        newcomer = _new_member(rng, model, now)
        reservations.append(_reservation(rng, answer["Reservations"][0]["OwnerId"], newcomer))
    return _pages_by_region(reservations)


def synthetic_prices(seed: int = 7, *, regions: Iterable[str] = STAND_IN_REGIONS) -> dict[str, Any]:
    """Return an invented list of hourly on-demand prices in USD for every known type: ``{"regions": ...}``.

    The prices grow with vCPUs and memory as real ones do, but they are nobody's prices; ``source`` says so.
    """
    rng = _rng(seed)
    return {
        "regions": {
            region: {
                known.name: f"{_price(known) * _region_factor(region) * rng.uniform(0.98, 1.02):.6f}"
                for known in INSTANCE_TYPES.values()
            }
            for region in regions
        },
        "source": f"synthetic (invented by spothive's stand-in, seed {seed}; not the prices of AWS)",
        "unit": "USD per hour, Linux on-demand",
    }


def synthetic_ratings(seed: int = 7, *, regions: Iterable[str] = STAND_IN_REGIONS) -> dict[str, Any]:
    """Return invented interruption bands and savings of every known type under Linux, as the Spot Advisor's file."""
    return {
        "ranges": [],
        "instance_types": {},
        "spot_advisor": {
            region: {"Linux": {name: _rating(seed, region, name) for name in INSTANCE_TYPES}} for region in regions
        },
    }


def synthetic_spot_prices(
    seed: int = 7,
    *,
    regions: Iterable[str] = STAND_IN_REGIONS,
    types: Collection[str] = (),
    now: datetime = STAND_IN_NOW,
) -> dict[str, Any]:
    """Return one invented spot price for every pool, as describe-spot-price-history prints them.

    Without ``types`` those of every known type are returned.

    The prices are those since the last full hour before ``now`` (aware), and they save about what the ratings of the
    same seed promise.

    Raises:
        InvalidInput: spothive knows no zones of a region.
    """
    since = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0).isoformat()
    return {
        "SpotPriceHistory": [
            {
                "AvailabilityZone": zone,
                "InstanceType": known.name,
                "ProductDescription": "Linux/UNIX",
                "SpotPrice": f"{_spot_price(seed, region, zone, known):.6f}",
                "Timestamp": since,
            }
            for region in regions
            for zone in _zones(region)
            for known in INSTANCE_TYPES.values()
            if not types or known.name in types
        ]
    }


# --- one instance --------------------------------------------------------------------------------


def _is_everyday(known: InstanceType) -> bool:
    """Leave out bare metal and the largest machines: nobody runs them by the dozen."""
    return known.vcpus <= _MAX_VCPUS and "metal" not in known.name


def _reservation(rng: Random, owner_id: str, instance: Answer) -> Answer:
    return {
        "Groups": [],
        "Instances": [instance],
        "OwnerId": owner_id,
        "ReservationId": f"r-{_hex17(rng)}",
    }


def _instance(rng: Random, known: InstanceType, group: _Group, zone: str, *, now: datetime) -> Answer:
    odds = _STATES_OF_SCALED if group.scaled else _STATES_OF_LOOSE
    state = rng.choices(list(odds), weights=list(odds.values()))[0]
    age = timedelta(minutes=5) if state == "pending" else _OLDEST
    instance: Answer = {
        "AmiLaunchIndex": 0,
        "ImageId": f"ami-{_hex17(_rng(f'{zone[:-1]} {known.architecture}'))}",
        "InstanceId": f"i-{_hex17(rng)}",
        "LaunchTime": _moment(rng, now, age),
        "Monitoring": {"State": "disabled"},
        "Placement": {"AvailabilityZone": zone, "GroupName": "", "Tenancy": "default"},
        "PlatformDetails": "Linux/UNIX",
        "StateTransitionReason": "",
        "VpcId": f"vpc-{_hex17(_rng(zone[:-1]))}",
        "SubnetId": f"subnet-{_hex17(_rng(zone))}",
        "PrivateIpAddress": f"10.{rng.randrange(4)}.{rng.randrange(256)}.{rng.randrange(4, 255)}",
    }
    _set_type(instance, known)
    _set_state(instance, state)
    if rng.random() < group.spot_share:
        instance["InstanceLifecycle"] = "spot"
        instance["SpotInstanceRequestId"] = f"sir-{rng.getrandbits(32):08x}"
    if tags := _tags(rng, group):
        instance["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    if state == "terminated":
        _terminate(instance, now)
    return instance


def _tags(rng: Random, group: _Group) -> dict[str, str]:
    """Return the tags of a member; machines set up by hand often have none."""
    if not group.managed_by and rng.choice((True, False)):
        return {}
    tags = {
        "Name": "-".join(filter(None, (group.cluster, group.name, f"{rng.getrandbits(16):04x}"))),
        "Environment": group.environment,
        "Team": group.team,
    }
    if group.managed_by:
        tags["ManagedBy"] = group.managed_by
    if group.scaled:
        tags["aws:autoscaling:groupName"] = "-".join(filter(None, (group.cluster, group.name)))
    if group.cluster:
        tags[f"kubernetes.io/cluster/{group.cluster}"] = "owned"
        if group.managed_by != "terraform":  # nodes that joined by themselves lack the tags of EKS
            tags["eks:cluster-name"] = group.cluster
            tags["eks:nodegroup-name"] = group.name
    return tags


def _set_type(instance: Answer, known: InstanceType) -> None:
    threads = 2 if known.architecture == "x86_64" and known.vcpus % 2 == 0 else 1
    instance["InstanceType"] = known.name
    instance["Architecture"] = known.architecture
    instance["CpuOptions"] = {"CoreCount": known.vcpus // threads, "ThreadsPerCore": threads}


def _set_state(instance: Answer, state: str) -> None:
    instance["State"] = {"Code": _STATE_CODES[state], "Name": state}


def _terminate(instance: Answer, now: datetime) -> None:
    """Put an instance in the state in which AWS lists it for another hour: out of its network."""
    _set_state(instance, "terminated")
    instance["StateTransitionReason"] = f"User initiated ({now:%Y-%m-%d %H:%M:%S} GMT)"
    for key in ("VpcId", "SubnetId", "PrivateIpAddress"):
        instance.pop(key, None)


# --- a day later ---------------------------------------------------------------------------------


def _settle(fleet: Iterable[Answer]) -> None:
    """Let everything arrive that was on its way."""
    for instance in fleet:
        if _state(instance) == "pending":
            _set_state(instance, "running")
        elif _state(instance) == "stopping":
            _set_state(instance, "stopped")


def _retype(rng: Random, instance: Answer) -> None:
    """Give a stopped instance another size of its family, as people do to save money."""
    current = INSTANCE_TYPES[instance["InstanceType"]]
    family = [known for known in INSTANCE_TYPES.values() if known.family == current.family]
    others = [known for known in family if _is_everyday(known) and known != current]
    _set_type(instance, rng.choice(others or family))


def _new_member(rng: Random, model: Answer, now: datetime) -> Answer:
    """Return a fresh instance of the group that ``model`` belongs to."""
    newcomer = copy.deepcopy(model)
    newcomer["InstanceId"] = f"i-{_hex17(rng)}"
    newcomer["LaunchTime"] = _moment(rng, now, _DAY)
    newcomer["PrivateIpAddress"] = f"10.9.{rng.randrange(256)}.{rng.randrange(4, 255)}"
    return newcomer


def _pages_by_region(reservations: Iterable[Answer]) -> tuple[Answer, ...]:
    pages: dict[str | None, Answer] = {}
    for reservation in reservations:
        for instance in reservation["Instances"]:
            region = region_of_zone(instance["Placement"]["AvailabilityZone"])
            page = pages.setdefault(region, {"Reservations": []})
            page["Reservations"].append(reservation | {"Instances": [instance]})
    return tuple(pages.values())


def _state(instance: Answer) -> str:
    return str(instance["State"]["Name"])


def _is_spot(instance: Answer) -> bool:
    return "InstanceLifecycle" in instance


def _is_scaled(instance: Answer) -> bool:
    return any(tag["Key"] == "aws:autoscaling:groupName" for tag in instance.get("Tags", ()))


# --- prices --------------------------------------------------------------------------------------

_USD_PER_VCPU = 0.036
_USD_PER_GIB = 0.003
_USD_PER_BURSTABLE_GIB = 0.0104
_BURSTABLE = ("t2", "t3", "t3a", "t4g")

# What a family costs above the price of its vCPUs and memory: accelerators, local disks.
_FACTORS = {
    **dict.fromkeys(("p2", "p3", "p3dn", "p4d", "p4de", "p5", "p5en", "trn1", "trn1n"), 5.0),
    **dict.fromkeys(("g4dn", "g5", "g6", "g6e", "f1", "inf2", "d2", "d3en", "i2", "is4gen"), 2.5),
    **dict.fromkeys(("g3", "g3s", "g4ad", "gr6", "f2", "inf1", "dl1", "vt1", "d3", "im4gn", "g5g"), 1.6),
    **dict.fromkeys(("m5zn", "z1d", "r7iz", "x1", "x1e", "x2iedn", "x2iezn"), 1.6),
    **dict.fromkeys(("h1", "i3", "i3en", "i4g", "i4i", "i7i", "i7ie", "i8g"), 1.3),
}


def _price(known: InstanceType) -> float:
    """Return an invented price in USD per hour in the cheapest region."""
    gib = known.memory_mib / 1024
    if known.family in _BURSTABLE:
        return gib * _USD_PER_BURSTABLE_GIB
    by_size = known.vcpus * _USD_PER_VCPU + gib * _USD_PER_GIB
    return by_size * _FACTORS.get(known.family, 0.85 if known.architecture == "arm64" else 1.0)


def _rating(seed: int, region: str, instance_type: str) -> dict[str, int]:
    rng = _rng(f"{seed} {region} {instance_type}")
    return {"r": rng.choices(range(5), weights=(20, 20, 16, 14, 30))[0], "s": rng.randint(45, 90)}


def _spot_price(seed: int, region: str, zone: str, known: InstanceType) -> float:
    saved = _rating(seed, region, known.name)["s"] / 100
    return _price(known) * _region_factor(region) * (1 - saved) * _rng(f"{seed} {zone} {known.name}").uniform(0.9, 1.1)


def _region_factor(region: str) -> float:
    return {"us": 1.0, "ca": 1.1, "eu": 1.12, "sa": 1.6}.get(region[:2], 1.25)


# --- chance --------------------------------------------------------------------------------------


def _rng(seed: int | str) -> Random:
    return Random(seed)  # noqa: S311  a repeatable story, no secret


def _hex17(rng: Random) -> str:
    return f"{rng.getrandbits(68):017x}"


def _moment(rng: Random, now: datetime, age: timedelta) -> str:
    """Return a time of at most ``age`` before ``now``, as AWS prints it."""
    moment = now - timedelta(seconds=rng.randrange(1, int(age.total_seconds())))
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _shuffled(rng: Random, instances: Iterator[Answer]) -> list[Answer]:
    return rng.sample(pool := list(instances), len(pool))


def _some(instances: list[Answer], one_in: int) -> int:
    """Return how many a share is, at least one."""
    return max(1, len(instances) // one_in)


def _zones(region: str) -> list[str]:
    if region not in REGIONS:
        message = f"the stand-in fleet cannot live in {region!r}; known regions: {', '.join(sorted(REGIONS))}"
        raise InvalidInput(message)
    return [region + letter for letter in REGIONS[region]]
