"""Names that are none, and names that look like another's: both databases, and every way in, decide alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spothive.database import Role, User, get_db_session
from spothive.errors import DuplicateValue, InvalidInput, NotFound, SpothiveError, ValueRefused
from spothive.operations.identity import (
    accept_invitation,
    create_user,
    find_actor,
    invite,
    register_client,
)
from tests.operations.conftest import World
from tests.watching import everything, rows_of

PASSWORD = "correct horse battery"

SAME = ("kiki", "KIKI", "Kiki", " kiki ", "kiki\n")
"""Ways to write the user name kiki: they are that user."""

LOOK_ALIKE = {
    "Kelvin sign": "\u212aiki",
    "dotless i": "k\u0131ki",
    "capital I with a dot": "K\u0130ki",
    "Cyrillic letter": "\u043aiki",
    "full-width letters": "\uff4b\uff49\uff4b\uff49",
    "mathematical letter": "\U0001d424iki",
    "combining accent": "kiki\u0301",
    "zero-width space": "ki\u200bki",
    "zero-width joiner": "kiki\u200d",
    "word joiner": "\u2060kiki",
    "byte order mark": "\ufeffkiki",
    "soft hyphen": "ki\u00adki",
    "right-to-left mark": "\u200fkiki",
    "blank inside": "ki ki",
    "no-break space": "kiki\u00a0",
}
"""Names that look like kiki, or like something that kiki's owner would read as it: nobody's, and nobody gets them."""

UNSENDABLE = {"NUL": "ki\0ki", "half of a surrogate pair": "kiki\ud800"}


def ways_in(world: World, name: str, email: str) -> dict[str, Callable[[], object]]:
    """Return what could make a user of this name or address."""

    def create(username: str, address: str) -> Callable[[], object]:
        def act() -> None:
            with get_db_session(tenant=world.acme) as session:
                facts = {"username": username, "email": address, "role": Role.USER, "password_hash": "h"}
                create_user(session, world.anna, **facts)  # type: ignore[arg-type]  # the keywords of its signature

        return act

    def register(username: str, address: str) -> Callable[[], object]:
        who = {"username": username, "email": address, "password": PASSWORD}
        return lambda: register_client(get_db_session, tenant_name="Initech", slug="initech", **who)

    def invited() -> None:
        with get_db_session(tenant=world.acme) as session:
            invite(session, world.anna, email=email, role=Role.USER)

    return {
        "create, name": create(name, "new@acme.io"),
        "create, address": create("newcomer", email),
        "register, name": register(name, "new@acme.io"),
        "register, address": register("newcomer", email),
        "invite": invited,
    }


def test_look_alikes_are_nobody_and_become_nobody(world: World) -> None:
    kiki = User(username="kiki", email="kiki@acme.io", role=Role.USER, password_hash="h")
    with get_db_session(tenant=world.acme) as session:
        session.add(kiki)
    before = everything()

    for name in SAME:
        for way, act in ways_in(world, name, f"{name.strip()}@ACME.io ").items():
            with pytest.raises(DuplicateValue) as taken:
                act()
            assert taken.value.rule == f"uq_users_{'username' if way.endswith('name') else 'email'}", (way, name)
        assert find_actor(name, "acme")[0].user_id == kiki.id
        assert find_actor(f"{name.strip()}@ACME.io", "acme")[0].user_id == kiki.id

    answers: dict[str, set[type[SpothiveError]]] = {}
    for kind, name in (LOOK_ALIKE | UNSENDABLE).items():
        for act in ways_in(world, name, f"{name}@acme.io").values():
            with pytest.raises((ValueRefused, InvalidInput)) as refused:
                act()
            answers.setdefault(kind, set()).add(refused.type)
        for shown in (name, f"{name}@acme.io"):
            with pytest.raises(InvalidInput if kind in UNSENDABLE else NotFound):
                find_actor(shown, "acme")
    assert {kind for kind, found in answers.items() if found == {InvalidInput}} == set(UNSENDABLE)
    blank = {kind for kind, found in answers.items() if InvalidInput in found} - set(UNSENDABLE)
    assert blank == {"blank inside", "no-break space"}, "an address with a blank is no address at all"
    assert everything() == before


def test_what_is_no_name_and_no_address_is_refused(world: World) -> None:
    before = everything()
    for username in ("", "ab", "a b c", "änna", "x" * 51, "t\tab"):
        for way in ("create, name", "register, name"):
            with pytest.raises(ValueRefused) as refusal:
                ways_in(world, username, "")[way]()
            assert refusal.value.table == "users"
    for email in ("", "nobody", "@acme.io", "anna@", "a@b@c", "a b@acme.io", "a@acme .io", "a\n@b.c"):
        for way in ("create, address", "register, address", "invite"):
            with pytest.raises(InvalidInput, match="is no e-mail address"):
                ways_in(world, "", email)[way]()
    for email in ("ännä@acme.io", "x" * 255 + "@acme.io"):
        for way in ("create, address", "register, address", "invite"):
            with pytest.raises(ValueRefused):
                ways_in(world, "", email)[way]()
    assert everything() == before


def test_an_invited_look_alike_is_refused_as_it_accepts(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        _, token = invite(session, world.anna, email="new@acme.io", role=Role.USER)
    for name, error in (("ANNA", DuplicateValue), ("gina", DuplicateValue), ("\u0430nna", ValueRefused)):
        with pytest.raises(error):
            accept_invitation(get_db_session, token=token, username=name, password=PASSWORD)
    guest = accept_invitation(get_db_session, token=token, username=" New ", password=PASSWORD)
    assert (guest.username, rows_of(User, username="new")[0]["email"]) == ("new", "new@acme.io")
