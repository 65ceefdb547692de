"""Users of one tenant learn nothing of another through the command line, and what they try is remembered."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from spothive.database import PLATFORM_TENANT_ID, Role
from spothive.operations.identity import find_actor
from tests.cli.conftest import Spothive, answer, audited, instance
from tests.conftest import Database
from tests.watching import everything

COMMANDS = [
    ["tenant", "list"],
    ["tenant", "create", "new", "--name", "New"],
    ["tenant", "suspend", "globex"],
    ["user", "list"],
    ["user", "create", "new", "--email", "new@x.io", "--role", "user"],
    ["user", "disable", "gina"],
    ["user", "passwd", "gina"],
    ["user", "show", "gina"],
    ["user", "role", "gina", "lab"],
    ["user", "transfer", "gina", "acme-client"],
    ["user", "delete", "gina", "--yes"],
    ["user", "reset-link", "gina"],
    ["invite", "create", "new@x.io", "--role", "user"],
    ["invite", "list"],
    ["invite", "withdraw", "new@x.io"],
    ["account", "import", "--name", "theirs", "--file", "-"],
    ["account", "list"],
    ["account", "show", "theirs"],
    ["account", "mark", "theirs", "LAB"],
    ["account", "disconnect", "theirs", "--yes"],
    ["instance", "list"],
    ["instance", "show", "i-00000000000000001"],
    ["decision", "make", "--all"],
    ["decision", "make", "i-00000000000000001"],
    ["decision", "list"],
    ["decision", "show", "0197a1f0-0000-7000-8000-000000000001"],
    ["decision", "replay", "0197a1f0-0000-7000-8000-000000000001"],
    ["decision", "outcome", "0197a1f0-0000-7000-8000-000000000001", "acted"],
    ["decision", "shadow", "i-00000000000000001", "on"],
    ["approval", "request", "terminate", "i-00000000000000001"],
    ["approval", "approve", "0197a1f0-0000-7000-8000-000000000001"],
    ["approval", "execute", "0197a1f0-0000-7000-8000-000000000001"],
    ["approval", "policy", "--ask"],
    ["action", "list"],
    ["action", "show", "0197a1f0-0000-7000-8000-000000000001"],
    ["action", "enqueue", "CORDON_NODE", "--cluster", "shop", "--payload", '{"node": "n"}'],
    ["job", "list"],
    ["job", "show", "0197a1f0-0000-7000-8000-000000000001"],
    ["job", "open", "--cluster", "shop"],
    ["agent", "simulate", "--cluster", "shop"],
    ["hibernation", "apply"],
    ["hibernation", "apply", "--dry-run"],
    ["market", "import", "-"],
    ["market", "list"],
    ["market", "status"],
    ["savings", "report"],
    ["decision", "fold"],
    ["sweep"],
    ["sweep", "--only", "risk"],
    ["sweep", "--list"],
    ["sweep", "--loop"],
    ["market", "refresh", "--region", "us-east-1"],
]


@pytest.fixture
def theirs(people: Database, done: Spothive) -> Database:
    """Give globex an account with one instance."""
    words = ["account", "import", "--name", "theirs", "--file", "-", "--tenant", "globex", "--as", "gina"]
    done(*words, given=answer(instance(1)))
    return people


def test_another_tenant_answers_like_one_that_does_not_exist(theirs: Database, refused: Callable[..., str]) -> None:
    before = everything()
    for words in COMMANDS:
        acting = [*words, "--as", "acme-client", "--tenant"]
        existing = refused(*acting, "globex", given=answer())
        missing = refused(*acting, "nobody", given=answer())
        assert missing == "no tenant is called 'nobody': see `spothive tenant list`"
        assert existing.replace("globex", "nobody") == missing
        assert refused(*acting, "platform", given=answer()).replace("platform", "nobody") == missing
    assert everything() == before


def test_the_rows_of_another_tenant_answer_like_rows_that_do_not_exist(
    theirs: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    own = ["--tenant", "acme", "--as", "acme-client"]
    for words in (
        ["account", "show"],
        ["account", "disconnect", "--yes"],
        ["user", "disable"],
        ["user", "passwd"],
        ["user", "show"],
        ["user", "delete", "--yes"],
        ["user", "reset-link"],
        ["user", "transfer", "acme-client"],
        ["instance", "show"],
        ["instance", "list", "--account"],
        ["decision", "list", "--account"],
        ["decision", "list", "--instance"],
        ["decision", "make"],
    ):
        existing = {"account": "theirs", "user": "gina"}.get(words[0], "i-00000000000000001")
        existing = "theirs" if "--account" in words else existing
        assert refused(*words, existing, *own).replace(existing, "x") == refused(*words, "x", *own)
    assert refused("account", "mark", "theirs", "LAB", *own).replace("theirs", "x") == refused(
        "account", "mark", "x", "LAB", *own
    )
    assert done("instance", "list", "--json", *own).json == []
    assert [t["slug"] for t in done("tenant", "list", "--json", *own).json] == ["acme"]
    assert {u["username"] for u in done("user", "list", "--json", *own).json} == {
        "acme-client",
        "acme-user",
        "acme-lab",
    }


def test_the_same_instance_in_two_tenants_are_two(theirs: Database, done: Spothive) -> None:
    own = ["--tenant", "acme", "--as", "acme-client"]
    done("account", "import", "--name", "theirs", "--file", "-", *own, given=answer(instance(1)))
    done("account", "disconnect", "theirs", "--yes", *own)
    assert len(done("instance", "list", "--json", "--tenant", "globex").json) == 1


def test_staff_acts_in_any_tenant_and_is_named_there(theirs: Database, done: Spothive) -> None:
    done("account", "disconnect", "theirs", "--yes", "--tenant", "globex")
    [row] = audited("account.disconnected")
    assert row["tenant_id"] == find_actor("gina", "globex")[1]
    assert row["actor_name"].startswith("admin (cli: ")


FORBIDDEN = [
    ("acme-user", ["account", "import", "--name", "a", "--file", "-"], "account.imported"),
    ("acme-lab", ["account", "mark", "a", "LAB"], "account.marked"),
    ("acme-user", ["account", "disconnect", "a", "--yes"], "account.disconnecting"),
    ("acme-lab", ["user", "create", "bob", "--email", "b@x.io", "--role", "user"], "user.created"),
    ("acme-client", ["user", "create", "bob", "--email", "b@x.io", "--role", "admin"], "user.created"),
    ("acme-user", ["user", "disable", "acme-lab"], "user.disabled"),
    ("acme-user", ["user", "passwd", "acme-lab"], "user.password"),
    ("acme-lab", ["user", "role", "acme-lab", "client"], "user.role"),
    ("acme-client", ["user", "role", "acme-client", "admin"], "user.role"),
    ("acme-lab", ["user", "transfer", "acme-client", "acme-lab"], "user.accounts_moved"),
    ("acme-lab", ["user", "delete", "acme-user", "--yes"], "user.deleted"),
    ("acme-lab", ["user", "reset-link", "acme-user"], "user.reset_link"),
    ("acme-lab", ["invite", "create", "b@x.io", "--role", "user"], "invitation.made"),
    ("acme-client", ["invite", "create", "b@x.io", "--role", "admin"], "invitation.made"),
    ("acme-lab", ["invite", "withdraw", "b@x.io"], "invitation.withdrawn"),
    ("acme-client", ["tenant", "create", "new", "--name", "New"], "tenant.created"),
    ("acme-client", ["tenant", "suspend", "globex"], "tenant.suspended"),
    ("acme-client", ["market", "import", "-"], "market.imported"),
    ("acme-client", ["market", "import", "--synthetic"], "market.imported"),
    ("acme-client", ["market", "refresh", "--region", "us-east-1"], "market.refreshed"),
]


def test_what_a_role_may_not_do_is_refused_and_remembered(people: Database, refused: Callable[..., str]) -> None:
    for username, words, event in FORBIDDEN:
        before = everything()
        given = '{"regions": {}}' if words[0] == "market" else answer(instance(1))
        refusal = refused(*words, "--tenant", "acme", "--as", username, given=given)
        assert refusal.startswith(f"{username} (")
        assert " may not " in refusal
        after = everything()
        [row] = [row for row in after["audit_logs"] if row not in before["audit_logs"]]
        assert {name for name in after if after[name] != before[name]} == {"audit_logs"}
        actor, tenant_id = find_actor(username, "acme")
        assert (row["event"], row["outcome"], row["tenant_id"]) == (event, "DENIED", tenant_id)
        assert row["actor_id"] == actor.user_id
        assert row["actor_name"].startswith(f"{username} (cli: ")


def test_an_admin_of_a_customer_is_no_staff(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    done("user", "create", "root", "--email", "root@x.io", "--role", "super_admin")
    done("user", "create", "boss", "--email", "boss@acme.io", "--role", "admin", "--tenant", "acme", "--as", "root")
    assert "no tenant is called 'globex'" in refused("user", "list", "--tenant", "globex", "--as", "boss")
    assert "may not" in refused("tenant", "create", "new", "--name", "New", "--tenant", "acme", "--as", "boss")
    roles: dict[UUID, set[str]] = {}
    for row in everything()["users"]:
        roles.setdefault(row["tenant_id"], set()).add(row["role"])
    assert roles[PLATFORM_TENANT_ID] == {Role.ADMIN, Role.SUPER_ADMIN}
