"""What processes do that connect and discover accounts at the stand-in of the test."""

from __future__ import annotations

import time
from typing import Any, NoReturn
from uuid import UUID

from spothive.database import get_db_session
from spothive.errors import Conflict, KeyMissing
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions, Credentials
from spothive.operations.approvals import execute_approved
from spothive.operations.clusters import apply_hibernation
from spothive.operations.fleet import discover_account, verify_onboarding
from spothive.operations.identity import find_actor
from tests.torture.processes import DONE, STEP, Voice

PAUSE = 0.05
"""Seconds between two words, in which a test can kill."""


def claim(voice: Voice, url: str, platform: Credentials, slug: str, username: str, name: str, role_arn: str) -> None:
    """Prove a role for account ``name`` and connect it; say which row it is, or why not."""
    gateway = _gateway(url, platform)
    actor, tenant_id = find_actor(username, slug)
    voice.wait_for_start()
    try:
        account = verify_onboarding(
            get_db_session, actor, tenant_id=tenant_id, name=name, role_arn=role_arn, gateway=gateway
        )
    except Conflict as error:
        voice.say((type(error).__name__, str(error)))
    else:
        voice.say(("Account", str(account.id)))


def discover(voice: Voice, url: str, platform: Credentials) -> None:
    """Discover account ``prod`` of acme, with a word after each region."""
    gateway = _gateway(url, platform)
    actor, tenant_id = find_actor("anna", "acme")
    voice.wait_for_start()
    try:
        discover_account(
            get_db_session,
            actor,
            tenant_id=tenant_id,
            name="prod",
            gateway=gateway,
            keys=no_keys,
            progress=lambda *_: voice.say(STEP),
        )
    except Conflict as error:
        voice.say((type(error).__name__, str(error)))
    else:
        voice.say(DONE)


def execute(voice: Voice, url: str, platform: Credentials, request_id: UUID) -> None:
    """Execute an approval of acme, with a word before each question to AWS, and after the answer that it ends."""
    gateway = _gateway(url, platform)
    actor, tenant_id = find_actor("anna", "acme")
    terminate = gateway.terminate

    def step_by_step(*which: Any) -> str:
        voice.say(STEP)
        time.sleep(PAUSE)
        state = terminate(*which)
        voice.say(STEP)
        time.sleep(PAUSE)
        return state

    setattr(gateway, "terminate", step_by_step)  # noqa: B010 - so that its signature is no matter
    voice.wait_for_start()
    known: dict[str, Any] = {"tenant_id": tenant_id, "gateway": gateway, "keys": no_keys}
    execute_approved(get_db_session, actor, request_id=request_id, **known)
    voice.say(DONE)


def hibernate(voice: Voice, url: str, platform: Credentials) -> None:
    """Apply hibernation in acme, with a word before each step at AWS, and after each group that was scaled."""
    gateway = _gateway(url, platform)
    actor, tenant_id = find_actor("anna", "acme")

    def step_by_step(name: str, *, twice: bool) -> None:
        step = getattr(gateway, name)

        def slowly(*which: Any, **more: Any) -> Any:
            voice.say(STEP)
            time.sleep(PAUSE)
            answer = step(*which, **more)
            if twice:
                voice.say(STEP)
                time.sleep(PAUSE)
            return answer

        setattr(gateway, name, slowly)

    step_by_step("node_groups", twice=False)
    step_by_step("scale", twice=True)
    voice.wait_for_start()
    apply_hibernation(get_db_session, actor, tenant_id=tenant_id, gateway=gateway, keys=no_keys)
    voice.say(DONE)


def no_keys() -> NoReturn:
    """Open nothing: these accounts are connected by roles."""
    raise KeyMissing("a role needs no sealing key")


def _gateway(url: str, platform: Credentials) -> AwsGateway:
    """Make a gateway that has asked once: boto3 is imported and the clients that prove a role are made."""
    gateway = AwsGateway(ConnectionOptions(endpoint_url=url), platform=platform)
    gateway.platform_identity()
    return gateway
