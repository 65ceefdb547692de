"""The table for people, and ``latest.json`` for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.question import Answer, Finding, Question

_WIDTH = 68


def print_question(question: Question) -> None:
    """Print what is asked, before it is measured."""
    print(f"\n{question.name}  {question.text}", flush=True)


def print_answer(answer: Answer) -> None:
    """Print each figure with its spread, its goal and whether that is met; then the times."""
    for finding in answer.findings:
        print(f"    {finding.what:<{_WIDTH}} {_number(finding.value):>9} {_spread(finding):<20} {_verdict(finding)}")
    for name, timing in answer.detail.get("timings", {}).items():
        rate = f"{timing['rows_per_s']:>12,}/s" if "rows_per_s" in timing else ""
        low, high = timing["spread_s"]
        print(f"      {name:<{_WIDTH - 2}} {timing['median_s']:>9.4f} s ({low:.4f} .. {high:.4f}) {rate}")


def print_summary(answers: Mapping[str, Answer]) -> None:
    """Print which goals are met and which are missed."""
    held = [(name, finding) for name, answer in answers.items() for finding in answer.findings if finding.goal]
    missed = [(name, finding) for name, finding in held if not finding.ok]
    print(f"\n{len(held) - len(missed)} of {len(held)} goals met", flush=True)
    for name, finding in missed:
        print(f"  missed  {name}  {finding.what}: {_number(finding.value)}, goal {finding.goal}")


def growth(scales: Sequence[float], asked: Sequence[Mapping[str, Answer]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return, for each question and each thing it times, scale to seconds (median)."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for scale, answers in zip(scales, asked, strict=True):
        for name, answer in answers.items():
            for what, timing in answer.detail.get("timings", {}).items():
                found.setdefault(name, {}).setdefault(what, {})[f"{scale:g}"] = timing["median_s"]
    return found


def print_growth(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Print how long each thing takes at each scale, in seconds."""
    if found:
        print("\nSeconds at each scale")
    for name, things in found.items():
        for what, seconds in things.items():
            told = "".join(f"{scale:>8}: {value:<10.4g}" for scale, value in seconds.items())
            print(f"  {name}  {what:<{_WIDTH}}{told}")


def _verdict(finding: Finding) -> str:
    if finding.goal is None:
        return ""
    return f"{finding.goal!s:<8} {'ok' if finding.ok else 'MISSED'}"


def _spread(finding: Finding) -> str:
    if finding.low is None or finding.high is None:
        return ""
    return f"({_number(finding.low)} .. {_number(finding.high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - short enough to be read


def write_results(
    folder: Path, answers: Mapping[str, Answer], facts: Mapping[str, Any], grown: Mapping[str, Any]
) -> Path:
    """Write ``latest.json``, one entry a question, and what it was measured on beside it; return the first.

    ``growth.json``, what :func:`growth` says, is written where several scales were measured, and else taken away: the
    files in ``folder`` are of one run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    latest = folder / "latest.json"
    (folder / "growth.json").unlink(missing_ok=True)
    if grown:
        _write(folder / "growth.json", grown)
    _write(latest, {name: _entry(answer) for name, answer in answers.items()})
    _write(folder / "machine.json", facts)
    return latest


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _entry(answer: Answer) -> dict[str, Any]:
    """Return the first goal that is missed, or else the first figure, as what stands for the question."""
    first = next((finding for finding in answer.findings if not finding.ok), answer.findings[0])
    others = [finding for finding in answer.findings if finding is not first]
    spread = {"spread": [first.low, first.high]} if first.low is not None else {}
    figures = {"figures": [_figure(finding) for finding in others]} if others else {}
    return {
        "value": first.value,
        "goal": str(first.goal),
        "ok": answer.ok,
        "detail": {"what": first.what, **spread, **figures, **answer.detail},
    }


def _figure(finding: Finding) -> dict[str, Any]:
    goal = {"goal": str(finding.goal), "ok": finding.ok} if finding.goal else {}
    spread = {"spread": [finding.low, finding.high]} if finding.low is not None else {}
    return {"what": finding.what, "value": finding.value, **goal, **spread}
