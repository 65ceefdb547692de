"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psycopg

from bench.question import Run

_PACKAGES = ("sqlalchemy", "psycopg", "alembic", "django", "pgqueuer", "asyncpg", "procrastinate")
_SERVER = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "wal_sync_method", "autovacuum", "jit")


def facts(run: Run) -> dict[str, Any]:
    """Return machine, versions and what the run was asked for."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "scale": run.scale,
        "repeat": run.repeat,
        "commit": _commit(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _line("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": _line("/proc/meminfo", "MemTotal"),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "postgresql": _server(run.place.maintenance),
        "sync_ms": round(_sync(run.place.folder) * 1000, 3),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _line(file: str, name: str) -> str | None:
    """Return what follows ``name`` in a file of the kernel's, where there is one."""
    path = Path(file)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _commit() -> str | None:
    asked = ["git", "describe", "--always", "--dirty"]
    try:
        said = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return said.stdout.strip() or None


def _server(conninfo: str) -> dict[str, str]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        asked = connection.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(_SERVER)])
        return dict(sorted(asked.fetchall()))


def _sync(folder: Path) -> float:
    """Return how long it takes, at best of ten, to write a page to the disk and have it there, in seconds."""
    from time import perf_counter

    file = folder / "sync"
    best = float("inf")
    with file.open("wb", buffering=0) as opened:
        for _ in range(10):
            started = perf_counter()
            opened.write(bytes(8192))
            os.fsync(opened.fileno())
            best = min(best, perf_counter() - started)
    file.unlink()
    return best
