"""How the bench judges: ratios round by round, goals missed are called missed, and what is written."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.asking import ask
from bench.measuring import Contender, Ratio, Timing, Wrong, for_a_while, in_turns, must_be_equal, nothing, ratio, turns
from bench.question import Answer, Finding, Goal, Question, Run, held, told

FAST = Goal("ours / theirs", "<=", 1.5)
MANY = Goal("rows/s, ours / theirs", ">=", 2)


def test_a_ratio_is_taken_round_by_round_and_its_median_counts() -> None:
    ours, theirs = Timing((1.0, 30.0, 2.0)), Timing((1.0, 10.0, 4.0))
    assert ratio(ours, theirs) == Ratio(value=1.0, low=0.5, high=3.0)


def test_another_one_begins_each_round() -> None:
    assert list(turns("abc", 3)) == list("abc" + "bca" + "cab")


@pytest.mark.parametrize(
    ("goal", "value", "ok"), [(FAST, 1.5, True), (FAST, 1.51, False), (MANY, 2, True), (MANY, 1.9, False)]
)
def test_a_limit_is_within_the_goal_and_what_is_beyond_is_missed(goal: Goal, value: float, ok: bool) -> None:
    assert held(goal, value).ok is ok


def test_one_missed_goal_is_a_missed_question_and_a_told_figure_is_none() -> None:
    assert Answer((held(FAST, 1.0), told("something else", 99.0))).ok
    assert not Answer((held(FAST, 1.0), held(MANY, 1.0))).ok
    assert held(MANY, 1.0, anyway=True).ok


def test_work_that_was_not_done_has_no_figure() -> None:
    def check(_: None) -> None:
        must_be_equal("rows", 1, 2)

    with pytest.raises(Wrong, match="rows: found 1, expected 2"):
        in_turns([Contender("ours", nothing, lambda _: None, check)], 1)


def test_a_thread_that_fails_is_no_slow_thread() -> None:
    def work() -> None:
        raise KeyError("gone")

    with pytest.raises(Wrong, match="gone"):
        for_a_while(work, 0.01, 2)


def test_missed_goals_are_printed_and_written_as_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = {"X1": Answer((held(MANY, 5.0), held(FAST, Ratio(3.0, 2.0, 4.0))), {"rows": 7})}
    report.print_answer(answers["X1"])
    report.print_summary(answers)
    said = capsys.readouterr().out
    assert "3 (2 .. 4)" in " ".join(said.split())
    assert "MISSED" in said
    assert "1 of 2 goals met\n  missed  X1  ours / theirs: 3, goal <=1.5\n" in said
    latest = report.write_results(tmp_path, answers, {"cores": 2}, {})
    assert json.loads(latest.read_text()) == {
        "X1": {
            "value": 3.0,
            "goal": "<=1.5",
            "ok": False,
            "detail": {
                "what": "ours / theirs",
                "spread": [2.0, 4.0],
                "figures": [{"what": "rows/s, ours / theirs", "value": 5.0, "goal": ">=2", "ok": True}],
                "rows": 7,
            },
        }
    }
    assert json.loads((tmp_path / "machine.json").read_text()) == {"cores": 2}
    assert not (tmp_path / "growth.json").exists()


@pytest.mark.parametrize(
    ("scales", "missed", "fails", "code"),
    [
        ((1.0,), False, False, 0),
        ((1.0,), True, False, 1),
        ((0.02,), True, False, 0),
        ((0.02, 1.0), True, False, 1),
        ((0.02,), False, True, 2),
    ],
)
def test_the_exit_code_tells_a_missed_goal_at_full_size_and_what_could_not_be_measured(
    scales: tuple[float, ...], missed: bool, fails: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(run: Run) -> Answer:
        if fails:
            raise Wrong("not done")
        seconds = {"ours": Timing((run.scale,)).facts()}
        return Answer((Finding(FAST, FAST.what, 2.0 if missed else 1.0),), {"timings": seconds})

    monkeypatch.setattr("bench.asking.machine.facts", lambda _: {**dict.fromkeys(FACTS), "postgresql": {}})
    place: Any = None
    runs = [Run(place, scale, 1) for scale in scales]
    assert ask(runs, [Question("X1", "How?", measure)], tmp_path) == code
    if len(scales) > 1:
        grown = json.loads((tmp_path / "growth.json").read_text())["X1"]["ours"]
        assert list(grown) == ["0.02", "1"]
        assert all(one < other for one, other in pairwise(grown.values()))


FACTS = ("processor", "cores", "memory", "python", "sqlite", "sync_ms")
