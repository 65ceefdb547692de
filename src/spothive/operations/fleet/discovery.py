"""Discovery: read an account's regions at AWS and bring the database to what is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.gateways.aws import AwsGateway, ObservedCluster
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsError, AwsRefused
from spothive.gateways.ec2_answer import FleetAnswer, ObservedInstance
from spothive.keyring import Keys
from spothive.models import Account, AccountStatus, ScanKind, ScanRun, ScanStatus, ScanUnit, UnitStatus
from spothive.operations.actor import Actor
from spothive.operations.fleet.access import Access, read_access, require_manage
from spothive.operations.fleet.accounts import Progress, log_account
from spothive.operations.fleet.listing import check_region
from spothive.operations.fleet.reconcile import ScanResult, is_whole, reconcile
from spothive.operations.fleet.scanning import HeldRun, start_run, withdrawn
from spothive.operations.sessions import Sessions
from spothive.schema.states import move

_KIND = "instances"


@dataclass(frozen=True, slots=True)
class _Look:
    """What one region held."""

    answer: FleetAnswer
    clusters: list[ObservedCluster]
    pages: int


def discover_account(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    name: str,
    gateway: AwsGateway,
    keys: Keys,
    regions: Iterable[str] = (),
    progress: Progress | None = None,
) -> ScanResult:
    """Read the account's regions at AWS and write what differs (a procedure).

    A region that cannot be read keeps its instances as they are and makes the run PARTIAL. An account that AWS refuses
    is failed; one of which a region was read is active. A few statements for each region, whatever its size.

    Args:
        sessions: opens transactions of a tenant.
        actor: who asks.
        tenant_id: tenant of the account.
        name: name of the account.
        gateway: the way to AWS.
        keys: loads the keyring.
        regions: regions to read; all the account has enabled when empty.
        progress: told (regions done, regions in all).

    Returns:
        What was found. ``status`` is FAILED if no region could be read.

    Raises:
        Denied: the role of ``actor`` does not allow it.
        NotFound: no such account.
        Conflict: the account is not connected, or failed, or was disconnected meanwhile.
        InvalidInput: a region is none of AWS.
        AlreadyRunning: another discovery of the account is under way, or has taken this one over.
        AwsError: not even the list of regions could be read.
    """
    wanted = sorted(set(regions))
    for region in wanted:
        check_region(region)
    with sessions(tenant=tenant_id) as session:
        require_manage(actor, "account.discovered", name)
        access = read_access(session, name, keys)
        row = start_run(session, access, ScanKind.DISCOVERY, max(1, len(wanted)))
        run = _Run(sessions, actor, tenant_id, access, row)
    with run.ended_if_broken():
        try:
            credentials = access.credentials(gateway)
            enabled = [] if wanted else gateway.enabled_regions(credentials)
        except AwsError as error:
            run.finish(str(error), refusal=error if isinstance(error, AwsRefused) else None)
            raise
        run.result.regions = wanted or enabled
        run.plan([(region, _KIND) for region in run.result.regions])
        failures = run.read_regions(partial(_look, gateway, credentials), run.result.regions, progress)
        run.finish(None, refusal=withdrawn(gateway, credentials, failures, enabled))
    return run.result


class _Run(HeldRun[_Look]):
    """The discovery this process holds."""

    kind = ScanKind.DISCOVERY
    event = "account.discovered"

    def __init__(self, sessions: Sessions, actor: Actor, tenant_id: UUID, access: Access, row: ScanRun) -> None:
        super().__init__(sessions, actor, tenant_id, access, row)
        self.result = ScanResult(account_name=access.account_name, status=ScanStatus.RUNNING)

    def write(self, region: str, seen: _Look) -> None:
        whole = is_whole(seen.answer)
        # What is noted must not survive a transaction that fails.
        found = ScanResult(account_name=self.result.account_name, status=ScanStatus.RUNNING)
        with self.held() as (session, run, account):
            reconcile(session, account, seen.answer, [region], found, clusters=seen.clusters, judge=True)
            unit = self.units(session, region)[_KIND]
            error = None if whole else "AWS listed an instance without a valid id: nothing of the region was ended"
            status = UnitStatus.DONE if whole else UnitStatus.FAILED
            items = len(seen.answer.instances)
            move(session, unit, ScanUnit.status, status, pages=seen.pages, items=items, error=error)
            run.seen += found.seen
            run.added += len(found.added)
            run.changed += len(found.changed)
            run.vanished += len(found.vanished)
        self.result.absorb(found)
        if error:
            self.result.failed[region] = error

    def fail(self, region: str, reason: str) -> None:
        self.result.failed[region] = reason
        with self.held() as (session, _, _):
            move(session, self.units(session, region)[_KIND], ScanUnit.status, UnitStatus.FAILED, error=reason)

    def finish(self, error: str | None, *, refusal: AwsRefused | None = None) -> None:
        """End the run by what its units say; with a ``refusal`` the account has failed."""
        result = self.result
        result.status = ScanStatus.COMPLETE if not result.failed else ScanStatus.PARTIAL
        if not self._good:
            result.status = ScanStatus.FAILED
        if refusal is not None:
            result.account_failed = str(refusal)
        why = error or "; ".join(f"{region}: {reason}" for region, reason in sorted(result.failed.items()))
        self.end(result.status, why, refusal=refusal)

    def settle(self, session: TenantSession, run: ScanRun, account: Account, refusal: AwsRefused | None) -> None:
        super().settle(session, run, account, refusal)
        if refusal is None and self._good and account.status is AccountStatus.CONNECTED:
            move(session, account, Account.status, AccountStatus.ACTIVE)
            moved = (AccountStatus.CONNECTED, AccountStatus.ACTIVE)
            log_account(session, self._actor, account, "activated", {}, moved=moved)
        if self._good:
            account.last_discovered_at = utc_now()

    def facts(self, status: ScanStatus) -> dict[str, Any]:
        return self.result.counts() | {"status": status, "failed": self.result.failed}

    @property
    def _good(self) -> int:
        """How many regions could be read."""
        return len(self.result.regions) - len(self.result.failed)


def _look(gateway: AwsGateway, credentials: Credentials, region: str) -> _Look:
    """Read a region to its last page, or raise: half a region proves nothing."""
    whole, pages = FleetAnswer(), 0
    found: dict[str, ObservedInstance] = {}
    for page in gateway.instance_pages(credentials, region):
        pages += 1
        whole.refused += page.refused
        found |= {seen.instance_id: seen for seen in page.instances}  # on two pages, the later one counts
    in_groups = gateway.auto_scaling_instances(credentials, region)
    whole.instances = [replace(seen, in_asg=seen.in_asg or name in in_groups) for name, seen in found.items()]
    return _Look(whole, gateway.clusters(credentials, region), pages)
