"""Sealing while others write, beside another sealer, and killed at any point: no false alarm, every row once."""

from __future__ import annotations

from contextlib import ExitStack
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from spothive.anchor import Anchor
from spothive.database import AuditSeal, get_db_session, read_session, trail
from spothive.database.seed_data import seed_initial_data
from spothive.operations.audit import seal_trails, verify_all
from spothive.operations.identity import find_actor
from spothive.signing import init_signing_key, load_signing_keys
from tests.conftest import Database
from tests.factories import make_tenant
from tests.factories.audit_rows import audit_row
from tests.torture.processes import OVER, Child, Work
from tests.torture.works import LEAST, hold_an_audit_row, seal_in_steps, seal_on_and_on, write_audit_rows
from tests.watching import rows_of

pytestmark = pytest.mark.torture

SECONDS = 30.0
OPEN = 10.0
PATIENCE = 120


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a key file and where the anchor will be."""
    init_signing_key(tmp_path / "key.pem")
    return tmp_path / "key.pem", tmp_path / "anchor.jsonl"


def sealed_ids(tenant_id: UUID) -> list[UUID]:
    seals = rows_of(AuditSeal, tenant_id=tenant_id)
    assert sorted(seal["seal_no"] for seal in seals) == list(range(1, len(seals) + 1))
    return [UUID(bytes=trail.id_in(entry)) for seal in seals for entry in trail.cut(seal["leaves"])]


def run_together(*works: tuple[Any, ...]) -> list[Any]:
    """Let all of them go at once; return what each said, but that it is over."""
    with ExitStack() as stack:
        children = [stack.enter_context(Child(*work)) for work in works]
        for child in children:
            child.go()
        said: list[Any] = [None] * len(children)
        speaking = dict(enumerate(children))
        while speaking:
            ready = wait([child.pipe for child in speaking.values()], PATIENCE)
            assert ready, f"the children said nothing for {PATIENCE} seconds"
            for number, child in [each for each in speaking.items() if each[1].pipe in ready]:
                word = child.hear()
                if word is None or word == OVER:
                    del speaking[number]
                else:
                    said[number] = word
    return said


def test_sixteen_writers_two_sealers_and_a_long_transaction(db: Database, files: tuple[Path, Path]) -> None:
    seed_initial_data()
    tenant_id = make_tenant("acme")
    # SQLite has one writer: there the long transaction holds everybody up, and must end before their patience does.
    writers: list[tuple[Work, Any, Any, Any]] = [(write_audit_rows, tenant_id, n, SECONDS) for n in range(16)]
    said = run_together(
        *writers,
        (hold_an_audit_row, tenant_id, OPEN),
        (seal_on_and_on, *files, SECONDS),
        (seal_on_and_on, *files, SECONDS),
    )
    (bad, seals), (others_bad, others_seals) = said[-2:]
    assert bad + others_bad == [], "no false alarm"
    assert seals + others_seals > 3, "they sealed while the others wrote"
    written = [row_id for ids in said[:-2] for row_id in ids]
    admin, _ = find_actor("admin", "platform")
    keys, anchor = load_signing_keys(files[0]), Anchor(files[1])
    seal_trails(get_db_session, admin, keys=keys, anchor=anchor)
    assert sorted(sealed_ids(tenant_id)) == sorted(written), "no row missed, none sealed twice"
    assert [report.is_sound for report in verify_all(read_session, admin, keys=keys, anchor=anchor)] == [True, True]
    assert len(written) > 16 * LEAST
    print(f"{db.engine}: {len(written)} rows of 17 writers in {seals} and {others_seals} seals by two sealers")


def test_a_sealer_killed_between_commit_and_anchor(db: Database, files: tuple[Path, Path]) -> None:
    seed_initial_data()
    tenant_id = make_tenant("acme")
    admin, _ = find_actor("admin", "platform")
    keys, behind, written = load_signing_keys(files[0]), 0, []
    for round_ in range(10):
        with get_db_session(tenant=tenant_id) as session:
            rows = [audit_row(n) for n in range(55)]
            session.add_all(rows)
        written += [row.id for row in rows]
        with Child(seal_in_steps, *files) as child:
            child.go()
            child.take(1 + round_ % 5)
            child.kill()
        reports = list(verify_all(read_session, admin, keys=keys, anchor=Anchor(files[1])))
        assert all(report.is_sound for report in reports), reports
        behind += sum(report.not_anchored for report in reports)
    assert behind > 0, "at least one died between the two"
    seal_trails(get_db_session, admin, keys=keys, anchor=Anchor(files[1]))
    assert sorted(sealed_ids(tenant_id)) == sorted(written)
    reports = list(verify_all(read_session, admin, keys=keys, anchor=Anchor(files[1])))
    assert [(report.is_sound, report.unsealed, report.not_anchored) for report in reports] == [(True, 0, 0)] * 2
    print(f"{db.engine}: 10 kills, {behind} seals were appended later")
