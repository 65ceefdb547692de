"""What every look at an account shares: one run at a time, its lease, its units, and regions read side by side.

A run is a row of ``scan_runs`` that is RUNNING, with a lease that is extended whenever something is written. AWS is
asked for several regions at once; each region is written in a transaction of its own.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, ClassVar, Final, Generic, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import AlreadyRunning, ConfigurationError, Conflict, NetworkInTransaction, SpothiveError
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsError, AwsRefused, CredentialsRefused
from spothive.models import Account, AccountStatus, ResourceType, ScanKind, ScanRun, ScanStatus, ScanUnit
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.fleet.access import Access, fail_account, locked
from spothive.operations.fleet.accounts import Progress, log_account
from spothive.operations.fleet.dead_runs import fail_dead_runs
from spothive.operations.fleet.told import NAMES, tell_not_complete
from spothive.operations.sessions import Sessions
from spothive.schema.states import move
from spothive.schema.types import clock_timestamp

_log = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=15)
"""How long a run may go without a word before another takes over; reading one region takes far less."""

REGIONS_AT_ONCE: Final = 8
"""Regions that are read side by side; AWS counts its limits by region."""

_AGAIN = {ScanKind.DISCOVERY: "discover again", ScanKind.WASTE: "scan again"}
_ERROR_MAX = 4000

Seen = TypeVar("Seen")
Given = TypeVar("Given")


def start_run(session: TenantSession, access: Access, kind: ScanKind, units: int) -> ScanRun:
    """Become the one run of a kind that looks at the account.

    Args:
        session: of the tenant.
        access: how the account is reached.
        kind: what is looked for.
        units: how many units are expected, as far as known; at least 1.

    Raises:
        AlreadyRunning: there is another one.
        Conflict: the account has failed.
    """
    account = locked(session, access)
    if account.status is AccountStatus.FAILED:
        msg = f"account {account.account_name} has failed ({account.status_reason}): mend that and recheck it first"
        raise Conflict(msg)
    mine = (ScanRun.account_id == account.id, ScanRun.kind == kind, ScanRun.status == ScanStatus.RUNNING)
    other = session.scalar(select(ScanRun).where(*mine).with_for_update())
    now = session.scalars(select(clock_timestamp())).one()  # machines differ, and which scan is the latest counts
    if other is not None:
        if other.leased_until > now:
            msg = (
                f"a {NAMES[kind]} of {account.account_name} is under way since {other.started_at:%H:%M:%S} UTC; should "
                f"its process have died, another may start at {other.leased_until:%H:%M:%S}"
            )
            raise AlreadyRunning(msg)
        fail_dead_runs(session, now, ScanRun.id == other.id, found_by="another run took over")
    run = ScanRun(
        account_id=account.id,
        kind=kind,
        units_expected=units,
        lease_token=uuid4(),
        leased_until=now + LEASE,
        started_at=now,
    )
    session.add(run)
    session.flush()
    return run


class HeldRun(ABC, Generic[Seen]):
    """The run this process holds; a region of it holds what a subclass makes of ``Seen``."""

    kind: ClassVar[ScanKind]
    event: ClassVar[str]
    """What the audit trail calls a run that has ended; the account's history takes the second word."""

    def __init__(self, sessions: Sessions, actor: Actor, tenant_id: UUID, access: Access, row: ScanRun) -> None:
        """Hold ``row``, which :func:`start_run` made."""
        self._sessions = sessions
        self._actor = actor
        self._tenant_id = tenant_id
        self._access = access
        self._id, self._token = row.id, row.lease_token
        self._ended = False

    @abstractmethod
    def write(self, region: str, seen: Seen) -> None:
        """Bring the region to what was seen there."""

    @abstractmethod
    def fail(self, region: str, reason: str) -> None:
        """Note that the region could not be read; what it holds stays as it is."""

    @abstractmethod
    def facts(self, status: ScanStatus) -> dict[str, Any]:
        """Return what the audit trail and the account's history keep of the run."""

    def plan(self, units: Sequence[tuple[str, str]]) -> None:
        """Write down what is to be read: regions and kinds."""
        with self.held() as (session, run, _):
            run.units_expected = len(units)
            session.add_all(ScanUnit(scan_run_id=run.id, region=region, resource_kind=kind) for region, kind in units)

    @contextmanager
    def held(self) -> Iterator[tuple[TenantSession, ScanRun, Account]]:
        """Open a transaction in which the run is locked and still ours; it extends the lease."""
        with self._sessions(tenant=self._tenant_id) as session:
            account = locked(session, self._access)
            mine = (ScanRun.id == self._id, ScanRun.lease_token == self._token, ScanRun.status == ScanStatus.RUNNING)
            query = select(ScanRun, clock_timestamp()).where(*mine).with_for_update(of=ScanRun)
            found = session.execute(query).one_or_none()
            if found is None:
                msg = f"another {NAMES[self.kind]} of {account.account_name} took this one over: see its result instead"
                raise AlreadyRunning(msg)
            run, now = found
            run.leased_until = now + LEASE
            yield session, run, account

    def units(self, session: TenantSession, region: str) -> dict[str, ScanUnit]:
        """Return the units of a region by their kind."""
        query = select(ScanUnit).where(ScanUnit.scan_run_id == self._id, ScanUnit.region == region)
        return {unit.resource_kind: unit for unit in session.scalars(query)}

    def end(self, status: ScanStatus, why: str, *, refusal: AwsRefused | None = None) -> None:
        """End the run, because of ``why`` if it is not COMPLETE; with a ``refusal`` the account has failed."""
        with self.held() as (session, run, account):
            move(session, run, ScanRun.status, status, finished_at=clock_timestamp(), error=why[:_ERROR_MAX] or None)
            self.settle(session, run, account, refusal)
            self._tell(session, account, status)
            if status is not ScanStatus.COMPLETE and account.status is not AccountStatus.FAILED:
                tell_not_complete(session, [run.id])  # that the account has failed says more
        self._ended = True

    def settle(self, session: TenantSession, run: ScanRun, account: Account, refusal: AwsRefused | None) -> None:
        """Do what follows from the end of the run, in the same transaction."""
        del run, account  # for those who know more
        if refusal is not None:
            fail_account(session, self._actor, self._access, str(refusal))

    def read_regions(
        self, look: Callable[[str], Seen], regions: Sequence[str], progress: Progress | None
    ) -> list[AwsError]:
        """Read every region and write it down; return what AWS answered instead of an answer."""
        failures: list[AwsError] = []
        for done, (region, seen) in enumerate(side_by_side(look, regions, REGIONS_AT_ONCE), 1):
            error = seen if isinstance(seen, Exception) else self._not_written(region, seen)
            if isinstance(error, AwsError):
                failures.append(error)
            if error is not None:
                self.fail(region, _reason(error, _AGAIN[self.kind]))
            if progress:
                progress(done, len(regions))
        return failures

    @contextmanager
    def ended_if_broken(self) -> Iterator[None]:
        """End the run as failed when something breaks, so that nobody has to wait for its lease."""
        try:
            yield
        except BaseException as error:
            if not self._ended:
                with suppress(SpothiveError):
                    self._give_up(error)
            raise

    def _give_up(self, error: BaseException) -> None:
        with self.held() as (session, run, account):
            ended = {"finished_at": clock_timestamp(), "error": f"broke off: {type(error).__name__}"}
            move(session, run, ScanRun.status, ScanStatus.FAILED, **ended)
            self._tell(session, account, ScanStatus.FAILED)
            if isinstance(error, Exception):  # else somebody has interrupted it, and knows
                tell_not_complete(session, [run.id])

    def _not_written(self, region: str, seen: Seen) -> Exception | None:
        """Write a region down, or return why that failed: the others are not left out for it."""
        try:
            self.write(region, seen)
        except Exception as error:  # noqa: BLE001 - _reason() tells a refusal from a defect
            return error
        return None

    def _tell(self, session: TenantSession, account: Account, status: ScanStatus) -> None:
        facts = self.facts(status)
        log_account(session, self._actor, account, self.event.partition(".")[2], facts)
        record(session, self._actor, self.event, account.account_name, ResourceType.ACCOUNT, after=facts)


def side_by_side(
    work: Callable[[str], Given], names: Sequence[str], at_once: int
) -> Iterator[tuple[str, Given | Exception]]:
    """Do ``work`` for each name, several at once; yield each as it is done, or what went wrong with it.

    No executor: Python waits for an executor's threads before it ends, and a silent AWS would keep an interrupted
    process alive for minutes.
    """
    todo: SimpleQueue[str] = SimpleQueue()
    done: SimpleQueue[tuple[str, Given | Exception]] = SimpleQueue()

    def go() -> None:
        while not todo.empty():
            with suppress(Empty):
                name = todo.get_nowait()
                try:
                    done.put((name, work(name)))
                except Exception as error:  # noqa: BLE001 - it is handed over, and judged there
                    done.put((name, error))

    for name in names:
        todo.put(name)
    for _ in range(min(at_once, len(names))):
        # In a copy of this context, a thread knows of a transaction that is open here.
        Thread(target=copy_context().run, args=(go,), daemon=True).start()
    try:
        for _ in names:
            yield done.get()
    finally:
        while not todo.empty():  # broken off: nobody begins another
            with suppress(Empty):
                todo.get_nowait()


def withdrawn(
    gateway: AwsGateway, credentials: Credentials, failures: Iterable[AwsError], enabled: Sequence[str]
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


def _reason(error: Exception, again: str) -> str:
    """Return what is to be noted of a region that was not read or not written.

    Raises:
        SpothiveError: the caller is to blame, not the region.
    """
    if isinstance(error, (ConfigurationError, NetworkInTransaction)):
        raise error
    if isinstance(error, Conflict):  # an import into another account took the same instances, for one
        return f"{error}; {again}"
    if isinstance(error, SpothiveError):
        return str(error)
    _log.error("a region could not be read or written", exc_info=error)
    return f"a defect of spothive: {type(error).__name__}"
