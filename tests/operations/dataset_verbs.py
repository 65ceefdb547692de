"""The verbs of datasets, tags and searches, as data; see ``verbs.py``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from uuid import UUID, uuid4

from spothive.clock import utc_now
from spothive.database import Dataset, DatasetGeneration, DatasetJobStatus, DatasetKind, get_db_session
from spothive.gateways.dataset_store import DatasetStore
from spothive.operations.actor import Actor
from spothive.operations.datasets import (
    GenerationWish,
    ImportWish,
    add_tag,
    cancel_job,
    change_tag,
    create_tag,
    delete_dataset,
    delete_search,
    delete_tag,
    end_dead_jobs,
    generate_dataset,
    import_dataset,
    pin_search,
    remove_tag,
    request_generation,
    save_search,
)
from spothive.schema.states import move
from tests.factories.datasets import PRICES, experiment, source_of, tag_on
from tests.operations.conftest import World
from tests.operations.verbs import Verb, verb

JOB = UUID("0193a1b2-5c4d-7e6f-8a9b-0c1d2e3f4a5c")
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
WISH = GenerationWish("history", DatasetKind.INTERRUPTIONS, since=SINCE)
TAG = {"name": "Night run", "slug": "night-run", "color": "#ff8800"}


@contextmanager
def _store() -> Iterator[DatasetStore]:
    with tempfile.TemporaryDirectory() as folder:
        yield DatasetStore(Path(folder))


def _night(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        create_tag(session, world.lena, name="Night run", color="#ff8800")


def _trial(world: World) -> None:
    _night(world)
    experiment(world.acme, "trial")


def _tagged(world: World) -> None:
    _trial(world)
    tag_on(world.lena, world.acme, "trial", "night-run")


def _saved(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        save_search(session, world.udo, name="good", text="score:>0.5")


def _pending(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.add(DatasetGeneration(id=JOB, name="history", config={}))


def _dead(world: World) -> None:
    _pending(world)
    now = utc_now()
    lease = {"lease_token": uuid4(), "leased_until": now - timedelta(minutes=1), "started_at": now}
    with get_db_session(tenant=world.acme) as session:
        job = session.get_one(DatasetGeneration, JOB)
        move(session, job, DatasetGeneration.status, DatasetJobStatus.RUNNING, **lease)


def _kept(world: World) -> None:
    facts: dict[str, Any] = {"kind": DatasetKind.MARKET, "row_count": 7, "file_path": "elsewhere", "columns": []}
    with get_db_session(tenant=world.acme) as session:
        session.add(Dataset(name="prices", file_hash="0" * 64, **facts))


def _import(actor: Actor, tenant_id: UUID) -> None:
    with _store() as store, source_of(PRICES) as source:
        wish = ImportWish("prices")
        import_dataset(get_db_session, actor, tenant_id=tenant_id, store=store, source=source, wish=wish)


def _generate(actor: Actor, tenant_id: UUID) -> None:
    with _store() as store:
        generate_dataset(get_db_session, actor, tenant_id=tenant_id, store=store, wish=WISH)


def _delete(actor: Actor, tenant_id: UUID) -> None:
    with _store() as store:
        delete_dataset(get_db_session, actor, tenant_id=tenant_id, store=store, name="prices")


_ASKED = {
    "kind": "interruptions",
    "since": SINCE.isoformat(),
    "until": ANY,
    "all_tenants": False,
    "replace": False,
}
_NO_ROWS = {"kind": "interruptions", "rows": 0, "sha256": ANY}


def _of_the_lab(name: str, change: Any, facts: Any, trail: Any, prepare: Any = lambda _: None) -> Verb:
    return verb(name, change, facts, actor="lena", denied="udo", tenant="acme", trail=trail, prepare=prepare)


def _own(name: str, change: Any, facts: Any, trail: Any, prepare: Any = lambda _: None) -> Verb:
    return verb(name, change, facts, actor="udo", denied=None, tenant="acme", trail=trail, prepare=prepare)


def _managed(name: str, run: Any, *trail: Any, prepare: Any = lambda _: None) -> Verb:
    return Verb(name, run, actor="anna", denied="lena", tenant="acme", trail=trail, prepare=prepare)


DATASET_VERBS: tuple[Verb, ...] = (
    _of_the_lab(
        "make a tag",
        create_tag,
        {"name": "Night run", "color": "#FF8800"},
        ("tag.created", "Night run", None, TAG),
    ),
    _of_the_lab(
        "change a tag",
        change_tag,
        {"tag": "Night run", "name": "Night run", "color": ""},
        ("tag.changed", "Night run", TAG, TAG | {"color": None}),
        _night,
    ),
    _of_the_lab(
        "delete a tag",
        delete_tag,
        {"tag": "Night run"},
        ("tag.deleted", "Night run", TAG | {"experiments": 1}, None),
        _tagged,
    ),
    _of_the_lab(
        "put a tag on an experiment",
        add_tag,
        {"experiment": "trial", "tag": "night-run"},
        ("experiment.tagged", "trial", None, {"tag": "night-run"}),
        _trial,
    ),
    _of_the_lab(
        "take a tag off an experiment",
        remove_tag,
        {"experiment": "trial", "tag": "night-run"},
        ("experiment.untagged", "trial", {"tag": "night-run"}, None),
        _tagged,
    ),
    _own(
        "keep a search",
        save_search,
        {"name": "good", "text": "score:>0.5"},
        ("search.saved", "good", None, {"query": "score:>0.5"}),
    ),
    _own(
        "pin a search",
        pin_search,
        {"name": "good", "pinned": True},
        ("search.pinned", "good", {"is_pinned": False}, {"is_pinned": True}),
        _saved,
    ),
    _own(
        "forget a search",
        delete_search,
        {"name": "good"},
        ("search.deleted", "good", {"query": "score:>0.5"}, None),
        _saved,
    ),
    verb(
        "ask for a dataset",
        request_generation,
        {"wish": WISH},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("dataset.generation_asked", "history", None, _ASKED),
    ),
    _managed(
        "generate a dataset",
        _generate,
        ("dataset.generation_asked", "history", None, _ASKED),
        ("dataset.generated", "history", None, _NO_ROWS),
    ),
    _managed(
        "import a dataset",
        _import,
        (
            "dataset.import_asked",
            "prices",
            None,
            {"file": "prices.csv", "kind": None, "keep_good": False, "replace": False},
        ),
        ("dataset.imported", "prices", None, {"kind": "market", "rows": 2, "sha256": ANY}),
    ),
    _managed(
        "delete a dataset",
        _delete,
        ("dataset.deleted", "prices", {"kind": "market", "rows": 7, "sha256": "0" * 64}, None),
        prepare=_kept,
    ),
    verb(
        "cancel the making of a dataset",
        cancel_job,
        {"job_id": str(JOB)},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("dataset.cancelled", str(JOB), {"status": "pending"}, {"status": "cancelled", "dataset": "history"}),
        prepare=_pending,
    ),
    verb(
        "end dead jobs of datasets",
        end_dead_jobs,
        {},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("datasets.ended", "datasets", None, {"failed": 1}),
        prepare=_dead,
    ),
)
