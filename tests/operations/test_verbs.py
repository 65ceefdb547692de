"""What holds for every verb: one audit row in its transaction, no secret in it, and no change without it."""

from __future__ import annotations

import pytest

from spothive.database import Tenant
from spothive.database.system_logs import masked
from spothive.errors import Denied, SpothiveError
from tests.conftest import Database
from tests.operations.conftest import World, audit_impossible, audited
from tests.operations.sign_in_verbs import SIGN_IN_VERBS
from tests.operations.verbs import SECRET, VERBS, Verb
from tests.watching import everything, rows_of

ALL = (*VERBS, *SIGN_IN_VERBS)
every_verb, every_guarded_verb = (
    pytest.mark.parametrize("verb", verbs, ids=lambda verb: verb.name.replace(" ", "_"))
    for verbs in (ALL, [verb for verb in ALL if verb.denied])
)


@every_verb
def test_a_verb_leaves_its_audit_row(world: World, verb: Verb) -> None:
    verb.prepare(world)
    before = audited()
    actor = getattr(world, verb.actor)
    verb.run(actor, verb.tenant_id(world))
    written = audited()[len(before) :]
    assert written == [(event, resource, "SUCCESS", actor.label, was, now) for event, resource, was, now in verb.trail]
    assert SECRET not in str(everything()["audit_logs"])


@every_verb
def test_without_its_audit_row_a_verb_changes_nothing(db: Database, world: World, verb: Verb) -> None:
    verb.prepare(world)
    before = everything()
    with audit_impossible(db), pytest.raises(SpothiveError):
        verb.run(getattr(world, verb.actor), verb.tenant_id(world))
    assert everything() == before
    verb.run(getattr(world, verb.actor), verb.tenant_id(world))  # and it was the audit trail alone that was in the way
    assert everything() != before


@every_guarded_verb
def test_a_denied_verb_changes_nothing_and_is_remembered(world: World, verb: Verb) -> None:
    verb.prepare(world)
    before = everything()
    actor = getattr(world, str(verb.denied))
    with pytest.raises(Denied, match=f"^{actor.username} "):
        verb.run(actor, verb.tenant_id(world))
    after = everything()
    (row,) = [row for row in after.pop("audit_logs") if row not in before["audit_logs"]]
    event, resource = verb.trail[0][:2]
    assert (row["event"], row["resource"], row["outcome"]) == (event, resource, "DENIED")
    assert (row["tenant_id"], row["actor_id"]) == (verb.tenant_id(world), actor.user_id)
    del before["audit_logs"]
    assert after == before


@every_verb
def test_audit_rows_belong_to_the_tenant_that_was_changed(world: World, verb: Verb) -> None:
    verb.prepare(world)
    known = {row["id"] for row in everything()["audit_logs"]}
    verb.run(getattr(world, verb.actor), verb.tenant_id(world))
    new = [row for row in everything()["audit_logs"] if row["id"] not in known]
    expected = verb.tenant_id(world)
    if verb.name == "create a tenant":
        (tenant,) = rows_of(Tenant, slug="initech")
        expected = tenant["id"]
    assert {row["tenant_id"] for row in new} == {expected}


WITHOUT_A_DIFF = {
    "totp.begun": "a secret is all that changes",
    "totp.codes": "secrets are all that changes",
    "totp.disabled": "the event says it all",
    "totp.enabled": "the event says it all",
    "totp.removed": "the event says it all",
    "user.password": "a secret is all that changes",
}


def test_every_verb_says_what_changed_and_names_no_secret() -> None:
    told = [(event, {**(was or {}), **(now or {})}) for verb in ALL for event, _, was, now in verb.trail]
    silent = {event for event, diff in told if not diff} - WITHOUT_A_DIFF.keys()
    assert not silent, f"{silent}: record(.., before=.., after=..), or say here why there is nothing to tell"
    secret = {event for event, diff in told if masked(diff) != diff}
    assert not secret, f"{secret}: an audit row holds no secret, nor its hash"
