"""Asking the questions, one scale after the other."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from pathlib import Path

from bench import machine, report
from bench.question import Answer, Question, Run


def ask(runs: Sequence[Run], chosen: Sequence[Question], results: Path) -> int:
    """Ask each question at each scale, print and write the answers, and return the exit code.

    Below full size a missed goal is told and decides nothing: goals are made for full sizes.

    Args:
        runs: one for each scale, the largest last; what is written and decides are the answers of that one.
        chosen: the questions.
        results: folder the answers are written into.

    Returns:
        2 if a question could not be answered, 1 if a goal is missed at full size, else 0.
    """
    *_, last = runs
    facts = machine.facts(last)
    print("  ".join(f"{name} {facts[name]}" for name in ("processor", "cores", "memory", "python", "sqlite")))
    print("  ".join(f"{name} {value}" for name, value in facts["postgresql"].items()))
    asked: list[dict[str, Answer]] = []
    failed: list[str] = []
    for run in runs:
        load = os.getloadavg()[0]
        print(f"scale {run.scale:g}  repeat {run.repeat}  load {load:.2f}  sync {facts['sync_ms']} ms", flush=True)
        asked.append(_answers(run, chosen, failed))
    answers = asked[-1]
    growth = report.growth([run.scale for run in runs], asked) if len(runs) > 1 else {}
    latest = report.write_results(results, answers, facts | {"failed": failed}, growth)
    report.print_growth(growth)
    report.print_summary(answers)
    for name in failed:
        print(f"  failed  {name} could not be measured")
    print(f"written to {latest}")
    if failed:
        return 2
    return 1 if last.scale >= 1 and not all(answer.ok for answer in answers.values()) else 0


def _answers(run: Run, chosen: Sequence[Question], failed: list[str]) -> dict[str, Answer]:
    """Ask the chosen questions; those that could not be answered are added to ``failed``."""
    answers = {}
    for question in chosen:
        report.print_question(question)
        try:
            answers[question.name] = question.measure(run)
        except Exception:  # noqa: BLE001 - one question that cannot be answered must not hide the others
            failed.append(f"{question.name} at scale {run.scale:g}")
            traceback.print_exc()
            continue
        report.print_answer(answers[question.name])
    return answers
