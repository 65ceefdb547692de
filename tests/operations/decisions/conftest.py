"""Models on their way, and a lab to try them in."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from spothive.clock import utc_now
from spothive.database import TenantSession, get_db_session, system_scope
from spothive.models import EnvironmentType, MlModel, ModelStatus
from spothive.operations.fleet import set_environment
from spothive.scoring.model_file import sha256_of
from spothive.scoring.store import ModelStore
from tests.factories import make_account, make_instance
from tests.factories.active_model import try_in_lab
from tests.factories.fleets import connected_account
from tests.factories.models import good_file
from tests.factories.samples import sample
from tests.operations.conftest import World

WAY = (ModelStatus.TESTING, ModelStatus.GRADUATED, ModelStatus.ENABLED)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def make_model(
    store: ModelStore, version: str, *, status: ModelStatus, weight: float = 0.1, data: bytes | None = None
) -> UUID:
    """Make a model called risk, with a file that works: ``data``, or one that looks at the advisor's band alone."""
    data = data or good_file(weight, 0.0, 0.0)
    row: dict[str, Any] = sample("ml_models", {}, 1, name="risk", version=version)
    row |= {"file_path": store.put(data), "file_hash": sha256_of(data)}
    with get_db_session() as session, system_scope(session, "test"):
        session.execute(sa.insert(MlModel).values(row))
        if status is not ModelStatus.CANDIDATE:
            try_in_lab(session, row["id"])
            for step in WAY[: WAY.index(status) + 1]:
                _step(session, row["id"], step)
    found: UUID = row["id"]
    return found


def _step(session: TenantSession, model_id: UUID, status: ModelStatus) -> None:
    changed = sa.update(MlModel).where(MlModel.id == model_id)
    session.execute(changed.values(status=status, graduated_at=utc_now()))


@pytest.fixture
def lab(world: World) -> str:
    """Return EC2's id of an instance of a LAB account of acme; ``i-prod`` is one of a PROD account."""
    account = make_account(world.acme, "lab")
    make_instance(world.acme, account.id, "i-lab")
    make_instance(world.acme, account.id, "i-gone", state="terminated", terminated_at=utc_now())
    with get_db_session(tenant=world.acme) as session:
        shop = connected_account(session, world.anna.user_id, name="shop", account_id="210987654321")
        set_environment(session, world.anna, name="shop", environment=EnvironmentType.PROD)
    make_instance(world.acme, shop.id, "i-prod")
    return "i-lab"
