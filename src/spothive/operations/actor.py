"""Who acts."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from spothive.models import PLATFORM_TENANT_ID, STAFF_ROLES, Role

NOBODY = UUID(int=0)
"""Stands for the user where spothive itself acts."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user, acting in one tenant; or spothive itself, see :func:`spothive_itself`.

    Attributes:
        user_id: the user; :data:`NOBODY` if it is spothive itself.
        username: the user's name.
        role: the user's role.
        home_tenant_id: tenant the user belongs to.
        via: how the user came in, for example ``cli: root``.
        by_key: whether it is an API key that acts for the user, who is not there in person.
    """

    user_id: UUID
    username: str
    role: Role
    home_tenant_id: UUID
    via: str = ""
    by_key: bool = False

    @property
    def actor_id(self) -> UUID | None:
        """The user, as rows name who acted: none for spothive itself."""
        return None if self.user_id == NOBODY else self.user_id

    @property
    def label(self) -> str:
        """Name for the audit trail, for example ``admin (cli: root)``."""
        return f"{self.username} ({self.via})" if self.via else self.username

    @property
    def is_staff(self) -> bool:
        """Whether the user may act in any tenant."""
        return self.home_tenant_id == PLATFORM_TENANT_ID and self.role in STAFF_ROLES


def spothive_itself(via: str) -> Actor:
    """Return spothive as the one who acts, for what nobody asked for: the audit trail names it, and no user.

    It may do in any tenant what an admin of platform may. Whoever lets it act asks first who may do that.

    Args:
        via: part of spothive that acts, for example ``sweep``.
    """
    return Actor(NOBODY, "spothive", Role.ADMIN, PLATFORM_TENANT_ID, via)
