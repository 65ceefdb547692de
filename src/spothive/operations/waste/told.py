"""What people are told of waste: what a scan has flagged, and what was deleted, with the way back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from shlex import quote
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from spothive.database import TenantSession
from spothive.models import Account, NoticeEvent, Telling, WasteResource, WasteStatus
from spothive.operations.approvals.reading import database_clock
from spothive.operations.notifications import tell
from spothive.operations.notifications.once import note_told

_SHOWN: Final = 20
"""Resources that one telling names."""

_DELETED: Final = NoticeEvent.WASTE_DELETED


def tell_of_flagged(session: TenantSession, account: Account, costs: Sequence[Decimal]) -> None:
    """Tell everybody what a scan has newly flagged, by what each costs in a month; nothing if that is nothing."""
    if not costs:
        return
    name, cost = account.account_name, sum(costs, Decimal(0))
    things = "resource is" if len(costs) == 1 else "resources are"
    tell(
        session,
        NoticeEvent.WASTE_FLAGGED,
        f"{len(costs)} {things} waste in {name}: {cost:.2f} a month",
        f"Two whole scans of {name}, at least 24 hours apart, found them unused. Nothing is deleted unless somebody "
        "asks and another approves. What they are: `spothive waste list --status FLAGGED`. To be rid of one: "
        "`spothive approval request delete ID`.",
        facts={"account": name, "account_id": str(account.id), "flagged": len(costs), "monthly_cost": f"{cost:.6f}"},
        link="spothive waste list --status FLAGGED",
    )


def begin_telling(session: TenantSession, account_id: UUID) -> None:
    """Note that what is deleted of an account from now on is told: before its first deletion, once for ever."""
    before = select(Telling.id).where(Telling.event_type == _DELETED, Telling.subject == str(account_id))
    if session.scalar(before) is None:
        note_told(session, _DELETED, {str(account_id): database_clock(session)})


def untold_accounts(session: TenantSession) -> list[UUID]:
    """Return the accounts of which something was deleted that was not told; a statement, two if any ever was."""
    marks = session.execute(select(Telling.subject, Telling.told_until).where(Telling.event_type == _DELETED))
    told = {UUID(subject): until for subject, until in marks}
    if not told:
        return []
    deleted = (WasteResource.status == WasteStatus.DELETED, WasteResource.account_id.in_(told))
    latest = select(WasteResource.account_id, func.max(WasteResource.deleted_at)).where(*deleted)
    rows = session.execute(latest.group_by(WasteResource.account_id))
    return sorted(account_id for account_id, at in rows if at is not None and at > told[account_id])


def tell_of_deleted(session: TenantSession, account_id: UUID) -> None:
    """Tell everybody what was deleted of an account since it was told last, with what shows the way back.

    Who deletes locks the account, and so does this: nothing that is deleted later can have an earlier moment.
    """
    account = session.scalar(select(Account).where(Account.id == account_id).with_for_update())
    if account is None:
        return
    mine = (Telling.event_type == _DELETED, Telling.subject == str(account_id))
    since = session.scalar(select(Telling.told_until).where(*mine))
    if since is None:
        return
    rows = session.scalars(
        select(WasteResource)
        .where(WasteResource.account_id == account_id, WasteResource.status == WasteStatus.DELETED)
        .where(WasteResource.deleted_at > since)
        .order_by(WasteResource.deleted_at, WasteResource.id)
    ).all()
    if rows:
        _tell(session, account, rows)
        latest: list[datetime] = [row.deleted_at for row in rows if row.deleted_at is not None]
        note_told(session, _DELETED, {str(account_id): max(latest)})


def _tell(session: TenantSession, account: Account, rows: Sequence[WasteResource]) -> None:
    name, cost = account.account_name, sum((row.monthly_cost for row in rows), Decimal(0))
    lines = [f"{row.resource_type} {row.resource_id} in {row.region}: {_way_back(row)}" for row in rows[:_SHOWN]]
    left = f"\nand {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    what = rows[0].resource_id if len(rows) == 1 else f"{len(rows)} resources"
    tell(
        session,
        _DELETED,
        f"Waste of {name} was deleted: {what}, {cost:.2f} a month",
        f"It was approved, and its grace is over. The way back of each:\n{chr(10).join(lines)}{left}\n"
        "Evidence and approvals: `spothive waste show ID`.",
        facts={
            "account": name,
            "account_id": str(account.id),
            "deleted": len(rows),
            "monthly_cost": f"{cost:.6f}",
            "resources": [_facts(row) for row in rows[:_SHOWN]],
        },
        link=_show(rows[0]) if len(rows) == 1 else "spothive waste list",
    )


def _facts(row: WasteResource) -> dict[str, Any]:
    """Return what programs are told of a resource; not the command that undoes it, which has all its tags."""
    facts = {"id": row.resource_id, "type": row.resource_type, "region": row.region}
    return facts | {"can_be_undone": _can_be_undone(row), "show": _show(row)}


def _way_back(row: WasteResource) -> str:
    return f"`{_show(row)}`" if _can_be_undone(row) else "none"


def _can_be_undone(row: WasteResource) -> bool:
    return "command" in (row.undo_recipe or {})


def _show(row: WasteResource) -> str:
    return f"spothive waste show {quote(row.resource_id)}"
