"""Imports the fleet of a day later into account ``shop`` of tenant ``acme``."""

from __future__ import annotations

from spothive.database import get_db_session
from spothive.operations.fleet import import_fleet
from spothive.operations.identity import find_actor
from tests.factories.fleets import a_day_later, answer_of, large_fleet
from tests.torture.children.speaking import done, ready

answer = answer_of(a_day_later(large_fleet(5_000), changed=50))
actor, tenant_id = find_actor("admin", "acme")
ready()
with get_db_session(tenant=tenant_id) as session:
    import_fleet(session, actor, name="shop", answer=answer)
done()
