"""The command line as a whole: one file a street, and the commands that belong to none."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup
from typer.main import get_group

from spothive.cli.call import (
    INTERRUPTED,
    Call,
    JsonOption,
    Misuse,
    Options,
    PostgresOption,
    TenantOption,
    UserOption,
    VerboseOption,
    command,
)
from spothive.cli.logs import Level
from spothive.cli.output import shortened, to_stderr, visible
from spothive.errors import InvalidInput

MISUSED = 2
MISUSE_MAX = 300
"""Longest part of a line that repeats what somebody typed, in characters; the advice behind it is never cut."""

STREETS = {
    "db": ("db", "commands", "Make, examine and seed the database."),
    "tenant": ("identity", "tenant_commands", "Make, list, suspend and resume tenants."),
    "user": ("identity", "user_commands", "Make, change and remove the users of a tenant."),
    "invite": ("identity", "invite_commands", "Invite people into a tenant."),
    "session": ("identity", "session_commands", "Sign in, list and end sessions, and see who signed in."),
    "apikey": ("identity", "api_key_commands", "Make, list, check and revoke API keys, and see how they are used."),
    "account": ("fleet", "account_commands", "Connect, discover, import and list AWS accounts."),
    "instance": ("fleet", "instance_commands", "List and show instances."),
    "cluster": ("clusters", "cluster_commands", "List clusters; set their policies and node templates."),
    "hibernation": ("clusters", "hibernation_commands", "Let clusters sleep by the hours of their week."),
    "secrets": ("secrets", "commands", "Make, rotate and withdraw the sealing keys."),
    "audit": ("audit", "audit_commands", "Read, seal, verify and export the audit trail."),
    "model": ("decisions", "model_commands", "Register models and bring them into production."),
    "experiment": ("decisions", "experiment_commands", "Try models in the lab."),
    "tag": ("datasets", "tag_commands", "Make tags, and put them on lab experiments."),
    "search": ("datasets", "search_commands", "Find lab experiments, and keep searches."),
    "dataset": ("datasets", "dataset_commands", "Import, generate and keep the data that models are trained on."),
    "decision": ("decisions", "decision_commands", "Decide which spot pool instances should be in, and see why."),
    "event": ("risk", "event_commands", "Take what AWS announces about spot instances."),
    "risk": ("risk", "risk_commands", "Tell which spot pools are blocked, and why."),
    "replica": ("risk", "replica_commands", "See what stands by for instances, and tell what became of it."),
    "approval": ("approvals", "commands", "Ask for risky actions, decide about them, execute them."),
    "job": ("jobs", "job_commands", "Open and see runs of the optimiser."),
    "action": ("jobs", "action_commands", "Ask agents in clusters to do something, and see what became of it."),
    "agent": ("jobs", "agent_commands", "Be the agent of a cluster that only pretends to work."),
    "waste": ("waste", "commands", "Find what nothing uses, and delete what was approved."),
    "savings": ("decisions", "savings_commands", "Show what decisions save."),
    "notify": ("notifications", "notify_commands", "Read your notices; say how you want to hear of what; send mails."),
    "webhook": ("notifications", "webhook_commands", "Tell programs and Slack channels what happens."),
    "sla": ("sla", "commands", "Tell and show how long spothive kept clusters down."),
    "market": ("risk", "market_commands", "Import and list facts of the market, shared by every tenant."),
}
"""Group to the file that holds its commands, their name there, and what they are for."""


class Streets(TyperGroup):
    """Groups that are filled when one is called: declaring every option of every command would slow ``--help`` down."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run a command and end the process; typer would print four lines for a misuse, and none for an interrupt."""
        try:
            code = super().main(*args, **(extra | {"standalone_mode": False}))
            if code == INTERRUPTED:
                to_stderr("interrupted: what was not finished was rolled back")
            sys.exit(code)
        except Misuse as misuse:
            if misuse.message.startswith("Usage:"):  # no command was named, and the message is the whole help
                misuse.show()
            else:
                to_stderr(_as_line(misuse))
            sys.exit(MISUSED)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Fill the group that ``args`` begin with, then find it."""
        if args[0] in STREETS:
            module, name, _ = STREETS[args[0]]
            street = getattr(import_module(f"spothive.cli.{module}"), name)
            cast("TyperGroup", self.commands[args[0]]).commands = get_group(street).commands
        return super().resolve_command(ctx, args)


class RunByDefault(TyperGroup):
    """A group whose first word may be what its command ``run`` is given: ``search tag:night``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` before what names no command of the group."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


BY_DEFAULT = {"search": RunByDefault}
"""Groups that run a command without its name."""


def _as_line(misuse: Any) -> str:
    """Return what was wrong and whose help to read."""
    words = " ".join(misuse.format_message().split()).rstrip(".").replace("Value error, ", "")
    command_path = misuse.ctx.command_path if misuse.ctx else "spothive"
    return f"error: {shortened(visible(words[:1].lower() + words[1:]), MISUSE_MAX)} (try: {command_path} --help)"


app = typer.Typer(
    cls=Streets,
    help="The system of record for AWS spot fleets of many tenants.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes longer to import than everything else that --help needs
)
for _name, (_, _, _purpose) in STREETS.items():
    _street = typer.Typer(no_args_is_help=True, rich_markup_mode=None, cls=BY_DEFAULT.get(_name, TyperGroup))
    app.add_typer(_street, name=_name, help=_purpose)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"spothive {version('spothive')}")
        raise typer.Exit


@app.callback()
def remember_options(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback does all
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
    tenant: TenantOption = None,
    acting_as: UserOption = None,
    as_json: JsonOption = False,
    postgres: PostgresOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Keep what stands before the name of the command for the command."""
    context.obj = Options(tenant, acting_as, as_json, postgres, verbose)


@command(app, "doctor")
def examine_surroundings(call: Call) -> None:
    """Examine login, guards, schema and settings.

    Every finding comes with its repair. Exits 1 on any error.
    """
    from spothive.cli.doctor import examine

    examine(call)


@command(app, "health")
def show_health(
    call: Call,
    stored: Annotated[bool, typer.Option("--stored", help="Show what the last checks found; check nothing.")] = False,
) -> None:
    """Check database, queue, prices, model and sealer.

    Each answer is kept. Exits 1 if anything is down.
    """
    from spothive.cli.health import show_health as show

    show(call, stored=stored)


@command(app, "sweep")
def do_duties(
    call: Call,
    only: Annotated[
        str | None, typer.Option(metavar="NAME", help="This duty alone, and now, whether it is due or not.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Go on until SIGTERM: each duty whenever it is due.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show the duties and how they stand; do none.")] = False,
) -> None:
    """Do what is due: expire, discover, seal, delete ..

    One process at a time does a duty. What cannot be done for one tenant stops
    no other. Exits 1 if anything was left out. With --loop and --json, a line
    for each run. For staff of platform.
    """
    from spothive.cli.sweep import sweep

    sweep(call, only=only, loop=loop, listed=listed)


@command(app, "logs")
def show_logs(
    call: Call,
    level: Annotated[Level | None, typer.Option(help="At least as serious as this.")] = None,
    component: Annotated[str | None, typer.Option(metavar="NAME", help="Of this part of spothive only.")] = None,
    action: Annotated[str | None, typer.Option(metavar="ACTION", help="Exactly this, such as health.checked.")] = None,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="About this person only.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="From 2h, 7d .. ago, or from 2026-03-04T10:30.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Before this, given likewise.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most rows to show.")] = 50,
    before: Annotated[str | None, typer.Option(metavar="PLACE", help="Go on where a page ended.")] = None,
) -> None:
    """Show what the system did, newest first."""
    from spothive.cli.logs import Wanted, show_logs as show

    show(call, Wanted(level, component, action, user, since, until, limit, before))


@command(app, "demo")
def show_demo(
    call: Call,
    data: Annotated[str, typer.Option(metavar="FOLDER", help="Where real AWS files lie.")] = "../shared/data",
    full: Annotated[bool, typer.Option("--full", help="Name every instance that changed.")] = False,
) -> None:
    """Show a whole fleet in a fresh database of its own."""
    from pathlib import Path

    from rich.console import Console

    from spothive.cli.demo import Demo

    if call.out.as_json:
        msg = "the demo is for people and prints no JSON"
        raise InvalidInput(msg)
    console = Console(markup=False, emoji=False, highlight=False)
    Demo(console, Path(data), postgres=call.options.postgres, full=full).run()
