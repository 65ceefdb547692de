"""What holds for every verb: one audit row in its transaction, no secret in it, and no change without it."""

from __future__ import annotations

import pytest

from spothive.database import Tenant
from spothive.database.system_logs import masked
from spothive.errors import Denied, SpothiveError
from spothive.operations.identity.tokens import hash_of
from tests.conftest import Database
from tests.operations.approval_verbs import APPROVAL_VERBS
from tests.operations.cluster_verbs import CLUSTER_VERBS
from tests.operations.conftest import World, audit_impossible, audited
from tests.operations.dataset_verbs import DATASET_VERBS
from tests.operations.job_verbs import JOB_VERBS
from tests.operations.notification_verbs import NOTIFICATION_VERBS
from tests.operations.sign_in_verbs import SIGN_IN_VERBS
from tests.operations.sweep_verbs import SWEEP_VERBS
from tests.operations.verbs import SECRETS, VERBS, Verb, token_of
from tests.operations.waste_verbs import WASTE_VERBS
from tests.operations.webhook_verbs import WEBHOOK_VERBS
from tests.watching import Rows, everything, rows_of

ALL = (
    *(*VERBS, *SIGN_IN_VERBS, *CLUSTER_VERBS, *APPROVAL_VERBS, *WASTE_VERBS, *SWEEP_VERBS),
    *(*JOB_VERBS, *NOTIFICATION_VERBS, *WEBHOOK_VERBS, *DATASET_VERBS),
)


@pytest.mark.parametrize("verb", ALL, ids=lambda verb: verb.name.replace(" ", "_"))
def test_a_verb_is_for_those_who_may_and_changes_nothing_without_its_audit_row(
    db: Database, world: World, verb: Verb
) -> None:
    verb.prepare(world)
    before = everything()
    if verb.denied is not None:
        before = denied_is_remembered(world, verb, before)
    nothing_without_audit(db, world, verb, before)
    done_is_told(world, verb, before)  # and it was the audit trail alone that was in the way


def denied_is_remembered(world: World, verb: Verb, before: dict[str, Rows]) -> dict[str, Rows]:
    """Return everything there is afterwards."""
    actor = getattr(world, verb.denied or "")
    with pytest.raises(Denied, match=f"^{actor.username} "):
        verb.run(actor, verb.tenant_id(world))
    after = everything()
    (row,) = [row for row in after["audit_logs"] if row not in before["audit_logs"]]
    event, resource = verb.trail[0][:2]
    assert (row["event"], row["resource"], row["outcome"]) == (event, resource, "DENIED")
    assert (row["tenant_id"], row["actor_id"]) == (verb.tenant_id(world), actor.user_id)
    assert after | {"audit_logs": []} == before | {"audit_logs": []}
    return after


def nothing_without_audit(db: Database, world: World, verb: Verb, before: dict[str, Rows]) -> None:
    with audit_impossible(db), pytest.raises(SpothiveError):
        verb.run(getattr(world, verb.actor), verb.tenant_id(world))
    assert everything() == before


def done_is_told(world: World, verb: Verb, before: dict[str, Rows]) -> None:
    known, seen = {row["id"] for row in before["audit_logs"]}, len(audited())
    actor, tenant_id = getattr(world, verb.actor), verb.tenant_id(world)
    verb.run(actor, tenant_id)
    after = everything()
    label = verb.label or actor.label
    assert audited()[seen:] == [
        (event, resource, "SUCCESS", label, was, now) for event, resource, was, now in verb.trail
    ]
    if verb.makes_tenant:
        ((tenant_id),) = [tenant["id"] for tenant in rows_of(Tenant, slug=verb.makes_tenant)]
    new = [row for row in after["audit_logs"] if row["id"] not in known]
    assert {row["tenant_id"] for row in new} == {tenant_id}, "they belong to the tenant that was changed"
    told = str(after["audit_logs"])
    assert [secret for secret in (*SECRETS, hash_of(token_of(tenant_id))) if secret in told] == []
    del before["audit_logs"], after["audit_logs"]
    assert after != before


WITHOUT_A_DIFF = {
    "totp.begun": "a secret is all that changes",
    "totp.codes": "secrets are all that changes",
    "totp.disabled": "the event says it all",
    "totp.enabled": "the event says it all",
    "totp.removed": "the event says it all",
    "user.password": "a secret is all that changes",
    "user.password_reset": "a secret is all that changes",
    "user.reset_asked": "a secret is all that is made",
    "user.reset_link": "a secret is all that is made",
}


def test_every_verb_says_what_changed_and_names_no_secret() -> None:
    told = [(event, {**(was or {}), **(now or {})}) for verb in ALL for event, _, was, now in verb.trail]
    silent = {event for event, diff in told if not diff} - WITHOUT_A_DIFF.keys()
    assert not silent, f"{silent}: record(.., before=.., after=..), or say here why there is nothing to tell"
    secret = {event for event, diff in told if masked(diff) != diff}
    assert not secret, f"{secret}: an audit row holds no secret, nor its hash"
