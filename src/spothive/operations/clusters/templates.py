"""Node templates: what the nodes of a user's clusters may look like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.errors import InvalidInput, NotFound
from spothive.models import Architecture, DiskType, NodeStrategy, NodeTemplate, ResourceType, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.identity.people import find_user

_FAMILY = re.compile(r"[a-z][a-z0-9-]{1,19}")
_KIND: Final = ResourceType.TEMPLATE


@dataclass(frozen=True, slots=True)
class NodeShape:
    """What a node may look like.

    Attributes:
        families: instance families that may be used, such as ``m6i``.
        architecture: processor.
        strategy: what to prefer.
        disk_type: EBS volume type.
        disk_size: GB, 10 to 16000.
    """

    families: Sequence[str]
    architecture: Architecture = Architecture.X86_64
    strategy: NodeStrategy = NodeStrategy.BALANCED
    disk_type: DiskType = DiskType.GP3
    disk_size: int = 100


@dataclass(frozen=True, slots=True)
class ListedTemplate:
    """A template with the name of the user it belongs to."""

    template: NodeTemplate
    owner: str


def create_template(
    session: TenantSession,
    actor: Actor,
    *,
    name: str,
    shape: NodeShape,
    owner: str | None = None,
    default: bool = False,
) -> NodeTemplate:
    """Make a template.

    Args:
        session: session of the tenant.
        actor: who does it.
        name: what it is called; one of each name for a user.
        shape: what it says.
        owner: user name of whose template it is; the actor when None.
        default: whether it is the owner's default from now on.

    Raises:
        Denied: the role does not allow it.
        InvalidInput: no family is named, or one twice, or what is no family; or staff of platform names no owner.
        NotFound: no such owner.
        DuplicateValue: the owner has a template of this name, or another call made one the default just now.
        ValueRefused: the name or the size is out of its limits.
    """
    require(actor, Action.MANAGE, attempt="template.created", resource=name, resource_type=_KIND)
    families = list(shape.families)
    if not families or len(set(families)) != len(families) or not all(map(_FAMILY.fullmatch, families)):
        msg = "a template names one instance family or more, each once, such as m6i or c7g"
        raise InvalidInput(msg)
    user_id = _owner(session, actor, owner)
    template = NodeTemplate(
        user_id=user_id,
        name=name,
        families=families,
        architecture=shape.architecture,
        strategy=shape.strategy,
        disk_type=shape.disk_type,
        disk_size=shape.disk_size,
        is_default=default,
    )
    if default:
        _no_default(session, template)
    session.add(template)
    session.flush()  # so that the rules about name, size and default answer here
    record(session, actor, "template.created", name, _KIND, after=_facts(template))
    return template


def set_default_template(session: TenantSession, actor: Actor, *, name: str, owner: str | None = None) -> NodeTemplate:
    """Make a template the one that is taken when nobody names one; the former default is none any more.

    Raises:
        Denied: the role does not allow it.
        NotFound: the owner, or the actor when None, has no template of this name; or there is no such owner.
        InvalidInput: staff of platform names no owner.
        DuplicateValue: another call made another one the default just now.
    """
    require(actor, Action.MANAGE, attempt="template.default", resource=name, resource_type=_KIND)
    template = _find(session, actor, name, owner)
    if template.is_default:
        return template
    former = _no_default(session, template)
    template.is_default = True
    session.flush()  # so that the rule about one default answers here
    record(
        session, actor, "template.default", name, _KIND, before={"default": former}, after={"default": template.name}
    )
    return template


def delete_template(session: TenantSession, actor: Actor, *, name: str, owner: str | None = None) -> None:
    """Delete a template; a default leaves none behind it.

    Raises:
        Denied: the role does not allow it.
        NotFound: the owner, or the actor when None, has no template of this name; or there is no such owner.
        InvalidInput: staff of platform names no owner.
    """
    require(actor, Action.MANAGE, attempt="template.deleted", resource=name, resource_type=_KIND)
    template = _find(session, actor, name, owner)
    session.delete(template)
    session.flush()  # it is gone for whatever follows in this transaction
    record(session, actor, "template.deleted", name, _KIND, before=_facts(template))


def list_templates(session: TenantSession) -> list[ListedTemplate]:
    """Return the tenant's templates by owner and name; one statement."""
    query = select(NodeTemplate, User.username).join(User, User.id == NodeTemplate.user_id)
    return [ListedTemplate(*row) for row in session.execute(query.order_by(User.username, NodeTemplate.name))]


def _find(session: TenantSession, actor: Actor, name: str, owner: str | None) -> NodeTemplate:
    """Return the template, locked."""
    user_id = _owner(session, actor, owner)
    query = select(NodeTemplate).where(NodeTemplate.user_id == user_id, NodeTemplate.name == name)
    template = session.scalar(query.with_for_update())
    if template is None:
        msg = f"no template is called {name[:100]!r}: see `spothive cluster template list`, and --owner"
        raise NotFound(msg)
    return template


def _owner(session: TenantSession, actor: Actor, owner: str | None) -> UUID:
    if owner is not None:
        return find_user(session, owner).id
    if actor.home_tenant_id != session.tenant_id:
        msg = f"{actor.username} has no templates in this tenant: say whose is meant, by --owner"
        raise InvalidInput(msg)
    return actor.user_id


def _no_default(session: TenantSession, instead: NodeTemplate) -> str | None:
    """Let the owner of a template have no default, and return the name of the former one."""
    mine = (NodeTemplate.user_id == instead.user_id, NodeTemplate.is_default)
    former = session.scalar(select(NodeTemplate).where(*mine).with_for_update())
    if former is None:
        return None
    former.is_default = False
    session.flush()  # before another one is: there is one at a time
    return former.name


def _facts(template: NodeTemplate) -> dict[str, Any]:
    return {
        "families": list(template.families),
        "architecture": template.architecture,
        "strategy": template.strategy,
        "disk_type": template.disk_type,
        "disk_size": template.disk_size,
        "default": template.is_default,
    }
