"""Models on their way into production, and what does not get there."""

from __future__ import annotations

import pickle
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest

from spothive.database import MlModel, get_db_session
from spothive.errors import (
    ConfigurationError,
    Conflict,
    DuplicateValue,
    IllegalMove,
    ModelRefused,
    NotFound,
    ValueRefused,
)
from spothive.models import PLATFORM_TENANT_ID, ModelStatus
from spothive.operations import decisions
from spothive.scoring import probing
from spothive.scoring.serving import ModelServer
from spothive.scoring.store import ModelStore
from tests.conftest import Database
from tests.factories.active_model import active_models
from tests.factories.models import file_of, good_file, linear
from tests.operations.conftest import World, audited
from tests.operations.decisions.conftest import make_model
from tests.watching import rows_of

WRITERS = 6
ROW = [[2.0, 65.0, 0.4]]


def register(world: World, store: ModelStore, file: Path, version: str = "1") -> MlModel:
    return decisions.register_model(get_db_session, world.admin, name="risk", version=version, file=file, store=store)


def change(verb: Any, world: World, version: str) -> Any:
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        return verb(session, world.admin, name="risk", version=version)


def activate(world: World, store: ModelStore, version: str) -> MlModel:
    return decisions.activate_model(get_db_session, world.admin, name="risk", version=version, store=store)


def refused_rows(event: str) -> list[Any]:
    return [(resource, outcome) for _, resource, outcome, *_ in audited(event=event)]


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return Path.touch, (self.place,)


def test_a_pickle_renamed_is_refused_without_being_loaded(
    world: World, store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, exploded = tmp_path / "risk.onnx", tmp_path / "exploded"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it was given to somebody"))
    for protocol in range(6):
        file.write_bytes(pickle.dumps(Bomb(exploded), protocol=protocol))
        with pytest.raises(ModelRefused, match=r"^risk\.onnx is refused: it is"):
            register(world, store, file)
    assert not exploded.exists()
    assert not store.folder.exists()
    assert rows_of(MlModel) == []
    assert refused_rows("model.registered") == [("risk 1", "FAILURE")] * 6


def test_what_cannot_be_registered_leaves_nothing(
    world: World, store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "risk.onnx"
    with pytest.raises(ModelRefused, match="cannot be read: No such file"):
        register(world, store, file)
    file.write_bytes(file_of(linear(1, 2, last="Identity")))
    with pytest.raises(ModelRefused, match="no probability"):
        register(world, store, file)
    file.write_bytes(good_file())
    with pytest.raises(ValueRefused, match="version"):
        register(world, store, file, "x" * 51)
    with monkeypatch.context() as patched:
        patched.setattr(probing, "find_spec", lambda _: None)
        with pytest.raises(ConfigurationError, match=r"spothive\[ml\]"):
            register(world, store, file)
    assert rows_of(MlModel) == []
    make_model(store, "1", status=ModelStatus.CANDIDATE)
    with pytest.raises(DuplicateValue, match="give another version"):
        register(world, store, file)


def test_a_file_changed_by_one_byte_is_refused_audited_and_the_model_before_keeps_serving(
    world: World, store: ModelStore
) -> None:
    for version, weight in (("1", 0.1), ("2", 0.2)):
        make_model(store, version, status=ModelStatus.ENABLED, weight=weight)
    first = activate(world, store, "1")
    server = ModelServer(store)
    facts = decisions.file_of(first)
    before = decisions.serve_model(get_db_session, world.admin, server=server, model=facts).score(ROW)
    (second,) = rows_of(MlModel, version="2")
    path = store.folder / second["file_path"]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(ModelRefused, match="is not what was registered"):
        activate(world, store, "2")
    assert active_models() == [first.id]
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        wanted = decisions.file_of(decisions.find_model(session, "risk", "2"))
    with pytest.raises(ModelRefused, match="is not what was registered"):
        decisions.serve_model(get_db_session, world.admin, server=server, model=wanted)
    assert refused_rows("model.refused") == [("risk 2", "FAILURE")] * 2
    assert server.present is not None
    assert (server.present.file.version, server.present.score(ROW)) == ("1", before)

    path.write_bytes(content)
    activate(world, store, "2")
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        active = decisions.active_model(session)
    assert active is not None
    served = decisions.serve_model(get_db_session, world.admin, server=server, model=decisions.file_of(active))
    assert served.score(ROW) != before
    (former,) = rows_of(MlModel, version="1")
    assert (former["status"], former["is_active_prod"]) == (ModelStatus.ENABLED, False)
    assert audited(event="model.activated")[-1][4]["active"] == "risk 1"


def test_moves_out_of_turn_are_refused_with_what_to_do(world: World, store: ModelStore) -> None:
    for version, status in (("1", ModelStatus.CANDIDATE), ("2", ModelStatus.ENABLED), ("3", ModelStatus.GRADUATED)):
        make_model(store, version, status=status, weight=float(version))
    with pytest.raises(IllegalMove, match=r"^this ml model is CANDIDATE and cannot become GRADUATED"):
        change(decisions.graduate_model, world, "1")
    change(decisions.accept_model, world, "1")
    with pytest.raises(IllegalMove, match="no lab experiment of risk 1 was completed yet") as refused:
        change(decisions.graduate_model, world, "1")
    assert refused.value.rule == "lc_ml_models_graduated"
    with pytest.raises(IllegalMove, match="risk 3 is GRADUATED: only an ENABLED one"):
        activate(world, store, "3")
    activate(world, store, "2")
    with pytest.raises(Conflict, match="decides in production: activate another one first"):
        change(decisions.archive_model, world, "2")
    change(decisions.archive_model, world, "3")
    (gone,) = rows_of(MlModel, version="3")
    assert gone["archived_at"]
    assert audited(event="model.archived")[0][3:] == (
        world.admin.label,
        {"status": "GRADUATED"},
        {"status": "ARCHIVED"},
    )
    with pytest.raises(IllegalMove, match="final"):
        change(decisions.archive_model, world, "3")
    with pytest.raises(NotFound, match="no model is called 'risk' '9'"):
        change(decisions.accept_model, world, "9")
    with get_db_session(tenant=world.acme) as session:
        assert [model.version for model in decisions.list_models(session)] == ["3", "2", "1"]


def test_of_several_who_activate_at_once_all_come_through_and_one_is_active(
    db: Database, world: World, store: ModelStore
) -> None:
    versions = [str(number) for number in range(WRITERS + 1)]
    for version in versions:
        make_model(store, version, status=ModelStatus.ENABLED)
    activate(world, store, "0")
    start, over = Barrier(WRITERS + 1), Event()

    def write(version: str) -> Any:
        start.wait()
        return activate(world, store, version).version

    def read() -> set[int]:
        start.wait()
        seen = {len(active_models())}
        while not over.is_set():
            seen.add(len(active_models()))
        return seen

    with ThreadPoolExecutor(WRITERS + 1) as threads:
        reader = threads.submit(read)
        writers = [threads.submit(write, version) for version in versions[1:]]
        try:
            assert sorted(writer.result() for writer in writers) == versions[1:]
        finally:
            over.set()
        assert reader.result() == {1}
    assert len(audited(event="model.activated")) == WRITERS + 1
