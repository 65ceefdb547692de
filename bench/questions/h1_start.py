"""H1: how long it takes until spothive is there, as a library and as a command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Final

from bench.measuring import Timing, Timings, Wrong, ratio
from bench.question import Answer, Goal, Question, Run, held, told

IMPORT: Final = Goal("import spothive.database / import sqlalchemy.orm, psycopg", "<=", 1.25)
HEAVY: Final = Goal("heavy modules among those it imports", "<=", 0)
HELP: Final = Goal("spothive --help / import typer", "<=", 1.3)

NOT_IMPORTED: Final = (
    "alembic",
    "bcrypt",
    "boto3",
    "cryptography",
    "prometheus_client",
    "pydantic_settings",
    "structlog",
    "typer",
)
"""What `import spothive.database` must not bring along."""

_TIMED: Final = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"
_READY: Final = "spothive.database.models, sqlalchemy.orm; sqlalchemy.orm.configure_mappers()"
"""What a process pays before its first query, whenever it does."""
_BYTECODE: Final = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
"""Without them every start would compile spothive, and never its peers, whose bytecode is installed."""
_COMMAND: Final = "import sys; sys.argv = ['spothive', '--help']; from spothive.cli import main; main()"


def measure(run: Run) -> Answer:
    """Start a Python for each; imports are timed by itself, the command from outside."""
    heavy = _said(f"import sys, spothive.database; print(*sorted(set({NOT_IMPORTED!r}) & set(sys.modules)))").split()
    found = _imports({"spothive": "spothive.database", "ready": _READY, "floor": "sqlalchemy.orm, psycopg"}, run.repeat)
    commands = _commands({"help": _COMMAND, "typer": "import typer", "python": "pass"}, run.repeat)
    return Answer(
        (
            held(IMPORT, ratio(found["spothive"], found["floor"])),
            held(HEAVY, len(heavy)),
            told(
                "all models, ready for a query / import sqlalchemy.orm, psycopg", ratio(found["ready"], found["floor"])
            ),
            held(HELP, ratio(commands["help"], commands["typer"])),
            told("Python that does nothing / import typer", ratio(commands["python"], commands["typer"])),
        ),
        {"heavy": heavy, "timings": {name: timing.facts() for name, timing in (found | commands).items()}},
    )


def _imports(names: dict[str, str], repeat: int) -> Timings:
    for name in names.values():
        _said(f"import {name}")  # which writes the bytecode
    rounds = [{name: float(_said(_TIMED.format(what))) for name, what in names.items()} for _ in range(repeat)]
    return {name: Timing(tuple(found[name] for found in rounds)) for name in names}


def _commands(names: dict[str, str], repeat: int) -> Timings:
    for code in names.values():
        _said(code)
    rounds = [{name: _seconds(code) for name, code in names.items()} for _ in range(repeat)]
    return {name: Timing(tuple(found[name] for found in rounds)) for name in names}


def _seconds(code: str) -> float:
    started = time.perf_counter()
    _said(code)
    return time.perf_counter() - started


def _said(code: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in _BYTECODE}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise Wrong(f"python -c {code!r} failed: {done.stderr[-300:]}")
    return done.stdout


QUESTION = Question("H1", "How long does it take until spothive is there?", measure)
