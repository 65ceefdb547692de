"""Sealing the audit trail: signatures over the rows that have become final, tenant by tenant.

Rows are not chained when they are written: the writers of a tenant would have to wait for one another. A seal comes
later and covers what no open transaction can add to any more. Which rows are covered is decided by their ids in the
leaves of the seals, never by a watermark; the watermark only says where to look first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_

from spothive.anchor import Anchor
from spothive.clock import utc_now
from spothive.database import TenantSession, system_scope, trail
from spothive.database.horizon import horizon
from spothive.database.system_logs import log_user_action
from spothive.errors import Conflict, DuplicateValue
from spothive.models import PLATFORM_TENANT_ID, AuditSeal, LogLevel, ResourceType
from spothive.models.audit import SEAL_ROWS
from spothive.operations.actor import Actor
from spothive.operations.audit import chain
from spothive.operations.sessions import Sessions
from spothive.signing import SigningKeys

Progress = Callable[[int], None]
"""Told how many rows were sealed so far."""

PAGES = 10
"""Most pages of up to :data:`SEAL_ROWS` rows that one transaction looks through for rows without a seal."""
ATTEMPTS = 20
"""How often another process may be faster before sealing gives up."""


@dataclass(slots=True)
class TenantSealed:
    """What sealing did in one tenant.

    Attributes:
        tenant_id: which tenant.
        seals: seals made.
        rows: rows they cover.
        belated: those among the rows that an earlier seal should have covered by their number or time: they were
            moved from another server, the clock was set back, or somebody put them in.
        anchored: seals appended to the anchor, those of a crashed run included.
        problem: why it was not sealed to the end, in one line for people.
    """

    tenant_id: UUID
    seals: int = 0
    rows: int = 0
    belated: int = 0
    anchored: int = 0
    problem: str | None = None


@dataclass(slots=True)
class Sealing:
    """What one call did.

    Attributes:
        tenants: those where something was done or found wrong.
        new_anchor: whether there was no anchor before.
        seconds: how long it took.
    """

    tenants: list[TenantSealed] = field(default_factory=list)
    new_anchor: bool = False
    seconds: float = 0.0

    @property
    def seals(self) -> int:
        """Seals made."""
        return sum(tenant.seals for tenant in self.tenants)

    @property
    def rows(self) -> int:
        """Rows they cover."""
        return sum(tenant.rows for tenant in self.tenants)


def seal_trails(
    sessions: Sessions, actor: Actor, *, keys: SigningKeys, anchor: Anchor, progress: Progress = lambda _: None
) -> Sealing:
    """Seal the audit rows of every tenant that are final, those of deleted tenants too (a procedure).

    Each seal is a transaction of its own, and is appended to the anchor after its commit; what a crash left out there
    is appended now. Two calls at once make one chain: the slower one goes on behind the seal of the faster one.

    Sealing writes no audit row: that would be one more row to seal, for ever. A call that sealed something writes one
    row of the system log, and the seals themselves stay.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        actor: staff of platform.
        keys: sign the seals.
        anchor: gets a line for each seal.
        progress: is told how many rows are sealed.

    Raises:
        Denied: ``actor`` is no staff of platform.
        ConfigurationError: the anchor cannot be read or written; what was sealed so far stays.
        Conflict: other processes seal the same trail over and over again.
    """
    started = monotonic()
    with sessions(tenant=PLATFORM_TENANT_ID) as session:
        _require_staff(actor)
        with system_scope(session, f"{actor.label} seals the audit trail"):
            tenant_ids = list(tenants_with(session, trail.ROWS.c.tenant_id))
    done = Sealing(new_anchor=not anchor.read().exists)
    for tenant_id in tenant_ids:
        sealed = TenantSealed(tenant_id)
        _catch_up(sessions, sealed, anchor)
        if sealed.problem is None:
            _seal_tenant(sessions, sealed, keys, anchor, partial(_tell, progress, done.rows))
        if sealed != TenantSealed(tenant_id):
            done.tenants.append(sealed)
    done.seconds = monotonic() - started
    if done.seals:
        _log(sessions, actor, done)
    return done


def tenants_with(session: TenantSession, column: Any) -> Iterator[UUID]:
    """Yield the tenants that occur in ``column``, in system scope; one look at its index for each."""
    query = select(column).order_by(column).limit(1)
    tenant_id: UUID | None = session.scalar(query)
    while tenant_id is not None:
        yield tenant_id
        tenant_id = session.scalar(query.where(column > tenant_id))


def _tell(progress: Progress, before: int, rows: int) -> None:
    progress(before + rows)


def _require_staff(actor: Actor) -> None:
    from spothive.operations.identity import Action, require  # which records by this package

    require(
        actor,
        Action.MANAGE_PLATFORM,
        attempt="audit.sealed",
        resource="audit trail",
        resource_type=ResourceType.SYSTEM,
    )


# --- one tenant --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Walk:
    """A way through the rows of one tenant, page by page.

    Attributes:
        order: columns whose order it follows; the last one is the id.
        where: which rows it meets.
        below: the horizon as it was at the start.
        after: values of ``order`` of the last row seen; None at the beginning.
        ended: whether all were seen.
    """

    order: tuple[Any, ...]
    where: ColumnElement[bool]
    below: int
    after: tuple[Any, ...] | None = None
    ended: bool = False

    @property
    def horizon(self) -> int:
        """What a seal made here claims: that rows of older transactions are covered."""
        if self.ended or self.after is None:
            return self.below
        if len(self.order) == 1:  # by id alone, in which rows of any age come
            return trail.CLAIMS_NOTHING
        return self.after[0] if self.below else 0

    def page(self, session: TenantSession, size: int) -> tuple[bytes, _Walk]:
        """Return the entries of the next ``size`` rows, and the walk that goes on behind them."""
        where = [self.where]
        if self.after is not None:
            where += [tuple_(*self.order) > tuple_(*self.after), self.order[0] >= self.after[0]]
        rows = select(trail.ROWS).where(*where).order_by(*self.order).limit(size)
        found = trail.entries(session, rows)
        if len(found) < size * trail.ENTRY_BYTES:
            return found, replace(self, ended=True)
        end = select(*self.order).where(*where).order_by(*self.order).offset(size - 1).limit(1)
        return found, replace(self, after=tuple(session.execute(end).one()))


def _seal_tenant(
    sessions: Sessions, sealed: TenantSealed, keys: SigningKeys, anchor: Anchor, progress: Progress
) -> None:
    tenant_id = sealed.tenant_id

    def follow(walk: _Walk) -> int:
        rows = 0
        while not walk.ended:
            count, walk = _seal_next(sessions, tenant_id, walk, keys)
            if count:
                rows += count
                sealed.seals, sealed.rows = sealed.seals + 1, sealed.rows + count
                _catch_up(sessions, sealed, anchor)
                progress(sealed.rows)
        return rows

    mine = trail.ROWS.c.tenant_id == tenant_id
    with sessions(tenant=tenant_id) as session:
        below = horizon(session)
        start = trail.new_since(session, chain.newest_seal(session, tenant_id), below)
        column = trail.mark(session)
    if start is not None:
        follow(_Walk((column, trail.ROWS.c.id), (column >= start[0]) & start[1] & mine, below))
    with sessions(tenant=tenant_id) as session:
        final = mine & trail.final(session, below)
        more = (session.scalar(select(func.count()).where(final)) or 0) - (
            session.scalar(select(func.sum(AuditSeal.row_count)).where(AuditSeal.tenant_id == tenant_id)) or 0
        )
    if more > 0:
        belated = follow(_Walk((trail.ROWS.c.id,), final, below))
        sealed.belated = belated if start is not None else 0


def _seal_next(sessions: Sessions, tenant_id: UUID, walk: _Walk, keys: SigningKeys) -> tuple[int, _Walk]:
    """Make the next seal in a transaction of its own; return the rows it covers, 0 if none was due, and the walk on."""
    for _ in range(ATTEMPTS):
        try:
            with sessions(tenant=tenant_id) as session:
                newest = chain.newest_seal(session, tenant_id)
                entries, onward = _collect(session, tenant_id, walk)
                if entries:
                    _add_seal(session, chain.next_seal(tenant_id, newest, entries), onward, keys)
            return len(entries), onward
        except DuplicateValue:  # another process has made the seal with this number: look again what is left
            continue
    msg = "another process seals this audit trail over and over again: let one do it"
    raise Conflict(msg)


def _collect(session: TenantSession, tenant_id: UUID, walk: _Walk) -> tuple[list[bytes], _Walk]:
    """Return entries for one seal, found on the next pages, and the walk that goes on behind them."""
    entries: list[bytes] = []
    for _ in range(PAGES):
        found, walk = walk.page(session, SEAL_ROWS - len(entries))
        entries += chain.not_sealed(session, tenant_id, found)
        if walk.ended or len(entries) == SEAL_ROWS:
            break
    return sorted(entries), walk


def _add_seal(session: TenantSession, seal: AuditSeal, walk: _Walk, keys: SigningKeys) -> None:
    seal.horizon = walk.horizon
    seal.sealed_at = utc_now()
    chain.sign(seal, keys)
    session.add(seal)
    session.flush()  # so that another process's seal of this number refuses this one here


def _catch_up(sessions: Sessions, sealed: TenantSealed, anchor: Anchor) -> None:
    """Append to the anchor the seals it lacks at its end, or say that it knows another chain than the database."""
    known = anchor.read().of(sealed.tenant_id)
    last = max(known, default=0)
    with sessions(tenant=sealed.tenant_id) as session:
        seals = chain.seals_after(session, sealed.tenant_id, max(0, last - 1))
        lines = [chain.to_anchor(seal) for seal in seals]
    if known and not (lines and (lines[0].seal_no, lines[0].seal_hash) == (last, known[last])):
        sealed.problem = (  # a seal more would fork the chain
            f"the anchor knows a seal {last} that the database has not, or not so: nothing was sealed, see "
            "`spothive audit verify`; after restoring an older copy on purpose, put the anchor file aside and keep it"
        )
    elif len(lines) > bool(known):
        sealed.anchored += anchor.append(sealed.tenant_id, lines)


def _log(sessions: Sessions, actor: Actor, done: Sealing) -> None:
    belated, tenants = sum(tenant.belated for tenant in done.tenants), len(done.tenants)
    facts = {"seals": done.seals, "rows": done.rows, "tenants": tenants, "belated": belated, "by": actor.label}
    with sessions(tenant=PLATFORM_TENANT_ID) as session:
        log_user_action(
            session,
            component="sealer",
            level=LogLevel.WARNING if belated else LogLevel.INFO,
            action="audit.sealed",
            message=f"sealed {done.rows} audit rows of {tenants} tenants in {done.seals} seals",
            details=facts,
            execution_time_ms=round(done.seconds * 1000),
        )
