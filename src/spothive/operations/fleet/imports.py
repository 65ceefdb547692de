"""Import what ``aws ec2 describe-instances`` printed: one transaction, and only what changed is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from uuid import uuid4

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput, NotFound, NothingToImport
from spothive.gateways.ec2_answer import FleetAnswer, RefusedInstance
from spothive.models import (
    Account,
    ConnectionMethod,
    ResourceType,
    ScanKind,
    ScanRun,
    ScanStatus,
    ScanUnit,
    UnitStatus,
)
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.fleet.accounts import find_account, log_account, make_placeholder, responsible_user
from spothive.operations.fleet.listing import check_region
from spothive.operations.fleet.reconcile import ScanResult, is_whole, reconcile
from spothive.operations.identity import Action, require
from spothive.schema.states import move


def import_fleet(
    session: TenantSession,
    actor: Actor,
    *,
    name: str,
    answer: FleetAnswer,
    regions: Iterable[str] = (),
    owner: str | None = None,
) -> ScanResult:
    """Bring account ``name`` to what ``answer`` says; the account is made at its first import.

    Such an account proves nothing: it claims no AWS account, is never PROD and feeds no hive. Instances of the
    answer's regions that the answer does not list become terminated, unless the answer is incomplete.
    Statements: a fixed number, whatever the number of instances.

    Args:
        session: bound to the tenant.
        actor: who imports.
        name: name of the account in spothive.
        answer: what was read, from one or several files.
        regions: regions the answer covers although it may list no instance there.
        owner: user name of who answers for a new account; the actor, or the tenant's first client, when None.

    Returns:
        What changed.

    Raises:
        Denied: the role does not allow it.
        NothingToImport: nothing can be taken from the answer and no region is named.
        InvalidInput: the answer belongs to several AWS accounts, or to another than the last one did; or a region is
            none of AWS.
        Conflict: the account is connected to AWS and is discovered, not imported; or it is being disconnected.
        NotFound: no such owner.
    """
    require(actor, Action.MANAGE, attempt="account.imported", resource=name, resource_type=ResourceType.ACCOUNT)
    regions = set(regions)
    for region in regions:
        check_region(region)
    started_at = utc_now()
    owner_id = _one_owner(answer)
    account = _account(session, actor, name, owner_id, owner)
    covered = sorted({i.region for i in answer.instances} | regions)
    status = ScanStatus.COMPLETE if is_whole(answer) else ScanStatus.PARTIAL
    result = ScanResult(account_name=name, status=status, regions=covered)
    reconcile(session, account, answer, covered, result, judge=False)
    if not regions and len(result.refused) == result.seen + len(answer.refused):
        raise NothingToImport(_why_nothing(result.refused), refused=result.refused)
    _record_run(session, account, answer, result, started_at)
    record(session, actor, "account.imported", name, ResourceType.ACCOUNT, after=result.counts())
    log_account(session, actor, account, "imported", result.counts())
    return result


def _why_nothing(refused: list[RefusedInstance]) -> str:
    if not refused:
        return "the answer lists no instance: say with --region which regions it covers, so that their fleet can end"
    first = refused[0]
    return (
        f"nothing was imported: every instance is refused ({len(refused)}), "
        f"the first, {first.instance_id or 'without id'} in {first.source}: {first.reason}"
    )


def _one_owner(answer: FleetAnswer) -> str | None:
    if len(answer.owner_ids) > 1:
        msg = f"the answer mixes AWS accounts {', '.join(sorted(answer.owner_ids))}: import each under its own name"
        raise InvalidInput(msg)
    return next(iter(answer.owner_ids), None)


def _account(session: TenantSession, actor: Actor, name: str, owner_id: str | None, owner: str | None) -> Account:
    """Return the locked account to import into, making it if there is none."""
    try:
        account = find_account(session, name, for_update=True)
    except NotFound:
        user_id = responsible_user(session, actor, owner)
        account = make_placeholder(session, name, ConnectionMethod.IMPORT, user_id)
    if account.connection_method is not ConnectionMethod.IMPORT:
        msg = f"account {account.account_name} is connected to AWS: discover it instead of importing"
        raise Conflict(msg)
    claimed = account.account_metadata.setdefault("claimed_account_id", owner_id) if owner_id else None
    if owner_id and claimed != owner_id:
        msg = f"{name} holds instances of AWS account {claimed}, the answer those of {owner_id}: use another name"
        raise InvalidInput(msg)
    return account


def _record_run(
    session: TenantSession, account: Account, answer: FleetAnswer, result: ScanResult, started_at: datetime
) -> None:
    """Write the run and its units: what was looked at, and how much of it can be trusted."""
    run = ScanRun(
        account_id=account.id,
        kind=ScanKind.IMPORT,
        units_expected=len(result.regions),
        lease_token=uuid4(),
        leased_until=started_at,
        started_at=started_at,
        seen=result.seen,
        added=len(result.added),
        changed=len(result.changed),
        vanished=len(result.vanished),
    )
    session.add(run)
    session.flush()  # the units point to it
    items = Counter(instance.region for instance in answer.instances)
    units = [
        ScanUnit(scan_run_id=run.id, region=region, resource_kind="instances", pages=1, items=items[region])
        for region in result.regions
    ]
    session.add_all(units)
    session.flush()  # a unit is born PENDING and then moved
    whole = result.status is ScanStatus.COMPLETE
    unread = None if whole else "the answer was incomplete: what it does not list may still exist"
    for unit in units:
        move(session, unit, ScanUnit.status, UnitStatus.DONE if whole else UnitStatus.FAILED, error=unread)
    refused = f"instances refused: {len(result.refused)}" if result.refused else None
    error = "; ".join(filter(None, (unread, refused))) or None
    move(session, run, ScanRun.status, result.status, finished_at=utc_now(), error=error)
