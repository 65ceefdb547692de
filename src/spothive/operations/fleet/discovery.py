"""Discovery: read an account's regions at AWS and bring the database to what is there.

One run at a time works on an account: it holds the row in ``scan_runs`` that is RUNNING, and a lease that it extends
with every region. AWS is asked for several regions at once; each region is written in a transaction of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import AlreadyRunning, ConfigurationError, Conflict, NetworkInTransaction, SpothiveError
from spothive.gateways.aws import AwsGateway, ObservedCluster
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsError, AwsRefused, CredentialsRefused
from spothive.gateways.ec2_answer import FleetAnswer, ObservedInstance
from spothive.keyring import Keys
from spothive.models import (
    Account,
    AccountStatus,
    ResourceType,
    ScanKind,
    ScanRun,
    ScanStatus,
    ScanUnit,
    UnitStatus,
)
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.fleet.access import Access, fail_account, locked, read_access, require_manage
from spothive.operations.fleet.accounts import Progress, log_account
from spothive.operations.fleet.dead_runs import fail_dead_runs
from spothive.operations.fleet.listing import check_region
from spothive.operations.fleet.reconcile import ScanResult, is_whole, reconcile
from spothive.operations.sessions import Sessions
from spothive.schema.states import move

_log = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=15)
"""How long a run may go without a word before another takes over; reading one region takes far less."""

REGIONS_AT_ONCE: Final = 8
"""Regions that are read side by side; AWS counts its limits by region."""

_KIND = "instances"
_ERROR_MAX = 4000


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
        run = _Run(sessions, actor, tenant_id, access, _start(session, access, max(1, len(wanted))))
    with run.ended_if_broken():
        try:
            credentials = access.credentials(gateway)
            enabled = [] if wanted else gateway.enabled_regions(credentials)
        except AwsError as error:
            run.end(str(error), refusal=error if isinstance(error, AwsRefused) else None)
            raise
        run.plan(wanted or enabled)
        failures = _read_regions(run, gateway, credentials, wanted or enabled, progress)
        run.end(None, refusal=_withdrawn(gateway, credentials, failures, enabled))
    return run.result


def _start(session: TenantSession, access: Access, units: int) -> ScanRun:
    """Become the one discovery of the account.

    Raises:
        AlreadyRunning: there is another one.
        Conflict: the account has failed.
    """
    account = locked(session, access)
    if account.status is AccountStatus.FAILED:
        msg = f"account {account.account_name} has failed ({account.status_reason}): mend that and recheck it first"
        raise Conflict(msg)
    mine = (ScanRun.account_id == account.id, ScanRun.kind == ScanKind.DISCOVERY, ScanRun.status == ScanStatus.RUNNING)
    other = session.scalar(select(ScanRun).where(*mine).with_for_update())
    now = utc_now()
    if other is not None:
        if other.leased_until > now:
            msg = (
                f"a discovery of {account.account_name} is under way since {other.started_at:%H:%M:%S} UTC; should its "
                f"process have died, another may start at {other.leased_until:%H:%M:%S}"
            )
            raise AlreadyRunning(msg)
        fail_dead_runs(session, now, ScanRun.id == other.id, found_by="another run took over")
    run = ScanRun(
        account_id=account.id,
        kind=ScanKind.DISCOVERY,
        units_expected=units,
        lease_token=uuid4(),
        leased_until=now + LEASE,
        started_at=now,
    )
    session.add(run)
    session.flush()
    return run


class _Run:
    """The run this process holds."""

    def __init__(self, sessions: Sessions, actor: Actor, tenant_id: UUID, access: Access, row: ScanRun) -> None:
        self._sessions = sessions
        self._actor = actor
        self._tenant_id = tenant_id
        self._access = access
        self._id, self._token = row.id, row.lease_token
        self._ended = False
        self.result = ScanResult(account_name=access.account_name, status=ScanStatus.RUNNING)

    @contextmanager
    def _held(self) -> Iterator[tuple[TenantSession, ScanRun, Account]]:
        """Open a transaction in which the run is locked and still ours; it extends the lease."""
        with self._sessions(tenant=self._tenant_id) as session:
            account = locked(session, self._access)
            query = select(ScanRun).where(ScanRun.id == self._id, ScanRun.lease_token == self._token)
            run = session.scalar(query.where(ScanRun.status == ScanStatus.RUNNING).with_for_update())
            if run is None:
                msg = f"another discovery of {account.account_name} took this one over: see its result instead"
                raise AlreadyRunning(msg)
            run.leased_until = utc_now() + LEASE
            yield session, run, account

    def plan(self, regions: list[str]) -> None:
        """Write down what is to be read."""
        self.result.regions = regions
        with self._held() as (session, run, _):
            run.units_expected = len(regions)
            session.add_all(ScanUnit(scan_run_id=run.id, region=r, resource_kind=_KIND) for r in regions)

    def write(self, region: str, look: _Look) -> None:
        """Bring the region to what was seen there."""
        whole = is_whole(look.answer)
        # What is noted must not survive a transaction that fails.
        found = ScanResult(account_name=self.result.account_name, status=ScanStatus.RUNNING)
        with self._held() as (session, run, account):
            reconcile(session, account, look.answer, [region], found, clusters=look.clusters, judge=True)
            unit = self._unit(session, region)
            error = None if whole else "AWS listed an instance without a valid id: nothing of the region was ended"
            status = UnitStatus.DONE if whole else UnitStatus.FAILED
            items = len(look.answer.instances)
            move(session, unit, ScanUnit.status, status, pages=look.pages, items=items, error=error)
            run.seen += found.seen
            run.added += len(found.added)
            run.changed += len(found.changed)
            run.vanished += len(found.vanished)
        self.result.absorb(found)
        if error:
            self.result.failed[region] = error

    def fail(self, region: str, reason: str) -> None:
        """Note that the region could not be read; its instances stay as they are."""
        self.result.failed[region] = reason
        with self._held() as (session, _, _):
            move(session, self._unit(session, region), ScanUnit.status, UnitStatus.FAILED, error=reason)

    def end(self, error: str | None, *, refusal: AwsRefused | None = None) -> None:
        """End the run by what its units say; with a ``refusal`` the account has failed."""
        result, now = self.result, utc_now()
        good = len(result.regions) - len(result.failed)
        result.status = ScanStatus.FAILED if not good else ScanStatus.PARTIAL if result.failed else ScanStatus.COMPLETE
        why = error or "; ".join(f"{region}: {reason}" for region, reason in sorted(result.failed.items()))
        with self._held() as (session, run, account):
            move(session, run, ScanRun.status, result.status, finished_at=now, error=why[:_ERROR_MAX] or None)
            if refusal is not None:
                result.account_failed = str(refusal)
                fail_account(session, self._actor, self._access, str(refusal))
            elif good and account.status is AccountStatus.CONNECTED:
                move(session, account, Account.status, AccountStatus.ACTIVE)
                moved = (AccountStatus.CONNECTED, AccountStatus.ACTIVE)
                log_account(session, self._actor, account, "activated", {}, moved=moved)
            if good:
                account.last_discovered_at = now
            self._tell(session, account)
        self._ended = True

    @contextmanager
    def ended_if_broken(self) -> Iterator[None]:
        """End the run as failed when something breaks, so that nobody has to wait for its lease."""
        try:
            yield
        except BaseException as error:
            if not self._ended:
                with suppress(SpothiveError):
                    self._give_up(type(error).__name__)
            raise

    def _give_up(self, what: str) -> None:
        self.result.status = ScanStatus.FAILED
        with self._held() as (session, run, account):
            move(session, run, ScanRun.status, ScanStatus.FAILED, finished_at=utc_now(), error=f"broke off: {what}")
            self._tell(session, account)

    def _tell(self, session: TenantSession, account: Account) -> None:
        facts = self.result.counts() | {"status": self.result.status, "failed": self.result.failed}
        log_account(session, self._actor, account, "discovered", facts)
        record(session, self._actor, "account.discovered", account.account_name, ResourceType.ACCOUNT, after=facts)

    def _unit(self, session: TenantSession, region: str) -> ScanUnit:
        query = select(ScanUnit).where(ScanUnit.scan_run_id == self._id, ScanUnit.region == region)
        return session.scalars(query).one()


def _read_regions(
    run: _Run, gateway: AwsGateway, credentials: Credentials, regions: list[str], progress: Progress | None
) -> list[AwsError]:
    """Read every region and write it down; return what AWS answered instead of an answer."""
    failures: list[AwsError] = []
    for done, (region, look) in enumerate(_looks(gateway, credentials, regions), 1):
        error = look if isinstance(look, Exception) else _not_written(run, region, look)
        if isinstance(error, AwsError):
            failures.append(error)
        if error is not None:
            run.fail(region, _reason(error))
        if progress:
            progress(done, len(regions))
    return failures


def _not_written(run: _Run, region: str, look: _Look) -> Exception | None:
    """Write a region down, or return why that failed: the others are not left out for it."""
    try:
        run.write(region, look)
    except Exception as error:  # noqa: BLE001 - _reason() tells a refusal from a defect
        return error
    return None


def _reason(error: Exception) -> str:
    """Return what is to be noted of a region that was not read or not written.

    Raises:
        SpothiveError: the caller is to blame, not the region.
    """
    if isinstance(error, (ConfigurationError, NetworkInTransaction)):
        raise error
    if isinstance(error, Conflict):  # an import into another account took the same instances, for one
        return f"{error}; discover again"
    if isinstance(error, SpothiveError):
        return str(error)
    _log.error("a region could not be read or written", exc_info=error)
    return f"a defect of spothive: {type(error).__name__}"


def _looks(
    gateway: AwsGateway, credentials: Credentials, regions: list[str]
) -> Iterator[tuple[str, _Look | Exception]]:
    """Read the regions side by side; yield each as it is done, or what went wrong with it.

    No executor: Python waits for an executor's threads before it ends, and a silent AWS would keep an interrupted
    process alive for minutes.
    """
    todo: SimpleQueue[str] = SimpleQueue()
    done: SimpleQueue[tuple[str, _Look | Exception]] = SimpleQueue()

    def work() -> None:
        while not todo.empty():
            with suppress(Empty):
                region = todo.get_nowait()
                try:
                    done.put((region, _look(gateway, credentials, region)))
                except Exception as error:  # noqa: BLE001 - it is handed over, and judged there
                    done.put((region, error))

    for region in regions:
        todo.put(region)
    for _ in range(min(REGIONS_AT_ONCE, len(regions))):
        # In a copy of this context, a thread knows of a transaction that is open here.
        Thread(target=copy_context().run, args=(work,), daemon=True).start()
    try:
        for _ in regions:
            yield done.get()
    finally:
        while not todo.empty():  # broken off: nobody begins another region
            with suppress(Empty):
                todo.get_nowait()


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


def _withdrawn(
    gateway: AwsGateway, credentials: Credentials, failures: Iterable[AwsError], enabled: list[str]
) -> AwsRefused | None:
    """Return the refusal that condemns the account, or None.

    A policy of an organisation may deny some regions of a healthy account. So unless every region it has ``enabled``
    was refused, AWS is asked once more for something that belongs to none.
    """
    refusals = [error for error in failures if isinstance(error, AwsRefused)]
    ran_out = credentials.expires_at is not None and credentials.expires_at <= utc_now()
    if not refusals or ran_out:  # the hour of a session was over: that says nothing about its role
        return None
    invalid = [error for error in refusals if isinstance(error, CredentialsRefused)]
    if invalid or len(refusals) == len(enabled):
        return (invalid or refusals)[0]
    try:
        gateway.enabled_regions(credentials)
    except AwsRefused as error:
        return error
    except AwsError:
        return None
    return None
