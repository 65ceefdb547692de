"""What a process does that deletes waste at the stand-in of the test."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from spothive.database import get_db_session
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions, Credentials
from spothive.operations.identity import find_actor
from spothive.operations.waste import delete_due
from tests.torture.aws_works import PAUSE, no_keys
from tests.torture.processes import DONE, STEP, Voice

STEPS = ("volumes", "final_snapshot", "delete_volume", "release_address", "delete_snapshot", "deregister_image")


def delete(voice: Voice, url: str, platform: Credentials) -> None:
    """Delete what is due of acme, with a pause before each question to AWS and after each answer."""
    gateway = AwsGateway(ConnectionOptions(endpoint_url=url), platform=platform)
    gateway.platform_identity()  # so that the first client is there
    for name in STEPS:
        setattr(gateway, name, _slowly(voice, getattr(gateway, name)))
    actor, tenant_id = find_actor("anna", "acme")
    voice.wait_for_start()
    delete_due(get_db_session, actor, tenant_id=tenant_id, gateway=gateway, keys=no_keys)
    voice.say(DONE)


def _slowly(voice: Voice, ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(*which: Any, **more: Any) -> Any:
        voice.say(STEP)
        time.sleep(PAUSE)
        answer = ask(*which, **more)
        voice.say(STEP)
        time.sleep(PAUSE)
        return answer

    return asked
