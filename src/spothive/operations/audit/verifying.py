"""Verifying the audit trail: every leaf is computed anew from its row, and held against seals, chain and anchor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from spothive.anchor import Anchor, Anchored
from spothive.database import TenantSession, system_scope, trail
from spothive.errors import KeyMissing, RuleBroken
from spothive.models import PLATFORM_TENANT_ID, AuditSeal, ResourceType
from spothive.models.audit import SEAL_ROWS
from spothive.operations.actor import Actor
from spothive.operations.audit import chain
from spothive.operations.audit.sealing import tenants_with
from spothive.operations.sessions import Sessions
from spothive.signing import SigningKeys

PAGE = 2 * SEAL_ROWS
"""Most rows that are looked at in one transaction."""
KEPT = 20
"""Most bad places a report lists; all are counted."""
Progress = Callable[[int], None]
"""Told how many rows were verified so far."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A place where the trail is not what was sealed.

    Attributes:
        seal_no: which seal it shows at; None for a row no seal covers.
        row_id: which row of ``audit_logs``; None if it is the seal itself.
        what: what is wrong, for people.
    """

    seal_no: int | None
    row_id: UUID | None
    what: str

    @property
    def place(self) -> str:
        """Where it is, for people."""
        seal = f"seal {self.seal_no}" if self.seal_no else "no seal"
        return f"{seal}, row {self.row_id}" if self.row_id else seal

    @property
    def rank(self) -> tuple[float, str]:
        """What findings are ordered by: number of the seal, then id of the row; first the seal itself."""
        return (self.seal_no or float("inf"), self.row_id.hex if self.row_id else "")


@dataclass(slots=True)
class TrailReport:
    """What verifying the trail of one tenant found.

    Attributes:
        tenant_id: which tenant.
        seals: seals it has.
        rows: rows they say they cover.
        unsealed: rows no seal covers yet; nothing proves them.
        oldest_unsealed: when the oldest of them was written.
        not_anchored: newest seals that the anchor lacks, as after a crash; the next sealing appends them.
        places: how many bad places there are.
        findings: the first of them, in the order of the chain.
        remarks: what cannot be told, for people.
    """

    tenant_id: UUID
    seals: int = 0
    rows: int = 0
    unsealed: int = 0
    oldest_unsealed: datetime | None = None
    not_anchored: int = 0
    places: int = 0
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing bad was found."""
        return not self.places

    def add(self, seal_no: int | None, row_id: UUID | None, what: str) -> None:
        """Take a finding; only the first ones by place are kept."""
        self.places += 1
        self.findings.append(Finding(seal_no, row_id, what))
        self.findings.sort(key=lambda finding: finding.rank)
        del self.findings[KEPT:]


def verify_trail(
    sessions: Sessions,
    tenant_id: UUID,
    *,
    keys: SigningKeys,
    anchored: Anchored,
    progress: Progress = lambda _: None,
) -> TrailReport:
    """Verify the trail of one tenant (a procedure that only reads; memory does not grow with the rows).

    The anchor must have been read before, so that it knows no seal that the database gets meanwhile.

    Args:
        sessions: opens transactions, as ``read_session`` does.
        tenant_id: which tenant; whoever may read in it may verify.
        keys: know the signatures.
        anchored: what the anchor holds.
        progress: is told how many rows are verified.
    """
    report = TrailReport(tenant_id)
    with sessions(tenant=tenant_id) as session:
        spans = chain.spans(session, tenant_id)
    _verify_chain(sessions, report, spans, keys, anchored)
    _verify_rows(sessions, report, spans, progress)
    return report


def verify_all(
    sessions: Sessions, actor: Actor, *, keys: SigningKeys, anchor: Anchor, progress: Progress = lambda _: None
) -> Iterator[TrailReport]:
    """Verify the trails of all tenants, one after the other: those in the database and those in the anchor.

    Raises:
        Denied: ``actor`` is no staff of platform.
        ConfigurationError: the anchor cannot be read.
    """
    from spothive.operations.identity import Action, require  # which records by this package

    anchored = anchor.read()
    with sessions(tenant=PLATFORM_TENANT_ID) as session:
        require(
            actor,
            Action.MANAGE_PLATFORM,
            attempt="audit.verified",
            resource="audit trail",
            resource_type=ResourceType.SYSTEM,
        )
        with system_scope(session, f"{actor.label} verifies the audit trail"):
            tenant_ids = set(tenants_with(session, trail.ROWS.c.tenant_id))
            tenant_ids |= set(tenants_with(session, AuditSeal.tenant_id)) | set(anchored.hashes)
    for tenant_id in sorted(tenant_ids):
        yield verify_trail(sessions, tenant_id, keys=keys, anchored=anchored, progress=progress)


# --- seals -------------------------------------------------------------------------------------------------------


def _verify_chain(
    sessions: Sessions, report: TrailReport, spans: Sequence[chain.Span], keys: SigningKeys, anchored: Anchored
) -> None:
    """Verify each seal by itself, and that each holds the hash of the one before it."""
    known = anchored.of(report.tenant_id)
    expected, before = 1, chain.NO_SEAL_BEFORE
    for span in spans:
        number = span.seal_no
        report.seals += 1
        for missing in range(expected, min(number, expected + KEPT)):
            report.add(missing, None, "is missing")
        with sessions(tenant=report.tenant_id) as session:
            seal = _read_seal(session, report.tenant_id, number)
            if seal is None:
                report.add(number, None, "cannot be read: a field was changed into what no seal can hold")
                expected, before = number + 1, ""
                continue
            report.rows += seal.row_count
            for what in _faults(seal, keys):
                report.add(number, None, what)
            if before and seal.previous_seal_hash != before:
                report.add(number, None, "does not hold the hash of the seal before it: one of the two was changed")
            expected, before = number + 1, chain.seal_hash(seal)
        if known.get(number, before) != before:
            report.add(number, None, "is another one than the anchor knows: it was replaced")
    _verify_anchor(report, [span.seal_no for span in spans], anchored)


def _read_seal(session: TenantSession, tenant_id: UUID, seal_no: int) -> AuditSeal | None:
    query = select(AuditSeal).where(AuditSeal.tenant_id == tenant_id, AuditSeal.seal_no == seal_no)
    try:
        return session.scalars(query).one()
    except (ValueError, RuleBroken):  # what an enum, a time or a text cannot hold
        return None


def _faults(seal: AuditSeal, keys: SigningKeys) -> Iterator[str]:
    """Yield what is wrong with a seal by itself."""
    entries = trail.cut(seal.leaves)
    ids = list(map(trail.id_in, entries))
    if len(seal.leaves) != seal.row_count * trail.ENTRY_BYTES or not entries:
        yield "its leaves are not as many as the rows it says it covers"
    elif chain.root_of(entries) != seal.merkle_root:
        yield "its leaves do not give its root: one of them was changed, or the root"
    if ids != sorted(ids) or len(set(ids)) < len(ids):
        yield "its leaves are not in the order of the ids"
    try:
        if not keys.verify(seal.key_id, chain.signed_bytes(seal), seal.signature):
            yield f"its signature is not that of key {seal.key_id}: a field of the seal was changed, or it was forged"
    except KeyMissing:
        yield f"it is signed by key {seal.key_id}, which is not known here: it was forged, or the key is missing"


def _verify_anchor(report: TrailReport, numbers: Sequence[int], anchored: Anchored) -> None:
    """Hold the numbers of the seals against those of the anchor."""
    known = anchored.of(report.tenant_id)
    newest = max(known, default=0)
    present = set(numbers)
    for missing in sorted(number for number in known if number not in present):
        if missing > (numbers[-1] if numbers else 0):
            report.add(
                missing, None, "is in the anchor and not in the database: its end was cut, or this is an older copy"
            )
    if not anchored.exists:
        report.remarks.append("there is no anchor, so newer seals may have been cut off")
        return
    if anchored.damaged:
        lines = "1 line" if anchored.damaged == 1 else f"{anchored.damaged} lines"
        report.remarks.append(f"{lines} of the anchor cannot be read: a crash cuts one short, all else was edited")
    if numbers and not known:
        report.remarks.append("the anchor knows no seal of this trail, so newer seals may have been cut off")
    report.not_anchored = sum(number > newest for number in numbers)
    first = min(known, default=None)
    for number in numbers:
        if first is not None and first < number < newest and number not in known:
            report.add(number, None, "is missing in the anchor, which knows seals before and after it: it was edited")
    if first is not None and first > 1:
        report.remarks.append(f"the anchor begins at seal {first}")


# --- rows --------------------------------------------------------------------------------------------------------


class _Leaves:
    """What the seals say of the rows, by id; the seals read last are kept."""

    def __init__(self, tenant_id: UUID, spans: Sequence[chain.Span]) -> None:
        self._tenant_id = tenant_id
        self._spans = spans
        self._kept: dict[int, list[bytes]] = {}

    def between(self, session: TenantSession, after: bytes, last: bytes) -> list[tuple[int, list[bytes]]]:
        """Return seal by seal the entries with ids greater than ``after`` and up to ``last``."""
        touching = [span.seal_no for span in self._spans if span.last > after and span.first <= last]
        self._kept = {number: self._kept.get(number) or self._read(session, number) for number in touching}
        found = []
        for number, entries in self._kept.items():
            low = bisect_right(entries, after, key=trail.id_in)
            high = bisect_right(entries, last, key=trail.id_in)
            if low < high:
                found.append((number, entries[low:high]))
        return found

    def _read(self, session: TenantSession, seal_no: int) -> list[bytes]:
        return sorted(trail.cut(chain.leaves_of(session, self._tenant_id, seal_no)))


def _verify_rows(sessions: Sessions, report: TrailReport, spans: Sequence[chain.Span], progress: Progress) -> None:
    """Go through the rows by id, up to the last one with a seal and a page at a time, and count what comes behind."""
    leaves, bounds = _Leaves(report.tenant_id, spans), sorted({span.last for span in spans})
    mine, at, done = trail.ROWS.c.tenant_id == report.tenant_id, bytes(trail.ID_BYTES), 0
    while at < (bounds[-1] if bounds else b""):
        bound = bounds[bisect_right(bounds, at)]
        with sessions(tenant=report.tenant_id) as session:
            within = mine & (trail.ROWS.c.id > UUID(bytes=at)) & (trail.ROWS.c.id <= UUID(bytes=bound))
            rows = trail.entries(session, select(trail.ROWS).where(within).order_by(trail.ROWS.c.id).limit(PAGE))
            if len(rows) == PAGE * trail.ENTRY_BYTES:
                bound = trail.id_in(rows[-trail.ENTRY_BYTES :])
            sealed = leaves.between(session, at, bound)
            if b"".join(b"".join(entries) for _, entries in sealed) != rows:
                loose = _compare(report, sealed, rows)
                if loose:
                    _count_loose(session, report, within, loose, _last_seal(session, report, spans))
        at, done = bound, done + len(rows) // trail.ENTRY_BYTES
        progress(done)
    with sessions(tenant=report.tenant_id) as session:
        behind = mine & (trail.ROWS.c.id > UUID(bytes=at)) if bounds else mine
        _count_loose(session, report, behind, None, _last_seal(session, report, spans))


def _last_seal(session: TenantSession, report: TrailReport, spans: Sequence[chain.Span]) -> AuditSeal | None:
    """Return the newest of the seals that are verified; what came meanwhile covers rows nobody has compared."""
    return _read_seal(session, report.tenant_id, spans[-1].seal_no) if spans else None


def _compare(report: TrailReport, sealed: Sequence[tuple[int, Sequence[bytes]]], rows: bytes) -> set[UUID]:
    """Hold rows against leaves; return the ids of the rows without one."""
    found = {trail.id_in(entry): entry for entry in trail.cut(rows)}
    seal_of: dict[bytes, int] = {}
    for number, entries in sealed:
        for entry in entries:
            row_id = trail.id_in(entry)
            if row_id in seal_of:
                report.add(number, UUID(bytes=row_id), f"it is covered by seal {seal_of[row_id]} already")
            elif row_id not in found:
                report.add(number, UUID(bytes=row_id), "it is missing: it was deleted, or its id or tenant was changed")
            elif found[row_id] != entry:
                what = "it was changed after it was sealed (in which column a hash cannot tell)"
                report.add(number, UUID(bytes=row_id), what)
            seal_of.setdefault(row_id, number)
    return {UUID(bytes=row_id) for row_id in found.keys() - seal_of.keys()}


def _count_loose(
    session: TenantSession,
    report: TrailReport,
    where: ColumnElement[bool],
    only: set[UUID] | None,
    last: AuditSeal | None,
) -> None:
    """Count and age the rows without a seal, and name those that the ``last`` of the known seals had to cover."""
    extra = trail.covered(session, last) if last is not None else None
    columns = trail.ROWS.c
    if only is None:
        count, oldest = session.execute(select(func.count(), func.min(columns.timestamp)).where(where)).one()
        _add_unsealed(report, count, oldest)
    else:
        for row_id, moment in session.execute(select(columns.id, columns.timestamp).where(where)).yield_per(1000):
            if row_id in only:
                _add_unsealed(report, 1, moment)
    if extra is not None:
        for (row_id,) in session.execute(select(columns.id).where(where, extra).order_by(columns.id)).yield_per(1000):
            if only is None or row_id in only:
                what = "it has no seal, though one was made after its time: it was put in, or the clock was set back"
                report.add(None, row_id, what)


def _add_unsealed(report: TrailReport, count: int, oldest: datetime | None) -> None:
    report.unsealed += count
    if oldest is not None:
        report.oldest_unsealed = min(oldest, report.oldest_unsealed or oldest)
