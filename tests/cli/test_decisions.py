"""``spothive model`` and ``spothive experiment`` on both databases."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from spothive.clock import utc_now
from spothive.database import LabExperiment, MlModel
from spothive.scoring import BASELINE_FILE, probing
from spothive.scoring.model_file import sha256_of
from spothive.settings import get_settings
from tests.cli.conftest import Spothive, audited
from tests.conftest import Database
from tests.factories import make_account, make_instance
from tests.watching import everything

IN_ACME = ("--tenant", "acme", "--as", "acme-lab")


@pytest.fixture
def folder(people: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPOTHIVE_MODEL_STORE", str(tmp_path / "store"))
    get_settings.cache_clear()
    return tmp_path / "store"


def _acme() -> UUID:
    (tenant,) = [row for row in everything()["tenants"] if row["slug"] == "acme"]
    found: UUID = tenant["id"]
    return found


def test_the_shipped_model_goes_from_the_file_into_production(
    folder: Path, done: Spothive, spothive: Spothive, refused: Callable[..., str]
) -> None:
    assert done("model", "list").out == "no models yet: spothive model register --baseline\n"
    made = done("model", "register", "--baseline", "--version", "1")
    assert made.out.splitlines() == [
        f"registered model interruption-risk 1, CANDIDATE, SHA-256 {sha256_of(BASELINE_FILE.read_bytes())}",
        "next: spothive model accept interruption-risk 1",
    ]
    which = ("interruption-risk", "1")
    assert done("model", "accept", *which).out == "model interruption-risk 1 is TESTING\n"
    assert "no lab experiment" in refused("model", "graduate", *which)

    make_instance(_acme(), make_account(_acme(), "lab").id, "i-lab")
    model = ("--model", "interruption-risk", "--version", "1")
    words = ("experiment", "create", "first", "--instance", "i-lab", *model, *IN_ACME)
    assert done(*words).out == "drafted experiment first\n"
    assert done("experiment", "assign", "--instance", "i-lab", *model, *IN_ACME).words.endswith("risk 1 decides")
    assert done("experiment", "start", "first", *IN_ACME).out == "experiment first is RUNNING\n"
    ended = done(
        "experiment", "finish", "first", "--outcome", "COMPLETED", "--telemetry", "-", "--json", *IN_ACME,
        given='{"auc": 0.8}',
    ).json  # fmt: skip
    assert (ended["status"], ended["telemetry"], ended["model"]) == ("COMPLETED", {"auc": 0.8}, "interruption-risk 1")
    assert "interruption-risk 1" in done("experiment", "list", *IN_ACME).out

    assert done("model", "graduate", *which).out == "model interruption-risk 1 is GRADUATED\n"
    assert done("model", "enable", *which).out == "model interruption-risk 1 is ENABLED\n"
    assert done("model", "activate", *which).out == "model interruption-risk 1 decides in production\n"
    (listed,) = done("model", "list", "--json").json
    assert (listed["is_active_prod"], listed["file_path"]) == (True, f"{listed['file_hash']}.onnx")
    assert "decides in production" in refused("model", "archive", *which)
    shown = done("model", "show", *which, "--json").json
    assert (shown["file_is_whole"], len(shown["features"])) == (True, 12)

    kept = folder / listed["file_path"]
    kept.write_bytes(kept.read_bytes()[:-1] + b"\0")
    damaged = spothive("model", "show", *which)
    assert damaged.code == 1
    assert "is not what was registered" in damaged.err
    assert [len(audited(f"model.{event}")) for event in ("registered", "accepted", "enabled", "activated")] == [1] * 4


def test_what_is_no_model_is_refused_in_one_line(
    folder: Path, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "risk.onnx"
    file.write_bytes(pickle.dumps({"weights": [1]}))
    words = ("model", "register", str(file), "--name", "risk", "--version", "1")
    assert refused(*words) == (
        "risk.onnx is refused: it is a pickle, which runs code when it is loaded: export the model as ONNX"
    )
    assert refused("model", "register", str(file)) == "say which model this is with --name and --version"
    assert refused("model", "register") == "name one ONNX file, or say --baseline"
    assert refused(*words, "--baseline") == "name one ONNX file, or say --baseline"
    assert "may not manage models" in refused(*words, "--tenant", "acme", "--as", "acme-client")
    assert "no model is called 'risk' '1'" in refused("model", "show", "risk", "1")
    monkeypatch.setattr(probing, "find_spec", lambda _: None)
    assert "pip install 'spothive[ml]'" in refused("model", "register", "--baseline")
    assert everything()[MlModel.__tablename__] == []
    assert not folder.exists()


def test_experiments_that_cannot_be(people: Database, refused: Callable[..., str]) -> None:
    make_instance(_acme(), make_account(_acme(), "lab").id, "i-lab", state="terminated", terminated_at=utc_now())
    model = ("--model", "risk", "--version", "1")
    assert "is terminated" in refused("experiment", "create", "x", "--instance", "i-lab", *model, *IN_ACME)
    assert "may not run lab experiments" in refused(
        "experiment", "create", "x", "--instance", "i-lab", *model, "--tenant", "acme", "--as", "acme-user"
    )
    assert "no experiment is called 'x'" in refused("experiment", "start", "x", *IN_ACME)
    for given in ("[]", "{", json.dumps("x")):
        said = refused("experiment", "finish", "x", "--outcome", "FAILED", "--telemetry", "-", *IN_ACME, given=given)
        assert said == "standard input is no JSON object"
    assert "go together" in refused("experiment", "assign", "--instance", "i-lab", "--model", "risk", *IN_ACME)
    assert everything()[LabExperiment.__tablename__] == []
