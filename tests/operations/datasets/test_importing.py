"""Importing files: what is taken, what is refused, and what is left behind."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from spothive.database import Dataset, DatasetImport, DatasetKind, get_db_session
from spothive.errors import AlreadyRunning, ConfigurationError, Conflict, Denied, InvalidInput, RowsRefused
from spothive.operations.datasets import INTERRUPTIONS, MARKET, JobCancelled, cancel_job
from tests.conftest import Database, settings
from tests.factories import make_account, make_instance
from tests.factories.datasets import BAD, HEAD, PRICES, interruption, prices_json
from tests.operations.conftest import audited
from tests.operations.datasets.conftest import Desk
from tests.schema.waiting import until_blocked
from tests.watching import rows_of, statements

LINE = "us-east-1a,m5.large,Linux/UNIX,0.0416,2026-01-15T09:30:00Z\n"
SPOT = "spot_price,eu-west-1,eu-west-1a,m5.large,Linux/UNIX,2026-01-15T09:30:00.000000Z,0.5,,\n"
ADVICE = {"ranges": [], "spot_advisor": {"eu-west-1": {"Linux": {"m5.large": {"r": 1, "s": 70}, "x": {"r": 9}}}}}


def job() -> dict[str, Any]:
    return rows_of(DatasetImport)[-1]


def test_a_csv_of_prices_becomes_a_dataset(desk: Desk) -> None:
    seen: list[tuple[int, int]] = []
    made = desk.take(PRICES, progress=lambda *far: seen.append(far))
    text = desk.text(made)
    assert text.splitlines() == [
        ",".join(MARKET),
        "spot_price,us-east-1,us-east-1a,m5.large,Linux/UNIX,2026-01-15T09:30:00.000000Z,0.041600,,",
        "spot_price,eu-west-1,eu-west-1b,c5.large,Linux/UNIX,2026-01-15T09:30:00.000000Z,0.050000,,",
    ]
    (row,) = rows_of(Dataset)
    assert (row["name"], row["kind"], row["row_count"], row["columns"]) == ("prices", "market", 2, list(MARKET))
    assert row["file_hash"] == hashlib.sha256(text.encode()).hexdigest() == made.written.file_hash
    assert (row["created_by"], row["tenant_id"]) == (desk.world.anna.user_id, desk.world.acme)
    done = job()
    assert (done["status"], done["progress"], done["rows"], done["dataset_id"]) == ("completed", 100, 2, row["id"])
    (file,) = desk.files
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("content", "kind", "rows"),
    [
        (prices_json(), "market", [{"price": "0.041600", "region": "us-east-1"}]),
        (prices_json({}, {"SpotPrice": "0.5"}) + prices_json(), "market", [{}, {"price": "0.500000"}, {}]),
        (f"[{prices_json()}, {prices_json()}]", "market", [{}, {}]),
        (json.dumps(interruption()), "interruptions", [{"event_type": "termination_notice", "region": "eu-west-1"}]),
        (f"{json.dumps(interruption(1))}\n{json.dumps(interruption(2))}\n", "interruptions", [{}, {}]),
        (
            json.dumps([interruption(1), {"detail-type": "Scheduled Event"}, interruption(2)]),
            "interruptions",
            [{"reported_at": "2026-03-04T10:30:00.000000Z", "availability_zone": ""}, {}],
        ),
        (
            "Region,Instance Type,OS,interruption-band,Savings_Percent,note\neu-west-1,m5.large,Linux,1,-3,x\n",
            "market",
            [{"fact": "rating", "product": "Linux", "interruption_band": "1", "savings_percent": "0"}],
        ),
        (
            f"{','.join(MARKET)}\nrating,eu-west-1,,m5.large,Linux,,,1,70\n{SPOT}",
            "market",
            [{"fact": "rating"}, {"fact": "spot_price", "price": "0.500000"}],
        ),
        (
            f"{','.join(INTERRUPTIONS)}\nrebalance_notice,eu-west-1,eu-west-1a,m5.large,2026-01-15T09:30:00+01:00\n",
            "interruptions",
            [{"event_type": "rebalance_notice", "reported_at": "2026-01-15T08:30:00.000000Z"}],
        ),
        ("\ufeff" + PRICES.replace("\n", "\r\n"), "market", [{}, {}]),
    ],
)
def test_every_kind_of_file_is_taken(desk: Desk, content: str, kind: str, rows: list[dict[str, str]]) -> None:
    made = desk.take(content)
    assert made.written.kind == kind
    found = desk.rows(made)
    assert [{key: row[key] for key in wanted} for row, wanted in zip(found, rows, strict=True)] == rows


def test_what_was_imported_can_be_imported_again_to_the_byte(desk: Desk) -> None:
    account = make_account(desk.world.acme)
    make_instance(desk.world.acme, account.id, "i-00000001")
    for number, content in enumerate((PRICES, json.dumps(interruption()))):
        first = desk.take(content, f"first {number}")
        again = desk.take(desk.text(first), f"again {number}")
        assert first.written.file_hash == again.written.file_hash


def test_zone_and_type_of_an_event_come_from_the_inventory_and_the_instance_stays_out(desk: Desk) -> None:
    account = make_account(desk.world.acme)
    make_instance(desk.world.acme, account.id, "i-00000001")
    make_instance(desk.world.acme, account.id, "i-00000002", region="us-east-1", availability_zone="us-east-1a")
    stranger = make_account(desk.world.globex)
    make_instance(desk.world.globex, stranger.id, "i-00000003")
    events = "\n".join(json.dumps(interruption(number)) for number in range(1, 500))
    with statements() as sent:
        made = desk.take(events)
    assert sum(count for text, count in sent.items() if "instances.availability_zone" in text) == 1
    pools = [(row["availability_zone"], row["instance_type"]) for row in desk.rows(made)]
    assert pools[:3] == [("eu-west-1a", "m5.large"), ("", ""), ("", "")]
    assert set(desk.rows(made)[0]) == set(INTERRUPTIONS)
    text = desk.text(made)
    assert [word for word in ("i-0", "1111", "event-") if word in text] == []


def test_a_bad_row_refuses_the_whole_file_and_leaves_nothing(desk: Desk) -> None:
    with pytest.raises(RowsRefused, match="1 of 3 rows are bad, and nothing was imported: line 4: Avail") as caught:
        desk.take(BAD)
    assert [(each.line, each.reason[:16]) for each in caught.value.refused] == [(4, "AvailabilityZone")]
    assert (rows_of(Dataset), desk.files) == ([], [])
    assert (job()["status"], job()["error_message"]) == ("failed", str(caught.value))
    assert audited()[-1][:3] == ("dataset.imported", "prices", "FAILURE")


def test_bad_rows_are_all_counted_and_the_first_twenty_shown(desk: Desk) -> None:
    with pytest.raises(RowsRefused) as caught:
        desk.take(HEAD + LINE + "x,x,x,x,x\n" * 30 + LINE + "too,few\n")
    assert caught.value.count == 31
    assert [each.line for each in caught.value.refused] == list(range(3, 23))


def test_bad_rows_are_left_out_if_asked(desk: Desk) -> None:
    made = desk.take(BAD, keep_good=True)
    assert (made.written.rows, made.refused_count, made.refused[0].line) == (2, 1, 4)
    assert job()["config"]["refused"] == 1
    assert audited()[-1][-1]["refused"] == 1
    with pytest.raises(RowsRefused, match="holds no row that can be imported"):
        desk.take(f"{HEAD}x,x,x,x,x\n", "none", keep_good=True)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("us-east-1a,m5.large,Linux/UNIX,0.0416,2026-01-15T09:30:00\n", "no time with a zone"),
        ("us-east-1a,m5.large,Linux/UNIX,0.0416,2999-01-15T09:30:00Z\n", "in the future"),
        ("us-east-1a,m5.large,Linux/UNIX,-1,2026-01-15T09:30:00Z\n", "a price is more than 0"),
        ("us-east-1a,m5.large,Linux/UNIX,nan,2026-01-15T09:30:00Z\n", "plain digits"),
        ("us-east-1a,'; DROP,Linux/UNIX,1,2026-01-15T09:30:00Z\n", "no instance type"),
        ('us-east-1a,m5.large,"Linux\nUNIX",1,2026-01-15T09:30:00Z\n', "printable ASCII"),
        ("us-east-1a,m5.large,Linux/UNIX,0.0416\n", "4 values instead of 5"),
    ],
)
def test_why_a_row_is_bad_is_said(desk: Desk, line: str, reason: str) -> None:
    with pytest.raises(RowsRefused) as caught:
        desk.take(HEAD + LINE + line)
    assert caught.value.refused[0].line == 3
    assert reason in caught.value.refused[0].reason


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file is empty"),
        ("a,b\n1,2\n", "names no columns that can be imported: expected availability_zone"),
        ("region,region\n", "names a column twice"),
        (HEAD.encode() + b"\xff\xfe,\n", "is no UTF-8"),
        (f'{HEAD}"open\n', "is no CSV at line"),
        ("{", "ends in the middle of"),
        ('{"SpotPriceHistory": [{}', "ends in the middle of"),
        ("[1 2]", "is not valid JSON"),
        ('{"a" 1}', "is not valid JSON"),
        (b'["\xff"]', "is no UTF-8"),
        ("[NaN]", "holds a number that is none"),
        ("[" * 100_000, "is nested too deeply|is not valid JSON"),
        ('{"spot_advisor": []}', "no file of the Spot Instance Advisor"),
    ],
)
def test_what_is_no_such_file_is_refused(desk: Desk, content: str | bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        desk.take(content)
    assert (rows_of(Dataset), desk.files, job()["status"]) == ([], [], "failed")


def test_what_is_in_a_file_may_be_foreseen(desk: Desk) -> None:
    with pytest.raises(RowsRefused, match="it is about market, and the dataset about interruptions"):
        desk.take(PRICES, kind=DatasetKind.INTERRUPTIONS)
    with pytest.raises(RowsRefused, match="it is about interruptions, and the dataset about market"):
        desk.take(f"[{prices_json()}, {json.dumps(interruption())}]")
    with pytest.raises(RowsRefused, match="1 of 2 rows are bad"):
        desk.take(json.dumps(ADVICE), kind=DatasetKind.MARKET)
    assert desk.take(json.dumps(ADVICE), keep_good=True).written.rows == 1


def test_files_and_datasets_have_a_limit(desk: Desk) -> None:
    with settings(SPOTHIVE_DATASET_MAX_BYTES="10"), pytest.raises(InvalidInput, match="is larger than 0 MB: split it"):
        desk.take(PRICES)
    with settings(SPOTHIVE_DATASET_MAX_ROWS="1"), pytest.raises(InvalidInput, match="has more than 1 rows: split it"):
        desk.take(PRICES)
    assert (rows_of(Dataset), desk.files) == ([], [])


def test_a_dataset_is_replaced_only_if_asked_and_its_former_file_goes(desk: Desk) -> None:
    first = desk.take(PRICES)
    with pytest.raises(Conflict, match="a dataset is called 'prices' already"):
        desk.take(HEAD + LINE)
    second = desk.take(HEAD + LINE, replace=True)
    assert (second.id, second.replaced) == (first.id, first.written.path)
    assert [file.name for file in desk.files] == [second.written.path.partition("/")[2]]
    assert rows_of(Dataset)[0]["row_count"] == 1
    gina = desk.take(PRICES, by=desk.world.gina)
    assert (gina.name, len(rows_of(Dataset))) == ("prices", 2)


def test_a_name_that_is_taken_meanwhile_is_refused_at_the_end(desk: Desk, at_every_step: Callable[[], None]) -> None:
    at_every_step()
    others: list[Any] = []

    def overtake(*_: int) -> None:
        if not others:
            others.append(None)
            others.append(desk.take(HEAD + LINE))

    with pytest.raises(Conflict, match="a dataset is called 'prices' already"):
        desk.take(PRICES, progress=overtake)
    assert [(row["row_count"], len(desk.files)) for row in rows_of(Dataset)] == [(1, 1)]


@pytest.mark.engines("postgresql")
@pytest.mark.parametrize("replace", [True, False])
def test_a_name_that_is_taken_at_the_same_moment_is_replaced_or_refused(
    db: Database, desk: Desk, replace: bool
) -> None:
    """The other one is written, but not committed, when the import looks. SQLite lets one write at a time."""
    said: list[str] = []

    def take() -> None:
        try:
            said.append(desk.take(PRICES, replace=replace).replaced or "nothing")
        except Conflict as error:
            said.append(str(error))

    other = threading.Thread(target=take)
    facts: dict[str, Any] = {"kind": DatasetKind.MARKET, "columns": [], "file_path": "theirs", "file_hash": "0" * 64}
    with get_db_session(tenant=desk.world.acme) as session:
        session.add(Dataset(name="prices", **facts))
        session.flush()
        other.start()
        until_blocked(db)
    other.join(30)
    (left,) = rows_of(Dataset)
    if replace:
        assert (said, left["row_count"]) == (["theirs"], 2)
    else:
        assert "a dataset is called 'prices' already" in said[0]
        assert (left["file_path"], desk.files, job()["status"]) == ("theirs", [], "failed")


def test_whoever_may_not_is_denied_before_anything_is_read(desk: Desk) -> None:
    with pytest.raises(Denied):
        desk.take(PRICES, by=desk.world.lena)
    assert (rows_of(DatasetImport), desk.files) == ([], [])


def test_progress_is_written_as_rows_come_and_never_falls(desk: Desk, at_every_step: Callable[[], None]) -> None:
    at_every_step()
    far: list[tuple[int, int, Any]] = []

    def look(*_: int) -> None:
        (row,) = rows_of(DatasetImport)
        far.append((row["progress"], row["rows"], row["leased_until"]))

    desk.take(HEAD + LINE * 20, progress=look)
    assert far == sorted(far)
    assert far[0][1] == 1
    assert far[-1][:2] == (99, 20)


def test_progress_costs_at_most_a_write_a_second(desk: Desk) -> None:
    with statements() as sent:
        desk.take(HEAD + LINE * 20_000)
    updates = sum(count for text, count in sent.items() if text.startswith("UPDATE dataset_imports"))
    assert updates <= 2 + 20  # claimed and completed, and a write for each second on the slowest machine
    assert sum(sent.values()) < 120


def test_a_job_that_is_cancelled_leaves_no_file(desk: Desk, at_every_step: Callable[[], None]) -> None:
    at_every_step()

    def cancel(*_: int) -> None:
        if job()["status"] == "running":
            with get_db_session(tenant=desk.world.acme) as session:
                cancel_job(session, desk.world.anna, job_id=str(job()["id"]))

    with pytest.raises(JobCancelled, match="the making of 'prices' was cancelled"):
        desk.take(HEAD + LINE * 5, progress=cancel)
    assert (rows_of(Dataset), desk.files, job()["status"]) == ([], [], "cancelled")


def test_a_worker_whose_lease_ran_out_makes_nothing(
    desk: Desk, at_every_step: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_every_step()
    monkeypatch.setattr("spothive.operations.datasets.jobs.LEASE", timedelta(0))
    with pytest.raises(AlreadyRunning, match="the lease on the making of 'prices' ran out"):
        desk.take(PRICES)
    assert (rows_of(Dataset), desk.files, job()["status"]) == ([], [], "running")


def test_whatever_breaks_ends_the_job(desk: Desk) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.take(HEAD + LINE * 501, progress=interrupt)
    assert (job()["status"], job()["error_message"]) == ("failed", "broke off: KeyboardInterrupt")
    assert desk.files == []


def test_a_store_that_cannot_be_written_is_named(desk: Desk) -> None:
    desk.store.folder.write_text("a file")
    with pytest.raises(ConfigurationError, match="SPOTHIVE_DATASET_STORE"):
        desk.take(PRICES)
    assert job()["status"] == "failed"


def test_nothing_is_written_through_a_link(desk: Desk, tmp_path: Any) -> None:
    desk.take(PRICES)
    (file,) = desk.files
    elsewhere = tmp_path / "elsewhere"
    file.parent.rename(elsewhere)
    file.parent.symlink_to(elsewhere)
    with pytest.raises(ConfigurationError, match="in the dataset store is a link"):
        desk.take(PRICES, "second")
    assert len(list(elsewhere.iterdir())) == 1
