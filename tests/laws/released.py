"""The revisions that were released, file by file: ``released.txt``, in the form of ``sha256sum``.

``python -m tests.laws.released`` adds those it does not list yet; done at a release, by whoever makes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from spothive.database.revisions import VERSIONS

LIST = Path(__file__).with_name("released.txt")


def released(text: str) -> dict[str, str]:
    """Return file name to SHA-256 of what a list says."""
    return {name: digest for digest, name in (line.split() for line in text.splitlines())}


def present(versions: Path = VERSIONS) -> dict[str, str]:
    """Return file name to SHA-256 of every file of a revision."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(versions.glob("[0-9]*.*"))}


def broken(listed: dict[str, str], found: dict[str, str]) -> Iterator[str]:
    """Yield a line for each released revision that is not what it was, or no longer older than all unreleased ones."""
    revisions = {revision_of(name) for name in listed}
    for name, digest in listed.items():
        if name not in found:
            yield f"{name} was released and is gone: bring it back"
        elif found[name] != digest:
            yield f"{name} was released and is never edited: write a new revision (`spothive db revision`)"
    for name in found.keys() - listed.keys():
        if revision_of(name) in revisions:
            yield f"{name} would change a released revision: write a new revision (`spothive db revision`)"
        elif revisions and revision_of(name) < max(revisions):
            yield f"{name} comes before released revisions: write a new revision (`spothive db revision`)"


def revision_of(name: str) -> str:
    """Return the revision a file belongs to."""
    return name.partition(".")[0]


if __name__ == "__main__":
    known = released(LIST.read_text(encoding="utf-8"))
    with LIST.open("a", encoding="utf-8") as file:
        file.writelines(f"{digest}  {name}\n" for name, digest in present().items() if name not in known)
