"""What every command has in common: shared options, who acts, and errors as one line and an exit code."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar, cast

import typer
from typer.core import TyperCommand

from spothive.cli.output import Output, to_stderr
from spothive.errors import InvalidInput, SpothiveError

if TYPE_CHECKING:
    from uuid import UUID

    from spothive.database import TenantSession
    from spothive.operations.actor import Actor

DEFAULT_TENANT = "platform"
DEFAULT_USER = "admin"
FAILED, INTERRUPTED = 1, 130

Misuse = cast("type[Any]", typer.BadParameter.__base__)
"""What typer raises for any wrong option, argument or command; it gives this class no name to import."""

Command = TypeVar("Command", bound=Callable[..., None])


class CheckFailed(SpothiveError):
    """A check did not pass; what it found is on standard output."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options every command takes, before or after its name. None and False mean: not given."""

    tenant: str | None = None
    acting_as: str | None = None
    as_json: bool = False
    postgres: bool = False
    verbose: bool = False

    def over(self, outer: Options) -> Options:
        """Return these options, completed by those given further to the left."""
        return Options(
            outer.tenant if self.tenant is None else self.tenant,
            outer.acting_as if self.acting_as is None else self.acting_as,
            self.as_json or outer.as_json,
            self.postgres or outer.postgres,
            self.verbose or outer.verbose,
        )


TenantOption = Annotated[
    str | None,
    typer.Option("--tenant", metavar="SLUG", help="Tenant to act in [env: SPOTHIVE_TENANT; default: platform]."),
]
UserOption = Annotated[
    str | None, typer.Option("--as", metavar="USERNAME", help="User to act as [env: SPOTHIVE_USER; default: admin].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
PostgresOption = Annotated[
    bool, typer.Option("--postgres", help="Use the embedded PostgreSQL [env: SPOTHIVE_EMBEDDED_POSTGRES].")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens to standard error.")]


class _Knowing(TyperCommand):
    """A command that puts its name to every misuse: typer forgets it where an option lacks its value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except Misuse as misuse:
            misuse.ctx = misuse.ctx or ctx
            raise


def shared_options(
    tenant: TenantOption = None,
    acting_as: UserOption = None,
    as_json: JsonOption = False,
    postgres: PostgresOption = False,
    verbose: VerboseOption = False,
) -> Options:
    """Return the shared options. Every command is declared to typer with these parameters beside its own."""
    return Options(tenant, acting_as, as_json, postgres, verbose)


class Call:
    """One call of a command: who acts, in which tenant, and where the answer goes."""

    def __init__(self, options: Options) -> None:
        """Take the options as given; what is missing comes from the environment when it is needed."""
        self.options = options
        self.out = Output(as_json=options.as_json)

    @cached_property
    def _identity(self) -> tuple[Actor, UUID]:
        from spothive.operations.identity import find_actor

        via = self.via
        username, tenant = self.options.acting_as, self.options.tenant
        if username is None:
            username = os.environ.get("SPOTHIVE_USER") or DEFAULT_USER
        if tenant is None:
            tenant = os.environ.get("SPOTHIVE_TENANT") or DEFAULT_TENANT
        return find_actor(named(username, "--as"), named(tenant, "--tenant"), via=via)

    @property
    def actor(self) -> Actor:
        """The user who acts.

        Raises:
            SchemaOutdated: the database is empty or older than the code; every command that acts is refused there.
            NotFound: no such user or tenant.
            NotAllowed: the user is disabled or the tenant suspended.
            InvalidInput: ``--as`` or ``--tenant`` is blank, as where a script's variable is not set.
        """
        return self._identity[0]

    @property
    def tenant_id(self) -> UUID:
        """The tenant acted in; raises like :attr:`actor`."""
        return self._identity[1]

    @property
    def via(self) -> str:
        """How whoever calls came in, for the audit trail; commands that need no user begin with this.

        Raises:
            SchemaOutdated: the database is empty or older than the code.
        """
        from spothive.database.revisions import require_head

        require_head()
        return f"cli: {system_user()}"

    def reading(self) -> AbstractContextManager[TenantSession]:
        """Open a session of the tenant that only reads, and sees one moment: what a command shows adds up."""
        from spothive.database import read_session

        return read_session(tenant=self.tenant_id, snapshot=True)

    def writing(self) -> AbstractContextManager[TenantSession]:
        """Open a transaction of the tenant that is committed at the end; a refusal in it is audited."""
        from spothive.database import get_db_session

        return get_db_session(tenant=self.tenant_id)


def command(app: typer.Typer, name: str) -> Callable[[Command], Command]:
    """Make the decorated function, which takes a :class:`Call` first, the command ``name`` of ``app``.

    The command gets the shared options beside its own. Its docstring is its help.
    """

    def add(function: Command) -> Command:
        def run(context: typer.Context, **values: Any) -> None:
            options = shared_options(**{option: values.pop(option) for option in _SHARED})
            options = options.over(context.obj or Options())
            with errors_as_lines(verbose=options.verbose), _connections_closed():
                _prepare(options)
                function(Call(options), **values)
                sys.stdout.flush()

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        declared = [
            _CONTEXT,
            *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in [*own, *_SHARED.values()]),
        ]
        run.__signature__ = inspect.Signature(declared)  # type: ignore[attr-defined]  # known to inspect, not to typeshed
        run.__doc__ = function.__doc__
        app.command(name, cls=_Knowing)(run)
        return function

    return add


@contextmanager
def errors_as_lines(*, verbose: bool) -> Iterator[None]:
    """Turn what is raised inside into one line on standard error and an exit code.

    A defect says its kind only, since its words may hold anything; the traceback is for ``-v`` or SPOTHIVE_DEBUG=1.
    """
    try:
        yield
    except (typer.Exit, typer.BadParameter):
        raise
    except SpothiveError as error:
        _end(f"error: {error}")
    except (KeyboardInterrupt, typer.Abort):
        raise typer.Exit(INTERRUPTED) from None  # said by the app, which may be interrupted before any command
    except BrokenPipeError:
        _empty_stdout()  # whoever read has seen enough
        raise typer.Exit(FAILED) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _end(f"error: {where}{error.strerror or type(error).__name__}")
    except Exception as error:  # noqa: BLE001 - the last resort, and it says so
        if verbose or os.environ.get("SPOTHIVE_DEBUG") == "1":
            traceback.print_exc()
        _end(
            f"internal error: {type(error).__name__}; this is a defect, please report it with what the same command "
            "prints under SPOTHIVE_DEBUG=1"
        )


def named(name: str, option: str, *, longest: int | None = None) -> str:
    """Return ``name``, given as ``option``, if it names something.

    Raises:
        InvalidInput: it is empty or blank, or has more than ``longest`` characters.
    """
    if not name.strip():
        msg = f"{option} is blank: give a name"
        raise InvalidInput(msg)
    if longest is not None and len(name) > longest:
        msg = f"{option} has {len(name)} characters, and may have {longest}: give a shorter name"
        raise InvalidInput(msg)
    return name


def system_user() -> str:
    """Return the name of the operating system's user who runs this process, for the audit trail."""
    import pwd

    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # as in a container that runs under a bare number
        return f"uid {uid}"


def _prepare(options: Options) -> None:
    from spothive.cli import log_lines

    if options.postgres:
        from spothive.settings import get_settings

        os.environ["SPOTHIVE_EMBEDDED_POSTGRES"] = "1"
        get_settings.cache_clear()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode shows what it cannot as \u...
    log_lines.configure(verbose=options.verbose)


@contextmanager
def _connections_closed() -> Iterator[None]:
    """Say goodbye to the database, which would otherwise complain in its log."""
    try:
        yield
    finally:
        if connection := sys.modules.get("spothive.database.connection"):  # else there are none
            connection.dispose_engine()


def _end(line: str) -> NoReturn:
    _empty_stdout()  # what it holds goes first: the line may be about it
    to_stderr(line)
    raise typer.Exit(FAILED) from None


def _empty_stdout() -> None:
    """Send what is still buffered, or nowhere if nobody reads; else Python complains about it once more as it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_SHARED = dict(inspect.signature(shared_options, eval_str=True).parameters)
_CONTEXT = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
