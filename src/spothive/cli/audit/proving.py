"""``spothive audit``: what proves the audit trail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.audit.group import audit_commands
from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.output import Column, shortened
from spothive.cli.progress import show_progress
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from uuid import UUID

    from spothive.operations.audit import Sealing, TrailReport

SEAL_NO_DIGITS = 16

SEALED = (
    Column("tenant", "tenant", fold=True),
    Column("seals", "seals", right=True),
    Column("rows", "rows", right=True),
    Column("belated", "belated", right=True, optional=True),
    Column("problem", "problem", fold=True),
)
VERIFIED = (
    Column("tenant", "tenant", fold=True),
    Column("sound", "sound"),
    Column("seals", "seals", right=True),
    Column("rows", "rows", right=True),
    Column("unsealed", "unsealed", right=True),
    Column("oldest unsealed", "oldest_unsealed", optional=True),
)


@command(audit_commands, "init")
def make_key(call: Call) -> None:
    """Make the file with the key that signs seals.

    Keep a copy apart from the database and its backups. Whoever has to verify without spothive needs the fingerprint.
    """
    from spothive.settings import get_settings
    from spothive.signing import fingerprint, init_signing_key

    path = get_settings().audit_signing_key_file
    keys = init_signing_key(path)
    whole = fingerprint(keys.public_keys[keys.key_id])
    call.out.json({"key_id": keys.key_id, "fingerprint": whole, "path": str(path.absolute())})
    call.out.line(f"made {path} with the key {keys.key_id}; keep a copy, apart from the backups of the database")
    call.out.line(f"fingerprint for auditors: {whole}")


@command(audit_commands, "seal")
def seal(call: Call) -> None:
    """Seal what is final of every tenant's trail.

    Run it on a timer: until they are sealed, nothing proves rows. Each seal is appended to SPOTHIVE_AUDIT_ANCHOR.
    Exits 1 if a trail cannot be sealed.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import audit

    actor, keys, anchor = call.actor, runtime.signing_keys(), runtime.audit_anchor()
    with show_progress("sealing") as progress:
        done = audit.seal_trails(
            get_db_session, actor, keys=keys, anchor=anchor, progress=lambda rows: progress(rows, rows)
        )
    _show_sealing(call, done, anchor.path)


def _show_sealing(call: Call, done: Sealing, anchor: Path) -> None:
    names = _names(call)
    rows = [
        {
            "tenant": names.get(one.tenant_id, str(one.tenant_id)),
            "seals": one.seals,
            "rows": one.rows,
            "belated": one.belated,
            "anchored": one.anchored,
            "problem": one.problem,
        }
        for one in done.tenants
    ]
    seconds = round(done.seconds, 2)
    call.out.json({"seals": done.seals, "rows": done.rows, "seconds": seconds, "anchor": str(anchor), "tenants": rows})
    call.out.table(rows, SEALED, empty="nothing new to seal")
    if done.seals:
        call.out.line(f"sealed {done.rows} rows in {done.seals} seals")
    if done.new_anchor and any(one.anchored for one in done.tenants):
        call.out.line(f"began the anchor {anchor}: it holds what the database says now")
    if belated := sum(one.belated for one in done.tenants):
        call.out.line(f"{belated} rows were older than the seal before: moved here, the clock set back, or put in")
    if unsealed := [row for row in rows if row["problem"]]:
        msg = f"{len(unsealed)} trails were not sealed; {unsealed[0]['tenant']}: {unsealed[0]['problem']}"
        raise CheckFailed(msg)


@command(audit_commands, "verify")
def verify(
    call: Call,
    every: Annotated[bool, typer.Option("--all", help="All tenants (staff of platform only).")] = False,
) -> None:
    """Find what was changed in a trail, and exit 1.

    Rows, seals, signatures and the anchor are held against one another. Rows that are not sealed yet are counted;
    nothing proves them.
    """
    from spothive import runtime
    from spothive.database import read_session
    from spothive.operations import audit

    actor, tenant_id = call.actor, call.tenant_id
    keys, anchor = runtime.signing_keys(), runtime.audit_anchor()
    reading = partial(read_session, snapshot=True)  # a seal and its rows of one moment
    with show_progress("verifying") as progress:

        def tell(rows: int) -> None:
            progress(rows, rows)

        if every:
            reports = list(audit.verify_all(reading, actor, keys=keys, anchor=anchor, progress=tell))
        else:
            anchored = anchor.read()
            reports = [audit.verify_trail(reading, tenant_id, keys=keys, anchored=anchored, progress=tell)]
    _show_reports(call, reports)


def _show_reports(call: Call, reports: list[TrailReport]) -> None:
    names = _names(call)
    rows = [_facts(report, names) for report in reports]
    bad = [row for row in rows if not row["sound"]]
    call.out.json({"sound": not bad, "tenants": rows})
    call.out.table(rows, VERIFIED, empty="there is no trail yet")
    for row in rows:
        for words in row["remarks"]:
            call.out.line(f"{row['tenant']}: {words}")
        for finding in row["findings"]:
            call.out.line(f"{row['tenant']}: {finding['place']}: {finding['what']}")
        if row["places"] > len(row["findings"]):
            call.out.line(f"{row['tenant']}: and {row['places'] - len(row['findings'])} more places")
    if bad:
        first = bad[0]["findings"][0]
        msg = f"the audit trail of {bad[0]['tenant']} is not sound: {first['place']}: {first['what']}"
        raise CheckFailed(msg)


def _facts(report: TrailReport, names: dict[UUID, str]) -> dict[str, Any]:
    remarks = list(report.remarks)
    if report.not_anchored:
        remarks.append(f"the anchor lacks the newest seals ({report.not_anchored}): `spothive audit seal` appends them")
    return {
        "tenant": names.get(report.tenant_id, str(report.tenant_id)),
        "sound": report.is_sound,
        "seals": report.seals,
        "rows": report.rows,
        "unsealed": report.unsealed,
        "oldest_unsealed": report.oldest_unsealed,
        "not_anchored": report.not_anchored,
        "places": report.places,
        "findings": [
            {"seal_no": found.seal_no, "row_id": found.row_id, "place": found.place, "what": found.what}
            for found in report.findings
        ],
        "remarks": remarks,
    }


@command(audit_commands, "export")
def export(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="File to make.")],
    seals: Annotated[
        str | None, typer.Option(metavar="FIRST-LAST", help="Numbers of the seals; all of them if not given.")
    ] = None,
    with_verifier: Annotated[bool, typer.Option("--with-verifier", help="Write verify_bundle.py beside it.")] = False,
) -> None:
    """Export sealed rows, to be verified without spothive.

    The file holds all that the audit rows say. Hand the fingerprint of the key over by another way.
    """
    from spothive import runtime
    from spothive.database import read_session
    from spothive.operations import audit
    from spothive.signing import fingerprint

    first, last = _range(seals)
    actor, tenant_id, keys = call.actor, call.tenant_id, runtime.signing_keys()
    reading = partial(read_session, snapshot=True)
    with _new_file(file) as bundle:
        done = audit.export_trail(reading, actor, tenant_id, keys=keys, write=bundle.write, first=first, last=last)
    script = Path(file).with_name("verify_bundle.py")
    if with_verifier:
        script.write_text(audit.verifier(), encoding="utf-8")  # it replaces one of an earlier export
    prints = [fingerprint(key) for key in keys.public_keys.values()]
    call.out.json(
        {
            "file": file,
            "first_seal": done.first_seal,
            "last_seal": done.last_seal,
            "rows": done.rows,
            "fingerprints": prints,
        }
    )
    call.out.line(f"exported {done.rows} rows in seals {done.first_seal} to {done.last_seal} to {file}")
    call.out.line(f"to verify it anywhere: python3 -I {script} {file} --key {prints[0]}")


def _range(seals: str | None) -> tuple[int, int | None]:
    if seals is None:
        return 1, None
    first, _, last = seals.partition("-")
    numbers = [part.strip() for part in (first, last or first)]
    if not all(part.isascii() and part.isdigit() and len(part) < SEAL_NO_DIGITS for part in numbers):
        msg = "--seals takes numbers as in 3-7, or one number"
        raise InvalidInput(msg)
    return int(numbers[0]), int(numbers[1])


@contextmanager
def _new_file(name: str) -> Iterator[IO[str]]:
    """Make a file that its owner alone may read; nothing is left of it if the block fails.

    Raises:
        InvalidInput: the name is taken, or the file cannot be made.
    """
    shown = shortened(name, 200)
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        msg = f"{shown} exists and is left alone: choose another name"
        raise InvalidInput(msg) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        msg = f"{shown} cannot be made: {getattr(error, 'strerror', None) or 'that is no file name'}"
        raise InvalidInput(msg) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            yield file
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _names(call: Call) -> dict[UUID, str]:
    """Return the slugs of the tenants the actor may know; a tenant that was deleted has none any more."""
    from spothive.operations import identity

    with call.reading() as session:
        return {tenant.id: tenant.slug for tenant in identity.list_tenants(session, call.actor)}
