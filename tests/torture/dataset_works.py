"""What the processes do that make datasets until they are killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, event

from spothive.database import DatasetKind, get_db_session
from spothive.gateways.dataset_store import DatasetDraft, DatasetStore
from spothive.operations.datasets import (
    GenerationWish,
    ImportWish,
    JobCancelled,
    generate_dataset,
    generating,
    import_dataset,
    importing,
    jobs,
)
from spothive.operations.identity import find_actor
from tests.factories.datasets import HEAD, source_of
from tests.torture.processes import DONE, STEP, Voice

PAUSE = 0.002
"""Seconds a step is held up, so that a kill finds the process where it was meant to."""

LEASE = timedelta(seconds=1)
NAME = "made"
ROWS = 40
CONTENT = HEAD + "us-east-1a,m5.large,Linux/UNIX,0.0416,2026-01-15T09:30:00Z\n" * ROWS


def import_in_steps(voice: Voice, folder: Path) -> None:
    """Import a file, with a word and a short pause before every statement, commit and write."""
    actor, tenant_id = find_actor("anna", "acme")
    _slowly(voice)
    voice.wait_for_start()
    with source_of(CONTENT) as source:
        _made(
            voice,
            import_dataset,
            get_db_session,
            actor,
            tenant_id=tenant_id,
            store=DatasetStore(folder),
            source=source,
            wish=ImportWish(NAME, replace=True),
        )


def generate_in_steps(voice: Voice, folder: Path) -> None:
    """Generate a dataset in the same way."""
    actor, tenant_id = find_actor("anna", "acme")
    _slowly(voice)
    voice.wait_for_start()
    wish = GenerationWish(NAME, DatasetKind.INTERRUPTIONS, replace=True)
    store = DatasetStore(folder)
    _made(voice, generate_dataset, get_db_session, actor, tenant_id=tenant_id, store=store, wish=wish)


def _made(voice: Voice, make: Callable[..., Any], *given: Any, **facts: Any) -> None:
    try:
        make(*given, **facts)
    except JobCancelled as error:
        voice.say(str(error))
    else:
        voice.say(DONE)


def _slowly(voice: Voice) -> None:
    def pause(*_: Any) -> None:
        voice.say(STEP)
        time.sleep(PAUSE)

    def paused(do: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any) -> Any:
            pause()
            done = do(*given)
            pause()
            return done

        return step

    event.listen(Engine, "before_cursor_execute", pause)
    event.listen(Engine, "commit", pause)
    for name in ("write", "keep"):
        setattr(DatasetDraft, name, paused(getattr(DatasetDraft, name)))
    for module, name, value in (
        (jobs, "WRITE_EVERY", 0.0),
        (jobs, "LEASE", LEASE),
        (importing, "AT_ONCE", 8),
        (generating, "AT_ONCE", 8),
    ):
        setattr(module, name, value)


def make_people() -> UUID:
    """Make tenant acme with its client anna, and events to generate from; return the tenant."""
    from sqlalchemy import insert

    from spothive.database import GlobalRiskEvent, Role, system_scope
    from spothive.database.seed_data import seed_initial_data
    from tests.factories import make_tenant, make_user
    from tests.factories.samples import sample

    seed_initial_data()
    acme = make_tenant("acme")
    make_user(acme, "anna", role=Role.CLIENT)
    events = [sample("global_risk_events", {}, 7, source_event_id=f"{number:064x}") for number in range(ROWS)]
    with get_db_session() as session, system_scope(session, "a test"):
        session.execute(insert(GlobalRiskEvent), events)
    return acme
