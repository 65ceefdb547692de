"""``spothive doctor``: are the surroundings those that spothive's promises hold in?"""

from __future__ import annotations

from spothive.cli.call import Call, CheckFailed
from spothive.cli.output import Column

COLUMNS = (
    Column("", "severity"),
    Column("check", "name"),
    Column("found", "found", fold=True),
    Column("repair", "repair", fold=True),
)


def examine(call: Call) -> None:
    """Print what was found.

    Raises:
        CheckFailed: at least one finding is an error.
    """
    from spothive.database import doctor

    findings = doctor.examine()
    rows = [
        {"name": f.name, "severity": f.severity, "ok": f.ok, "found": f.found, "repair": f.repair or None}
        for f in findings
    ]
    call.out.json(rows)
    call.out.table(rows, COLUMNS, empty="nothing was examined")
    errors = sum(finding.severity is doctor.Severity.ERROR for finding in findings)
    if errors:
        msg = f"{errors} of {len(findings)} checks failed: see the repairs above"
        raise CheckFailed(msg)
