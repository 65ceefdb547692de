"""How the demo looks in the plainest of terminals; whether it tells the truth is a journey of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.cli.conftest import SPOTHIVE


def test_the_demo_is_readable_without_unicode_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "[bold]:tada: demo"
    folder.mkdir()
    plain = {
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "COLUMNS": "80",
        "SPOTHIVE_BCRYPT_ROUNDS": "4",
        "SPOTHIVE_SLOW_STATEMENT": "60",  # a busy machine is nothing to warn of here
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPOTHIVE_", "DATABASE_URL"))}
    told = subprocess.run(
        [SPOTHIVE, "demo", "--data", "none"], cwd=folder, env=kept | plain, capture_output=True, check=False
    )
    assert (told.returncode, told.stderr) == (0, b"")
    lines = told.stdout.decode("ascii").splitlines()
    assert any(line.endswith(f"The database is {folder / 'var/demo.db'}") for line in lines)
    refusal = next(number for number, line in enumerate(lines) if "ParentMissing" in line)
    assert all(line.startswith("    ") for line in lines[refusal : refusal + 2])
    assert max(len(line) for line in lines if line.startswith(("|", "+"))) <= 80
