"""What the processes do that sweep until they are killed."""

from __future__ import annotations

import time
from typing import Any, NoReturn

from spothive.database import get_db_session
from spothive.errors import KeyMissing
from spothive.gateways.aws import AwsGateway
from spothive.operations.identity import find_actor
from spothive.operations.sweeps import Duty, Tools, retention, sweep
from spothive.operations.sweeps.work import Work
from tests.torture.processes import DONE, STEP, Voice

PAUSE = 0.002
"""Seconds between two batches, in which a test can kill."""


def nothing() -> NoReturn:
    raise KeyMissing("no duty here needs a key")


def tools() -> Tools:
    return Tools(AwsGateway(), *6 * (nothing,))


def delete_old_rows_in_steps(voice: Voice, batch: int) -> None:
    """Do the retention in small batches, with a word and a short pause after each transaction."""
    actor, _ = find_actor("admin", "platform")
    delete_batch = retention._delete_batch  # noqa: SLF001 - to say where it is

    def slowly(*given: Any) -> int:
        gone = delete_batch(*given)
        voice.say(STEP)  # it is not committed yet
        time.sleep(PAUSE)
        return gone

    setattr(retention, "BATCH", batch)  # noqa: B010 - a constant, but for this test
    setattr(retention, "_delete_batch", slowly)  # noqa: B010 - so that its signature is no matter
    voice.wait_for_start()
    sweep(get_db_session, actor, tools(), only="retention")
    voice.say(DONE)


def hold_a_duty(voice: Voice) -> None:
    """Be the one that does a duty, and say so, until killed."""
    actor, _ = find_actor("admin", "platform")

    def stay(work: Work) -> None:
        for tenant in work.tenants():
            work.counts[tenant.slug] += 1
            voice.say(STEP)
            time.sleep(3600)

    voice.wait_for_start()
    sweep(get_db_session, actor, tools(), duties=[Duty("risk", "a test", stay, each_tenant=True)])


def lead_again_and_again(voice: Voice, seconds: float) -> None:
    """Do a duty whenever nobody else does; say (from, to) of each turn, by a clock that all processes share."""
    actor, _ = find_actor("admin", "platform")
    turns: list[tuple[float, float]] = []

    def take_a_turn(work: Work) -> None:
        began = time.monotonic()
        for _ in work.tenants():
            work.go_on()
            time.sleep(PAUSE)
        turns.append((began, time.monotonic()))

    voice.wait_for_start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        duty = Duty("leases", "a test", take_a_turn, each_tenant=True)
        sweep(get_db_session, actor, tools(), duties=[duty])
    voice.say(turns)
