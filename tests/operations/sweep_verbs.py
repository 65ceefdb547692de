"""The verbs of the sweep, as data; see ``verbs.py``."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from spothive.clock import utc_now
from spothive.database import ExperimentStatus, LabExperiment, ScanKind, ScanRun, TestType, get_db_session
from spothive.operations.decisions import end_dead_experiments
from spothive.operations.fleet import end_dead_scans
from spothive.operations.risk import tidy_pools
from spothive.schema.states import move
from tests.factories import make_account
from tests.factories.decisions import model
from tests.operations.conftest import World
from tests.operations.risk.conftest import block
from tests.operations.verbs import Verb, verb


def _dead_scan(world: World) -> None:
    facts = {"kind": ScanKind.DISCOVERY, "units_expected": 1, "lease_token": uuid4()}
    account_id = make_account(world.acme, "main").id
    with get_db_session(tenant=world.acme) as session:
        session.add(ScanRun(account_id=account_id, **facts, leased_until=utc_now() - timedelta(minutes=1)))


def _dead_experiment(world: World) -> None:
    now, model_id = utc_now(), model("1")
    lease = {"lease_token": uuid4(), "leased_until": now - timedelta(minutes=1)}
    with get_db_session(tenant=world.acme) as session:
        row = LabExperiment(name="trial", model_id=model_id, instance_id="i-1", test_type=TestType.AB)
        session.add(row)
        session.flush()
        move(session, row, LabExperiment.status, ExperimentStatus.RUNNING, started_at=now, **lease)


def _blocked_once(_: World) -> None:
    block("us-east-1a", hours=-1)


SWEEP_VERBS: tuple[Verb, ...] = (
    verb(
        "end dead scans",
        end_dead_scans,
        {},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("scans.ended", "scans", None, {"failed": 1}),
        prepare=_dead_scan,
    ),
    verb(
        "end dead experiments",
        end_dead_experiments,
        {},
        actor="lena",
        denied="udo",
        tenant="acme",
        trail=("experiments.ended", "experiments", None, {"failed": 1}),
        prepare=_dead_experiment,
    ),
    verb(
        "tidy pools",
        tidy_pools,
        {},
        actor="admin",
        denied="anna",
        tenant="acme",
        trail=("pools.tidied", "pools", None, {"tidied": 1}),
        prepare=_blocked_once,
    ),
)
