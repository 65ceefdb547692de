"""Backups and restores that are killed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from spothive.database import dispose_engine
from spothive.database.backup import back_up, restore
from spothive.database.drift import find_drift
from tests.conftest import Database
from tests.factories import make_tenant
from tests.torture.conftest import ROUNDS, copy_of, moments, wait_until_alone
from tests.torture.processes import STEP, at_work
from tests.torture.works import make_backup, put_back
from tests.watching import everything

pytestmark = pytest.mark.torture


def test_a_restore_killed_at_any_step_leaves_all_or_nothing_of_it(shop: Database, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    back_up(file)
    after = everything()
    make_tenant("initech")
    before = everything()
    dispose_engine()
    with copy_of(shop, tmp_path / "whole"), at_work(put_back, file) as child:
        length = 0
        while child.hear() == STEP:
            length += 1
    left: Counter[str] = Counter()
    last = [length - steps for steps in range(1, 5)]  # where it is committed
    for number, moment in enumerate((*moments(1, length), *last)):
        with copy_of(shop, tmp_path / f"copy{number}") as copy:
            with at_work(put_back, file) as child:
                child.take(int(moment))
                assert child.kill(), "the restore was over before the kill"
            wait_until_alone(copy)
            found = everything()
            assert found in (before, after), f"half of it after {moment} steps"
            left["restored" if found == after else "as it was"] += 1
            assert find_drift() == []
            restore(file, replace=True)
            assert everything() == after
            dispose_engine()
    print(f"{shop.engine}: {left.total()} kills over {length} steps, left {dict(left)}")
    assert left["as it was"] >= ROUNDS


def test_a_killed_backup_has_no_name(shop: Database, tmp_path: Path) -> None:
    before = everything()
    dispose_engine()
    folder = tmp_path / "backups"
    folder.mkdir()
    with at_work(make_backup, folder / "b.db") as child:
        length = 0
        while child.hear() == STEP:
            length += 1
    (folder / "b.db").unlink()
    for moment in moments(2, length):
        with at_work(make_backup, folder / "b.db") as child:
            child.take(int(moment))
            assert child.kill(), "the backup was over before the kill"
        wait_until_alone(shop)
        assert not (folder / "b.db").exists()
    assert everything() == before
    back_up(folder / "b.db")
    print(f"{shop.engine}: {ROUNDS} kills over {length} steps")
