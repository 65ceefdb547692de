"""Who may do what: the one place that knows."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from spothive.errors import AuditNote, Denied
from spothive.models import STAFF_ROLES, ApiScope, ResourceType, Role, User
from spothive.operations.actor import Actor
from spothive.operations.audit import storable


class Action(enum.StrEnum):
    """What a role may be allowed to do."""

    READ = "read the own tenant, set own preferences, request an approval"
    EXPERIMENT = "run lab experiments, assign models to LAB instances and decide about those"
    MANAGE = (
        "manage accounts, decisions, replicas, spot events, outages, waste, schedules, policies, templates, "
        "agents' actions, webhooks, API keys, datasets; approve LOW and MEDIUM"
    )
    MANAGE_USERS = "invite and disable users"
    APPROVE_HIGH = "approve HIGH"
    MANAGE_PLATFORM = "manage models, market facts, tenants, sealing keys, lost second factors (staff of platform only)"
    APPROVE_CRITICAL = "approve CRITICAL"
    MAKE_ADMINS = "make or unmake admins"


_USER = {Action.READ}
_LAB = _USER | {Action.EXPERIMENT}
_CLIENT = _LAB | {Action.MANAGE, Action.MANAGE_USERS}
_ADMIN = _CLIENT | {Action.APPROVE_HIGH, Action.MANAGE_PLATFORM}
ALLOWED: dict[Role, frozenset[Action]] = {
    Role.USER: frozenset(_USER),
    Role.LAB: frozenset(_LAB),
    Role.CLIENT: frozenset(_CLIENT),
    Role.ADMIN: frozenset(_ADMIN),
    Role.SUPER_ADMIN: frozenset(_ADMIN | {Action.APPROVE_CRITICAL, Action.MAKE_ADMINS}),
}
"""The permission table. The docs are generated from it and nothing else decides."""

_SCOPE_ROLES = {ApiScope.READ: Role.USER, ApiScope.WRITE: Role.CLIENT, ApiScope.ADMIN: Role.SUPER_ADMIN}


def key_role(owner: Role, scopes: Iterable[str]) -> Role:
    """Return the role a user's API key acts with: the lesser of its owner's and what its widest scope stands for.

    Args:
        owner: role of the user who holds the key.
        scopes: values of :class:`~spothive.models.ApiScope`, without any it is the least role.
    """
    widest = max((_SCOPE_ROLES.get(ApiScope(scope), Role.USER) for scope in scopes), key=_power, default=Role.USER)
    return min(owner, widest, key=_power)


def _power(role: Role) -> int:
    """Return a number that grows with what ``role`` may do: each role may do all that a lesser one may."""
    return len(ALLOWED[role])


_PERSONAL = frozenset({Action.MANAGE_USERS, Action.MAKE_ADMINS})
"""What takes a person: a user that a key made, or whose password it set, would outlive the key."""


def may(actor: Actor, action: Action) -> bool:
    """Tell whether ``actor`` may do ``action``."""
    if action is Action.MANAGE_PLATFORM and not actor.is_staff:
        return False
    return action in ALLOWED[actor.role]


def require(actor: Actor, action: Action, *, attempt: str, resource: str, resource_type: ResourceType) -> None:
    """Let ``actor`` pass, or refuse and have the attempt remembered.

    Args:
        actor: who tries.
        action: permission it takes.
        attempt: audit event of the attempt, for example ``account.import``.
        resource: name or id of what it was tried on.
        resource_type: kind of the resource.

    Raises:
        Denied: the role does not allow it, or an API key manages people; the door writes a DENIED audit row.
    """
    if action in _PERSONAL:
        require_person(actor, attempt=attempt, resource=resource, resource_type=resource_type)
    if may(actor, action):
        return
    able = ", ".join(role for role in Role if action in ALLOWED[role])
    msg = f"{actor.username} ({actor.role}) may not {action.value.split(';')[0].split(' (')[0]}: ask {able}"
    raise denied(actor, msg, attempt=attempt, resource=resource, resource_type=resource_type)


def denied(actor: Actor, reason: str, *, attempt: str, resource: str, resource_type: ResourceType) -> Denied:
    """Return the refusal of what no role allows, to be raised; the door writes a DENIED audit row as for `require`."""
    note = AuditNote(
        event=attempt,
        resource=storable(resource),
        resource_type=resource_type,
        actor_name=actor.label,
        actor_id=actor.actor_id,
    )
    return Denied(reason, note=note)


def managing(*roles: Role) -> Action:
    """Return the permission it takes to manage users, or to make some, who have these roles."""
    return Action.MAKE_ADMINS if any(role in STAFF_ROLES for role in roles) else Action.MANAGE_USERS


def require_over(actor: Actor, user: User, *, attempt: str) -> None:
    """Let ``actor`` pass who is ``user``, or who may manage that user.

    Raises:
        Denied: neither; the door writes a DENIED audit row.
    """
    if user.id != actor.user_id:
        require(actor, managing(user.role), attempt=attempt, resource=user.username, resource_type=ResourceType.USER)


def require_person(actor: Actor, *, attempt: str, resource: str, resource_type: ResourceType) -> None:
    """Refuse an API key what would outlive it: people and their passwords, second factors, and further keys.

    Whoever finds a key has what it may do until it is revoked, and must not get the user along with it. What a person
    has to answer for spothive itself may not do either.

    Raises:
        Denied: it is a key that acts, or spothive itself; the door writes a DENIED audit row.
    """
    if actor.actor_id is None:
        msg = f"{actor.username} itself may not do this: it takes a person"
        raise denied(actor, msg, attempt=attempt, resource=resource, resource_type=resource_type)
    if actor.by_key:
        msg = f"an API key may not do this for {actor.username}: sign in and do it in person"
        raise denied(actor, msg, attempt=attempt, resource=resource, resource_type=resource_type)
