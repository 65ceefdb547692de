"""D2: sealing the audit trail, and verifying it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from bench.measuring import Contender, in_turns, must_be_equal, ratio
from bench.place import Beginning, Database
from bench.question import Answer, Goal, Question, Run, held
from bench.world import World, make_world
from spothive.anchor import Anchor
from spothive.database import get_db_session
from spothive.operations.actor import spothive_itself
from spothive.operations.audit import seal_trails, verify_trail
from spothive.signing import SigningKeys, new_signer

SEAL: Final = Goal("rows/s, sealing / bare SHA-256 of the rows", ">=", 0.6)
VERIFY: Final = Goal("rows/s, verifying / bare SHA-256 of the rows", ">=", 0.6)

ROWS: Final = 500_000
_FILL: Final = """
INSERT INTO audit_logs (tenant_id, id, actor_name, event, resource, resource_type, outcome, diff_before, diff_after)
SELECT '{tenant}', gen_random_uuid(), 'ann (cli: root)', 'account.marked', 'account ' || n, 'ACCOUNT', 'SUCCESS',
    '{{"environment_type":"LAB"}}', '{{"environment_type":"PROD","number":' || n || '}}'
FROM generate_series({first}, {last}) AS n
"""
_TOGETHER: Final = 500
"""Rows of one transaction: a trail grows by many small ones, and is sealed in the order in which they ended."""
_BARE: Final = "SELECT sha256(string_agg(sha256(convert_to(audit_logs::text, 'UTF8')), '' ORDER BY id)) FROM audit_logs"


def measure(run: Run) -> Answer:
    """Seal a fresh copy with a new anchor, verify one that was sealed, and hash the same rows by one statement."""
    count = run.rows(ROWS, 2000)
    keys = SigningKeys(new_signer())

    def make(database: Database) -> World:
        world = make_world()
        with database.raw() as connection:
            for first in range(1, count + 1, _TOGETHER):
                last = min(first + _TOGETHER - 1, count)
                connection.execute(_FILL.format(tenant=world.tenant_id, first=first, last=last))
        return world

    with run.place.beginning("postgresql", make) as beginning:
        trail = _Trail(run, beginning, keys)
        contenders: list[Contender[Any]] = [
            Contender("sealing", trail.opened, trail.seal, trail.check_sealed),
            Contender("verifying", trail.sealed, trail.verify),
            Contender("bare SHA-256", trail.opened, lambda given: given[0].value(_BARE)),
        ]
        found = in_turns(contenders, run.repeat)
    return Answer(
        (
            held(SEAL, ratio(found["bare SHA-256"], found["sealing"])),
            held(VERIFY, ratio(found["bare SHA-256"], found["verifying"])),
        ),
        {"rows": trail.rows, "timings": {name: timing.facts(trail.rows) for name, timing in found.items()}},
    )


Given = tuple[Database, Path]


class _Trail:
    """The trails of a database, of which one is long."""

    def __init__(self, run: Run, beginning: Beginning[World], keys: SigningKeys) -> None:
        self._run, self._beginning, self._keys = run, beginning, keys
        self.rows = int(beginning.database.value("SELECT count(*) FROM audit_logs"))

    @contextmanager
    def opened(self) -> Iterator[Given]:
        """Yield a copy without any seal, and where its anchor is to be."""
        anchor = self._run.place.folder / f"anchor-{uuid4().hex}.jsonl"
        with self._run.place.used_copy(self._beginning.database) as database:
            yield database, anchor
        anchor.unlink(missing_ok=True)

    @contextmanager
    def sealed(self) -> Iterator[Given]:
        """Yield a copy that is sealed already."""
        with self.opened() as given:
            self.seal(given)
            self.check_sealed(given)
            yield given

    def seal(self, given: Given) -> None:
        """Seal everything."""
        seal_trails(get_db_session, spothive_itself("bench"), keys=self._keys, anchor=Anchor(given[1]))

    def check_sealed(self, given: Given) -> None:
        """Raise unless every row is sealed."""
        must_be_equal("sealed rows", int(given[0].value("SELECT sum(row_count) FROM audit_seals")), self.rows)

    def verify(self, given: Given) -> None:
        """Verify the long trail."""
        tenant_id = self._beginning.made.tenant_id
        report = verify_trail(get_db_session, tenant_id, keys=self._keys, anchored=Anchor(given[1]).read())
        must_be_equal("bad places and rows without a seal", (report.places, report.unsealed), (0, 0))


QUESTION = Question("D2", "How fast is the audit trail sealed and verified?", measure)
