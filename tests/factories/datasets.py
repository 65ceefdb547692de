"""Files to import, experiments to find, and ways to look at a store."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from spothive.clock import utc_now
from spothive.database import ExperimentStatus, LabExperiment, get_db_session
from spothive.models import MlModel
from spothive.operations.actor import Actor
from spothive.operations.datasets import Source, add_tag
from spothive.schema.states import move
from tests.factories.decisions import model
from tests.factories.samples import sample
from tests.watching import rows_of

HEAD = "availability_zone,instance_type,product,price,observed_at\n"
PRICES = (
    f"{HEAD}us-east-1a,m5.large,Linux/UNIX,0.0416,2026-01-15T09:30:00Z\n"
    "eu-west-1b,c5.large,Linux/UNIX,0.05,2026-01-15T10:30:00+01:00\n"
)
BAD = f"{PRICES}nowhere,m5.large,Linux/UNIX,0.04,2026-01-15T09:30:00Z\n"


@contextmanager
def source_of(content: str | bytes, name: str = "prices.csv") -> Iterator[Source]:
    """Yield a file of memory with this content."""
    data = content.encode() if isinstance(content, str) else content
    with io.BytesIO(data) as file:
        yield Source(name, file, len(data))


def interruption(number: int = 1, **facts: Any) -> dict[str, Any]:
    """Return what EventBridge sends about an instance that AWS is about to take."""
    return {
        "id": f"event-{number}",
        "detail-type": "EC2 Spot Instance Interruption Warning",
        "source": "aws.ec2",
        "account": "111122223333",
        "time": "2026-03-04T10:30:00Z",
        "region": "eu-west-1",
        "detail": {"instance-id": f"i-{number:08x}", "instance-action": "terminate"},
        **facts,
    }


def prices_json(*entries: dict[str, Any]) -> str:
    """Return what ``aws ec2 describe-spot-price-history`` prints."""
    first = {
        "AvailabilityZone": "us-east-1a",
        "InstanceType": "m5.large",
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": "0.0416",
        "Timestamp": "2026-01-15T09:30:00+00:00",
    }
    return json.dumps({"SpotPriceHistory": [first | entry for entry in entries or ({},)]}, indent=4)


def experiment(
    tenant_id: UUID,
    name: str,
    *,
    version: str = "1",
    at: datetime | None = None,
    status: ExperimentStatus = ExperimentStatus.DRAFT,
    **facts: Any,
) -> UUID:
    """Make a lab experiment in any state; return its id."""
    known = rows_of(MlModel, name="risk", version=version)
    model_id = known[0]["id"] if known else model(version)
    row = sample("lab_experiments", {"tenants": tenant_id, "ml_models": model_id}, name=name, **facts)
    if at is not None:
        row |= {"created_at": at}
    with get_db_session(tenant=tenant_id) as session:
        session.execute(insert(LabExperiment), [row])
        made = session.get_one(LabExperiment, row["id"])
        if status is not ExperimentStatus.DRAFT:
            move(session, made, LabExperiment.status, ExperimentStatus.RUNNING, started_at=utc_now())
        if status in {ExperimentStatus.COMPLETED, ExperimentStatus.FAILED}:
            move(session, made, LabExperiment.status, status, completed_at=utc_now())
        return made.id


def tag_on(actor: Actor, tenant_id: UUID, name: str, *tags: str) -> None:
    """Put tags on an experiment."""
    with get_db_session(tenant=tenant_id) as session:
        for tag in tags:
            add_tag(session, actor, experiment=name, tag=tag)


def files_in(folder: Path) -> list[Path]:
    """Return every file below a folder, hidden ones too."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
