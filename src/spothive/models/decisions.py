"""Decisions: the models that judge spot pools."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.clock import utc_now
from spothive.models.base import Base, GlobalTable, Timestamped, json_object
from spothive.schema.refusal import Refusal
from spothive.schema.states import StateMachine
from spothive.schema.types import AsciiText, Fraction, Text, TextEnum, UtcDateTime, Whole, utc_timestamp


class ModelStatus(enum.StrEnum):
    """How far a model has come."""

    CANDIDATE = "CANDIDATE"
    TESTING = "TESTING"
    GRADUATED = "GRADUATED"
    ENABLED = "ENABLED"
    ARCHIVED = "ARCHIVED"


class ModelFormat(enum.StrEnum):
    """File formats that can be loaded without running code from the file."""

    ONNX = "onnx"


MODEL_LIFE = StateMachine(
    ModelStatus,
    first={ModelStatus.CANDIDATE},
    moves={
        ModelStatus.CANDIDATE: {ModelStatus.TESTING, ModelStatus.ARCHIVED},
        ModelStatus.TESTING: {ModelStatus.GRADUATED, ModelStatus.ARCHIVED},
        ModelStatus.GRADUATED: {ModelStatus.ENABLED, ModelStatus.ARCHIVED},
        ModelStatus.ENABLED: {ModelStatus.ARCHIVED},
    },
)


class MlModel(GlobalTable, Timestamped, Base):
    """One version of a model. At most one is active in production; none is ever deleted."""

    __tablename__ = "ml_models"

    name: Mapped[str] = mapped_column(Text(255, 1))
    version: Mapped[str] = mapped_column(Text(50, 1))
    file_path: Mapped[str] = mapped_column(Text(512, 1))
    file_hash: Mapped[str] = mapped_column(AsciiText(64, 64, "0-9a-f"), comment="SHA-256 of the file, hexadecimal")
    file_format: Mapped[ModelFormat] = mapped_column(
        TextEnum(ModelFormat), default=ModelFormat.ONNX, server_default=ModelFormat.ONNX.value
    )
    status: Mapped[ModelStatus] = MODEL_LIFE.column()
    is_active_prod: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    description: Mapped[str | None] = mapped_column(Text())
    uploaded_by: Mapped[UUID | None] = mapped_column(comment="user; no key, the row outlives its maker")
    person_name: Mapped[str | None] = mapped_column(Text(255), comment="who uploaded it, at that time")
    uploaded_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, server_default=utc_timestamp())
    graduated_at: Mapped[datetime | None]
    deployed_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    total_predictions: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0")
    success_count: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0")
    failure_count: Mapped[int] = mapped_column(Whole(0, 2**53), default=0, server_default="0")
    avg_prediction_score: Mapped[float | None] = mapped_column(Fraction())
    performance_metrics: Mapped[dict[str, Any]] = json_object()

    __table_args__ = (
        UniqueConstraint("name", "version"),
        CheckConstraint(
            "NOT is_active_prod OR (status = 'ENABLED' AND deployed_at IS NOT NULL)",
            name="active",
            info={"message": "only an ENABLED model with a deployment time is active in production"},
        ),
        CheckConstraint(
            "status NOT IN ('GRADUATED', 'ENABLED') OR graduated_at IS NOT NULL",
            name="graduated",
            info={"message": "a GRADUATED or ENABLED model says when it graduated"},
        ),
        CheckConstraint(
            "(status = 'ARCHIVED') = (archived_at IS NOT NULL)",
            name="archived",
            info={"message": "archived_at is set exactly when the model is ARCHIVED"},
        ),
        Index(
            "uq_ml_models_one_active",
            "is_active_prod",
            unique=True,
            postgresql_where=sa.text("is_active_prod"),
            sqlite_where=sa.text("is_active_prod"),
        ),
        {
            "info": {
                "global": "models are managed by staff and shared by every tenant",
                "refusals": [
                    Refusal(
                        rule="lc_ml_models_kept",
                        events=("delete",),
                        when=lambda *_: sa.true(),
                        message="models are archived, never deleted: decisions refer to them",
                    )
                ],
            }
        },
    )
