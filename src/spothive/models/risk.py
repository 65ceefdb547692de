"""Risk: what is known of the spot market, shared by every tenant and naming none."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.models.base import Base, GlobalTable, Timestamped
from spothive.schema.types import Money, Text


class OnDemandPrice(GlobalTable, Timestamped, Base):
    """What AWS asks for an hour of an instance type, without any commitment."""

    __tablename__ = "on_demand_prices"

    region: Mapped[str] = mapped_column(Text(32, 1))
    instance_type: Mapped[str] = mapped_column(Text(32, 1))
    os: Mapped[str] = mapped_column(Text(32, 1), default="Linux", server_default="Linux")
    price: Mapped[Decimal] = mapped_column(Money(), comment="USD per hour")
    source: Mapped[str] = mapped_column(Text(255, 1), comment="where the price was read; 'synthetic' if it was made up")
    observed_at: Mapped[datetime] = mapped_column(comment="UTC")

    __table_args__ = (
        UniqueConstraint("region", "instance_type", "os"),
        {"info": {"global": "market facts are the same for every tenant"}},
    )
