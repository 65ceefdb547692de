"""Datasets: tables of market facts and decisions that models are trained on."""

from __future__ import annotations

import enum
from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.models.base import Base, Timestamped, json_array
from spothive.schema.tenancy import TenantOwned
from spothive.schema.types import AsciiText, Text, TextEnum, Whole


class DatasetKind(enum.StrEnum):
    """What a row of the dataset describes."""

    MARKET = "market"
    INTERRUPTIONS = "interruptions"
    DECISIONS = "decisions"


class Dataset(TenantOwned, Timestamped, Base):
    """One file of training data; the row vouches for its content by hash."""

    __tablename__ = "datasets"

    name: Mapped[str] = mapped_column(Text(255, 1))
    description: Mapped[str | None] = mapped_column(Text())
    kind: Mapped[DatasetKind] = mapped_column(TextEnum(DatasetKind))
    row_count: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0")
    file_path: Mapped[str] = mapped_column(Text(512, 1))
    file_hash: Mapped[str] = mapped_column(AsciiText(64, 64, "0-9a-f"), comment="SHA-256 of the file, hexadecimal")
    columns: Mapped[list[Any]] = json_array(comment="column names in file order")
    created_by: Mapped[UUID | None] = mapped_column(comment="user; no key, the row outlives its maker")

    __table_args__ = (UniqueConstraint("tenant_id", "name"),)
