"""A bundle is verified by somebody who has Python, and nothing of ours."""

from __future__ import annotations

import ast
import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spothive import signing
from spothive.database import get_db_session, read_session, trail as rows
from spothive.errors import Denied, InvalidInput
from spothive.models import Role
from spothive.operations.actor import Actor
from spothive.operations.audit import export_trail, verifier, verify_bundle
from spothive.signing import SigningKeys, fingerprint
from tests.operations.audit.conftest import Trail

pytestmark = pytest.mark.own_server  # so that what is written is sealed at once

Lines = list[dict[str, Any]]


@pytest.fixture
def bundle(trail: Trail) -> Lines:
    """Return the lines of a bundle of three seals with two rows each."""
    for number in range(3):
        trail.write(2, actor_name=f"änna \U0001f600 {number}", user_agent=None, diff_before="")
        trail.seal()
    trail.write(1)
    return exported(trail)


def exported(trail: Trail, **bounds: Any) -> Lines:
    pieces: list[str] = []
    done = export_trail(read_session, trail.admin, trail.tenant_id, keys=trail.keys, write=pieces.append, **bounds)
    lines: Lines = [json.loads(line) for line in "".join(pieces).splitlines()]
    assert done.rows == sum("row" in line for line in lines)
    return lines


def verify(folder: Path, lines: Lines, *options: str) -> tuple[int, str]:
    """Run the script as a stranger would; return its exit code and what it said."""
    file = folder / "bundle.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    script = folder / "verify_bundle.py"
    script.write_text(verifier())
    command = [sys.executable, "-I", "-S", str(script), str(file), *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


TAMPERINGS: dict[str, tuple[Callable[[Lines], Any], str]] = {
    "a value": (lambda b: b[5]["row"].__setitem__(6, "account.deleted"), "seal 2: its rows do not give its root"),
    "nothing for empty": (lambda b: b[5]["row"].__setitem__(13, None), "seal 2: its rows do not give its root"),
    "a row less": (lambda b: b.pop(5), "seal 2: it covers 2 rows, and 1 are here"),
    "rows in another order": (lambda b: b.insert(5, b.pop(6)), "seal 2: its rows are not in the order"),
    "a row twice": (lambda b: b.__setitem__(6, b[5]), "seal 2: its rows are not in the order"),
    "a seal less": (lambda b: [b.pop(4) for _ in range(3)], "seal 3: it does not follow the seal before it"),
    "the last seal less": (lambda b: [b.pop(7) for _ in range(3)], "the bundle is not whole"),
    "no end": (lambda b: b.pop(), "the bundle is not whole"),
    "a signature": (lambda b: b[4]["seal"].update(signature=b[1]["seal"]["signature"]), "seal 2: its signature is"),
    "no signature": (lambda b: b[4]["seal"].pop("signature"), "seal 2: it has not the fields of a seal"),
    "the time of a seal": (lambda b: b[4]["seal"].update(sealed_at="2020"), "seal 2: its signature is wrong"),
    "another tenant": (lambda b: b[0].update(tenant_id="0" * 32), "seal 1: it, or one of its rows, is of another"),
    "no header": (lambda b: b.pop(0), "this is no audit bundle"),
    "no key": (lambda b: b[0].update(public_keys={}), "seal 1: it is signed by key"),
    "other names for the columns": (lambda b: b[0]["columns"].reverse(), "its header names other columns"),
    "a remark beside a row": (lambda b: b[5].update(remark="checked"), "seal 2: it covers 2 rows, and 0 are here"),
    "a remark in a seal": (lambda b: b[4]["seal"].update(remark="checked"), "seal 2: it has not the fields"),
    "a row after the end": (lambda b: b.append(b[5]), "the bundle is not whole"),
    "the whole bundle twice": (lambda b: b.extend(list(b)), "the bundle is not whole"),
    "nonsense": (lambda b: b.__setitem__(5, {"row": 5}), "seal 2: "),
}


def test_a_bundle_is_verified_with_the_standard_library_alone(trail: Trail, bundle: Lines, tmp_path: Path) -> None:
    key = trail.keys.key_id
    code, said = verify(tmp_path, bundle, "--key", key, "--anchor", str(trail.anchor.path))
    assert (code, said.split(" of tenant ")[0]) == (0, "sound: 6 rows"), said
    assert f"{trail.tenant_id}, in seals 1 to 3" in said
    whole = fingerprint(trail.keys.public_keys[key]).upper()
    assert verify(tmp_path, exported(trail, first=2, last=2), "--key", whole)[0] == 0
    code, said = verify(tmp_path, bundle, "--key", "0" * 16)
    assert (code, said) == (1, f"NOT SOUND: seal 1: it is signed by key {key}, whose fingerprint was not given\n")
    forged = forge(bundle)
    assert verify(tmp_path, forged, "--key", key)[0] == 1
    anchor = tmp_path / "other.jsonl"
    anchor.write_text(trail.anchor.path.read_text().replace('"seal_hash":"', '"seal_hash":"0'))
    assert verify(tmp_path, bundle, "--key", key, "--anchor", str(anchor))[0] == 1


def forge(lines: Lines) -> Lines:
    """Bring another key along under the name of the true one."""
    forged: Lines = json.loads(json.dumps(lines))
    keys = SigningKeys(signing.new_signer())
    (name,) = forged[0]["public_keys"]
    forged[0]["public_keys"][name] = base64.b64encode(keys.public_keys[keys.key_id]).decode()
    return forged


def test_what_was_changed_in_a_bundle_is_found(trail: Trail, bundle: Lines, tmp_path: Path) -> None:
    file = tmp_path / "tampered.jsonl"
    for name, (tamper, expected) in TAMPERINGS.items():
        lines: Lines = json.loads(json.dumps(bundle))
        tamper(lines)
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        with pytest.raises((verify_bundle.Broken, *verify_bundle.ERRORS)) as raised:
            verify_bundle.verify(str(file), [trail.keys.key_id], None)
        assert expected in str(raised.value), name
    twice = json.dumps(bundle[5]).replace('{"row"', '{"row": [], "row"')
    file.write_text("".join(twice + "\n" if n == 5 else json.dumps(line) + "\n" for n, line in enumerate(bundle)))
    with pytest.raises(verify_bundle.Broken, match="seal 2: it covers 2 rows, and 0 are here"):
        verify_bundle.verify(str(file), [trail.keys.key_id], None)
    bundle[-2]["row"][9] = "DENIED"
    code, said = verify(tmp_path, bundle, "--key", trail.keys.key_id)
    assert (code, said) == (1, "NOT SOUND: seal 3: its rows do not give its root: at least one was changed\n")


def test_who_may_export_and_what_there_is_to_export(trail: Trail) -> None:
    trail.write(1)
    with pytest.raises(InvalidInput, match="no such seals"):
        exported(trail)
    user = Actor(trail.admin.user_id, "udo", Role.USER, trail.tenant_id)
    with pytest.raises(Denied):
        export_trail(get_db_session, user, trail.tenant_id, keys=trail.keys, write=str)


def test_the_script_runs_on_python_3_9_and_can_be_read_in_one_sitting() -> None:
    script = verifier()
    tree = ast.parse(script, feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    }
    assert imported <= sys.stdlib_module_names
    assert script.count("\n") < 220
    assert [column.name for column in rows.ROWS.columns] == verify_bundle.COLUMNS
