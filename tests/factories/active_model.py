"""Models that may go to production, and the one transaction that puts one of them in the place of another."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from spothive.clock import utc_now
from spothive.database import TenantSession, get_db_session, read_session, system_scope
from spothive.errors import Conflict, DuplicateValue
from spothive.models import PLATFORM_TENANT_ID, ExperimentStatus, LabExperiment, MlModel, ModelStatus
from tests.factories.samples import sample

PATIENCE = 10_000
"""Attempts after which a writer that always comes second is a failure of the test."""


def make_enabled_models(count: int, **values: Any) -> list[UUID]:
    """Make so many models that are ENABLED; none is active."""
    rows = [sample("ml_models", {}, number, **values) for number in range(1, count + 1)]
    with get_db_session() as session, system_scope(session, "test"):
        session.execute(sa.insert(MlModel), rows)
        try_in_lab(session, *(row["id"] for row in rows))
        for status in (ModelStatus.TESTING, ModelStatus.GRADUATED, ModelStatus.ENABLED):
            session.execute(sa.update(MlModel).values(status=status, graduated_at=utc_now()))
    return [row["id"] for row in rows]


def try_in_lab(session: TenantSession, *model_ids: UUID) -> None:
    """Give each model a COMPLETED lab experiment, without which none graduates."""
    parents = {"tenants": PLATFORM_TENANT_ID}
    trials = [sample("lab_experiments", parents | {"ml_models": model}) for model in model_ids]
    session.execute(sa.insert(LabExperiment), trials)
    for status, more in ((ExperimentStatus.RUNNING, "started_at"), (ExperimentStatus.COMPLETED, "completed_at")):
        mine = sa.update(LabExperiment).where(LabExperiment.model_id.in_(model_ids))
        session.execute(mine.values({"status": status, more: utc_now()}))


def deactivate(session: TenantSession) -> None:
    """Take the active model out of production."""
    session.execute(sa.update(MlModel).where(MlModel.is_active_prod).values(is_active_prod=False))


def put_in_place(session: TenantSession, model_id: UUID) -> None:
    """Make a model active; refused while another one is."""
    session.execute(sa.update(MlModel).where(MlModel.id == model_id).values(is_active_prod=True, deployed_at=utc_now()))


def activate(model_id: UUID) -> int:
    """Put a model in the place of the active one, in one transaction; return how many attempts it took."""
    for attempt in range(1, PATIENCE):
        try:
            with get_db_session() as session, system_scope(session, "activate"):
                deactivate(session)
                put_in_place(session, model_id)
        except (Conflict, DuplicateValue):
            continue
        return attempt
    msg = f"{PATIENCE} attempts were not enough"
    raise AssertionError(msg)


def active_models() -> list[UUID]:
    """Return the models that are active, as somebody who reads sees it."""
    with read_session() as session:
        return list(session.scalars(sa.select(MlModel.id).where(MlModel.is_active_prod)))
