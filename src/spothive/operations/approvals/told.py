"""What people are told of requests: those who may decide that one waits, and who asked what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.models import (
    ApprovalAction,
    ApprovalRequest,
    ApprovalStatus,
    NoticeEvent,
    RiskLevel,
    Role,
    User,
)
from spothive.operations.identity import Action
from spothive.operations.identity.permissions import ALLOWED
from spothive.operations.notifications import News, tell, tell_all

TAKES: Final = {
    RiskLevel.LOW: Action.MANAGE,
    RiskLevel.MEDIUM: Action.MANAGE,
    RiskLevel.HIGH: Action.APPROVE_HIGH,
    RiskLevel.CRITICAL: Action.APPROVE_CRITICAL,
}
"""What it takes to approve or reject a request of this risk."""

_SHOWN: Final = 20
_LONG: Final = 1000


def deciding_roles(risk: RiskLevel) -> frozenset[Role]:
    """Return the roles that may decide about requests of this risk."""
    return frozenset(role for role in Role if TAKES[risk] in ALLOWED[role])


def tell_of_request(session: TenantSession, request: ApprovalRequest, target: str) -> None:
    """Tell those of the tenant who may decide about a request, but who asked; if there is nobody, those who manage.

    Nobody decides about the own request. Where nobody else of the tenant may, staff of platform does, and whoever
    manages the tenant has to ask them: so then all of those are told, who asked among them, and no command to decide.
    """
    able = [each for each in _active(session, deciding_roles(request.risk_level)) if each != request.requester_id]
    to = able or _active(session, deciding_roles(RiskLevel.LOW))
    until = f"{request.expires_at:%Y-%m-%d %H:%M} UTC"
    how = f"`spothive approval approve {request.id}`, or `spothive approval reject {request.id} --reason ...`."
    if not able:  # neither is for any of those who are told
        how = (
            "Nobody else of this tenant may decide about it: ask the staff of platform, and show them "
            f"`spothive approval show {request.id}`."
        )
    tell(
        session,
        NoticeEvent.APPROVAL_REQUESTED,
        f"{request.requester_name} asks to approve {request.action_type} of {target}",
        f"{request.action_description[:_LONG]}\nRisk {request.risk_level}; it stands until {until}.\n{how}",
        facts=_facts(request) | {"target": target, "expires_at": request.expires_at.isoformat()},
        link=f"spothive approval show {request.id}",
        to=to,
    )


def tell_of_decision(session: TenantSession, request: ApprovalRequest, target: str) -> None:
    """Tell who asked what was decided; if spothive asked and a person decided, those who may decide.

    What a policy decides about a request of spothive's own concerns nobody.
    """
    by = request.approver_name or "the policy of the tenant"
    reason = f": {request.rejection_reason[:_LONG]}" if request.rejection_reason else ""
    approved = request.status is ApprovalStatus.APPROVED
    until = f"{request.expires_at:%Y-%m-%d %H:%M} UTC"
    more = f"It may be executed once, until {until}." if approved else "Nothing is done; ask again, if it is to be."
    to, roles = _who(request)
    if request.requester_id is None and request.approver_name is None:
        to, roles = (), None
    tell(
        session,
        NoticeEvent.APPROVAL_DECIDED,
        f"{request.action_type} of {target} is {request.status}",
        f"{by} decided about it{reason}. {more} See `spothive approval show {request.id}`.",
        facts=_facts(request) | {"target": target, "status": request.status, "decided_by": by},
        link=f"spothive approval show {request.id}",
        to=to,
        roles=roles,
    )


def tell_of_expired(session: TenantSession, requests: Iterable[ApprovalRequest]) -> None:
    """Tell who asked of requests that were not decided, or not executed, in time: each once, of all of theirs."""
    of: dict[tuple[UUID | None, frozenset[Role] | None], list[ApprovalRequest]] = defaultdict(list)
    for request in requests:
        of[request.requester_id, _who(request)[1]].append(request)
    tell_all(session, [_expired(mine) for mine in of.values()])


def _expired(mine: list[ApprovalRequest]) -> News:
    first = mine[0]
    to, roles = _who(first)
    lines = [
        f"{each.action_type}, {'approved, but not executed' if each.decided_at else 'decided by nobody'}: {each.id}"
        for each in mine[:_SHOWN]
    ]
    left = f"\nand {len(mine) - _SHOWN} more" if len(mine) > _SHOWN else ""
    what = f"{first.action_type} is" if len(mine) == 1 else f"{len(mine)} requests for approval are"
    return News(
        NoticeEvent.APPROVAL_DECIDED,
        f"{what} EXPIRED",
        f"Nothing was done in time:\n{chr(10).join(lines)}{left}\n"
        "Ask again, if it is still to be done: `spothive approval request`.",
        {"status": ApprovalStatus.EXPIRED, "requests": [_facts(each) for each in mine[:_SHOWN]], "count": len(mine)},
        f"spothive approval show {first.id}" if len(mine) == 1 else "spothive approval list --status EXPIRED",
        to,
        roles,
    )


def _who(request: ApprovalRequest) -> tuple[tuple[UUID, ...] | None, frozenset[Role] | None]:
    """Return whom the end of a request concerns: who asked, or for spothive's own the roles that may decide."""
    if request.requester_id is not None:
        return (request.requester_id,), None
    return None, deciding_roles(request.risk_level)


def _active(session: TenantSession, roles: Iterable[Role]) -> list[UUID]:
    query = select(User.id).where(User.tenant_id == session.tenant_id, User.is_active, User.role.in_(sorted(roles)))
    return list(session.scalars(query))


def _facts(request: ApprovalRequest) -> dict[str, Any]:
    action: ApprovalAction = request.action_type
    return {"request": str(request.id), "action": action, "risk": request.risk_level}
