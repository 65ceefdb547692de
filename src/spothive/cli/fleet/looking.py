"""Looking at accounts at AWS one after the other: what ``account discover`` and ``waste scan`` have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from spothive.cli.call import Call, CheckFailed
from spothive.cli.output import to_stderr
from spothive.cli.progress import show_progress
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from spothive.models import ScanStatus

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Names or AWS account ids.")]
All = Annotated[bool, typer.Option("--all", help="Every connected account of the tenant.")]
Regions = Annotated[
    list[str] | None, typer.Option(metavar="REGION", help="Only this region. Repeatable; default: all enabled.")
]


class Seen(Protocol):
    """What came of a look at one account."""

    @property
    def status(self) -> ScanStatus:
        """Whether all could be read."""


Result = TypeVar("Result", bound=Seen)


def look_at_accounts(
    call: Call,
    names: list[str] | None,
    *,
    everything: bool,
    regions: list[str] | None,
    look: Callable[..., Result],
    facts: Callable[[Result], dict[str, Any]],
    tell: Callable[[Call, Result], None],
) -> None:
    """Look at each account, and tell what was seen of it; of several, one that cannot be read keeps no other from it.

    Args:
        call: the call of the command.
        names: which accounts.
        everything: all that ever proved themselves, instead.
        regions: regions to read; all that are enabled when empty.
        look: the procedure, as :func:`~spothive.operations.fleet.discover_account` takes its arguments.
        facts: returns a result for machines.
        tell: tells one to people.

    Raises:
        InvalidInput: neither names nor ``everything``, or both.
        CheckFailed: not everything could be read.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.errors import SpothiveError

    if bool(names) == everything:
        msg = "name the accounts, or say --all"
        raise InvalidInput(msg)
    troubled: list[str] = []
    rows: list[dict[str, Any]] = []
    names = list(dict.fromkeys(names or _connected(call)))
    with closing(runtime.aws_gateway()) as gateway:
        given: dict[str, Any] = {"gateway": gateway, "keys": runtime.keyring, "regions": regions or []}
        for name in names:
            try:
                with show_progress(f"reading {name}") as progress:
                    who = {"tenant_id": call.tenant_id, "name": name}
                    result = look(get_db_session, call.actor, **who, **given, progress=progress)
            except SpothiveError as error:
                if not everything and len(names) == 1:
                    raise
                to_stderr(f"{name}: {error}")
                rows.append({"name": name, "error": str(error)})
                troubled.append(name)
                continue
            rows.append(facts(result))
            tell(call, result)
            if result.status.value != "COMPLETE":
                troubled.append(name)
    call.out.json(rows)
    if not names:
        call.out.line("no account is connected yet: spothive account begin --help, or connect --help")
    if troubled:
        msg = f"not all could be read: {', '.join(troubled)}"
        raise CheckFailed(msg)


def _connected(call: Call) -> list[str]:
    """Return the names of all accounts that ever proved themselves: a failed one is told of, not passed over."""
    from spothive.models import AccountStatus
    from spothive.operations.fleet import list_accounts

    with call.reading() as session:
        accounts = [found.account for found in list_accounts(session)]
    return [account.account_name for account in accounts if account.status is not AccountStatus.PENDING]
