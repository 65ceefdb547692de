"""``spothive account begin|template|verify|connect|recheck|discover``: what asks AWS."""

from __future__ import annotations

from contextlib import closing
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.asking import ask_secret
from spothive.cli.call import Call, command, named
from spothive.cli.fleet.accounts import AccountName, account_commands
from spothive.cli.fleet.looking import All, Names, Regions, look_at_accounts
from spothive.cli.fleet.results import account_facts, scan_facts, tell_scan
from spothive.cli.progress import show_progress

if TYPE_CHECKING:
    from spothive.gateways.aws import AwsGateway
    from spothive.gateways.aws_clients import Credentials

Region = Annotated[str, typer.Option(metavar="REGION", help="Home region of a new account.")]
Owner = Annotated[str | None, typer.Option(metavar="USERNAME", help="Who answers for a new account.")]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account in spothive.")]


@command(account_commands, "begin")
def begin(call: Call, name: NewName, region: Region = "us-east-1", owner: Owner = None) -> None:
    """Open a request to connect an account by a role, for 24 hours.

    Asked again it returns the request that is open. Next comes `account template`.
    """
    from spothive.operations.fleet import begin_onboarding

    with call.writing() as session:
        request = begin_onboarding(session, call.actor, name=named(name, "NAME"), region=region, owner=owner)
    call.out.json(
        {
            "name": name,
            "request_id": request.request_id,
            "external_id": request.external_id,
            "status": request.status,
            "expires_at": request.expires_at,
        }
    )
    call.out.line(f"a request to connect {name} is open until {request.expires_at:%Y-%m-%d %H:%M} UTC")
    word = quote(name)
    call.out.line(f"next: spothive account template {word} > role.json, and launch that in the AWS account:")
    call.out.line(
        "      aws cloudformation create-stack --stack-name spothive --template-body file://role.json "
        "--capabilities CAPABILITY_IAM"
    )
    call.out.line(f"then: spothive account verify {word} --role THE-ROLE-ARN-IT-PUTS-OUT")


@command(account_commands, "template")
def template(
    call: Call,
    name: AccountName,
    access: Annotated[
        Literal["read-only", "full"], typer.Option(help="What the role may do: see the fleet, or act on it too.")
    ] = "read-only",
    principal: Annotated[
        str | None, typer.Option(metavar="ARN", help="Whom the role is to trust; default: whoever spothive is at AWS.")
    ] = None,
) -> None:
    """Print the CloudFormation template of the role.

    It is for an open request. Asks AWS whom the role is to trust: spothive's own credentials must be set up.
    """
    from spothive.database import get_db_session
    from spothive.operations.fleet import onboarding_template

    with closing(_gateway()) as gateway:
        text = onboarding_template(
            get_db_session,
            call.actor,
            tenant_id=call.tenant_id,
            name=name,
            grant=access,
            gateway=gateway,
            principal_arn=principal,
        )
    typer.echo(text, nl=False)


@command(account_commands, "verify")
def verify(
    call: Call,
    name: AccountName,
    role: Annotated[str, typer.Option(metavar="ARN", help="Role that the stack put out.")],
) -> None:
    """Prove the role and connect the account.

    The role must open with the external id of the request, and in no other way.
    """
    from spothive.database import get_db_session
    from spothive.operations.fleet import verify_onboarding

    with closing(_gateway()) as gateway, show_progress("asking AWS"):
        account = verify_onboarding(
            get_db_session, call.actor, tenant_id=call.tenant_id, name=name, role_arn=role, gateway=gateway
        )
    _tell_connected(call, name, account)


@command(account_commands, "connect")
def connect(call: Call, name: NewName, region: Region = "us-east-1", owner: Owner = None) -> None:
    """Connect an account by access keys, which are stored sealed.

    The keys are asked for, unseen; without a terminal they come from SPOTHIVE_ACCOUNT_ACCESS_KEY_ID and
    SPOTHIVE_ACCOUNT_SECRET_ACCESS_KEY.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations.fleet import connect_with_keys

    actor, name = call.actor, named(name, "NAME")  # before anything is asked
    credentials = _credentials()
    with closing(_gateway()) as gateway, show_progress("asking AWS"):
        account = connect_with_keys(
            get_db_session,
            actor,
            tenant_id=call.tenant_id,
            name=name,
            credentials=credentials,
            gateway=gateway,
            keys=runtime.keyring,
            region=region,
            owner=owner,
        )
    _tell_connected(call, name, account)


@command(account_commands, "recheck")
def recheck(call: Call, name: AccountName) -> None:
    """Prove the stored credentials again.

    A failed account that proves itself is connected; one that AWS refuses is failed, with exit code 1.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations.fleet import recheck_account

    with closing(_gateway()) as gateway, show_progress("asking AWS"):
        account = recheck_account(
            get_db_session,
            call.actor,
            tenant_id=call.tenant_id,
            name=name,
            gateway=gateway,
            keys=runtime.keyring,
        )
    call.out.json(account_facts(account))
    call.out.line(f"account {account.account_name} is {account.status}")


@command(account_commands, "discover")
def discover(call: Call, names: Names = None, everything: All = False, region: Regions = None) -> None:
    """Read accounts at AWS and write what changed.

    Exit 1 unless every region of every account could be read. JSON is a list, one object for each account.
    """
    from spothive.operations.fleet import discover_account

    look_at_accounts(
        call,
        names,
        everything=everything,
        regions=region,
        look=discover_account,
        facts=scan_facts,
        tell=tell_scan,
    )


def _gateway() -> AwsGateway:
    from spothive import runtime

    return runtime.aws_gateway()


def _credentials() -> Credentials:
    """Return the keys to connect with; they never come from the command line, which every process can read."""
    from spothive.gateways.aws_clients import Credentials
    from spothive.settings import get_settings

    settings = get_settings()
    return Credentials(
        ask_secret("Access key id", settings.account_access_key_id, "SPOTHIVE_ACCOUNT_ACCESS_KEY_ID"),
        ask_secret("Secret access key", settings.account_secret_access_key, "SPOTHIVE_ACCOUNT_SECRET_ACCESS_KEY"),
    )


def _tell_connected(call: Call, name: str, account: Any) -> None:
    call.out.json(account_facts(account))
    known = "" if account.account_name == name else f", which you know as {account.account_name}"
    call.out.line(f"connected to AWS account {account.account_id}{known}")
    call.out.line(f"next: spothive account discover {quote(account.account_name)}")
