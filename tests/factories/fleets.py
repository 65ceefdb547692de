"""Made-up fleets of any size, as the reader of AWS answers would hand them over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from spothive.database import Account, AccountStatus, ConnectionMethod, TenantSession
from spothive.gateways.ec2_answer import FleetAnswer, ObservedInstance, RefusedInstance
from spothive.schema.states import move

OWNER_ID = "111122223333"
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
TYPES = {"m5.large": (2, 8192), "c5.xlarge": (4, 8192), "r5.2xlarge": (8, 65536), "t3.micro": (2, 1024)}
LAUNCHED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def observed(number: int = 0, **facts: Any) -> ObservedInstance:
    """Return instance ``number``, running on demand in us-east-1a and without a cluster unless ``facts`` differ."""
    seen = ObservedInstance(
        instance_id=f"i-{number:017x}",
        instance_type="m5.large",
        region="us-east-1",
        availability_zone="us-east-1a",
        state="running",
        lifecycle="on-demand",
        launched_at=LAUNCHED,
        cluster_name=None,
        node_group=None,
        in_asg=False,
        tags={"Name": f"node-{number}"},
        vpc_id="vpc-1",
        subnet_id="subnet-1",
        vcpus=2,
        memory_mib=8192,
    )
    return replace(seen, **facts)


def answer_of(
    instances: Iterable[ObservedInstance],
    *,
    owner_ids: Iterable[str] = (OWNER_ID,),
    refused: Iterable[RefusedInstance] = (),
    complete: bool = True,
) -> FleetAnswer:
    """Return the answer that lists ``instances``."""
    return FleetAnswer(set(owner_ids), list(instances), list(refused), complete)


def large_fleet(count: int, *, seed: int = 1) -> list[ObservedInstance]:
    """Return ``count`` different instances in three regions, a dozen clusters and both lifecycles."""
    rng = Random(seed)
    fleet = []
    for number in range(count):
        region = rng.choice(REGIONS)
        instance_type = rng.choice(list(TYPES))
        cluster = rng.choice((None, "shop", "analytics", "batch", "staging"))
        vcpus, memory_mib = TYPES[instance_type]
        fleet.append(
            observed(
                number,
                instance_type=instance_type,
                region=region,
                availability_zone=region + rng.choice("abc"),
                state=rng.choices(("running", "stopped", "terminated"), (90, 8, 2))[0],
                lifecycle=rng.choice(("spot", "on-demand")),
                launched_at=LAUNCHED + timedelta(seconds=number),
                cluster_name=cluster,
                node_group="workers" if cluster else None,
                tags={"Name": f"node-{number}", "Team": rng.choice(("shop", "data")), "Environment": "production"},
                vcpus=vcpus,
                memory_mib=memory_mib,
            )
        )
    return fleet


def a_day_later(fleet: list[ObservedInstance], *, seed: int = 2, changed: int = 5) -> list[ObservedInstance]:
    """Return ``fleet`` after a day: ``changed`` of a hundred instances differ, one has gone and as many are new."""
    rng = Random(seed)
    order = rng.sample(range(len(fleet)), len(fleet))
    hundredth = max(1, len(fleet) // 100)
    gone, different = set(order[:hundredth]), set(order[hundredth : (1 + changed) * hundredth])
    later = [
        replace(seen, state="stopped" if seen.state == "running" else "running", tags=seen.tags | {"Checked": "yes"})
        if number in different
        else seen
        for number, seen in enumerate(fleet)
        if number not in gone
    ]
    return later + [observed(len(fleet) + extra) for extra in range(hundredth)]


def connected_account(session: TenantSession, user_id: UUID, *, name: str, account_id: str) -> Account:
    """Make an account of the session's tenant that has proved itself to be AWS account ``account_id``."""
    account = Account(
        user_id=user_id,
        account_id=f"pending-{account_id}",
        account_name=name,
        connection_method=ConnectionMethod.IAM_ROLE,
        role_arn=f"arn:aws:iam::{account_id}:role/spothive",
        external_id=f"external-{account_id}",
    )
    session.add(account)
    session.flush()
    move(session, account, Account.status, AccountStatus.CONNECTED, account_id=account_id)
    return account
