"""``python -m bench.reports``: how long each report of the command line takes over a million decisions.

Whole processes are timed, from the shell's point of view. The decisions are those of ``spothive db sample``; finished
days are counted, as ``sweep --loop`` has them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from statistics import median
from typing import Any, Final

from bench.__main__ import WORK, repeat, scale, stopped_in_one_line
from bench.place import ENGINES, GIVEN, EngineName, Place, in_use, open_place
from spothive.clock import utc_now
from spothive.database import get_db_session
from spothive.database.sample import make_sample
from spothive.database.seed_data import seed_initial_data
from spothive.keyring import Keyring
from spothive.operations.actor import spothive_itself
from spothive.operations.decisions import fold_decisions

LIMIT: Final = 1.0
"""Seconds a report may take."""

TENANTS, INSTANCES, DAYS = 3, 1040, 365
"""Size of the sample: a decision a day about each instance that runs comes to a million."""

_TENANT: Final = "sample-1-1"
_REPORTS: Final = """
tenant list | user list | user show {user} | invite list | session list | session log-ins | apikey list
account list | account show {account} | instance list | instance list --state running | instance show {instance}
cluster list | cluster show {cluster}
hibernation list | hibernation show {cluster} | hibernation plan {cluster} | hibernation preview {cluster}
audit list | audit show {audit} | model list | experiment list | tag list | search list | search run night
dataset list | dataset jobs
decision list | decision list --status REVERTED | decision list --instance {instance} | decision show {decision}
risk list | risk check {pool} | risk why {pool} | replica list
approval list | approval show {approval} | job list | job show {job} | action list | action show {action}
waste list | waste show {waste} | savings report | savings report {year} | savings report {year} --by day
savings report {year} --by model | notify list --as {user} | notify preferences --as {user}
webhook list | webhook deliveries | sla report | sla outages | market list | market status | logs | health
"""
_LISTED: Final = {
    "user": "username",
    "account": "name",
    "instance": "instance_id",
    "cluster": "name",
    "audit": "id",
    "decision": "id",
    "approval": "id",
    "job": "id",
    "action": "id",
    "waste": "id",
}
"""What has a list, and by which of its facts one of it is shown."""


def main() -> int:
    """Make a sample on each database and time the reports; return 1 if one takes longer than the limit."""
    words = argparse.ArgumentParser(prog="make reports", description=__doc__)
    words.add_argument("--scale", type=scale, default=1.0, help="part of the sample's instances")
    words.add_argument("--repeat", type=repeat, default=3, help="rounds, of which the median counts")
    wanted = words.parse_args()
    slow, given_url = 0, os.environ.pop(GIVEN, None)
    with stopped_in_one_line(), open_place(WORK, given_url) as place:
        for engine in ENGINES:
            with _sampled(place, engine, max(10, round(INSTANCES * wanted.scale))) as decisions:
                print(f"\n{engine}, {decisions:,} decisions", flush=True)
                slow += sum(_timed(report, wanted.repeat) > LIMIT for report in _reports())
    print(f"\n{slow} of the reports took longer than {LIMIT:g} s")
    return 1 if slow else 0


@contextmanager
def _sampled(place: Place, engine: EngineName, instances: int) -> Iterator[int]:
    with place.copy(place.migrated(engine)) as database, in_use(database):
        seed_initial_data()
        keys = Keyring({"a1b2c3d4": os.urandom(32)}, primary="a1b2c3d4")
        made = make_sample(keys, tenants=TENANTS, instances=instances, days=DAYS)
        fold_decisions(get_db_session, spothive_itself("bench"))
        yield made.counts["experiment_logs"]


def _reports() -> list[list[str]]:
    """Return the arguments of each report, with names of things that are there."""
    first = {what: _first(what)[name] for what, name in _LISTED.items()}
    instance, today = _first("instance"), utc_now().date()
    first["pool"] = ":".join(instance[part] for part in ("region", "availability_zone", "instance_type"))
    first["year"] = f"--since {today - timedelta(days=DAYS)} --until {today + timedelta(days=1)}"
    lines = _REPORTS.strip().replace("\n", "|").split("|")
    return [line.strip().format(**first).split() for line in lines]


def _first(what: str) -> Any:
    """Return the first of what ``spothive <what> list`` lists."""
    answer = json.loads(_run(["--json", what, "list"]))
    lists = [answer] if isinstance(answer, list) else [each for each in answer.values() if isinstance(each, list)]
    return lists[0][0]


def _run(arguments: list[str]) -> str:
    command = [sys.executable, "-m", "spothive.cli", *arguments, "--tenant", _TENANT]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if ran.returncode and arguments != ["health"]:  # which says by it that nobody seals here
        raise SystemExit(f"{' '.join(arguments)}: {ran.stderr.strip()}")
    return ran.stdout


def _timed(report: list[str], repeat: int) -> float:
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        _run(report)
        seconds.append(time.perf_counter() - started)
    found = median(seconds)
    print(f"  {found:6.2f} s ({min(seconds):.2f} .. {max(seconds):.2f})  {' '.join(report)}", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
