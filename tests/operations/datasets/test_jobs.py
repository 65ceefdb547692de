"""Jobs and files: listed, cancelled, ended when dead, tidied, verified and deleted."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import (
    Dataset,
    DatasetGeneration,
    DatasetImport,
    DatasetJobStatus,
    DatasetKind,
    SystemLog,
    Tenant,
    get_db_session,
    read_session,
    system_scope,
)
from spothive.errors import ConfigurationError, IllegalMove, InvalidInput, NotFound
from spothive.gateways.dataset_store import DatasetStore
from spothive.operations.datasets import (
    FileState,
    GenerationWish,
    cancel_job,
    delete_dataset,
    end_dead_jobs,
    find_dataset,
    list_datasets,
    list_jobs,
    request_generation,
    verify_datasets,
)
from spothive.operations.datasets.place import own_part
from spothive.operations.sweeps import DUTIES, Tools, sweep
from spothive.schema.states import move
from tests.factories.datasets import PRICES, files_in
from tests.operations.conftest import World
from tests.operations.datasets.conftest import Desk
from tests.watching import rows_of, statements

STATUS = DatasetJobStatus


def begun(tenant_id: UUID, *, minutes: float) -> UUID:
    """Begin an import whose lease ends in so many minutes; return its id."""
    now = utc_now()
    lease = {"lease_token": uuid4(), "leased_until": now + timedelta(minutes=minutes), "started_at": now}
    with get_db_session(tenant=tenant_id) as session:
        job = DatasetImport(name="begun", config={})
        session.add(job)
        session.flush()
        move(session, job, DatasetImport.status, STATUS.RUNNING, **lease)
        return job.id


def draft_of(desk: Desk, job_id: UUID, content: bytes = b"half of") -> Path:
    """Write half a file for a job, as a process that is killed leaves it."""
    draft = own_part(desk.store).draft(desk.world.acme, job_id)
    draft.write(content)
    draft._file.close()  # noqa: SLF001 - the process is dead
    return draft._scratch  # noqa: SLF001 - where it is


def swept(world: World, store: DatasetStore) -> tuple[Any, Any]:
    """Do the duty; return what it counted and what failed."""

    def nothing() -> Any:
        raise AssertionError("no duty here needs it")

    parts: dict[str, Any] = {field.name: nothing for field in fields(Tools)} | {"datasets": lambda: store}
    (run,) = sweep(get_db_session, world.admin, Tools(**parts), duties=DUTIES, only="datasets")
    return run.counts, run.failures


def test_jobs_of_both_kinds_are_listed_by_pages(desk: Desk) -> None:
    for number in range(3):
        desk.take(PRICES, f"i{number}")
        desk.generate(DatasetKind.INTERRUPTIONS, f"g{number}")
    names, before = [], None
    with read_session(tenant=desk.world.acme) as session:
        for _ in range(3):
            page = list_jobs(session, limit=2, before=before)
            names += [job.name for job in page.rows]
            before = page.next
        assert before is None
        assert names == ["g2", "i2", "g1", "i1", "g0", "i0"]
        assert list_jobs(session, status=STATUS.RUNNING).rows == []
        assert [each.name for each in list_datasets(session, kind=DatasetKind.MARKET).rows] == ["i2", "i1", "i0"]
        with statements() as sent:
            list_jobs(session)
        assert sum(sent.values()) == 2
        with pytest.raises(InvalidInput, match="a page has"):
            list_jobs(session, limit=0)
    with read_session(tenant=desk.world.globex) as session:
        assert (list_jobs(session).rows, list_datasets(session).rows) == ([], [])


def test_what_has_ended_is_not_cancelled_and_another_tenants_job_is_like_none(desk: Desk) -> None:
    desk.take(PRICES)
    (job,) = rows_of(DatasetImport)
    with pytest.raises(IllegalMove, match="is completed and cannot become cancelled"):
        _cancel(desk, str(job["id"]))
    said = []
    for name in (str(job["id"]), str(uuid4()), "x"):
        with pytest.raises(NotFound) as caught, get_db_session(tenant=desk.world.globex) as session:
            cancel_job(session, desk.world.gina, job_id=name)
        said.append(str(caught.value).replace(name, ""))
    assert len(set(said)) == 1


def _cancel(desk: Desk, job_id: str) -> None:
    with get_db_session(tenant=desk.world.acme) as session:
        cancel_job(session, desk.world.anna, job_id=job_id)


def test_a_dead_job_is_ended_by_the_databases_clock_and_a_live_one_goes_on(desk: Desk) -> None:
    dead, alive = begun(desk.world.acme, minutes=-1), begun(desk.world.acme, minutes=1)
    with get_db_session(tenant=desk.world.acme) as session:
        assert end_dead_jobs(session, desk.world.anna) == 1
        assert end_dead_jobs(session, desk.world.anna) == 0
    found = {row["id"]: (row["status"], row["error_message"] or "") for row in rows_of(DatasetImport)}
    assert found[alive] == ("running", "")
    assert found[dead][0] == "failed"
    assert "its process stopped without a word" in found[dead][1]


def test_the_sweep_makes_what_was_asked_for_and_tidies_up(desk: Desk) -> None:
    world = desk.world
    desk.take(PRICES)
    dead, alive = (begun(world.acme, minutes=each) for each in (-1, 5))
    left, wanted = draft_of(desk, dead), draft_of(desk, alive)
    for name, actor in (("a", world.anna), ("g", world.gina)):
        with get_db_session(tenant=actor.home_tenant_id) as session:
            request_generation(session, actor, GenerationWish(name, DatasetKind.INTERRUPTIONS))
    counts, failures = swept(world, desk.store)
    assert (counts, failures) == ({"jobs_ended": 1, "files_deleted": 1, "datasets": 2}, {})
    assert (left.exists(), wanted.exists()) == (False, True)
    assert {row["status"] for row in rows_of(DatasetGeneration)} == {"completed"}
    assert len(rows_of(SystemLog, component="sweep")) == 1
    assert swept(world, desk.store)[0] == {}


def test_what_cannot_be_made_leaves_the_rest_to_be_made(desk: Desk) -> None:
    for name in ("taken", "free"):
        with get_db_session(tenant=desk.world.acme) as session:
            request_generation(session, desk.world.anna, GenerationWish(name, DatasetKind.INTERRUPTIONS))
    desk.take(PRICES, "taken")
    counts, failures = swept(desk.world, desk.store)
    assert counts["datasets"] == 1
    assert list(failures) == ["acme/taken"]
    assert {row["name"]: row["status"] for row in rows_of(DatasetGeneration)} == {
        "taken": "failed",
        "free": "completed",
    }


def test_tidying_up_leaves_what_is_not_the_stores(desk: Desk) -> None:
    made = desk.take(PRICES)
    folder = own_part(desk.store).folder
    strangers = [folder / "notes.txt", folder / str(desk.world.acme) / "mine.csv", desk.store.folder / "default.csv"]
    other = desk.store.folder / "20200101T000000000000" / str(desk.world.acme)
    other.mkdir(parents=True)
    strangers.append(other / f"{uuid4()}.csv")  # of the database that was used here before
    for file in strangers:
        file.write_text("x")
    orphan = folder / str(uuid4()) / f"{uuid4()}.csv"  # of a tenant that was deleted
    orphan.parent.mkdir()
    orphan.write_text("x")
    assert desk.tidied() == 1
    assert [file.exists() for file in strangers] == [True] * 4
    assert not orphan.exists()
    assert desk.text(made)


def test_a_dataset_is_deleted_with_its_jobs_and_its_file(desk: Desk) -> None:
    for name in ("one", "two"):
        desk.take(PRICES, name)
    with pytest.raises(NotFound, match="no dataset is called 'none'"):
        _delete(desk, "none")
    assert _delete(desk, "one")
    assert [row["name"] for row in rows_of(Dataset)] == ["two"]
    assert [row["name"] for row in rows_of(DatasetImport)] == ["two"]
    assert len(desk.files) == 1
    (left,) = rows_of(Dataset)
    with pytest.raises(NotFound), get_db_session(tenant=desk.world.globex) as session:
        find_dataset(session, str(left["id"]))
    assert _delete(desk, str(left["id"]))
    assert desk.files == []


def _delete(desk: Desk, name: str) -> bool:
    world = desk.world
    return delete_dataset(get_db_session, world.anna, tenant_id=world.acme, store=desk.store, name=name)


def test_deleting_never_reaches_out_of_the_store(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "default.csv"
    file.write_text("x")
    facts: dict[str, Any] = {"kind": DatasetKind.MARKET, "row_count": 0, "file_hash": "0" * 64, "columns": []}
    paths = {"absolute": str(file), "above": "../default.csv", "hidden": f"{uuid4()}/../../default.csv"}
    with get_db_session(tenant=desk.world.acme) as session:
        session.add_all(Dataset(name=name, file_path=path, **facts) for name, path in paths.items())
    assert {each.state for each in verify_datasets(desk.world.acme, store=desk.store)} == {FileState.ELSEWHERE}
    assert [_delete(desk, name) for name in paths] == [False] * 3
    assert file.exists()


def test_a_file_of_another_tenant_is_neither_read_nor_deleted(desk: Desk) -> None:
    theirs = desk.take(PRICES, "theirs", by=desk.world.gina)
    facts: dict[str, Any] = {"kind": DatasetKind.MARKET, "row_count": 2, "columns": []}
    facts |= {"file_path": theirs.written.path, "file_hash": theirs.written.file_hash}
    with get_db_session(tenant=desk.world.acme) as session:
        session.add(Dataset(name="mine", **facts))
    (mine,) = verify_datasets(desk.world.acme, store=desk.store)
    assert mine.state is FileState.ELSEWHERE
    with pytest.raises(NotFound, match="is no file of the dataset store"):
        own_part(desk.store).open(desk.world.acme, theirs.written.path)
    assert _delete(desk, "mine") is False
    (left,) = verify_datasets(desk.world.globex, store=desk.store)
    assert left.state is FileState.WHOLE


def test_a_part_of_the_store_that_is_a_link_is_refused(desk: Desk, tmp_path: Path) -> None:
    made, part = desk.take(PRICES), own_part(desk.store).folder
    elsewhere = part.rename(tmp_path / "elsewhere")
    part.symlink_to(elsewhere)
    for act in (lambda: desk.take(PRICES, "two"), desk.tidied, lambda: _delete(desk, "prices")):
        with pytest.raises(ConfigurationError, match="is a link: put a folder in its place"):
            act()
    assert [file.name for file in files_in(elsewhere)] == [Path(made.written.path).name]


def test_tidying_up_neither_breaks_on_nor_counts_what_no_job_made(desk: Desk) -> None:
    desk.take(PRICES)
    folder = own_part(desk.store).folder / str(desk.world.acme)
    (folder / f"{uuid4()}.csv").mkdir()
    (folder / f".new-{uuid4()}").mkdir()
    (folder / f".new-{uuid4()}.csv").write_text("x")
    (folder / str(uuid4())).write_text("x")
    (folder / f"{uuid4()}.csv").write_text("of no dataset")
    assert (desk.tidied(), desk.tidied()) == (1, 0)
    assert len(list(folder.iterdir())) == 5


def test_a_file_that_was_changed_or_lost_is_found(desk: Desk) -> None:
    made = {name: desk.take(PRICES, name) for name in ("whole", "changed", "missing", "linked")}
    folder = own_part(desk.store).folder
    files = {name: folder / each.written.path for name, each in made.items()}
    files["changed"].write_text(files["changed"].read_text().replace("0.04", "0.05"))
    files["missing"].unlink()
    files["linked"].unlink()
    files["linked"].symlink_to(files["whole"])
    found = {each.name: each.state for each in verify_datasets(desk.world.acme, store=desk.store)}
    assert found == {"whole": "whole", "changed": "changed", "missing": "missing", "linked": "changed"}
    (one,) = verify_datasets(desk.world.acme, store=desk.store, name="whole")
    assert one.state is FileState.WHOLE
    with pytest.raises(NotFound):
        verify_datasets(desk.world.globex, store=desk.store, name="whole")


def test_a_draft_is_nobodys_before_it_is_kept(tmp_path: Path) -> None:
    store, tenant_id, job_id = DatasetStore(tmp_path / "store"), uuid4(), uuid4()
    draft = store.draft(tenant_id, job_id)
    draft.write(b"x")
    with pytest.raises(NotFound, match="has no file"):
        store.open(tenant_id, draft.path)
    with pytest.raises(ConfigurationError, match="cannot be written: File exists"):
        store.draft(tenant_id, job_id)
    (found,) = store.files()
    assert (found.tenant_id, found.job_id, found.path) == (tenant_id, job_id, None)
    store.remove_stored(found)
    with pytest.raises(NotFound, match="was tidied away"):
        draft.keep()
    draft.drop()
    assert list(store.files()) == []
    with pytest.raises(NotFound, match="is no file of the dataset store"):
        store.open(tenant_id, "../x")


def test_a_tenant_is_deleted_with_its_datasets(desk: Desk) -> None:
    desk.take(PRICES, by=desk.world.gina)
    with get_db_session() as session, system_scope(session, "a test"):
        session.delete(session.get_one(Tenant, desk.world.globex))
    assert (rows_of(Dataset), rows_of(DatasetImport)) == ([], [])
    assert desk.tidied() == 1
