"""Sealing and opening values, and where the keys come from."""

from __future__ import annotations

import base64
import copy
import os
import pickle
import stat
import string
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr

from spothive import keyring
from spothive.errors import ConfigurationError, InvalidInput, KeyMissing, SecretUnreadable
from spothive.keyring import (
    TOKEN_MAX_LENGTH,
    TOKEN_MIN_LENGTH,
    FileKeyring,
    Keyring,
    add_key,
    init_key_file,
    is_token,
    load_keyring,
    remove_key,
)
from spothive.settings import Settings
from tests.factories.sealing import everything_said, make_keyring

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HERE = b"tenant, column, row"
KEY = bytes(range(32))
KEY_TEXT = base64.b64encode(KEY).decode()
OTHER_TEXT = base64.b64encode(bytes(32)).decode()

secrets_ = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
one_keyring = make_keyring("a1b2c3d4", "00000002")


# --- tokens ------------------------------------------------------------------------------------------------------


@given(plaintext=secrets_, context=st.binary(max_size=80))
def test_a_sealed_value_opens_in_its_context(plaintext: str, context: bytes) -> None:
    token = one_keyring.seal(plaintext, context)
    assert is_token(token)
    assert one_keyring.unseal(token, context) == plaintext


@given(context=st.binary(max_size=80), other=st.binary(max_size=80))
def test_and_in_no_other(context: bytes, other: bytes) -> None:
    token = one_keyring.seal(SECRET, context)
    if context != other:
        with pytest.raises(SecretUnreadable):
            one_keyring.unseal(token, other)


@given(data=st.data())
def test_a_token_with_any_character_changed_does_not_open(data: st.DataObject) -> None:
    token = one_keyring.seal(SECRET, HERE)
    position = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda character: character != token[position]))
    with pytest.raises((SecretUnreadable, KeyMissing)):
        one_keyring.unseal(token[:position] + other + token[position + 1 :], HERE)


@given(data=st.data())
def test_a_token_cut_or_lengthened_does_not_open(data: st.DataObject) -> None:
    token = one_keyring.seal(SECRET, HERE)
    cut = token[: data.draw(st.integers(0, len(token) - 1))]
    for changed in (cut, token + data.draw(st.text("Aa0_-=\n", min_size=1, max_size=5))):
        with pytest.raises(SecretUnreadable):
            one_keyring.unseal(changed, HERE)


@pytest.mark.parametrize("plaintext", ["a", "ab", "abc"])
def test_a_token_has_one_spelling(plaintext: str) -> None:
    token = one_keyring.seal(plaintext, HERE)
    for last in set(string.ascii_letters + string.digits + "-_") - {token[-1]}:
        with pytest.raises(SecretUnreadable):
            one_keyring.unseal(token[:-1] + last, HERE)


def test_a_token_sealed_by_the_first_release_opens_for_ever() -> None:
    token = "sealed:1:a1b2c3d4:9Fz6Fh8y7cgg8hu1LzbLH2grXJf8JPX27motekMy4Y5n-A8"
    assert Keyring({"a1b2c3d4": KEY}, primary="a1b2c3d4").unseal(token, b"context") == "open me"


def test_the_same_secret_gives_another_token_each_time() -> None:
    assert len({one_keyring.seal(SECRET, HERE) for _ in range(100)}) == 100


def test_the_primary_key_seals_and_every_key_opens() -> None:
    old = Keyring({"00000001": KEY}, primary="00000001")
    both = Keyring({"00000001": KEY, "00000002": bytes(32)}, primary="00000002")
    assert both.unseal(old.seal(SECRET, HERE), HERE) == SECRET
    assert both.seal(SECRET, HERE).startswith("sealed:1:00000002:")
    assert both.key_ids == ("00000002", "00000001")


def test_a_key_that_is_not_held_is_named() -> None:
    token = make_keyring("0badcafe").seal(SECRET, HERE)
    with pytest.raises(KeyMissing, match="0badcafe"):
        one_keyring.unseal(token, HERE)


def test_another_key_under_the_same_id_does_not_open() -> None:
    with pytest.raises(SecretUnreadable):
        make_keyring("a1b2c3d4").unseal(one_keyring.seal(SECRET, HERE), HERE)


@pytest.mark.parametrize(("plaintext", "size"), [("x" * 16384, 16384), ("é" * 8192, 16384), ("x", 1)])
def test_secrets_of_up_to_16_kb_of_utf8(plaintext: str, size: int) -> None:
    token = one_keyring.seal(plaintext, HERE)
    assert one_keyring.unseal(token, HERE) == plaintext
    assert len(token) == {16384: TOKEN_MAX_LENGTH, 1: TOKEN_MIN_LENGTH}[size]


@pytest.mark.parametrize("plaintext", ["", SECRET * 500, "é" * 8193, SECRET + "\udcff"])
def test_what_cannot_be_sealed_is_refused_and_not_repeated(plaintext: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        one_keyring.seal(plaintext, HERE)
    assert SECRET not in everything_said(refusal.value)
    assert "é" * 9 not in everything_said(refusal.value)


@pytest.mark.parametrize(
    "text", ["", SECRET, "sealed:1:", "sealed:1:a1b2c3d4:" + "A" * 38, "Sealed:1:a1b2c3d4:" + "A" * 50]
)
def test_what_is_no_token_is_unreadable_and_not_repeated(text: str) -> None:
    assert not is_token(text)
    with pytest.raises(SecretUnreadable) as refusal:
        one_keyring.unseal(text, HERE)
    assert not text or text not in everything_said(refusal.value)


def test_a_refused_token_is_not_repeated() -> None:
    token = one_keyring.seal(SECRET, HERE)
    with pytest.raises(SecretUnreadable) as refusal:
        one_keyring.unseal(token, b"elsewhere")
    said = everything_said(refusal.value)
    assert token[18:40] not in said
    assert SECRET not in said


# --- the keyring -------------------------------------------------------------------------------------------------


def test_a_keyring_shows_its_ids_alone() -> None:
    ring = Keyring({"00000001": KEY}, primary="00000001")
    shown = f"{ring} {ring!r} {ring:}"
    assert "00000001" in shown
    assert not any(text in shown for text in (KEY_TEXT, repr(KEY), KEY.hex()))
    assert not hasattr(ring, "__dict__")


def test_a_keyring_is_neither_pickled_nor_copied() -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never pickled"):
            attempt(one_keyring)


@pytest.mark.parametrize(
    ("keys", "primary"),
    [
        ({}, "00000001"),
        ({"00000001": KEY}, "00000002"),
        ({"00000001": KEY[:31]}, "00000001"),
        ({"0000000G": KEY}, "0000000G"),
        ({"00000001\n": KEY}, "00000001\n"),
        ({"00000001": KEY, "00000002": KEY}, "00000001"),
    ],
)
def test_a_keyring_refuses_keys_of_the_wrong_form(keys: dict[str, bytes], primary: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Keyring(keys, primary=primary)
    assert repr(KEY)[2:20] not in everything_said(refusal.value)


# --- where keys come from ----------------------------------------------------------------------------------------


def settings_with(keys: str | None = None, file: Path = Path("nowhere")) -> Settings:
    return Settings(sealing_keys=None if keys is None else SecretStr(keys), sealing_key_file=file)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "sealing-keys"
    path.write_text(f"# ours\n\n00000001 {KEY_TEXT}\n00000002\t{OTHER_TEXT} # older\r\n")
    path.chmod(0o600)
    return path


def test_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    monkeypatch.setenv("SPOTHIVE_SEALING_KEYS", f"00000003:{KEY_TEXT}, 00000002:{OTHER_TEXT},")
    monkeypatch.setenv("SPOTHIVE_SEALING_KEY_FILE", str(key_file))
    settings = Settings()
    assert load_keyring(settings).key_ids == ("00000003", "00000002")
    assert KEY_TEXT not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_keys_of_a_file(key_file: Path) -> None:
    ring = load_keyring(settings_with(file=key_file))
    assert ring.key_ids == ("00000001", "00000002")
    assert ring.unseal(Keyring({"00000001": KEY}, primary="00000001").seal(SECRET, HERE), HERE) == SECRET


def test_keys_of_a_file_behind_a_link(key_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(key_file)
    assert load_keyring(settings_with(file=link)).primary == "00000001"


def test_no_key_is_an_error_with_the_cure_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match="spothive secrets init"):
        load_keyring(settings_with(file=tmp_path / "none"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666])
def test_a_file_open_to_others_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {key_file}"):
        load_keyring(settings_with(file=key_file))


def test_a_file_of_another_user_is_refused(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    us = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: us + 1)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        load_keyring(settings_with(file=key_file))


def test_a_folder_or_a_pipe_is_no_key_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path in (tmp_path, pipe):
        with pytest.raises(ConfigurationError, match=str(path)):
            load_keyring(settings_with(file=path))


@pytest.mark.parametrize(
    "line",
    [
        KEY_TEXT,
        f"{KEY_TEXT} 00000001",
        f"00000001 {KEY_TEXT[:-4]}",
        f"00000001 {KEY_TEXT[:-1]}",
        f"00000001 {KEY_TEXT} {KEY_TEXT}",
        f"00000001 {KEY_TEXT[:20]}é{KEY_TEXT[21:]}",
        f"0000000A {KEY_TEXT}",
        f"1 {KEY_TEXT}",
        "00000001",
        f"00000009 {KEY_TEXT}",
        f"00000002 {OTHER_TEXT}",
    ],
)
@pytest.mark.parametrize("source", ["file", "environment"])
def test_a_key_of_the_wrong_form_is_named_by_its_place_and_not_repeated(line: str, source: str, key_file: Path) -> None:
    good = f"00000009 {OTHER_TEXT}"
    if source == "file":
        key_file.write_text(f"# one\n{good}\n{line}\n")
        place, settings = "line 3", settings_with(file=key_file)
    else:
        place, settings = "", settings_with(keys=",".join(text.replace(" ", ":", 1) for text in (good, line)))
    with pytest.raises(ConfigurationError) as refusal:
        load_keyring(settings)
    said = everything_said(refusal.value)
    assert place in said or "different ids" in said
    assert KEY_TEXT[:20] not in said
    assert OTHER_TEXT[:20] not in said
    assert not isinstance(refusal.value, KeyMissing)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x8a\x01" * 40, f"00000001 {KEY_TEXT}".encode("utf-16")])
def test_a_file_that_is_no_text_is_refused(content: bytes, key_file: Path) -> None:
    key_file.write_bytes(content)
    with pytest.raises(ConfigurationError) as refusal:
        load_keyring(settings_with(file=key_file))
    assert repr(content)[2:20] not in everything_said(refusal.value)


def test_a_file_without_keys_is_an_error(key_file: Path) -> None:
    key_file.write_text("# 00000001 nothing yet\n\n")
    with pytest.raises(KeyMissing, match=str(key_file)):
        load_keyring(settings_with(file=key_file))


@pytest.mark.parametrize("keys", [" , ", ",", " "])
def test_settings_without_any_key_are_an_error(keys: str) -> None:
    with pytest.raises(KeyMissing, match="SPOTHIVE_SEALING_KEYS"):
        load_keyring(settings_with(keys=keys))


# --- making a key file -------------------------------------------------------------------------------------------


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    assert tmp_path.is_dir()  # made before: under some of these nobody but root could enter it
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_a_new_key_file_is_ours_alone_and_loads(umask: None, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    key_id = init_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_keyring(settings_with(file=path)).key_ids == (key_id,)
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_key_file_makes_its_folder_and_has_its_own_key(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "b" / "keys", tmp_path / "keys"]
    assert init_key_file(paths[0]) != init_key_file(paths[1])
    keys = {path.read_text().splitlines()[-1].split()[1] for path in paths}
    assert [len(base64.b64decode(key)) for key in keys] == [32, 32]


def test_an_existing_key_file_is_left_alone(key_file: Path, tmp_path: Path) -> None:
    before = key_file.read_bytes()
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (key_file, dangling):
        with pytest.raises(InvalidInput, match="left alone"):
            init_key_file(path)
    assert key_file.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [dangling, key_file]


def test_of_many_at_once_one_makes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"

    def attempt(_: int) -> str | None:
        try:
            return init_key_file(path)
        except InvalidInput:
            return None

    with ThreadPoolExecutor(16) as pool:
        made = [key_id for key_id in pool.map(attempt, range(32)) if key_id]
    assert load_keyring(settings_with(file=path)).key_ids == (*made,)
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be made"):
        init_key_file(tmp_path / "file" / "keys")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        init_key_file(tmp_path / "keys")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- a key file that changes ---------------------------------------------------------------------------------------


def test_a_new_key_comes_first_and_everything_else_stays(key_file: Path) -> None:
    key_file.write_bytes(key_file.read_bytes() + b"# caf\xc3\xa9, caf\xe9\n")
    before = key_file.read_bytes()
    ring = load_keyring(settings_with(file=key_file))
    key_id = add_key(key_file, after="00000001")
    assert key_id is not None
    line = key_file.read_bytes().splitlines(keepends=True)[2]
    assert line.startswith(key_id.encode())
    assert key_file.read_bytes().replace(line, b"") == before
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert list(key_file.parent.iterdir()) == [key_file]
    ring.refresh()
    assert ring.key_ids == (key_id, "00000001", "00000002")
    assert add_key(key_file, after="00000001") is None, "another has just added one"
    remove_key(key_file, key_id="00000001")
    remove_key(key_file, key_id="00000001")
    with pytest.raises(InvalidInput, match=f"{key_id} seals new values and stays"):
        remove_key(key_file, key_id)
    assert load_keyring(settings_with(file=key_file)).key_ids == (key_id, "00000002")
    assert b"# ours" in key_file.read_bytes()
    assert KEY_TEXT.encode() not in key_file.read_bytes()


def test_a_key_file_behind_a_link_is_changed_where_it_is(key_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "link"
    link.symlink_to(key_file)
    add_key(link, after="00000001")
    assert link.is_symlink()
    assert len(load_keyring(settings_with(file=key_file)).key_ids) == 3
    assert list(folder.iterdir()) == [link]


def test_many_changes_at_once_lose_no_key(key_file: Path) -> None:
    def change(_: int) -> list[str | None]:
        return [add_key(key_file, after=FileKeyring(key_file).primary) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        made = {key_id for keys in pool.map(change, range(8)) for key_id in keys if key_id}
    assert made
    assert set(load_keyring(settings_with(file=key_file)).key_ids) == {*made, "00000001", "00000002"}


def test_a_change_that_fails_leaves_the_file_as_it_was(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = key_file.read_bytes()
    (key_file.parent / f".{key_file.name}.draft").write_text("of a change that was killed")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="cannot be changed: No space left"):
        add_key(key_file, after="00000001")
    assert key_file.read_bytes() == before
    assert list(key_file.parent.iterdir()) == [key_file]
    key_file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        add_key(key_file, after="00000001")


def test_a_running_process_learns_of_a_new_key_when_it_needs_it(key_file: Path) -> None:
    running = load_keyring(settings_with(file=key_file))
    key_id = add_key(key_file, after="00000001")
    token = load_keyring(settings_with(file=key_file)).seal(SECRET, HERE)
    assert running.primary == "00000001", "it has looked a moment ago"
    assert running.unseal(token, HERE) == SECRET
    assert running.primary == key_id


def test_and_looks_from_time_to_time(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = load_keyring(settings_with(file=key_file))
    monkeypatch.setattr(keyring, "LOOK_AFTER", 0)
    running.refresh()
    key_id = add_key(key_file, after="00000001")
    assert running.seal(SECRET, HERE).startswith(f"sealed:1:{key_id}:")
    key_file.write_text(f"00000002 {OTHER_TEXT}\n")
    assert running.key_ids == ("00000002",), "keys that are taken out are forgotten"


def test_a_broken_key_file_changes_nothing_and_is_told_once(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = load_keyring(settings_with(file=key_file))
    monkeypatch.setattr(keyring, "LOOK_AFTER", 0)
    running.refresh()
    good = key_file.read_text()
    key_file.write_text(f"00000001 {KEY_TEXT[:-4]}\n")
    assert running.unseal(running.seal(SECRET, HERE), HERE) == SECRET
    key_file.unlink()
    assert running.key_ids == ("00000001", "00000002")
    (told,) = caplog.messages
    assert "line 1" in told
    assert KEY_TEXT[:-4] not in caplog.text
    with pytest.raises(KeyMissing, match="0badcafe"):
        running.unseal(make_keyring("0badcafe").seal(SECRET, HERE), HERE)
    key_file.write_text(f"{good}00000003 {base64.b64encode(bytes(31) + b'3').decode()}\n")
    key_file.chmod(0o600)
    assert running.holds("00000003")


# --- the ground --------------------------------------------------------------------------------------------------


def test_cryptography_is_loaded_by_the_first_secret_only() -> None:
    program = (
        "import sys, spothive.database, spothive.keyring, spothive.schema.sealed\n"
        "assert 'cryptography' not in sys.modules\n"
        "spothive.keyring.Keyring({'00000001': bytes(32)}, primary='00000001').seal('x', b'')\n"
        "assert 'cryptography' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
