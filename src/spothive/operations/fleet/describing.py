"""Describe one instance that the inventory does not hold yet, without waiting for the next discovery."""

from __future__ import annotations

from spothive.database import TenantSession
from spothive.gateways.aws import AwsGateway
from spothive.gateways.ec2_answer import FleetAnswer, ObservedInstance
from spothive.models import ScanStatus
from spothive.operations.fleet.access import Access, locked
from spothive.operations.fleet.reconcile import ScanResult, reconcile


def described(gateway: AwsGateway, access: Access, region: str, instance_id: str) -> ObservedInstance | None:
    """Return what AWS says of an instance of the account now, outside of any transaction; None if it has no such.

    Raises:
        AwsError: AWS refused, or gave no answer.
    """
    answer = gateway.instance(access.credentials(gateway), region, instance_id)
    found = [seen for seen in answer.instances if seen.instance_id == instance_id and seen.region == region]
    return found[0] if found and answer.owner_ids == {access.aws_account_id} else None


def hold_described(session: TenantSession, access: Access, seen: ObservedInstance) -> None:
    """Put what was described into the inventory; whether anybody answers for it is left to the next discovery.

    Raises:
        Conflict: the account was disconnected meanwhile.
    """
    account = locked(session, access)
    alone = FleetAnswer({access.aws_account_id}, [seen], complete=False)  # so that nothing else is ended
    result = ScanResult(account_name=access.account_name, status=ScanStatus.PARTIAL)
    reconcile(session, account, alone, [seen.region], result, judge=False)
