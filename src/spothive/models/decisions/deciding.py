"""What was decided about each instance and why, the models that judge, and the lab they are tried in."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spothive.clock import utc_now
from spothive.models.base import (
    Base,
    GlobalTable,
    Timestamped,
    check,
    index_where,
    json_array,
    json_object,
    unique_where,
)
from spothive.models.decisions.rollups import COUNTING, RollupWatermark, open_from
from spothive.models.fleet import Account, Instance, PipelineMode
from spothive.schema.refusal import HasColumns, Refusal, fixed_snapshot, older_than, rewritten, transaction_number
from spothive.schema.states import StateMachine
from spothive.schema.tenancy import TenantOwned, belongs_to, has_many, owned
from spothive.schema.types import AsciiText, Fraction, Money, Text, TextEnum, UtcDateTime, Whole, utc_timestamp


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


def _untried(old: HasColumns, new: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that a model graduates without any lab experiment that was COMPLETED."""
    lab = LabExperiment.__table__
    tried = sa.select(sa.literal(1)).select_from(lab).where(lab.c.model_id == new.c.id, lab.c.status == "COMPLETED")
    return sa.and_(old.c.status == "TESTING", new.c.status == "GRADUATED", sa.not_(sa.exists(tried)))


_FILE = ("name", "version", "file_path", "file_hash", "file_format")
"""Which file a model is: decisions refer to it."""


class MlModel(GlobalTable, Timestamped, Base):
    """One version of a model. At most one is active in production; none is ever deleted."""

    __tablename__ = "ml_models"

    name: Mapped[str] = mapped_column(Text(255, 1), comment="name of the model")
    version: Mapped[str] = mapped_column(Text(50, 1), comment="version of this name")
    file_path: Mapped[str] = mapped_column(Text(512, 1), comment="where the store keeps the file")
    file_hash: Mapped[str] = mapped_column(AsciiText(64, 64, "0-9a-f"), comment="SHA-256 of the file, hexadecimal")
    file_format: Mapped[ModelFormat] = mapped_column(
        TextEnum(ModelFormat),
        default=ModelFormat.ONNX,
        server_default=ModelFormat.ONNX.value,
        comment="how the file is loaded",
    )
    status: Mapped[ModelStatus] = MODEL_LIFE.column(comment="how far it has come")
    is_active_prod: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="whether it decides in production; true for one model at most"
    )
    description: Mapped[str | None] = mapped_column(Text(), comment="for people")
    uploaded_by: Mapped[UUID | None] = mapped_column(comment="user; no key, the row outlives its maker")
    person_name: Mapped[str | None] = mapped_column(Text(255), comment="who uploaded it, at that time")
    uploaded_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="when the file was stored (UTC)"
    )
    graduated_at: Mapped[datetime | None] = mapped_column(comment="when the lab passed it (UTC)")
    deployed_at: Mapped[datetime | None] = mapped_column(comment="when it was last made active (UTC)")
    archived_at: Mapped[datetime | None] = mapped_column(comment="when it was retired (UTC)")
    total_predictions: Mapped[int] = mapped_column(
        Whole(0, 2**53), default=0, server_default="0", comment="decisions it made"
    )
    success_count: Mapped[int] = mapped_column(
        Whole(0, 2**53), default=0, server_default="0", comment="decisions no interruption followed within 24 h"
    )
    failure_count: Mapped[int] = mapped_column(
        Whole(0, 2**53), default=0, server_default="0", comment="decisions an interruption followed within 24 h"
    )
    avg_prediction_score: Mapped[float | None] = mapped_column(Fraction(), comment="mean of its crash probabilities")
    performance_metrics: Mapped[dict[str, Any]] = json_object(comment="what training and lab measured")

    __table_args__ = (
        UniqueConstraint("name", "version"),
        check(
            "active",
            "NOT is_active_prod OR (status = 'ENABLED' AND deployed_at IS NOT NULL)",
            "only an ENABLED model with a deployment time is active in production",
        ),
        check(
            "graduated",
            "status NOT IN ('GRADUATED', 'ENABLED') OR graduated_at IS NOT NULL",
            "a GRADUATED or ENABLED model says when it graduated",
        ),
        check(
            "archived",
            "(status = 'ARCHIVED') = (archived_at IS NOT NULL)",
            "archived_at is set exactly when the model is ARCHIVED",
        ),
        unique_where("uq_ml_models_one_active", "is_active_prod", where="is_active_prod"),
        {
            "info": {
                "global": "models are managed by staff and shared by every tenant",
                "refusals": [
                    Refusal(
                        rule="lc_ml_models_kept",
                        events=("delete",),
                        when=lambda *_: sa.true(),
                        message="models are archived, never deleted: decisions refer to them",
                    ),
                    Refusal(
                        rule="lc_ml_models_graduated",
                        events=("update",),
                        columns=("status",),
                        when=_untried,
                        message="a model graduates after a lab experiment of it was COMPLETED",
                    ),
                    Refusal(
                        rule="lc_ml_models_file",
                        events=("update",),
                        columns=_FILE,
                        when=rewritten(*_FILE),
                        message="a model stays the file it was registered as: register another version",
                    ),
                ],
            }
        },
    )


class Decision(enum.StrEnum):
    """What was decided about an instance."""

    SWITCH = "SWITCH"
    HOLD = "HOLD"
    FAILED = "FAILED"


class DecisionStatus(enum.StrEnum):
    """What became of a decision."""

    RECORDED = "RECORDED"
    ACTED = "ACTED"
    REVERTED = "REVERTED"


DECISION_LIFE = StateMachine(
    DecisionStatus,
    first={DecisionStatus.RECORDED},
    moves={DecisionStatus.RECORDED: {DecisionStatus.ACTED}, DecisionStatus.ACTED: {DecisionStatus.REVERTED}},
)


def _instance_elsewhere(decision: HasColumns) -> sa.Select[Any]:
    """Return the query for the decision's instance if it is of another account than the one named."""
    instances = Instance.__table__
    return sa.select(instances.c.id).where(
        instances.c.tenant_id == decision.c.tenant_id,
        instances.c.id == decision.c.instance_id,
        instances.c.account_id != decision.c.account_id,
    )


LATE_HOURS = 23
"""Hours after which a decision that is written is late: its day may be counted. A day closes an hour after that."""


def _counted(decision: HasColumns) -> sa.ColumnElement[bool]:
    """Return the condition that the decision's day is closed, or that the writer would not see that it is."""
    mark = RollupWatermark.__table__
    closed = sa.select(sa.literal(1)).select_from(mark)
    closed = closed.where(mark.c.name == COUNTING, decision.c.execution_time < open_from(mark.c.position))
    return sa.or_(fixed_snapshot(), closed.exists())


_FACTS = (
    "account_id",
    "instance_id",
    "model_id",
    "experiment_name",
    "pipeline_mode",
    "is_shadow_run",
    "prediction_score",
    "decision",
    "decision_reason",
    "execution_time",
    "execution_duration_ms",
    "candidates_evaluated",
    "selected_instance_type",
    "selected_availability_zone",
    "old_spot_price",
    "new_spot_price",
    "projected_hourly_savings",
    "features_used",
    "metrics",
    "error_message",
    "created_at",
)
"""What a decision was taken from and came to: all but what became of it."""


class ExperimentLog(TenantOwned, Timestamped, Base):
    """One decision about one instance, with everything it was taken from, so that it can be replayed."""

    __tablename__ = "experiment_logs"

    account_id: Mapped[UUID] = owned("accounts", comment="account of the instance")
    instance_id: Mapped[UUID] = owned("instances", comment="instance it is about")
    model_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("ml_models.id"), index=True, comment="model that judged; none if rules alone did"
    )
    experiment_name: Mapped[str | None] = mapped_column(Text(255), comment="lab experiment it was a part of")
    pipeline_mode: Mapped[PipelineMode] = mapped_column(TextEnum(PipelineMode), comment="pipeline it went through")
    is_shadow_run: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false(), comment="recorded only, never acted on"
    )
    prediction_score: Mapped[float | None] = mapped_column(
        Fraction(), comment="probability that the instance is interrupted, as the model sees it"
    )
    decision: Mapped[Decision] = mapped_column(TextEnum(Decision), comment="what was decided")
    decision_reason: Mapped[str] = mapped_column(Text(4000, 1), comment="why, for people")
    execution_time: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), comment="when it was decided, UTC"
    )
    execution_duration_ms: Mapped[int | None] = mapped_column(Whole(), comment="how long it took, in milliseconds")
    candidates_evaluated: Mapped[int | None] = mapped_column(Whole(), comment="pools that were compared")
    selected_instance_type: Mapped[str | None] = mapped_column(Text(32, 1), comment="where to go")
    selected_availability_zone: Mapped[str | None] = mapped_column(Text(32, 1), comment="where to go")
    old_spot_price: Mapped[Decimal | None] = mapped_column(Money(), comment="of the pool it is in, USD per hour")
    new_spot_price: Mapped[Decimal | None] = mapped_column(Money(), comment="of the pool to go to, USD per hour")
    projected_hourly_savings: Mapped[Decimal | None] = mapped_column(
        Money(signed=True), comment="USD per hour; negative when safety costs"
    )
    features_used: Mapped[dict[str, Any]] = json_object(comment="what the model was given")
    metrics: Mapped[dict[str, Any] | None] = json_object(nullable=True, comment="score of every candidate")
    status: Mapped[DecisionStatus] = DECISION_LIFE.column(comment="what became of it")
    error_message: Mapped[str | None] = mapped_column(Text(4000, 1), comment="why no decision could be taken")

    account: Mapped[Account] = belongs_to("ExperimentLog.account_id")
    instance: Mapped[Instance] = belongs_to("ExperimentLog.instance_id", back_populates="experiment_logs")
    model: Mapped[MlModel | None] = belongs_to("ExperimentLog.model_id")
    explanations: Mapped[list["Explanation"]] = has_many(
        "Explanation.experiment_log_id", back_populates="experiment_log"
    )

    __table_args__ = (
        Index(None, "tenant_id", "account_id", "execution_time"),
        Index(None, "tenant_id", "execution_time"),
        index_where("ix_experiment_logs_acted", "tenant_id", "status", "execution_time", where="status <> 'RECORDED'"),
        index_where(
            "ix_experiment_logs_not_held", "tenant_id", "decision", "execution_time", where="decision <> 'HOLD'"
        ),
        check(
            "failed",
            "(decision = 'FAILED') = (error_message IS NOT NULL)",
            "a decision that FAILED, and no other, has an error message",
        ),
        check(
            "target",
            "decision <> 'SWITCH' OR (selected_instance_type IS NOT NULL AND selected_availability_zone IS NOT NULL)",
            "a SWITCH names the type and the zone to go to",
        ),
        check("shadow", "NOT is_shadow_run OR status = 'RECORDED'", "a shadow run is recorded and never acted on"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_experiment_logs_account",
                        events=("insert",),
                        when=lambda _, new: _instance_elsewhere(new).exists(),
                        message="a decision belongs to the account of its instance",
                    ),
                    Refusal(
                        rule="lc_experiment_logs_day",
                        events=("insert",),
                        only=lambda _, new: older_than(new.c.execution_time, LATE_HOURS),
                        # Who counts waits for transactions by number, so this one gets its number before it looks.
                        lock=lambda *_: sa.select(sa.literal(1)).where(transaction_number() > 0),
                        when=lambda _, new: _counted(new),
                        message="the decisions of that day are counted: write one on the day it is taken, or soon "
                        "after, in READ COMMITTED (other transactions cannot tell)",
                    ),
                    Refusal(
                        rule="lc_experiment_logs_facts",
                        events=("update",),
                        columns=_FACTS,
                        when=rewritten(*_FACTS),
                        message="what a decision was taken from never changes: it could not be replayed any more",
                    ),
                ]
            }
        },
    )


class TestType(enum.StrEnum):
    """What a lab experiment tries out."""

    __test__ = False  # pytest would take the class for one of its own

    INTERRUPTION_PREDICTION = "interruption_prediction"
    BIN_PACKING = "bin_packing"
    LIVE_SWITCH = "live_switch"
    PARALLEL = "parallel"
    AB = "ab"


class ExperimentStatus(enum.StrEnum):
    """How far a lab experiment is."""

    DRAFT = "DRAFT"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


EXPERIMENT_LIFE = StateMachine(
    ExperimentStatus,
    first={ExperimentStatus.DRAFT},
    moves={
        ExperimentStatus.DRAFT: {ExperimentStatus.RUNNING},
        ExperimentStatus.RUNNING: {ExperimentStatus.COMPLETED, ExperimentStatus.FAILED},
    },
)


class LabExperiment(TenantOwned, Timestamped, Base):
    """A trial of a model on one instance; a model graduates only after one that was COMPLETED."""

    __tablename__ = "lab_experiments"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("ml_models.id"), index=True, comment="model on trial")
    cluster_id: Mapped[UUID | None] = mapped_column(comment="cluster it ran in; no key")
    instance_id: Mapped[str] = mapped_column(Text(50, 1), comment="EC2's id of the instance it ran on; no key")
    name: Mapped[str] = mapped_column(Text(255, 1), comment="for people")
    notes: Mapped[str | None] = mapped_column(Text(), comment="for people")
    test_type: Mapped[TestType] = mapped_column(TextEnum(TestType), comment="what is tried out")
    status: Mapped[ExperimentStatus] = EXPERIMENT_LIFE.column(comment="how far it is")
    telemetry: Mapped[dict[str, Any]] = json_object(comment="what was measured")
    lease_token: Mapped[UUID | None] = mapped_column(comment="worker that runs it")
    leased_until: Mapped[datetime | None] = mapped_column(comment="after this it counts as stuck, UTC")
    started_at: Mapped[datetime | None] = mapped_column(comment="UTC")
    completed_at: Mapped[datetime | None] = mapped_column(comment="when it ended, well or badly, UTC")

    model: Mapped[MlModel] = belongs_to("LabExperiment.model_id")

    __table_args__ = (
        Index(None, "tenant_id", "status"),
        Index(None, "tenant_id", "created_at"),
        check("started", "(status = 'DRAFT') = (started_at IS NULL)", "started_at is set exactly when it has begun"),
        check(
            "completed",
            "(status IN ('COMPLETED', 'FAILED')) = (completed_at IS NOT NULL)",
            "completed_at is set exactly when it has ended",
        ),
        check(
            "lease",
            "(lease_token IS NULL) = (leased_until IS NULL) AND (lease_token IS NULL OR status = 'RUNNING')",
            "only a RUNNING experiment is leased",
        ),
    )


class ExplanationMethod(enum.StrEnum):
    """How a score is attributed to features."""

    SHAPLEY = "shapley"


class Explanation(TenantOwned, Timestamped, Base):
    """Why a model gave a decision its score: base value + attributions = score."""

    __tablename__ = "explanations"

    experiment_log_id: Mapped[UUID] = owned("experiment_logs", comment="decision that is explained")
    method: Mapped[ExplanationMethod] = mapped_column(
        TextEnum(ExplanationMethod), default=ExplanationMethod.SHAPLEY, server_default="shapley", comment="how"
    )
    base_value: Mapped[float] = mapped_column(Fraction(), comment="score of the stored baseline, a probability")
    explanation_data: Mapped[list[Any]] = json_array(comment="feature, value and attribution of each")

    experiment_log: Mapped[ExperimentLog] = belongs_to("Explanation.experiment_log_id", back_populates="explanations")

    __table_args__ = (
        UniqueConstraint("tenant_id", "experiment_log_id", "method"),
        Index(None, "tenant_id", "method", "created_at"),
        {
            "info": {
                "refusals": [
                    Refusal(
                        rule="lc_explanations_facts",
                        events=("update",),
                        when=lambda *_: sa.true(),
                        message="an explanation stays as it was computed with its decision",
                    )
                ]
            }
        },
    )
