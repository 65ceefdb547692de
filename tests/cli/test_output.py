"""What is printed: escaped, aligned, and the same JSON everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from spothive.cli.fleet.instances import INSTANCE_COLUMNS
from spothive.cli.jobs.actions import COLUMNS as ACTION_COLUMNS
from spothive.cli.output import Column, Output, cell, hourly, monthly, shortened, visible
from spothive.database import InstanceState
from tests.cli.conftest import Ran, Spothive, answer, instance
from tests.conftest import Database
from tests.factories import make_account, make_tenant, make_user

NASTY = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\x9b31m\ttab\u200bzero"
SHOWN = r"\x1b[2J\x1b]0;owned\x07\u202egnp.exe\x9b31m\ttab\u200bzero"


def test_whatever_a_terminal_might_obey_is_written_out() -> None:
    assert visible(NASTY) == SHOWN
    assert visible("half \ud83d, line\nline\u2028line") == r"half \ud83d, line\nline\u2028line"
    assert visible("Köln 東京 🚀 [red]not markup[/red]") == "Köln 東京 🚀 [red]not markup[/red]"


def test_names_and_tags_reach_the_terminal_written_out(people: Database, done: Spothive) -> None:
    fleet = answer(instance(1, Tags=[{"Key": f"k{NASTY}", "Value": f"v{NASTY}"}]))
    imported = done("account", "import", "--name", NASTY, "--file", "-", given=fleet)
    shown = [
        imported,
        done("account", "list"),
        done("account", "show", NASTY),
        done("instance", "list"),
        done("instance", "show", instance(1)["InstanceId"]),
        done("account", "disconnect", NASTY, "--yes"),
    ]
    for ran in shown:
        assert not re.search(r"[^\n -~]", ran.out), ran.out
        assert SHOWN in ran.out
    assert f"tag k{SHOWN} = v{SHOWN}" in shown[4].out


def test_names_in_errors_are_written_out_on_one_line(people: Database, refused: Callable[..., str]) -> None:
    refusal = refused("account", "show", f"{NASTY}\nsecond line")
    assert not re.search(r"[^ -~]", refusal)
    assert len(refused("account", "show", "x" * 100_000)) < 600


def test_json_writes_them_out_too_and_gives_them_back(people: Database, done: Spothive) -> None:
    done("account", "import", "--name", f"é{NASTY}", "--file", "-", given=answer(instance(1)))
    ran = done("account", "list", "--json")
    assert not re.search(r"[^\n -~]", ran.out)
    assert ran.json[0]["name"] == f"é{NASTY}"


@pytest.mark.parametrize(
    ("value", "text", "document"),
    [
        (None, "-", None),
        ("", "-", ""),
        (True, "yes", True),
        (0, "0", 0),
        (Decimal("1E+3"), "1000", "1000"),
        (Decimal("0.000001"), "0.000001", "0.000001"),
        (datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC), "2026-03-04 05:06 UTC", "2026-03-04T05:06:07.000008Z"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"),
        (InstanceState.SHUTTING_DOWN, "shutting-down", "shutting-down"),
    ],
)
def test_values(value: object, text: str, document: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert cell(value) == text
    Output(as_json=True).json(value)
    assert json.loads(capsys.readouterr().out) == document


def test_what_has_no_json_form_is_a_defect() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        Output(as_json=True).json(object())


def test_money() -> None:
    assert monthly(Decimal("1234.5649")) == "1,234.56 USD/month"
    assert monthly(Decimal(0)) == "0.00 USD/month"
    assert monthly(None) == hourly(None) == "-"
    assert hourly(Decimal("0.041600")) == "0.0416 USD/hour"
    assert hourly(Decimal("1000.000000")) == "1,000 USD/hour"


def test_a_shortened_text_shows_that_it_is() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"


def test_text_is_silent_in_json_and_json_in_text(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=True)
    out.line("words")
    out.facts({"a": 1})
    out.script("SELECT 1;")
    out.table([{"a": 1}], [Column("a", "a")], empty="none")
    assert capsys.readouterr().out == ""
    Output(as_json=False).json({"a": 1})
    assert capsys.readouterr().out == ""


ROW = {
    "instance_id": "i-0123456789abcdef0",
    "instance_type": "im4gn.8xlarge",
    "availability_zone": "ap-southeast-2b",
    "state": "shutting-down",
    "lifecycle": "on-demand",
    "account": "a name of middling length for an account",
    "cluster": "production-cluster",
    "launched_at": datetime(2026, 3, 4, tzinfo=UTC),
}


@pytest.mark.parametrize(("columns", "headings"), [(60, 3), (80, 4), (100, 6), (200, 8)])
def test_a_table_fits_its_terminal_with_the_columns_that_matter_most(
    columns: int, headings: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    Output(as_json=False).table([ROW], INSTANCE_COLUMNS, empty="none")
    lines = capsys.readouterr().out.splitlines()
    told = [lines.pop()] if lines[-1].startswith("left out, for want of width: ") else []
    assert bool(told) == (headings < len(INSTANCE_COLUMNS))
    assert max(map(len, lines)) <= columns
    assert lines[0].count("|") == headings - 1
    assert "i-0123456789abcdef0" in lines[2]
    assert "im4gn.8xlarge" in lines[2]


@pytest.mark.parametrize(
    ("status", "error", "headings"),
    [("PENDING", None, ["id", "status", "type"]), ("FAILED", "x" * 500, ["id", "status", "type", "what went wrong"])],
)
def test_ids_stay_whole_and_what_went_wrong_goes_last(
    status: str,
    error: str | None,
    headings: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    row = {"id": UUID(int=1), "status": status, "type": "DRAIN_NODE", "cluster": "production-eks", "tries": "3/3"}
    moment = datetime(2026, 3, 4, tzinfo=UTC)
    Output(as_json=False).table([row | {"created_at": moment, "error": error}], ACTION_COLUMNS, empty="none")
    heading, _, *lines, _left_out = capsys.readouterr().out.splitlines()
    words = [word.strip() for word in heading.split("|")]
    assert words[: len(headings)] == headings
    assert max(map(len, (heading, *lines))) <= 80
    assert str(UUID(int=1)) in lines[0]
    assert len(lines) == (2 if error else 1)
    assert lines[-1].rstrip().endswith("..") is bool(error)


def test_in_a_pipe_no_line_is_broken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    Output(as_json=False).table([ROW | {"account": "x" * 3000}], INSTANCE_COLUMNS, empty="none")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].strip("-+") == ""
    assert "x" * 3000 in lines[2]
    Output(as_json=False).line("y" * 3000)
    assert capsys.readouterr().out == "y" * 3000 + "\n"


@pytest.mark.parametrize("account", ["prod", "x" * 300, "東京", "é\u0301\x1b"])
def test_tables_look_the_same_wherever_there_is_room(
    account: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [ROW | {"account": account, "cost": Decimal(5)}, ROW | {"account": "b", "cost": Decimal("12345.678")}]
    columns = [*INSTANCE_COLUMNS, Column("cost", "cost", monthly, right=True)]
    monkeypatch.setenv("COLUMNS", "2000")
    Output(as_json=False).table(rows, columns, empty="none")
    drawn_by_rich = capsys.readouterr().out
    monkeypatch.delenv("COLUMNS")
    Output(as_json=False).table(rows, columns, empty="none")
    assert capsys.readouterr().out == drawn_by_rich


def test_numbers_stand_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"cost": Decimal(5)}, {"cost": Decimal("12345.678")}]
    Output(as_json=False).table(rows, [Column("cost", "cost", monthly, right=True)], empty="none")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == ["     5.00 USD/month", "12,345.68 USD/month"]


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).table([], [Column("a", "a")], empty="none yet")
    assert capsys.readouterr().out == "none yet\n"


@pytest.mark.engines("sqlite")
def test_a_terminal_gets_frames_and_bold_unless_told_not_to(db: Database, on_terminal: Callable[..., Ran]) -> None:
    tenant_id = make_tenant("acme")
    make_user(tenant_id, "anna")
    make_account(tenant_id, "main")
    words = ["account", "list", "--tenant", "acme", "--as", "anna"]
    drawn = on_terminal(*words)
    assert drawn.code == 0, drawn
    assert "\x1b[1m" in drawn.out
    assert "─" in drawn.out
    plain = on_terminal(*words, NO_COLOR="1")
    assert "\x1b" not in plain.out
    assert "─" in plain.out
    wide = on_terminal(*words, columns=200, NO_COLOR="1")
    assert "since" in wide.out
    assert plain.out.count("since") == 1
    assert "left out, for want of width: " in plain.out


@pytest.mark.engines("sqlite")
def test_a_terminal_without_unicode_gets_what_it_can_show(
    people: Database, done: Spothive, on_terminal: Callable[..., Ran]
) -> None:
    done("account", "import", "--name", "Köln", "--file", "-", given=answer(instance(1)))
    ran = on_terminal("account", "list", PYTHONIOENCODING="ascii", PYTHONUTF8="0", NO_COLOR="1")
    assert ran.code == 0, ran
    assert r"K\xf6ln" in ran.out


@pytest.mark.engines("sqlite")
def test_long_work_shows_its_progress_at_a_terminal_only(
    people: Database, done: Spothive, on_terminal: Callable[..., Ran], tmp_path: Path
) -> None:
    file = tmp_path / "answer.json"
    file.write_text(answer(instance(1)))
    words = ["account", "import", "--name", "main", "--file", str(file)]
    shown = on_terminal(*words, columns=200)
    assert shown.code == 0, shown
    for step in ("reading ", "understanding", "writing 1 instances"):
        assert step in shown.out
    assert done(*words).out == "main: 1 instances seen in us-east-1; 0 added, 0 changed, 0 gone, 0 refused\n"


def test_what_is_too_wide_for_any_line_is_folded_and_never_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    rows = [{"a": "snap-0123456789abcdef0", "b": "FLAGGED", "c": "12.00 USD/month"}]
    Output(as_json=False).table(rows, [Column(name, name) for name in "abc"], empty="none")
    cells = [line.split("|") for line in capsys.readouterr().out.splitlines()[2:]]
    joined = ["".join(parts) for parts in zip(*([part.strip() for part in cell] for cell in cells), strict=True)]
    assert [joined[0], joined[1], joined[2].replace(" ", "")] == ["snap-0123456789abcdef0", "FLAGGED", "12.00USD/month"]
