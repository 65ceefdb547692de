"""Rows that belong to a tenant.

The tenant is part of every key, so a row cannot even point at another tenant's row: the foreign key is
``(tenant_id, x_id)``. To Python a row is still known by its ``id`` alone, so no two tenants may have a row of one id:
in system scope both would be one object, and a relationship would mix their children.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Table
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship
from sqlalchemy.orm.properties import MappedColumn
from sqlalchemy.orm.relationships import Relationship
from sqlalchemy.schema import UniqueConstraint

from spothive.schema.types import Id, new_id


class TenantOwned:
    """Mixin of every table that holds a tenant's rows.

    ``class Note(TenantOwned, Base)`` gets the primary key ``(tenant_id, id)``, a unique ``id``, the foreign keys its
    :func:`owned` columns ask for, an index for each, and row security. With ``outlives_tenant=True`` rows stay when
    their tenant goes (history and the audit trail): there is no foreign key, not even to ``tenants``.
    """

    tenant_id: Mapped[UUID] = mapped_column(Id, primary_key=True, sort_order=-20, comment="owner of the row")
    id: Mapped[UUID] = mapped_column(Id, primary_key=True, default=new_id, sort_order=-19, comment="UUIDv7")

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        """Make ``id`` alone the identity of an object; the database key stays (tenant_id, id)."""
        return {"primary_key": ["id"]}

    def __init_subclass__(cls, *, outlives_tenant: bool = False, **kwargs: Any) -> None:
        """Add the composite keys once the table exists."""
        super().__init_subclass__(**kwargs)
        table: Table = vars(cls)["__table__"]
        table.append_constraint(UniqueConstraint("id"))
        if not outlives_tenant:
            table.append_constraint(ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE"))
        for column in list(table.columns):
            if "owned_by" in column.info:
                target, options = column.info["owned_by"]
                remote = [f"{target}.tenant_id", f"{target}.id"]
                table.append_constraint(ForeignKeyConstraint(["tenant_id", column.name], remote, **options))
                if not _indexed(table, ["tenant_id", column.name]):
                    Index(None, table.c.tenant_id, column)


def owned(
    target: str, *, comment: str, nullable: bool = False, sibling: bool = False, detach: bool = False
) -> MappedColumn[Any]:
    """Return a column that points at a row of tenant-owned table ``target`` of the same tenant.

    Deleting the target deletes this row too. A ``sibling`` shares a parent with its target, so a cascade from that
    parent removes both in no fixed order: the key is checked at commit instead. With ``detach`` the column becomes
    NULL when the target alone is deleted (see ``schema/detach.py``).
    """
    options: dict[str, Any] = {"deferrable": True, "initially": "DEFERRED"} if sibling else {"ondelete": "CASCADE"}
    info = {"owned_by": (target, options), "detach": detach}
    return mapped_column(Id, nullable=nullable, info=info, comment=comment)


def belongs_to(column: str, **options: Any) -> Relationship[Any]:
    """Return the many-to-one relationship over ``column``, for example ``"Instance.account_id"``."""
    return relationship(foreign_keys=column, lazy="raise", **options)


def has_many(column: str, **options: Any) -> Relationship[Any]:
    """Return the one-to-many relationship over the child's ``column``; the database does the deleting."""
    return relationship(foreign_keys=column, lazy="raise", passive_deletes=True, **options)


def has_one(column: str, **options: Any) -> Relationship[Any]:
    """Return the one-to-one relationship over the child's unique ``column``; the database does the deleting."""
    return has_many(column, uselist=False, **options)


def owner_column(table: Table) -> str | None:
    """Return the column of ``table`` that says which tenant a row belongs to; None for a table all tenants share."""
    if table.name == "tenants":
        return "id"
    return "tenant_id" if "tenant_id" in table.c else None


def _indexed(table: Table, columns: list[str]) -> bool:
    """Tell whether some index of ``table`` begins with ``columns``."""
    keys = [index.columns for index in table.indexes if index.dialect_options["postgresql"].get("where") is None]
    keys += [constraint.columns for constraint in table.constraints if isinstance(constraint, UniqueConstraint)]
    return any([c.name for c in key][: len(columns)] == columns for key in keys)
