"""Duties that do what a test says, tools that reach for nothing, and ways to look at leases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest

from spothive.database import LogLevel, SweepLease, SystemLog, get_db_session
from spothive.errors import KeyMissing
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.dataset_store import DatasetStore
from spothive.gateways.webhooks import WebhookSender
from spothive.operations.sweeps import DUTIES, Duty, Run, Tools, sweep
from spothive.operations.sweeps.leases import Lease
from spothive.operations.sweeps.work import Work
from tests.conftest import Database
from tests.operations.conftest import World
from tests.watching import rows_of

MINUTE = timedelta(minutes=1)


def no_keys() -> NoReturn:
    raise KeyMissing("there is no signing key: make it with `spothive audit init`")


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    """Return tools without a key, an empty store, and a gateway that nobody answers."""
    nobody = AwsGateway(ConnectionOptions(endpoint_url="http://127.0.0.1:9", attempts=1))
    store = DatasetStore(tmp_path / "datasets")
    return Tools(nobody, no_keys, no_keys, no_keys, no_keys, WebhookSender, lambda: store)


def duty(do: Callable[[Work], None], name: str = "risk", *, is_quiet: bool = False) -> Duty:
    """Make a duty; its name decides its period."""
    return Duty(name, "a test", do, each_tenant=True, is_quiet=is_quiet)


def swept(world: World, tools: Tools, *duties: Duty, **how: Any) -> list[Run]:
    return sweep(get_db_session, world.admin, tools, duties=duties or DUTIES, **how)


def did(world: World, tools: Tools, name: str) -> Run:
    """Do one duty of the house now."""
    (run,) = swept(world, tools, only=name)
    return run


def a_lease(name: str = "risk", seconds: float = 60) -> Lease:
    return Lease(get_db_session, name, seconds)


def lease_of(name: str = "risk") -> dict[str, Any]:
    (row,) = rows_of(SweepLease, name=name)
    return row


def set_back(db: Database, column: str, minutes: int = 60) -> None:
    """Let a moment in every lease be earlier."""
    earlier = (
        f"{column} - interval '{minutes} minutes'"
        if db.engine == "postgresql"
        else f"strftime('%Y-%m-%d %H:%M:%f000', {column}, '-{minutes} minutes')"
    )
    with db.raw(owner=True) as connection:
        connection.execute(f"UPDATE sweep_leases SET {column} = {earlier}")


def logged(level: LogLevel | None = None) -> list[dict[str, Any]]:
    """Return the log rows of runs."""
    return rows_of(SystemLog, component="sweep", **({"level": level} if level else {}))
