"""The command line as a whole: its shared options, its help, and what it costs to start."""

from __future__ import annotations

import getpass
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
import typer

from spothive.cli import sla, waste
from spothive.cli.app import STREETS, app
from spothive.cli.clusters import hibernation, templates
from spothive.cli.decisions import reading
from spothive.cli.fleet import accounts, instances
from spothive.cli.identity import people
from spothive.cli.notifications import webhooks
from spothive.database import (
    AuthStatus,
    Decision,
    DecisionStatus,
    DowntimeCause,
    EnvironmentType,
    InstanceState,
    Lifecycle,
    Role,
)
from spothive.models import (
    Architecture,
    DeliveryStatus,
    DiskType,
    NodeStrategy,
    SleepState,
    WasteStatus,
    WasteType,
    WebhookProvider,
)
from spothive.settings import get_settings
from tests.cli.conftest import Spothive, audited
from tests.conftest import Database

SHARED = {"--tenant", "--as", "--json", "--postgres", "--verbose", "--help"}
HEAVY = {"alembic", "bcrypt", "boto3", "cryptography", "psycopg", "rich", "sqlalchemy", "structlog", "zxcvbn"}


def _commands() -> Iterator[tuple[list[str], Any]]:
    root: Any = typer.main.get_command(app)
    context = root.make_context("spothive", ["db"])
    for name in root.commands:
        root.resolve_command(context, [name])  # fills the group
        yield from _below([name], root.commands[name])


def _below(words: list[str], found: Any) -> Iterator[tuple[list[str], Any]]:
    if not hasattr(found, "commands"):
        yield words, found
        return
    for name, inner in found.commands.items():
        yield from _below([*words, name], inner)


COMMANDS = {" ".join(words): command for words, command in _commands()}


def test_every_command_of_the_house_is_there() -> None:
    assert set(COMMANDS) == {
        *("db upgrade", "db downgrade", "db status", "db check", "db seed", "db roles", "db sql", "db revision"),
        *("db backup", "db restore", "db copy", "db sample"),
        *("tenant create", "tenant list", "tenant suspend", "tenant resume"),
        *("user create", "user list", "user disable", "user enable", "user passwd", "user show", "user role"),
        *("user transfer", "user delete", "user register", "user reset-link", "user reset"),
        *("user totp enable", "user totp confirm", "user totp disable", "user totp codes"),
        *("invite create", "invite list", "invite withdraw", "invite accept"),
        *("apikey create", "apikey list", "apikey revoke", "apikey usage", "apikey check"),
        *("session list", "session end", "session start", "session log-ins"),
        *("account import", "account list", "account show", "account mark", "account disconnect"),
        *("account begin", "account template", "account verify", "account connect", "account recheck"),
        *("account discover", "secrets init", "secrets status", "secrets rotate", "secrets withdraw"),
        *("audit list", "audit show", "audit init", "audit seal", "audit verify", "audit export"),
        *("model register", "model list", "model show", "model accept", "model graduate", "model enable"),
        *("model activate", "model archive", "experiment assign"),
        *("experiment create", "experiment start", "experiment finish", "experiment list"),
        *("tag create", "tag list", "tag rename", "tag delete", "tag add", "tag remove"),
        *("search run", "search save", "search list", "search pin", "search delete"),
        *("dataset import", "dataset generate", "dataset list", "dataset show", "dataset jobs", "dataset cancel"),
        *("dataset delete", "dataset verify"),
        *("decision fold", "savings report", "decision make", "decision list", "decision show", "decision replay"),
        *("decision outcome", "decision shadow"),
        *("event ingest", "risk check", "risk list", "risk why"),
        *("replica list", "replica outcome", "replica expire"),
        *("approval list", "approval show", "approval request", "approval approve", "approval reject"),
        *("approval execute", "approval expire", "approval policy"),
        *("job list", "job show", "job open", "action list", "action show", "action enqueue", "agent simulate"),
        *("waste scan", "waste list", "waste show", "waste schedule", "waste keep", "waste delete-due"),
        *("notify list", "notify read", "notify preferences", "notify set", "notify zone", "notify mails"),
        *("notify send", "notify test"),
        *("sla report", "sla outages", "sla record", "sla end"),
        *("webhook add", "webhook list", "webhook show", "webhook test", "webhook rotate", "webhook enable"),
        *("webhook disable", "webhook events", "webhook remove", "webhook deliveries", "webhook redeliver"),
        *("cluster list", "cluster show", "cluster policy set", "cluster policy show"),
        *("cluster template create", "cluster template list", "cluster template default", "cluster template delete"),
        *("hibernation set", "hibernation show", "hibernation plan", "hibernation override", "hibernation cancel"),
        *("hibernation list", "hibernation enable", "hibernation disable", "hibernation preview"),
        "hibernation apply",
        *("instance list", "instance show", "doctor", "health", "sweep", "logs", "demo"),
        *("market import", "market list", "market status", "market refresh"),
    }


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself_and_takes_the_shared_options(name: str, done: Spothive) -> None:
    shown = done(*name.split(), "--help")
    assert "Usage: spothive " + name in shown.words
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert SHARED - {"--help"} <= options
    assert not [parameter.name for parameter in COMMANDS[name].params if not parameter.help]
    assert shown.out.isascii()
    assert max(map(len, shown.out.splitlines())) <= 80


@pytest.mark.parametrize("name", sorted(STREETS))
def test_a_group_lists_its_commands(name: str, done: Spothive) -> None:
    shown = done(name, "--help").out.partition("Commands:\n")[2]
    commands = list(dict.fromkeys(words.split()[1] for words in COMMANDS if words.startswith(f"{name} ")))
    assert [line.split()[0] for line in shown.splitlines()] == commands
    assert "..." not in shown, "the first sentence of a command's docstring must fit into its line"


def test_help_and_version_come_without_the_heavy_packages() -> None:
    code = (
        "import sys; from spothive.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    for words in (["--help"], ["--version"], ["account", "import", "--help"]):
        ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        assert ran.stdout
        assert not HEAVY & set(ran.stderr.split()), words


def test_the_version_is_that_of_the_package(done: Spothive) -> None:
    assert done("--version").out == "spothive 0.1.0\n"


def test_it_runs_as_a_module_too() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "spothive.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("spothive ")


MISUSES = {
    "nonsense": ("no such command 'nonsense'", "spothive"),
    "acount list": ("no such command 'acount'. Did you mean 'account'?", "spothive"),
    "account imprt": ("no such command 'imprt'. Did you mean 'import'?", "spothive account"),
    "account list --xyz": ("no such option: --xyz", "spothive account list"),
    "account list --tennant": ("no such option: --tennant (Possible options: --tenant)", "spothive account list"),
    "--json account list --xyz": ("no such option: --xyz", "spothive account list"),
    "account list --tenant": ("option '--tenant' requires an argument", "spothive account list"),
    "db sample --tenants": ("option '--tenants' requires an argument", "spothive db sample"),
    "--tenant": ("option '--tenant' requires an argument", "spothive"),
    "account list \x1b[2J": (r"got unexpected extra argument(s) (\x1b[2J)", "spothive account list"),
    "account show": ("missing argument 'NAME'", "spothive account show"),
    "account import": ("missing option '--name'", "spothive account import"),
    "account mark real STAGING": (
        "invalid value for 'ENVIRONMENT': 'STAGING' is not one of 'PROD', 'LAB'",
        "spothive account mark",
    ),
    "user create bob --email b@x.io": (
        "missing option '--role'. Choose from: user, lab, client, admin, super_admin",
        "spothive user create",
    ),
    "instance list --limit many": (
        "invalid value for '--limit': Input should be a valid integer, unable to parse string as an integer",
        "spothive instance list",
    ),
    "db sql --dialect oracle": (
        "invalid value for '--dialect': 'oracle' is not one of 'postgresql', 'sqlite'",
        "spothive db sql",
    ),
}


@pytest.mark.parametrize("words", MISUSES)
def test_misuse_is_one_line_and_exit_code_two(words: str, spothive: Spothive) -> None:
    what, whose_help = MISUSES[words]
    ran = spothive(*words.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"error: {what} (try: {whose_help} --help)\n"


def test_a_very_long_misuse_still_says_what_to_do(spothive: Spothive) -> None:
    ran = spothive("account", "list", "x\n" * 100_000)
    assert ran.code == 2
    assert ran.err.endswith("… (try: spothive account list --help)\n")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["account"]], ids=["nothing", "account"])
def test_without_a_command_the_help_is_shown(words: list[str], spothive: Spothive, done: Spothive) -> None:
    ran = spothive(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == done(*words, "--help").out


def test_an_empty_result_is_an_empty_list(people: Database, done: Spothive) -> None:
    for words in (["account", "list"], ["instance", "list"]):
        assert done(*words, "--json").json == []


def test_choices_are_those_of_the_models() -> None:
    # The command line spells them out to start without the models.
    for spelled, declared in (
        (people.RoleName, Role),
        (accounts.Environment, EnvironmentType),
        (instances.State, InstanceState),
        (instances.Lifecycle, Lifecycle),
        (instances.Authorisation, AuthStatus),
        (reading.DecisionName, Decision),
        (reading.StatusName, DecisionStatus),
        (waste.Status, WasteStatus),
        (waste.Kind, WasteType),
        (sla.Cause, DowntimeCause),
        (templates.ArchitectureName, Architecture),
        (templates.StrategyName, NodeStrategy),
        (templates.DiskName, DiskType),
        (hibernation.StateName, SleepState),
        (webhooks.Provider, WebhookProvider),
        (webhooks.Status, DeliveryStatus),
    ):
        assert set(get_args(spelled)) == {member.value for member in declared}


def test_the_demo_tells_its_story_to_people_only(refused: Callable[..., str]) -> None:
    assert refused("demo", "--json") == "the demo is for people and prints no JSON"


@pytest.fixture
def listed(people: Database, done: Spothive) -> Callable[..., list[str]]:
    """Return a function that names the users a `user list` shows."""

    def run(*words: str) -> list[str]:
        return [user["username"] for user in done(*words).json]

    return run


def test_shared_options_count_before_and_after_the_command(
    listed: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert listed("user", "list", "--json") == ["admin"]
    assert listed("--json", "--tenant", "globex", "user", "list") == ["gina"]
    assert listed("user", "list", "--json", "--tenant", "globex") == ["gina"]
    assert listed("--tenant", "acme", "user", "list", "--json", "--tenant", "globex") == ["gina"]
    assert listed("--json", "--as", "gina", "--tenant", "globex", "user", "list") == ["gina"]
    monkeypatch.setenv("SPOTHIVE_TENANT", "globex")
    assert listed("user", "list", "--json") == ["gina"]
    assert listed("--tenant", "platform", "user", "list", "--json") == ["admin"]
    monkeypatch.setenv("SPOTHIVE_USER", "gina")
    assert listed("--json", "user", "list") == ["gina"]
    monkeypatch.setenv("SPOTHIVE_TENANT", "")
    monkeypatch.setenv("SPOTHIVE_USER", "")
    assert listed("user", "list", "--json") == ["admin"]


def test_the_audit_names_user_and_operating_system_user(people: Database, done: Spothive) -> None:
    done("tenant", "create", "initech", "--name", "Initech")
    [row] = audited("tenant.created")[-1:]
    assert row["actor_name"] == f"admin (cli: {pwd.getpwuid(os.geteuid()).pw_name})"


def test_the_audit_is_not_misled_by_the_environment(
    people: Database, done: Spothive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert getpass.getuser() == "somebody-else"
    done("tenant", "create", "initech", "--name", "Initech")
    assert "somebody-else" not in audited("tenant.created")[-1]["actor_name"]


def test_a_user_without_a_name_is_known_by_number(
    people: Database, done: Spothive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000_123)
    done("tenant", "create", "initech", "--name", "Initech")
    assert audited("tenant.created")[-1]["actor_name"] == "admin (cli: uid 4000000123)"


def test_the_embedded_postgresql_is_one_option_away(
    spothive: Spothive, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    asked: list[Any] = []

    def server(folder: Any) -> Any:
        asked.append(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr("spothive.database.embedded_postgresql.shared_server", server)
    monkeypatch.setenv("SPOTHIVE_EMBEDDED_POSTGRES", "0")
    monkeypatch.setenv("SPOTHIVE_EMBEDDED_DIR", str(tmp_path))
    for words in (["--postgres", "db", "status"], ["db", "status", "--postgres"]):
        assert spothive(*words).code == 130
    assert asked == [tmp_path, tmp_path]
    get_settings.cache_clear()
