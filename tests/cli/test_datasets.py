"""``spothive dataset`` on both databases."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spothive.database import Dataset, DatasetGeneration, DatasetImport
from tests.cli.conftest import Spothive
from tests.conftest import Database, settings
from tests.factories.datasets import BAD, PRICES, files_in, interruption
from tests.watching import rows_of

HOME = ("--tenant", "acme", "--as", "acme-client")


@pytest.fixture
def store(people: Database, tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of the dataset store; the files to import are beside it."""
    (tmp_path / "prices.csv").write_text(PRICES)
    (tmp_path / "bad.csv").write_text(BAD)
    (tmp_path / "events.json").write_text(json.dumps(interruption()))
    with settings(SPOTHIVE_DATASET_STORE=str(tmp_path / "store")):
        yield tmp_path / "store"


def test_a_dataset_from_its_file_to_its_end(store: Path, done: Spothive) -> None:
    file = str(store.with_name("prices.csv"))
    assert done("dataset", "list", *HOME).out.startswith("no datasets: spothive dataset import")
    told = done("dataset", "import", file, "--name", "prices", *HOME).out
    (row,) = rows_of(Dataset)
    assert told == f"prices: 2 rows of kind market, SHA-256 {row['file_hash']}\n"
    made = done("dataset", "import", file, "--name", "prices", "--replace", "--kind", "market", "--json", *HOME).json
    assert (made["rows"], made["refused"], made["file_hash"]) == (2, 0, row["file_hash"])
    shown = done("dataset", "show", "prices", *HOME).words
    assert [word for word in (row["file_hash"], "interruption_band", "market") if word not in shown] == []
    assert done("dataset", "show", "prices", "--json", *HOME).json["columns"][0] == "fact"
    (listed,) = done("dataset", "list", "--kind", "market", "--json", *HOME).json["datasets"]
    assert (listed["name"], listed["rows"]) == ("prices", 2)
    assert row["file_hash"][:12] in done("dataset", "list", *HOME).out
    assert "whole" in done("dataset", "verify", *HOME).out
    assert done("dataset", "delete", "prices", "--yes", *HOME).out == "deleted prices\n"
    assert (rows_of(Dataset), files_in(store)) == ([], [])


def test_bad_rows_are_shown_as_a_table(store: Path, spothive: Spothive, done: Spothive) -> None:
    words = ["dataset", "import", str(store.with_name("bad.csv")), "--name", "prices", *HOME]
    ran = spothive(*words)
    assert ran.code == 1
    assert ran.err.startswith("error: 1 of 3 rows are bad, and nothing was imported: line 4:")
    assert "4 | AvailabilityZone is no zone of AWS" in ran.words
    assert ran.out.endswith("1 row is bad\n")
    ran = spothive(*words, "--json")
    assert (ran.code, ran.json["refused"], ran.json["first_refused"][0]["line"]) == (1, 1, 4)
    assert files_in(store) == []
    kept = done(*words, "--keep-good").out
    assert kept.startswith("prices: 2 rows of kind market")
    assert kept.endswith("1 row is bad\n")
    jobs = done("dataset", "jobs", "--json", *HOME).json["jobs"]
    assert [(job["what"], job["status"], job["progress"]) for job in jobs] == [
        ("import", "completed", 100),
        ("import", "failed", 0),
        ("import", "failed", 0),
    ]
    assert "nothing was imported" in done("dataset", "jobs", "--status", "failed", *HOME).words


def test_a_dataset_is_generated_now_or_later(store: Path, done: Spothive, refused: Callable[..., str]) -> None:
    made = done("dataset", "generate", "--name", "a", "--kind", "decisions", "--since", "7d", "--json", *HOME).json
    assert (made["kind"], made["rows"]) == ("decisions", 0)
    told = done("dataset", "generate", "--name", "b", "--kind", "interruptions", "--later", *HOME).out
    (job,) = rows_of(DatasetGeneration, name="b")
    assert told == (f"asked for b: the sweep makes it; to take that back, spothive dataset cancel {job['id']}\n")
    assert done("dataset", "jobs", "--status", "pending", "--json", *HOME).json["jobs"][0]["id"] == str(job["id"])
    done("dataset", "generate", "--name", "c", "--kind", "interruptions", "--later", *HOME)
    assert done("dataset", "cancel", str(job["id"]), *HOME).out == "cancelled: b is not made\n"
    assert refused("dataset", "cancel", str(job["id"]), *HOME).startswith("this dataset generation is cancelled and")
    assert done("sweep", "--only", "datasets").out.endswith("datasets 1\n")
    names = [each["name"] for each in done("dataset", "list", "--json", *HOME).json["datasets"]]
    assert names == ["c", "a"]
    page = done("dataset", "jobs", "--limit", "1", "--json", *HOME).json
    assert f"more: --before {page['next']}" in done("dataset", "jobs", "--limit", "1", *HOME).out


def test_staff_takes_all_tenants(store: Path, done: Spothive, refused: Callable[..., str]) -> None:
    words = ["dataset", "generate", "--name", "all", "--kind", "decisions", "--all-tenants"]
    assert done(*words).out.startswith("all: 0 rows of kind decisions")
    assert "may not manage models" in refused(*words, *HOME)
    assert "is kept in platform" in refused(*words, "--tenant", "acme", "--as", "admin")


def test_a_file_that_was_changed_is_found(store: Path, done: Spothive, spothive: Spothive) -> None:
    events = str(store.with_name("events.json"))
    done("dataset", "import", events, "--name", "events", *HOME)
    (file,) = files_in(store)
    file.write_text("x")
    ran = spothive("dataset", "verify", "events", *HOME)
    assert (ran.code, "changed" in ran.out) == (1, True)
    assert ran.err.startswith("error: 1 file (events) is not what it was: bring")
    assert done("dataset", "show", "events", "--json", *HOME).json["file"] == str(file)
    with settings(SPOTHIVE_DATASET_STORE=str(store.with_name("wrong"))):
        ran = spothive("dataset", "verify", *HOME)
    assert ran.err.startswith(f"error: 1 file (events) is not found in {store.with_name('wrong')}/")
    assert "see that SPOTHIVE_DATASET_STORE names the folder" in ran.err
    assert spothive("dataset", "delete", "events", *HOME).err.startswith(
        "error: nothing was changed: dataset events of 1 row would be deleted"
    )
    file.unlink()
    assert "the dataset store had no file of it" in done("dataset", "delete", "events", "--yes", *HOME).out


def test_what_is_no_file_is_one_line(store: Path, refused: Callable[..., str], spothive: Spothive) -> None:
    pipe = store.with_name("pipe")
    os.mkfifo(pipe)
    words = ("--name", "x", *HOME)
    assert refused("dataset", "import", "/nope", *words) == "/nope cannot be read: No such file or directory"
    assert "is no plain file" in refused("dataset", "import", str(pipe), *words)
    assert "is no plain file" in refused("dataset", "import", str(store.parent), *words)
    assert "that is no file name" in refused("dataset", "import", "x\x00y", *words)
    assert rows_of(DatasetImport) == []
    prices = str(store.with_name("prices.csv"))
    assert refused("dataset", "import", prices, "--name", " ", *HOME).startswith("--name is blank")
    too_long = refused("dataset", "import", prices, "--name", "x" * 256, *HOME)
    assert too_long.startswith("--name has 256 characters, and may have 255")
    assert (
        "the dataset about interruptions"
        in spothive("dataset", "import", prices, "--kind", "interruptions", *words).err
    )
    assert "may not" in refused("dataset", "import", prices, "--name", "x", "--tenant", "acme", "--as", "acme-lab")
    for name in ("show", "delete", "verify"):
        assert refused("dataset", name, "none", *HOME).startswith("no dataset is called 'none'")
    assert refused("dataset", "cancel", "none", *HOME).startswith("no job has the id 'none'")
    assert refused("dataset", "generate", "--name", "x", "--kind", "decisions", "--since", "soon", *HOME).startswith(
        "--since: 'soon' is no moment"
    )
    assert spothive("dataset", "generate", "--name", "x", "--kind", "market", *HOME).code == 2
