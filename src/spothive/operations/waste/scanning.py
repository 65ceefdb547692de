"""A waste scan: read an account's regions at AWS, and write down what costs money while nothing uses it.

A unit is a region and a kind. What a unit that failed did not see is unknown: it is never waste, and nothing of the
account can be scheduled for deletion until a whole scan has seen everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import update

from spothive.database import TenantSession
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_errors import AwsError, AwsRefused
from spothive.keyring import Keys
from spothive.models import Account, ScanKind, ScanRun, ScanStatus, ScanUnit, UnitStatus, WasteType
from spothive.operations.actor import Actor
from spothive.operations.fleet.access import Access, read_access, require_manage
from spothive.operations.fleet.accounts import Progress
from spothive.operations.fleet.listing import check_region
from spothive.operations.fleet.scanning import HeldRun, start_run, withdrawn
from spothive.operations.fleet.told import NOT_ASKED
from spothive.operations.sessions import Sessions
from spothive.operations.waste.applying import apply, flag
from spothive.operations.waste.judging import current_rules
from spothive.operations.waste.looking import Eye, RegionSeen, look_at_region
from spothive.operations.waste.memory import remember
from spothive.operations.waste.told import tell_of_flagged
from spothive.schema.states import move

_SCANNED: Final = "waste.scanned"


@dataclass(slots=True, kw_only=True)
class WasteScan:
    """What a waste scan found and changed. Lists of resources hold AWS's ids.

    Attributes:
        account_name: the account that was looked at.
        status: COMPLETE, PARTIAL or FAILED.
        regions: regions that were read.
        failed: ``region kind`` to the reason why it is unknown; what is known of it was left as it is.
        account_failed: why AWS refuses the account, if it does.
        seen: how many things are waste.
        added: those that are new.
        changed: those of which something else is claimed than before; each was taken one step back.
        resolved: what is in use again, or gone.
        flagged: how many were flagged by this scan.
    """

    account_name: str
    status: ScanStatus
    regions: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    account_failed: str | None = None
    seen: int = 0
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)
    flagged: int = 0

    def counts(self) -> dict[str, Any]:
        """Return what the audit trail and the account's history keep of it."""
        lists = {name: len(getattr(self, name)) for name in ("added", "changed", "resolved")}
        return {"seen": self.seen, **lists, "flagged": self.flagged, "regions": self.regions}


def scan_waste(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    name: str,
    gateway: AwsGateway,
    keys: Keys,
    regions: Iterable[str] = (),
    progress: Progress | None = None,
) -> WasteScan:
    """Look through an account for addresses, volumes, snapshots and images that nothing uses (a procedure).

    A unit fails as a whole when a page of it is missing, or a list its claims rest on. With ``regions`` the other
    enabled ones are units that failed, so such a scan is never COMPLETE. What two COMPLETE scans saw, at least 24
    hours apart, is FLAGGED; what is in use again is RESOLVED. A few statements for each region, whatever its size.

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
        What was found. ``status`` is FAILED if nothing could be read.

    Raises:
        Denied: the role of ``actor`` does not allow it.
        NotFound: no such account.
        Conflict: the account is not connected, or failed, or was disconnected meanwhile.
        InvalidInput: a region is none of AWS.
        AlreadyRunning: another waste scan of the account is under way, or has taken this one over.
        AwsError: not even the list of regions could be read.
    """
    wanted = sorted(set(regions))
    for region in wanted:
        check_region(region)
    with sessions(tenant=tenant_id) as session:
        require_manage(actor, _SCANNED, name)
        access = read_access(session, name, keys)
        known = remember(session, access.account_row_id)
        row = start_run(session, access, ScanKind.WASTE, len(WasteType) * max(1, len(wanted)))
        run = _Run(sessions, actor, tenant_id, access, row)
    with run.ended_if_broken():
        try:
            credentials = access.credentials(gateway)
            enabled = gateway.enabled_regions(credentials)
        except AwsError as error:
            run.finish(str(error), refusal=error if isinstance(error, AwsRefused) else None)
            raise
        run.begin(wanted or enabled, enabled)
        eye = Eye(gateway, credentials, current_rules(), known)
        failures = run.read_regions(partial(look_at_region, eye), run.result.regions, progress)
        # That every region refuses says that the role lacks what waste takes, not that the account is lost.
        run.finish(None, refusal=withdrawn(gateway, credentials, failures, ()))
    return run.result


class _Run(HeldRun[RegionSeen]):
    """The waste scan this process holds."""

    kind = ScanKind.WASTE
    event = _SCANNED

    def __init__(self, sessions: Sessions, actor: Actor, tenant_id: UUID, access: Access, row: ScanRun) -> None:
        super().__init__(sessions, actor, tenant_id, access, row)
        self.result = WasteScan(account_name=access.account_name, status=ScanStatus.RUNNING)
        self._units = 0

    def begin(self, regions: list[str], enabled: list[str]) -> None:
        """Write down what is to be read, and what is left out of what could be."""
        self.result.regions = regions
        left_out = sorted(set(enabled) - set(regions))
        units = [(region, kind.value) for region in (*regions, *left_out) for kind in WasteType]
        self._units = len(units)
        self.plan(units)
        if left_out:
            self._fail_units(left_out, NOT_ASKED)

    def write(self, region: str, seen: RegionSeen) -> None:
        with self.held() as (session, run, _):
            done = apply(session, run, region, seen.kinds)
            units = self.units(session, region)
            for kind, found in seen.kinds.items():
                facts = {"pages": found.pages, "items": found.items}
                move(session, units[kind], ScanUnit.status, UnitStatus.DONE, **facts)
            for kind, error in seen.failed.items():
                move(session, units[kind], ScanUnit.status, UnitStatus.FAILED, error=str(error))
            run.seen += done.seen
            run.added += len(done.added)
            run.changed += len(done.changed)
            run.vanished += len(done.resolved)
        # Noted when it is written: what a transaction that fails held must not count.
        self.result.seen += done.seen
        self.result.added += done.added
        self.result.changed += done.changed
        self.result.resolved += done.resolved
        self.result.failed |= {f"{region} {kind}": str(error) for kind, error in seen.failed.items()}

    def fail(self, region: str, reason: str) -> None:
        self._fail_units([region], reason)

    def finish(self, error: str | None, *, refusal: AwsRefused | None = None) -> None:
        """End the run by what its units say; with a ``refusal`` the account has failed."""
        result = self.result
        failed = len(result.failed)
        result.status = ScanStatus.PARTIAL if failed else ScanStatus.COMPLETE
        if failed == self._units:
            result.status = ScanStatus.FAILED
        if refusal is not None:
            result.account_failed = str(refusal)
        why = error or "; ".join(f"{unit}: {reason}" for unit, reason in sorted(result.failed.items()))
        self.end(result.status, why, refusal=refusal)

    def settle(self, session: TenantSession, run: ScanRun, account: Account, refusal: AwsRefused | None) -> None:
        super().settle(session, run, account, refusal)
        if run.status is ScanStatus.COMPLETE:
            costs = flag(session, run)
            self.result.flagged = len(costs)
            tell_of_flagged(session, account, costs)

    def facts(self, status: ScanStatus) -> dict[str, Any]:
        return self.result.counts() | {"status": status, "failed": self.result.failed}

    def _fail_units(self, regions: list[str], reason: str) -> None:
        """Note that these regions could not be read; what is known of them stays as it is."""
        with self.held() as (session, run, _):
            mine = (ScanUnit.scan_run_id == run.id, ScanUnit.region.in_(regions))
            end = update(ScanUnit).where(*mine, ScanUnit.status == UnitStatus.PENDING)
            failed = end.values(status=UnitStatus.FAILED, error=reason)
            session.execute(failed, execution_options={"synchronize_session": False})
        self.result.failed |= {f"{region} {kind}": reason for region in regions for kind in WasteType}
