"""Disconnects account ``shop`` of tenant ``acme`` in small batches, with a word after each."""

from __future__ import annotations

import time

from spothive.database import get_db_session
from spothive.operations.fleet import accounts, disconnect_account
from spothive.operations.identity import find_actor
from tests.torture.children.speaking import PAUSE, done, ready, step


def pause(_: int, __: int) -> None:
    step()
    time.sleep(PAUSE)


accounts.BATCH = 100
actor, tenant_id = find_actor("admin", "acme")
ready()
disconnect_account(get_db_session, actor, tenant_id=tenant_id, name="shop", progress=pause)
done()
