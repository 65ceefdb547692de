"""A model file is tried in a process of its own before anybody relies on it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from spothive.errors import ConfigurationError, ModelRefused
from spothive.scoring import BASELINE_FILE, probing
from spothive.scoring.probing import probe
from tests.factories.models import file_of, good_file, linear, network
from training.run import Plan, parts_of


def test_the_shipped_model_is_taken() -> None:
    assert len(BASELINE_FILE.read_bytes()) < 200_000
    assert len(probe(BASELINE_FILE.read_bytes()).features) == 12


def _two_columns() -> bytes:
    return file_of(network([np.ones((2, 2))]))


def _wrong_sum() -> bytes:
    model = linear(1, 2)
    model.graph.initializer[0].dims[0] = 7
    return file_of(model)


def _too_much_memory() -> bytes:
    """A small file that wants 32 GB: each product is a thousand times as wide as the one before."""
    model = linear(1, 2)
    model.graph.node.insert(0, helper.make_node("Transpose", ["features"], ["turned"]))
    for number in range(8):
        given = "turned" if number == 0 else f"wide{number - 1}"
        model.graph.node.insert(number + 1, helper.make_node("Concat", [given] * 50, [f"wide{number}"], axis=1))
    model.graph.node.append(helper.make_node("ReduceMean", ["wide7"], ["never"], keepdims=0))
    model.graph.node.append(helper.make_node("Add", ["out0", "never"], ["end"]))
    model.graph.output[0].name = "end"
    return file_of(model)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: file_of(linear(1, 2, last="Identity")), "no probability"),
        (lambda: file_of(linear(1, 2, last="Log")), "no probability"),
        (_two_columns, "one probability a row"),
        (_wrong_sum, "onnxruntime cannot run it"),
        (_too_much_memory, "onnxruntime cannot run it|was ended"),
    ],
    ids=["any_number", "nan", "two_columns", "broken", "memory"],
)
def test_a_model_that_cannot_be_asked_is_refused_in_one_line(make: Any, why: str) -> None:
    with pytest.raises(ModelRefused, match=why) as refused:
        probe(make())
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_model_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ModelRefused, match=r"within 0\.01 s"):
        probe(good_file(), patience=0.01)


def test_the_process_sees_neither_environment_nor_folder_and_can_open_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the sandbox is given is tried by a program that stands in for a model gone wild."""
    spy = tmp_path / "spy.py"
    spy.write_text(
        f"import json, os, runpy, socket, sys\n"
        f"own = runpy.run_path({str(probing.SANDBOX)!r})\n"
        "def wild(data, rows, tolerance):\n"
        "    own['limit'](own['resource'].RLIMIT_NOFILE, 0)\n"
        "    found = [sorted(os.environ), os.getcwd(), sys.flags.isolated]\n"
        "    for act in (lambda: open('/etc/passwd'), socket.socket):\n"
        "        try:\n"
        "            act()\n"
        "        except OSError as error:\n"
        "            found.append(error.errno)\n"
        "    return json.dumps(found)\n"
        "own['main'].__globals__['refusal'] = wild\n"
        "own['main']()\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setattr(probing, "SANDBOX", spy)
    with pytest.raises(ModelRefused) as told:
        probe(good_file())
    environment, folder, isolated, *refused = json.loads(str(told.value))
    assert "DATABASE_URL" not in environment
    assert not any("SPOTHIVE" in name for name in environment)
    assert Path(folder).name.startswith("spothive-probe-")
    assert not Path(folder).exists()
    assert isolated == 1
    assert len(refused) == 2  # neither a file nor a socket


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'spothive\[ml\]'"):
        probe(good_file())


def test_nothing_else_needs_the_extra() -> None:
    program = (
        "import sys; sys.modules.update(numpy=None, onnxruntime=None, onnx=None)\n"
        "import spothive.operations.decisions, spothive.cli.decisions, spothive.runtime, spothive.scoring.serving\n"
        "from spothive.scoring.shapley import attribute\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ)


def test_the_guide_trains_a_model_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = Path(__file__).parents[2] / "docs" / "guides" / "models.md"
    (block,) = re.findall(r"^```python\n(.*?)^```", guide.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    parts = parts_of(Plan(pools=100, fit_weeks=2, calibrate_weeks=1, test_weeks=1))
    names: dict[str, Any] = {}
    for prefix, part in zip(("", "later_", "latest_"), parts.values(), strict=True):
        names |= {f"{prefix}rows": part.rows, f"{prefix}hit": part.hit}
    monkeypatch.chdir(tmp_path)
    exec(compile(block, guide, "exec"), names)  # noqa: S102 - our own guide
    assert probe((tmp_path / "risk.onnx").read_bytes()).training["examples"] == len(names["rows"])
