"""The page of who may do what: ``python -m spothive.operations.identity.permissions_page`` writes it."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from spothive.models import PLATFORM_TENANT_ID, STAFF_ROLES, Role
from spothive.operations.actor import Actor
from spothive.operations.identity.permissions import Action, may

PAGE = Path(__file__).parents[4] / "docs" / "permissions.md"

_CUSTOMER = UUID(int=1)
_ROLES = (Role.USER, Role.LAB, Role.CLIENT, Role.ADMIN, Role.SUPER_ADMIN)

_ABOVE = """\
# Who may do what

Written by `make schema` from the table in `operations/identity/permissions.py`, which alone decides; a test holds
this page against it.

"""
_BELOW = """
- The first columns are for what is done in the tenant the user belongs to. Another tenant answers them like one that
  does not exist.
- *Staff* are the admins and super_admins of the tenant `platform`. They may act in every tenant; what they do there
  is in that tenant's audit trail, under their own name.
- Everybody may change the own password. Nobody raises the own role, and the last active admin of `platform` stays
  one: the database sees to it.
- An admin of `platform` makes its first super_admin, whom nobody else could make.
- A refused attempt is in the audit trail of the tenant it was made in, with the outcome DENIED.
"""


def permissions_page() -> str:
    """Return the page as Markdown."""
    actors = [(str(role), _CUSTOMER) for role in _ROLES]
    actors += [(f"staff: {role}", PLATFORM_TENANT_ID) for role in _ROLES if role in STAFF_ROLES]
    rows = [["may", *(name for name, _ in actors)], ["---", *(":-:" for _ in actors)]]
    for action in Action:
        marks = [
            "x" if may(Actor(UUID(int=0), name, Role(name.removeprefix("staff: ")), home), action) else ""
            for name, home in actors
        ]
        rows.append([action.value, *marks])
    return _ABOVE + "".join(f"| {' | '.join(row)} |\n" for row in rows) + _BELOW


def main() -> None:
    """Write the page into ``docs/`` of this checkout."""
    PAGE.write_text(permissions_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
