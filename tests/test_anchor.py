"""The anchor: a file that only grows, whoever appends, and whatever a crash left in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from spothive.anchor import Anchor, AnchoredSeal
from spothive.errors import ConfigurationError

TENANT = UUID(int=1)


def seals(*numbers: int, tenant: UUID = TENANT) -> list[AnchoredSeal]:
    return [AnchoredSeal(str(tenant), n, f"{n:064x}", 1, "2026-01-01T00:00:00Z", "0" * 16) for n in numbers]


def known(path: Path, tenant: UUID = TENANT) -> list[int]:
    return list(Anchor(path).read().of(tenant))


def test_seals_are_appended_once_and_read_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "other storage" / "anchor.jsonl"
    reader, anchor = Anchor(path), Anchor(path)
    assert not reader.read().exists
    assert anchor.append(TENANT, seals(1, 2)) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    assert anchor.append(TENANT, seals(1, 2, 3)) == 1
    assert Anchor(path).append(UUID(int=2), seals(1, tenant=UUID(int=2))) == 1
    assert anchor.append(TENANT, seals(2, 3)) == 0
    assert (reader.read().last(TENANT), reader.read().last(UUID(int=2)), reader.read().last(UUID(int=3))) == (3, 1, 0)
    assert anchor.append(TENANT, seals(4)) == 1
    assert list(reader.read().of(TENANT)) == [1, 2, 3, 4]
    path.write_bytes(b"")  # another file by now
    assert reader.read().of(TENANT) == {}


def test_half_a_line_of_a_crash_counts_for_nothing_and_spoils_nothing(tmp_path: Path) -> None:
    path = tmp_path / "anchor.jsonl"
    anchor = Anchor(path)
    anchor.append(TENANT, seals(1))
    line = path.read_bytes()
    path.write_bytes(line + line[:40])
    assert (known(path), Anchor(path).read().damaged) == ([1], 0)
    assert anchor.append(TENANT, seals(1, 2)) == 1
    assert (known(path), Anchor(path).read().damaged) == ([1, 2], 1)
    path.write_bytes(path.read_bytes() + b'[]\n{"tenant_id":5}\n\xff\n')
    assert (known(path), Anchor(path).read().damaged) == ([1, 2], 4)


def test_many_who_append_at_once_leave_no_gap(tmp_path: Path) -> None:
    path = tmp_path / "anchor.jsonl"

    def append(upto: int) -> int:
        return Anchor(path).append(TENANT, seals(*range(1, upto + 1)))

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(append, range(1, 41))) == 40
    assert known(path) == list(range(1, 41))


def test_an_anchor_that_others_can_change_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "anchor.jsonl"
    Anchor(path).append(TENANT, seals(1))
    path.chmod(0o620)
    for use in (Anchor(path).read, lambda: Anchor(path).append(TENANT, seals(2))):
        with pytest.raises(ConfigurationError, match=r"others can change the anchor .*: run `chmod 600"):
            use()
    path.chmod(0o644)  # reading it gives nothing away
    assert known(path) == [1]
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Anchor(tmp_path).read()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Anchor(path / "below").append(TENANT, seals(1))
