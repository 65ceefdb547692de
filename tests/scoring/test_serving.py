"""What is loaded is what was registered; what is refused replaces nothing."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from spothive.errors import ConfigurationError, ModelRefused
from spothive.scoring.model_file import sha256_of
from spothive.scoring.serving import MOST_BESIDE, ModelFile, ModelServer
from spothive.scoring.store import ModelStore
from tests.factories.models import good_file

ROW = [[2.0, 65.0, 0.4]]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "var" / "models")


def kept(store: ModelStore, *weights: float) -> ModelFile:
    data = good_file(*weights)
    return ModelFile(uuid4(), "risk", str(weights), store.put(data), sha256_of(data))


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_one_changed_byte_is_refused_and_the_model_before_keeps_serving(store: ModelStore) -> None:
    server, first, second = ModelServer(store), kept(store, 0.1, 0.0, 0.0), kept(store, 0.2, 0.0, 0.0)
    before = server.refresh(first).score(ROW)
    path = store.folder / second.path
    for place in (0, path.stat().st_size // 2, path.stat().st_size - 1):
        flip(path, place)
        with pytest.raises(ModelRefused, match="is not what was registered"):
            server.refresh(second)
        assert server.present is not None
        assert server.present.file == first
        assert server.present.score(ROW) == before
        flip(path, place)
    assert server.refresh(second).score(ROW) != before  # and it was that byte alone


def test_what_is_loaded_needs_its_file_no_more(store: ModelStore) -> None:
    server, file = ModelServer(store), kept(store, 0.1, 0.0, 0.0)
    assert server.present is None
    loaded = server.refresh(file)
    flip(store.folder / file.path, 9)
    assert server.refresh(file) is loaded
    (store.folder / file.path).unlink()
    with pytest.raises(ModelRefused, match=r"^[0-9a-f]{64}\.onnx cannot be read: No such file"):
        ModelServer(store).refresh(file)


def test_threads_get_a_whole_model_while_it_is_exchanged(store: ModelStore) -> None:
    server, files = ModelServer(store), [kept(store, w, 0.0, 0.0) for w in (0.1, 0.9)]
    expected = {file.version: server.refresh(file).score(ROW * 50) for file in files}
    over = threading.Event()

    def ask() -> int:
        asked = 0
        while not over.is_set() or not asked:
            model = server.present
            assert model is not None
            assert model.score(ROW * 50) == expected[model.file.version]
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask) for _ in range(4)]
        for number in range(20):
            server.refresh(files[number % 2])
        over.set()
        assert all(each.result() for each in asking)


def test_a_file_is_kept_once_under_its_hash_whole_and_readable(store: ModelStore) -> None:
    data = good_file()
    name = store.put(data)
    path = store.folder / name
    assert name == f"{sha256_of(data)}.onnx"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not store.folder.stat().st_mode & 0o022
    inode = path.stat().st_ino
    assert store.put(data) == name
    assert path.stat().st_ino == inode
    flip(path, 3)
    store.put(data)
    assert store.read(name) == data
    assert [p.name for p in store.folder.iterdir()] == [name]


def test_no_name_leads_out_of_the_store_and_no_pipe_hangs(store: ModelStore, tmp_path: Path) -> None:
    store.put(good_file())
    (tmp_path / "secret").write_bytes(b"x")
    os.mkfifo(store.folder / "pipe")
    for name in ("../../secret", str(tmp_path / "secret"), "", ".", "pipe", "a\0b"):
        with pytest.raises(ModelRefused):
            store.read(name)


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="SPOTHIVE_MODEL_STORE"):
        ModelStore(tmp_path / "file" / "models").put(good_file())


def test_models_of_the_lab_are_loaded_beside_and_the_latest_few_kept(store: ModelStore) -> None:
    server, active = ModelServer(store), kept(store, 0.1, 0.0, 0.0)
    serving = server.refresh(active)
    files = [kept(store, weight / 10, 0.0, 0.0) for weight in range(2, 3 + MOST_BESIDE)]
    loaded = [server.beside(file) for file in files]
    assert server.present is serving
    assert [server.beside(file) for file in files[1:]] == loaded[1:]
    flip(store.folder / files[0].path, 9)
    with pytest.raises(ModelRefused, match="is not what was registered"):  # it was let go, and is looked at again
        server.beside(files[0])
    assert server.beside(files[-1]) is loaded[-1]
