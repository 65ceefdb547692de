"""Signing in: who gets in, what the others are told, what it costs, and what is remembered."""

from __future__ import annotations

from threading import BoundedSemaphore

import pytest

from spothive.database import PLATFORM_TENANT_ID, LoginHistory, SessionLog, get_db_session, passwords
from spothive.database.passwords import check_password, hash_password
from spothive.errors import (
    Denied,
    InvalidInput,
    NetworkInTransaction,
    Overloaded,
    SecondFactorNeeded,
    SignInRefused,
    SpothiveError,
)
from spothive.operations.identity import list_log_ins, set_password, set_tenant_active, set_user_active
from tests.conftest import Database, settings
from tests.factories import make_tenant, make_user
from tests.factories.sealing import everything_said
from tests.factories.sign_ins import (
    PASSWORD,
    attempts,
    bcrypt_calls,
    change_user,
    later,
    make_person,
    refusal_of,
    sign_in,
    ten_at_once,
    the_user,
    with_second_factor,
)
from tests.operations.conftest import World, audit_impossible, audited
from tests.watching import everything, rows_of, statements

WRONG = "user name or password is wrong, or it was wrong too often: try again, after a while if need be"
COST = 5


def test_somebody_signs_in_by_name_or_address_in_any_case(db: Database) -> None:
    ann = make_person(make_tenant("alpha"), must_change_password=True, failed_logins=4)
    signed_in = sign_in(" ANN ", ip_address="192.0.2.7", user_agent="Mozilla/5.0 (X11) Firefox/140.0")
    assert signed_in.actor == ann
    assert signed_in.must_change_password
    assert signed_in.token not in repr(signed_in)
    user = the_user()
    assert (user["failed_logins"], user["locked_until"]) == (0, None)
    assert user["last_login"] is not None
    (row,) = rows_of(SessionLog)
    assert (row["id"], row["expires_at"]) == (signed_in.session_id, signed_in.expires_at)
    assert (row["device_type"], row["browser"], row["ip_address"]) == ("desktop", "Firefox", "192.0.2.7")
    (attempt,) = rows_of(LoginHistory)
    assert (attempt["user_id"], attempt["tenant_id"]) == (ann.user_id, ann.home_tenant_id)
    assert (attempt["login_name"], attempt["success"], attempt["login_method"]) == ("ann", True, "password")
    after = {"session_id": str(row["id"]), "method": "password", "ip_address": "192.0.2.7"}
    assert audited() == [("session.started", "ann", "SUCCESS", "ann", None, after)]
    assert sign_in("Ann@Example.COM").actor == ann


def _states(world: World) -> dict[str, tuple[str, str, str | None, str, str]]:
    """Make somebody in every state; return (name, password, code, what is told, what is remembered) by the state."""
    for name in ("ann", "disabled", "locked"):
        make_person(world.acme, name)
    make_person(world.globex, "suspended")
    with_second_factor(make_person(world.acme, "coded"))
    make_user(world.acme, "broken", password_hash="sha256$" + "h" * 60)
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="disabled", active=False)
        set_tenant_active(session, world.admin, slug="globex", active=False)
    for _ in range(5):
        refusal_of("locked", "a wrong guess")
    disabled = "disabled is disabled: ask whoever manages your users"
    suspended = "tenant globex is suspended: ask the staff of platform"
    needed = "a code is needed too: the one the authenticator app shows, or a backup code"
    return {
        "unknown": ("nobody", PASSWORD, None, WRONG, "unknown name"),
        "wrong": ("ann", "a wrong guess", None, WRONG, "wrong password"),
        "empty": ("ann", "", None, WRONG, "wrong password"),
        "locked, wrong": ("locked", "a wrong guess", None, WRONG, "locked"),
        "locked, right": ("locked", PASSWORD, None, WRONG, "locked"),
        "disabled, wrong": ("disabled", "a wrong guess", None, WRONG, "wrong password"),
        "disabled": ("disabled", PASSWORD, None, disabled, "the user is disabled"),
        "suspended, wrong": ("suspended", "a wrong guess", None, WRONG, "wrong password"),
        "suspended": ("suspended", PASSWORD, None, suspended, "the tenant is suspended"),
        "code, wrong": ("coded", "a wrong guess", "123456", WRONG, "wrong password"),
        "no code": ("coded", PASSWORD, None, needed, "no code was given"),
        "too long": ("ann", PASSWORD * 1000, None, WRONG, "wrong password"),
        "no Unicode": ("ann", "half a \ud800 character", None, WRONG, "wrong password"),
        "no hash": ("anna", PASSWORD, None, WRONG, "wrong password"),
        "broken hash": ("broken", PASSWORD, None, WRONG, "wrong password"),
        "NUL": ("ann\0", PASSWORD, None, WRONG, "unknown name"),
    }


def test_every_path_calls_bcrypt_once_at_the_configured_cost_and_tells_no_more_than_it_may(world: World) -> None:
    with settings(SPOTHIVE_BCRYPT_ROUNDS=str(COST)):
        for state, (name, password, code, told, remembered) in _states(world).items():
            known = {row["id"] for row in rows_of(LoginHistory)}
            with bcrypt_calls() as calls:
                refusal = refusal_of(name, password, code)
            assert calls == {COST: 1}, state
            assert (str(refusal), isinstance(refusal, SignInRefused)) == (told, True), state
            (attempt,) = [row for row in rows_of(LoginHistory) if row["id"] not in known]
            assert (attempt["failure_reason"], attempt["success"]) == (remembered, False), state
        with bcrypt_calls() as calls:
            sign_in()
        assert calls == {COST: 1}
    assert not [row for row in rows_of(SessionLog) if row["user_id"] != sign_in().actor.user_id]


def test_an_unknown_name_and_a_wrong_password_send_the_same_statements(db: Database) -> None:
    make_person(make_tenant())
    sent = []
    for name in ("nobody", "ann"):
        with statements() as seen:
            refusal_of(name, "a wrong guess")
        sent.append(seen)
    assert sent[0] == sent[1]


def test_five_failures_lock_for_a_quarter_of_an_hour(db: Database) -> None:
    ann = make_person(make_tenant())
    for _ in range(5):
        refusal_of(password="a wrong guess")
    locked_until = the_user()["locked_until"]
    assert attempts() == ["wrong password"] * 5
    with later(minutes=14):
        assert str(refusal_of()) == WRONG
        refusal_of(password="a wrong guess")
    assert attempts()[5:] == ["locked"] * 2
    assert the_user()["locked_until"] == locked_until, "a failure prolonged the lock"
    with later(minutes=16):
        refusal_of(password="a wrong guess")
        assert (the_user()["failed_logins"], the_user()["locked_until"]) == (1, None), "counting did not begin again"
        sign_in()
    assert the_user()["failed_logins"] == 0
    after = {"failed_logins": 5, "locked_until": str(locked_until)}
    locked = [("user.locked", "ann", "SUCCESS", "ann (not signed in)", None, after)]
    assert audited()[:-1] == locked, "the trail tells of the lock, not of each attempt"
    assert ann.user_id in {row["user_id"] for row in rows_of(LoginHistory)}


def test_a_success_forgets_failures_and_what_is_no_guess_is_not_counted(world: World) -> None:
    coded = make_person(world.acme, "coded")
    with_second_factor(coded)
    disabled = make_person(world.acme, "gone")
    change_user(disabled, is_active=False)
    for _ in range(6):
        assert isinstance(refusal_of("coded"), SecondFactorNeeded)
        refusal_of("gone")
    assert the_user("coded")["failed_logins"] == the_user("gone")["failed_logins"] == 0
    make_person(world.acme)
    for _ in range(3):
        for _ in range(4):
            refusal_of(password="a wrong guess")
        sign_in()


def test_ten_failures_at_once_are_ten(db: Database) -> None:
    make_person(make_tenant())
    refusals = ten_at_once(lambda _: sign_in(password="a wrong guess"))
    assert {str(refusal) for refusal in refusals} == {WRONG}
    assert the_user()["failed_logins"] == 10
    assert the_user()["locked_until"] is not None
    assert len(attempts()) == 10
    assert len(audited(event="user.locked")) == 1


def test_of_many_guesses_at_once_no_more_than_five_are_heard(db: Database) -> None:
    make_person(make_tenant())
    change_user(make_person(make_tenant(), "ben"), failed_logins=4)
    refusal_of("ben", "a wrong guess")
    results = ten_at_once(lambda number: sign_in("ben", PASSWORD if number % 2 else "a wrong guess"))
    assert {str(result) for result in results} == {WRONG}
    assert not rows_of(SessionLog)


def test_a_password_that_was_changed_while_it_was_checked_is_wrong(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_person(world.acme)

    def changed_meanwhile(password: str, password_hash: str | None) -> bool:
        with get_db_session(tenant=world.acme) as session:
            set_password(session, world.anna, username="ann", password_hash="another")
        return check_password(password, password_hash)

    monkeypatch.setattr("spothive.operations.identity.sign_in.check_password", changed_meanwhile)
    assert str(refusal_of()) == WRONG
    assert not rows_of(SessionLog)


def test_whatever_is_typed_is_an_attempt_and_no_look_alike_is_let_in(db: Database) -> None:
    kate = make_person(make_tenant("alpha"), "kate")
    typed = {
        "\u212aate": "\u212aa… (4 characters)",  # the Kelvin sign
        "k\u0430te": "k\u0430… (4 characters)",  # a Cyrillic a
        "ka\u200bte": "ka… (5 characters)",  # a blank without width
        "\uff4b\uff41\uff54\uff45": "\uff4b\uff41… (4 characters)",  # full width
        "kate\0": "ka… (5 characters)",
        "\0kate": r"\x00k… (5 characters)",
        "\ud800kate": r"\ud800k… (5 characters)",
        "kate" * 2500: "ka… (10000 characters)",
        "": "(no name)",
        " \t": "(no name)",
        "kate@example.com.": "ka… (17 characters)",
        "' or '1'='1": "' … (11 characters)",
    }
    for name in typed:
        assert str(refusal_of(name)) == WRONG
    rows = rows_of(LoginHistory)
    assert [row["login_name"] for row in rows] == list(typed.values())
    assert {(row["tenant_id"], row["user_id"], row["success"]) for row in rows} == {(PLATFORM_TENANT_ID, None, False)}
    assert (the_user("kate")["failed_logins"], the_user("kate")["last_login"]) == (0, None)
    odd = {"ip_address": "\0" * 100, "user_agent": "\ud800" * 2000}
    assert sign_in("Kate", **odd).actor == kate
    row = rows_of(LoginHistory)[-1]
    assert (len(row["ip_address"]), len(row["user_agent"])) == (45, 500)


def test_no_secret_is_kept_or_said(db: Database) -> None:
    make_person(make_tenant())
    secret = "Tr0ub4dor and three"
    said = [
        everything_said(refusal_of(*typed)) for typed in ((secret, ""), ("ann", secret), ("ann", PASSWORD + secret))
    ]
    signed_in = sign_in()
    kept = str(everything())
    for text in (secret, secret.lower(), signed_in.token, PASSWORD):
        assert text not in kept
        assert text not in "".join(said)


def test_an_attempt_that_cannot_be_decided_is_remembered_too(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    make_person(make_tenant())
    before = the_user()
    with audit_impossible(db):
        assert not isinstance(refusal_of(), SignInRefused)
    assert (the_user(), rows_of(SessionLog)) == (before, []), "somebody came in past the audit trail"
    (reason,) = attempts()
    assert reason.startswith("not decided: ")
    monkeypatch.setattr(passwords, "PATIENCE", 0)
    monkeypatch.setattr(passwords, "_turns", busy := BoundedSemaphore(1))
    with busy:
        assert isinstance(refusal_of(), Overloaded)
        with pytest.raises(Overloaded, match="try again in a few seconds"):
            hash_password(PASSWORD)
    assert attempts()[1:] == ["not decided: Overloaded"]
    assert the_user()["failed_logins"] == 0
    sign_in()


def test_no_more_passwords_are_checked_at_once_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTHIVE_BCRYPT_ROUNDS", "4")
    monkeypatch.setattr(passwords, "_turns", BoundedSemaphore(2))
    inside, most = 0, 0
    import bcrypt

    real = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        try:
            return real(password, hashed)
        finally:
            inside -= 1

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    assert ten_at_once(lambda _: check_password(PASSWORD, None)) == [False] * 10
    assert most <= 2


def test_bcrypt_is_never_called_while_a_transaction_is_open(db: Database) -> None:
    for call in (lambda: check_password(PASSWORD, None), lambda: hash_password(PASSWORD)):
        with get_db_session(), pytest.raises(NetworkInTransaction, match=r"^bcrypt was called"):
            call()
    for password in ("short", "x" * 1025, "half a \ud800 character"):
        with pytest.raises(InvalidInput):
            hash_password(password)


def test_managers_see_the_attempts_of_their_own_tenant(world: World) -> None:
    make_person(world.acme)
    for name, password in (("ann", "a wrong guess"), ("gina", PASSWORD), ("nobody", PASSWORD), ("ann", PASSWORD)):
        try:
            sign_in(name, password)
        except SpothiveError:
            continue
    with get_db_session(tenant=world.acme) as session:
        seen = list_log_ins(session, world.anna)
        assert [(row.login_name, row.failure_reason) for row in seen] == [("ann", None), ("ann", "wrong password")]
        assert len(list_log_ins(session, world.anna, limit=1)) == 1
        assert list_log_ins(session, world.anna, username="udo") == []
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        assert [row.login_name for row in list_log_ins(session, world.admin)] == ["no… (6 characters)"]
    with pytest.raises(Denied), get_db_session(tenant=world.acme) as session:
        list_log_ins(session, world.udo)
