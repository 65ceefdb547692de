"""What the processes do that tell of blocked pools until they are killed, and the one that blocks them meanwhile."""

from __future__ import annotations

import os
import signal
import time
from itertools import count
from typing import Any, cast

from sqlalchemy import Engine, event

from spothive.database import get_db_session
from spothive.operations.identity import find_actor
from spothive.operations.risk import record_spot_event
from spothive.operations.sweeps import duties
from spothive.operations.sweeps.leases import Lease
from spothive.operations.sweeps.work import Work
from tests.factories.spot_events import spot_event
from tests.torture.processes import DONE, Voice
from tests.torture.sweep_works import tools

SOURCE_ACCOUNT = "111111111111"
HELD = 0.05
"""Seconds for which whoever blocks a pool keeps the transaction open."""


class NoLease:
    """Lets several do the duty at once, as where one stood still for longer than its lease."""

    def keep(self) -> None:
        """Let it go on."""


def tell_until_killed(voice: Voice, dies_at: int = 0, page: int = 5000) -> None:
    """Do the duty; before the statement or commit of number ``dies_at`` the process kills itself by signal 9."""
    sent = count(1)

    def die(*_: Any) -> None:
        if next(sent) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    find_actor("admin", "platform")  # so that it is connected
    setattr(duties, "AT_ONCE", page)  # noqa: B010 - a constant, but for this test
    event.listen(Engine, "before_cursor_execute", die)
    event.listen(Engine, "commit", die)
    voice.wait_for_start()
    work = Work(get_db_session, tools(), cast("Lease", NoLease()))
    duties.tell_of_what_lasts(work)
    voice.say(work.failures or DONE)


def block_pools(voice: Voice, instances: list[str]) -> None:
    """Interrupt instances of acme one after the other, in transactions that stay open for a while."""
    actor, tenant_id = find_actor("anna", "acme")

    def hold(*_: Any) -> None:
        time.sleep(HELD)

    event.listen(Engine, "commit", hold)
    voice.wait_for_start()
    for name in instances:
        given = spot_event(account=SOURCE_ACCOUNT, instance_id=name)
        record_spot_event(get_db_session, actor, given, tenant_id=tenant_id)
    voice.say(DONE)
