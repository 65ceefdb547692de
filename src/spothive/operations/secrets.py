"""Secrets: which keys the stored ones need, sealing them anew with another key, and withdrawing a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Column, bindparam, func, select, update

from spothive.database import Base, TenantSession, read_session, system_scope
from spothive.errors import Conflict, InvalidInput, KeyMissing, NotFound, RuleBroken, SecretUnreadable
from spothive.keyring import KEY_ID_LENGTH, Keyring, add_key, is_key_id, remove_key
from spothive.models import ResourceType, WithdrawnKey
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions
from spothive.schema.sealed import key_id_of, reseal, sealed_columns

Progress = Callable[[int, int], None]
"""Told (done, total) as long work goes on."""

BATCH = 200
"""Values one transaction of a rotation seals anew; who writes one of these rows waits for one batch at most."""

PASSES = 5
"""How often a rotation looks for values that others sealed with an older key behind its back."""

_KEYS = "sealing keys"
_NO_FILE = (
    "the keys come from SPOTHIVE_SEALING_KEYS, to which nothing can be added from here: put a new one before the "
    'others, made by `echo "$(openssl rand -hex 4):$(openssl rand -base64 32)"`, restart what uses them, rotate again'
)


@dataclass(frozen=True, slots=True)
class SealedCount:
    """How many values of one column, over all tenants, are sealed with one key."""

    table: str
    column: str
    key_id: str
    rows: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What :func:`rotate` would do now: whether it makes a key first, and how many values it seals anew."""

    new_key: bool
    values: int


@dataclass(frozen=True, slots=True)
class Unopened:
    """A stored value that does not open, and why not; it was left alone."""

    table: str
    column: str
    tenant_id: UUID
    row_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did.

    Attributes:
        key_id: key that seals now.
        new_key: whether it was made by this call.
        resealed: values that were sealed anew.
        unopened: values that do not open.
        left: values that others sealed with an older key meanwhile: rotate again.
    """

    key_id: str
    new_key: bool
    resealed: int
    unopened: tuple[Unopened, ...]
    left: int


def status(session: TenantSession, actor: Actor) -> list[SealedCount]:
    """Count the sealed values of all tenants by key, without opening any: one statement for each sealed column.

    A key that is counted here cannot be withdrawn; one that is counted and not in the keyring is missing.

    Raises:
        Denied: ``actor`` is no staff of platform.
    """
    _require(actor, "secrets.status")
    with system_scope(session, f"{actor.label} counts sealed values"):
        return _count(session)


def list_withdrawn(session: TenantSession) -> list[WithdrawnKey]:
    """Return the keys that were withdrawn, in that order."""
    return list(session.scalars(select(WithdrawnKey).order_by(WithdrawnKey.id)))


def plan_rotation(
    counts: Sequence[SealedCount], key_ids: Sequence[str], withdrawn: Container[str] = (), *, new_key: bool = False
) -> Plan:
    """Return what a rotation does.

    While values of older keys are stored, a new key would be one too many: a rotation that was killed goes on so.
    Values of keys that are not here cannot be sealed anew, so they do not count.

    Args:
        counts: what :func:`status` counts.
        key_ids: the keys that are here, the primary one first.
        withdrawn: ids of the keys that were withdrawn; one of them seals no more.
        new_key: whether a new key is asked for in any case.
    """
    here = sum(count.rows for count in counts if count.key_id in key_ids)
    older = sum(count.rows for count in counts if count.key_id in key_ids[1:])
    new_key = new_key or not older or key_ids[0] in withdrawn
    return Plan(new_key, here if new_key else older)


def rotate(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    keyring: Keyring,
    key_file: Path | None = None,
    new_key: bool = False,
    progress: Progress | None = None,
) -> Rotation:
    """Seal the values of all tenants with a new key (a procedure: it opens its own transactions).

    If values of older keys are stored, as after a call that was killed, it makes no new key but goes on with the
    primary one. Readers and writers go on meanwhile: a value is replaced only as long as it is the one that was read,
    and each only once. What does not open stays as it is. ``updated_at`` of the rows stays, too: they say the same.

    Args:
        sessions: opens transactions that write, as ``get_db_session`` does.
        actor: who rotates.
        tenant_id: tenant whose audit trail tells of it.
        keyring: the keys that are in use.
        key_file: where a new key is put; None where the keys come from the environment.
        new_key: make a new key in any case.
        progress: is told how many values are done.

    Raises:
        Denied: ``actor`` is no staff of platform.
        InvalidInput: a new key is needed and there is no key file to put it into; the message tells what to do.
        ConfigurationError: the key file cannot be changed.
        IllegalMove: the primary key was withdrawn meanwhile.
    """
    key_ids, made = keyring.key_ids, None
    counts = _look(actor, tenant_id)
    with read_session(tenant=tenant_id) as session:
        withdrawn = {key.key_id for key in list_withdrawn(session)}
    plan = plan_rotation(counts, key_ids, withdrawn, new_key=new_key)
    if plan.new_key and key_file is None:
        raise InvalidInput(_NO_FILE)
    with sessions(tenant=tenant_id) as session:
        record(session, actor, "secrets.rotating", _KEYS, ResourceType.SYSTEM, before=_by_key(counts))
    if plan.new_key and key_file is not None:
        made = add_key(key_file, after=key_ids[0])
        keyring.refresh()
    work = _Rotating(sessions, actor, tenant_id, keyring, plan.values, progress)
    for _ in range(PASSES):
        if not sum([work.seal_column(column) for column in sealed_columns(Base.metadata)]):
            break
    return _finish(work, new_key=made is not None)


@dataclass
class _Rotating:
    """A rotation under way."""

    sessions: Sessions
    actor: Actor
    tenant_id: UUID
    keyring: Keyring
    values: int
    progress: Progress | None
    resealed: int = 0
    unopened: dict[tuple[str, UUID], Unopened] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why it sees the rows of all tenants."""
        return f"{self.actor.label} rotates the sealing keys"

    def seal_column(self, column: Column[Any]) -> int:
        """Seal the older values of one column anew; return how many were found that open.

        Tokens are opened and sealed between the transactions: on SQLite nobody else could write for that long.
        """
        found, after = 0, None
        while batch := self._read(column, after):
            after = batch[-1].id
            changes = list(self._sealed_anew(column, batch))
            found += len(changes)
            self.resealed += self._write(column, changes)
            if self.progress:
                self.progress(self.resealed, max(self.values, self.resealed))
        return found

    def _read(self, column: Column[Any], after: UUID | None) -> Sequence[Any]:
        """Return the next values that another key than the primary one has sealed."""
        table = column.table
        query = select(table.c.id, table.c.tenant_id, column.label("token")).order_by(table.c.id).limit(BATCH)
        query = query.where(column.is_not(None), key_id_of(column) != self.keyring.primary)
        if after is not None:
            query = query.where(table.c.id > after)
        with (
            read_session(tenant=self.tenant_id) as session,  # takes no lock, not even on SQLite
            system_scope(session, self.reason),
        ):
            return session.execute(query).all()

    def _sealed_anew(self, column: Column[Any], batch: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """Yield what is to be replaced by what, and keep what does not open for the report."""
        for row in batch:
            try:
                token = reseal(self.keyring, column, row.tenant_id, row.id, row.token)
            except (SecretUnreadable, KeyMissing) as error:
                place = column.table.name, column.name, row.tenant_id, row.id
                self.unopened[str(column), row.id] = Unopened(*place, reason=str(error))
            else:
                self.unopened.pop((str(column), row.id), None)
                yield {"row_id": row.id, "owner": row.tenant_id, "old": row.token, "new": token}

    def _write(self, column: Column[Any], changes: list[dict[str, Any]]) -> int:
        """Replace those values that are still what they were; return how many. Others are looked at again."""
        if not changes:
            return 0
        table = column.table
        values: dict[str, Any] = {column.name: bindparam("new")}
        if "updated_at" in table.c:
            values["updated_at"] = table.c.updated_at
        same = table.c.id == bindparam("row_id"), table.c.tenant_id == bindparam("owner"), column == bindparam("old")
        try:
            with self.sessions(tenant=self.tenant_id) as session, system_scope(session, self.reason):
                done = session.execute(update(table).where(*same).values(values), changes)
                return int(done.rowcount)  # type: ignore[attr-defined]  # a CursorResult, since this is DML
        except RuleBroken:
            raise
        except Conflict:  # a deadlock with a writer, or one that took too long
            return 0


def _finish(work: _Rotating, *, new_key: bool) -> Rotation:
    """Count what is left and say in the audit trail what was done."""
    primary, unopened = work.keyring.primary, tuple(work.unopened.values())
    older = sum(count.rows for count in _look(work.actor, work.tenant_id) if count.key_id != primary)
    done = Rotation(primary, new_key, work.resealed, unopened, max(0, older - len(unopened)))
    after = {"primary": primary, "added": new_key, "resealed": done.resealed}
    after |= {"unopened": len(unopened), "left": done.left}
    for tries_left in reversed(range(PASSES)):
        try:
            with work.sessions(tenant=work.tenant_id) as session:
                record(session, work.actor, "secrets.rotated", _KEYS, ResourceType.SYSTEM, after=after)
            break
        except Conflict:  # who begins again only for this would make one key more
            if not tries_left:
                raise
    return done


def _look(actor: Actor, tenant_id: UUID) -> list[SealedCount]:
    """Count the sealed values for a rotation; on SQLite, too, this holds up nobody."""
    with read_session(tenant=tenant_id) as session:
        _require(actor, "secrets.rotating")
        with system_scope(session, f"{actor.label} rotates the sealing keys"):
            return _count(session)


def withdraw(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    key_id: str,
    keyring: Keyring,
    key_file: Path | None = None,
) -> bool:
    """Let a key seal nothing more, ever, and take it out of the key file (a procedure: the file changes after).

    The database is the judge: whoever still holds the key is refused from the moment this commits, and this is refused
    while a stored value of any tenant needs the key. A call that was killed in between is made again.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        actor: who withdraws it.
        tenant_id: tenant whose audit trail tells of it.
        key_id: which key.
        keyring: the keys that are in use.
        key_file: where the key is taken out; None where the keys come from the environment.

    Returns:
        Whether it was this call that withdrew it; False if that had been done before.

    Raises:
        Denied: ``actor`` is no staff of platform.
        InvalidInput: ``key_id`` has not the form of an id; it is not repeated, as it may be the key itself.
        NotFound: no such key, here or among the withdrawn ones.
        Conflict: stored values need it, or it is the primary one.
        IllegalMove: the same, found by the database: somebody has just sealed with it.
        ConfigurationError: the key file cannot be changed; the key is withdrawn.
    """
    if not is_key_id(key_id):
        raise InvalidInput(
            f"a key is named by its id of {KEY_ID_LENGTH} hexadecimal digits: see `spothive secrets status`"
        )
    primary, held = keyring.primary, keyring.holds(key_id)
    with sessions(tenant=tenant_id) as session:
        _require(actor, "secrets.withdrawn", key_id)
        listed = key_id in {key.key_id for key in list_withdrawn(session)}
        if not held and not listed:
            raise NotFound(f"no sealing key is called {key_id}: see `spothive secrets status`")
        if key_id == primary:
            raise Conflict(f"the key {key_id} seals new values: run `spothive secrets rotate --new-key` first")
        if not listed:
            with system_scope(session, f"{actor.label} withdraws the sealing key {key_id}"):
                _refuse_in_use(_count(session), key_id)
                session.add(WithdrawnKey(key_id=key_id, person_name=actor.label))
                session.flush()  # so that the database refuses it here, before the audit row says it was done
            before, after = {"withdrawn": False}, {"withdrawn": True, "primary": primary}
            record(session, actor, "secrets.withdrawn", key_id, ResourceType.SYSTEM, before=before, after=after)
    if key_file is not None:
        remove_key(key_file, key_id)
        keyring.refresh()
    return not listed


def _require(actor: Actor, attempt: str, resource: str = _KEYS) -> None:
    require(actor, Action.MANAGE_PLATFORM, attempt=attempt, resource=resource, resource_type=ResourceType.SYSTEM)


def _count(session: TenantSession) -> list[SealedCount]:
    """Count in system scope."""
    counts = []
    for column in sealed_columns(Base.metadata):
        key_id = key_id_of(column)
        query = select(key_id, func.count()).where(column.is_not(None)).group_by(key_id).order_by(key_id)
        counts += [SealedCount(column.table.name, column.name, *row) for row in session.execute(query)]
    return counts


def _by_key(counts: Iterable[SealedCount]) -> dict[str, int]:
    rows: Counter[str] = Counter()
    for count in counts:
        rows[count.key_id] += count.rows
    return dict(rows)


def _refuse_in_use(counts: Iterable[SealedCount], key_id: str) -> None:
    used = [count for count in counts if count.key_id == key_id]
    if used:
        where = ", ".join(f"{count.table}.{count.column} {count.rows}" for count in used)
        rows = sum(count.rows for count in used)
        raise Conflict(
            f"the key {key_id} is in use by {rows} stored values ({where}): run `spothive secrets rotate` first"
        )
