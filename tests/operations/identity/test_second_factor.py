"""The second factor: set up, asked for, used once, lost."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from spothive.clock import utc_now
from spothive.database import PLATFORM_TENANT_ID, BackupCode, Role, SessionLog, User, get_db_session
from spothive.errors import Conflict, Denied, IllegalMove, InvalidInput, KeyMissing, NotFound, SecondFactorNeeded
from spothive.keyring import Keyring
from spothive.operations.identity import (
    begin_totp,
    confirm_totp,
    disable_totp,
    new_backup_codes,
    remove_totp,
)
from spothive.operations.identity.second_factor import BACKUP_ALPHABET, STEP_SECONDS
from spothive.operations.secrets import rotate
from tests.conftest import Database
from tests.factories import make_tenant
from tests.factories.sealing import everything_said, make_keyring, sealed_by, two_keyrings
from tests.factories.sign_ins import (
    KEYRING,
    attempts,
    change_user,
    code_of,
    later,
    make_person,
    refusal_of,
    sign_in,
    ten_at_once,
    the_user,
    with_second_factor,
)
from tests.operations.conftest import World, audited
from tests.watching import everything, rows_of

WRONG = "the code does not fit, or was used before: enter the next one the app shows, or a backup code"


def keys() -> Keyring:
    return KEYRING


def test_it_is_set_up_in_two_steps_and_asked_for_after_the_second(db: Database) -> None:
    ann = make_person(make_tenant())
    tenant = ann.home_tenant_id
    with get_db_session(tenant=tenant) as session, pytest.raises(Conflict, match="not begun"):
        confirm_totp(session, ann, code="123456", keyring=KEYRING)
    with get_db_session(tenant=tenant) as session:
        begin_totp(session, ann, KEYRING)
    with get_db_session(tenant=tenant) as session:
        setup = begin_totp(session, ann, KEYRING)  # the phone was dropped before the first was scanned
    uri = urlsplit(setup.uri)
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/spothive:ann")
    assert parse_qs(uri.query) == {"secret": [setup.secret], "issuer": ["spothive"]}
    assert len(setup.secret) == 32
    assert sign_in().actor == ann, "a factor that was never confirmed shuts its owner out"
    with get_db_session(tenant=tenant) as session, pytest.raises(InvalidInput, match="check the clock"):
        confirm_totp(session, ann, code=code_of(setup.secret, steps=5), keyring=KEYRING)
    code = code_of(setup.secret)
    with get_db_session(tenant=tenant) as session:
        backup = confirm_totp(session, ann, code=code, keyring=KEYRING)
    assert str(refusal_of()).startswith("a code is needed too")
    assert str(refusal_of(code=code)) == WRONG, "the code that confirmed was used once"
    for again in (begin_totp, lambda *known: confirm_totp(*known[:2], code=code, keyring=KEYRING)):
        with get_db_session(tenant=tenant) as session, pytest.raises(Conflict, match="second factor is on"):
            again(session, ann, KEYRING)
    kept = str(everything())
    for secret in (setup.secret, code, *backup):
        assert secret not in kept + repr(setup)
    assert [row[:4] for row in audited() if row[0].startswith("totp")] == [
        (event, "ann", "SUCCESS", "ann") for event in ("totp.begun", "totp.begun", "totp.enabled")
    ]


def test_a_code_of_the_app_fits_one_step_early_or_late_and_once(db: Database) -> None:
    ann = make_person(make_tenant())
    secret, _ = with_second_factor(ann)
    now = utc_now().timestamp() // STEP_SECONDS * STEP_SECONDS
    with later(seconds=now + STEP_SECONDS + 1 - utc_now().timestamp()) as moment:  # the first second of a step
        codes = [code_of(secret, steps, moment) for steps in range(-2, 3)]
        for outside in (codes[0], codes[4], "", "12345", "1234567", "abcdef", "½" * 6, "\u0661" * 6, "x" * 10_000):
            assert isinstance(refusal_of(code=outside), SecondFactorNeeded)
            change_user(ann, failed_logins=0)
        for code in (codes[1], f" {codes[2][:3]} {codes[2][3:]} ", codes[3]):
            sign_in(code=code)
            assert str(refusal_of(code=code)) == WRONG
        sign_in_again = refusal_of(code=codes[1])
        assert isinstance(sign_in_again, SecondFactorNeeded), "an earlier step came after a later one"
    methods = [reason for reason in attempts() if reason.startswith("in by")]
    assert methods == ["in by totp"] * 3
    assert attempts()[-1] == "the code was used before"


def test_wrong_codes_lock_like_wrong_passwords(db: Database) -> None:
    ann = make_person(make_tenant())
    secret, codes = with_second_factor(ann)
    for _ in range(5):
        assert str(refusal_of(code="abcdef")) == WRONG
    for code in (code_of(secret), codes[0], None):
        assert "user name or password is wrong" in str(refusal_of(code=code))
    assert attempts() == ["wrong code"] * 5 + ["locked"] * 3
    with later(minutes=16) as moment:
        sign_in(code=code_of(secret, at=moment))


@pytest.mark.parametrize("kind", ["totp", "backup_code"])
def test_of_ten_who_show_one_code_at_once_one_gets_in(db: Database, kind: str) -> None:
    secret, codes = with_second_factor(make_person(make_tenant()))
    code = codes[3] if kind == "backup_code" else code_of(secret)
    results = ten_at_once(lambda _: sign_in(code=code))
    assert len([result for result in results if not isinstance(result, Exception)]) == 1
    assert len(rows_of(SessionLog)) == 1
    assert len(attempts()) == 10
    assert attempts().count(f"in by {kind}") == 1


def test_backup_codes_are_readable_random_and_work_once_each(db: Database) -> None:
    ann = make_person(make_tenant())
    _, codes = with_second_factor(ann)
    assert len(BACKUP_ALPHABET) == len(set(BACKUP_ALPHABET)) == 32
    assert not set(BACKUP_ALPHABET) & set("01IOl")
    assert len(set(codes)) == 10
    assert {len(code) for code in codes} == {12}
    assert set("".join(codes)) <= set(BACKUP_ALPHABET)
    for number, code in enumerate(codes):
        typed = f" {code[:4]}-{code[4:8]} {code[8:]}".lower() if number % 2 else code
        sign_in(code=typed, ip_address="192.0.2.9")
        assert str(refusal_of(code=code)) == WRONG
        change_user(ann, failed_logins=0)
    rows = rows_of(BackupCode)
    assert {row["ip_address"] for row in rows} == {"192.0.2.9"}
    assert all(row["used_at"] for row in rows)
    with_s = next((code for code in codes if "S" in code), "S" * 12)
    assert isinstance(refusal_of(code=with_s.replace("S", "\u017f")), SecondFactorNeeded)  # upper() makes an S of it
    assert attempts().count("in by backup_code") == 10


def test_codes_are_of_no_use_to_another_user(db: Database) -> None:
    tenant = make_tenant()
    _, codes = with_second_factor(make_person(tenant))
    secret, _ = with_second_factor(make_person(tenant, "ben"))
    assert str(refusal_of("ben", code=codes[0])) == WRONG
    assert str(refusal_of("ann", code=code_of(secret))) == WRONG
    sign_in(code=codes[0])


def test_new_backup_codes_and_turning_it_off_take_a_code(db: Database) -> None:
    ann = make_person(make_tenant())
    secret, codes = with_second_factor(ann)
    for procedure in (new_backup_codes, disable_totp):
        with pytest.raises(SecondFactorNeeded, match="the code does not fit"):
            procedure(get_db_session, ann, code="abcdef", keys=keys)
    assert the_user()["failed_logins"] == 2
    new = new_backup_codes(get_db_session, ann, code=codes[0], keys=keys)
    assert not set(new) & set(codes)
    assert str(refusal_of(code=codes[1])) == WRONG, "an old backup code works on"
    disable_totp(get_db_session, ann, code=code_of(secret), keys=keys)
    user = the_user()
    assert (user["totp_enabled"], user["totp_secret"], user["totp_last_step"]) == (False, None, None)
    assert rows_of(BackupCode) == []
    sign_in()
    with pytest.raises(Conflict, match="not on"):
        disable_totp(get_db_session, ann, code=code_of(secret), keys=keys)
    assert [row[:3] for row in audited() if row[0].startswith("totp")][2:] == [
        ("totp.codes", "ann", "FAILURE"),
        ("totp.disabled", "ann", "FAILURE"),
        ("totp.codes", "ann", "SUCCESS"),
        ("totp.disabled", "ann", "SUCCESS"),
    ]


def test_a_stolen_session_cannot_guess_its_way_out_of_the_second_factor(db: Database) -> None:
    ann = make_person(make_tenant())
    secret, codes = with_second_factor(ann)
    for _ in range(5):
        with pytest.raises(SecondFactorNeeded):
            disable_totp(get_db_session, ann, code="abcdef", keys=keys)
    for code in (codes[0], code_of(secret)):
        with pytest.raises(SecondFactorNeeded, match="wait until the lock ends"):
            disable_totp(get_db_session, ann, code=code, keys=keys)
    assert the_user()["totp_enabled"]
    assert len(audited(event="user.locked")) == 1


def test_the_staff_turns_off_what_somebody_lost(world: World) -> None:
    udo, boss = world.udo, make_person(PLATFORM_TENANT_ID, "boss", role=Role.ADMIN)
    for actor in (udo, boss):
        with_second_factor(actor)
    for stranger in (world.anna, udo):
        with pytest.raises(Denied), get_db_session(tenant=world.acme) as session:
            remove_totp(session, stranger, username="udo")
    with get_db_session(tenant=world.acme) as session:
        remove_totp(session, world.admin, username="udo")
    assert not the_user("udo")["totp_enabled"]
    with pytest.raises(Denied), get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        remove_totp(session, world.admin, username="boss")
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
        assert not remove_totp(session, world.root, username="boss").totp_enabled
        with pytest.raises(Conflict, match="boss has no second factor"):
            remove_totp(session, world.root, username="boss")
        with pytest.raises(Conflict, match="your own"):
            remove_totp(session, world.root, username="root")
    with pytest.raises(NotFound), get_db_session(tenant=world.acme) as session:
        begin_totp(session, world.admin, KEYRING)


def test_a_missing_sealing_key_is_the_operators_trouble_and_no_wrong_code(db: Database) -> None:
    ann = make_person(make_tenant())
    secret, codes = with_second_factor(ann)
    other = make_keyring("ffffffff")
    for code in (code_of(secret), codes[0]):
        missing = refusal_of(code=code, keys=lambda: other)
        assert isinstance(missing, KeyMissing)
        assert "a1b2c3d4" in str(missing)
        assert secret not in everything_said(missing)
    assert isinstance(refusal_of(code="123456", password="a wrong guess", keys=lambda: other), Exception)
    assert (attempts()[:2], the_user()["failed_logins"]) == (["not decided: KeyMissing"] * 2, 1)
    with pytest.raises(KeyMissing):
        new_backup_codes(get_db_session, ann, code=codes[0], keys=lambda: other)
    sign_in(code=codes[0])
    change_user(ann, failed_logins=4)
    refusal_of(password="a wrong guess")
    locked = refusal_of(code=code_of(secret), keys=lambda: other)
    assert "user name or password is wrong" in str(locked), "a missing key told that the password was right"


def test_a_secret_that_is_sealed_anew_as_its_owner_signs_in_is_the_same_secret(world: World) -> None:
    before, after = two_keyrings()

    def open_slowly() -> Keyring:
        rotate(get_db_session, world.admin, tenant_id=PLATFORM_TENANT_ID, keyring=after)
        return before

    ann = make_person(world.acme)
    with get_db_session(tenant=world.acme) as session:
        secret = begin_totp(session, ann, before).secret
    with get_db_session(tenant=world.acme) as session, later(minutes=-2) as earlier:
        confirm_totp(session, ann, code=code_of(secret, at=earlier), keyring=before)
    assert sign_in(code=code_of(secret), keys=open_slowly).actor == ann
    assert sealed_by(User(**the_user()), "totp_secret") == after.primary


def test_the_last_step_never_falls_while_the_secret_stays(db: Database) -> None:
    ann = make_person(make_tenant())
    with_second_factor(ann)
    last = the_user()["totp_last_step"]
    for step in (last - 1, None):
        with pytest.raises(IllegalMove) as refusal, get_db_session(tenant=ann.home_tenant_id) as session:
            session.get_one(User, ann.user_id).totp_last_step = step
        assert refusal.value.rule == "lc_users_totp_step"
    with db.raw() as connection, pytest.raises(Exception, match="lc_users_totp_step"):
        if db.engine == "postgresql":
            connection.execute(f"SELECT set_config('spothive.tenant_id', '{ann.home_tenant_id}', false)")
        connection.execute("UPDATE users SET totp_last_step = 0")
    change_user(ann, totp_last_step=last)
    change_user(ann, totp_last_step=last + 1)
    change_user(ann, totp_enabled=False, totp_secret=None, totp_last_step=None)
    change_user(ann, totp_last_step=1)
