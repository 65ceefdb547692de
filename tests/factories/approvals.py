"""Instances that nobody answers for, requests about them, and an AWS that knows one instance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID

from spothive.blocks import refuse_in_block
from spothive.clock import utc_now
from spothive.database import (
    ApprovalAction,
    ApprovalRequest,
    ApprovalStatus,
    AuthStatus,
    DecidedBy,
    EnvironmentType,
    Instance,
    get_db_session,
)
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsError
from spothive.gateways.ec2_answer import FleetAnswer, ObservedInstance
from spothive.gateways.fleet_stand_in import generated_answer
from spothive.gateways.onboarding_template import granted
from spothive.operations.actor import Actor
from spothive.operations.approvals import request_approval, requesting
from spothive.schema.states import move
from tests.factories import make_account, make_instance
from tests.factories.fleets import connected_account, observed

if TYPE_CHECKING:
    from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount

AWS_ID, ROGUE = "210987654321", "i-00000000000000007"
FLAGGED_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


def make_rogue(
    tenant_id: UUID, user_id: UUID, environment: EnvironmentType = EnvironmentType.PROD, **facts: Any
) -> Instance:
    """Make an instance of a connected account for which nobody has answered in 24 hours."""
    with get_db_session(tenant=tenant_id) as session:
        account = connected_account(session, user_id, name="shop", account_id=AWS_ID)
        account.environment_type = environment
    place = {"region": "us-east-1", "availability_zone": "us-east-1a", "lifecycle": "on-demand", **facts}
    return unauthorise(make_instance(tenant_id, account.id, ROGUE, **place))


def unauthorise(machine: Instance) -> Instance:
    """Let nobody answer for an instance since :data:`FLAGGED_AT`."""
    with get_db_session(tenant=machine.tenant_id) as session:
        row = session.get_one(Instance, machine.id)
        move(session, row, Instance.auth_status, AuthStatus.FLAGGED, flagged_at=FLAGGED_AT)
        move(session, row, Instance.auth_status, AuthStatus.UNAUTHORIZED)
    return row


def make_machine(tenant_id: UUID, environment: EnvironmentType = EnvironmentType.LAB) -> Instance:
    """Make an instance of an imported account, which is LAB."""
    return make_instance(tenant_id, make_account(tenant_id, environment_type=environment).id)


def ask(actor: Actor, target_id: UUID, **facts: Any) -> ApprovalRequest:
    """Ask at home that an instance be terminated, unless ``facts`` say otherwise."""
    wanted = {"action": ApprovalAction.TERMINATE_ROGUE, "description": "a test", **facts}
    with get_db_session(tenant=actor.home_tenant_id) as session:
        return request_approval(session, actor, target_id=target_id, **wanted)


def ask_earlier(actor: Actor, target_id: UUID, before: timedelta, **facts: Any) -> ApprovalRequest:
    """Ask as if it had been so long ago."""
    with patch.object(requesting, "database_clock", lambda _: utc_now() - before):
        return ask(actor, target_id, **facts)


def approved(request: ApprovalRequest) -> UUID:
    """Let a policy approve a request, whatever its risk; return its id."""
    with get_db_session(tenant=request.tenant_id) as session:
        row = session.get_one(ApprovalRequest, request.id)
        decided = {"decided_by": DecidedBy.POLICY, "decided_at": row.requested_at}
        move(session, row, ApprovalRequest.status, ApprovalStatus.APPROVED, **decided)
    return request.id


def hold_rogues(aws: AwsStandIn, tenant_id: UUID, user_id: UUID, count: int = 1) -> tuple[StandInAccount, list[UUID]]:
    """Connect an account of the stand-in by a role that may act; return it and its instances, all of them rogue."""
    account = aws.make_account(regions=["us-east-1"])
    fleet = generated_answer(owner_id=account.account_id, regions=["us-east-1"], instance_types=count)
    fleet["Reservations"] = fleet["Reservations"][:count]
    machines = [each["Instances"][0] for each in fleet["Reservations"]]
    for machine in machines:
        machine |= {"Tags": [], "State": {"Code": 16, "Name": "running"}}
        machine.pop("InstanceLifecycle", None)
    account.set_fleet(fleet)
    with get_db_session(tenant=tenant_id) as session:
        row = connected_account(session, user_id, name="shop", account_id=account.account_id)
        trust: dict[str, Any] = {"trusts": aws.platform_arn, "external_id": row.external_id}
        row.role_arn = account.make_role(**trust, actions=granted("full"))
    made = []
    for machine in machines:
        place = {"region": "us-east-1", "availability_zone": machine["Placement"]["AvailabilityZone"]}
        kind = {"instance_type": machine["InstanceType"], "lifecycle": "on-demand"}
        made.append(unauthorise(make_instance(tenant_id, row.id, machine["InstanceId"], **place, **kind)).id)
    return account, made


class OneInstance(AwsGateway):
    """An AWS with one instance. ``on_answer`` is called before it answers that it ends it."""

    def __init__(self, **facts: Any) -> None:
        super().__init__()
        self.seen: ObservedInstance | None = observed(7, **facts)
        self.terminated: list[str] = []
        self.refusal: AwsError | None = None
        self.on_answer: Callable[[], object] = lambda: None

    def assume_role(self, role_arn: str, external_id: str | None) -> Credentials:
        refuse_in_block("sts:AssumeRole")
        return Credentials(role_arn, "secret", external_id)

    def instance(self, *_: Any) -> FleetAnswer:
        refuse_in_block("ec2:DescribeInstances")
        return FleetAnswer({AWS_ID}, [self.seen] if self.seen else [])

    def terminate(self, *which: Any) -> str:
        refuse_in_block("ec2:TerminateInstances")
        if self.refusal is not None:
            raise self.refusal
        self.terminated.append(which[-1])
        self.seen = observed(7, state="shutting-down")
        self.on_answer()
        return "shutting-down"


def no_keys() -> Any:
    """Open nothing: these accounts are connected by roles."""
    raise AssertionError("a role needs no sealing key")
