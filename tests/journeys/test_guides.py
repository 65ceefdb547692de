"""What the guides show works, on both databases."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
import typer
from fastapi import Depends, FastAPI
from typer.testing import CliRunner

from spothive.cli.app import app
from spothive.database import get_db_session, system_scope
from spothive.database.seed_data import seed_initial_data
from spothive.models import Role
from spothive.operations.actor import Actor
from tests.conftest import Database
from tests.factories.samples import sample_graph
from tests.factories.sign_ins import KEYRING, PASSWORD, code_of, make_person

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
TENANT = UUID(int=7)


def blocks_of(guide: str, kind: str = "python") -> list[str]:
    text = (GUIDES / guide).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def current_tenant() -> UUID:
    return TENANT


def names_at_hand() -> dict[str, Any]:
    """What a guide takes for granted: a tenant with a row in every table, one actor who may and one who may not."""
    with get_db_session() as session, system_scope(session, "guide"):
        rows = sample_graph(session, TENANT)
    user_id = rows["users"]["id"]
    return {
        "tenant_id": TENANT,
        "account_id": rows["accounts"]["id"],
        "actor": Actor(user_id, "ada", Role.CLIENT, TENANT),
        "stranger": Actor(user_id, "bob", Role.USER, TENANT),
        "app": FastAPI(),
        "current_tenant": current_tenant,
        "CurrentTenant": Annotated[UUID, Depends(current_tenant)],
    }


@pytest.mark.parametrize("guide", ["api-keys.md", "tenancy.md", "transactions.md", "logs-and-health.md"])
def test_the_blocks_of_a_guide_run_one_after_the_other(
    db: Database, guide: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = names_at_hand()
    blocks = blocks_of(guide)
    assert blocks
    for block in blocks:
        exec(compile(block, guide, "exec"), names)  # noqa: S102 - our own guide
    assert_said(blocks, capsys.readouterr().out)


def assert_said(blocks: list[str], printed: str) -> None:
    comments = r"print\(.*\)  # ([A-Za-z]\w* is .*|uq_\w+|[a-z]+\.[a-z]+)$"
    said = [line.rstrip() for block in blocks for line in re.findall(comments, block, flags=re.MULTILINE)]
    missing = [line for line in said if line not in printed.splitlines()]
    assert missing == [], "a comment beside a print() says what it prints"


def test_people_come_and_go_as_the_guide_says(
    db: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands are answered as by somebody at a terminal, with the token that was shown last."""
    tokens: list[str] = []
    answers: dict[str, Callable[[], str]] = {
        "Token": lambda: tokens[-1],
        "New password": lambda: "correct horse battery",
    }
    monkeypatch.setattr("spothive.cli.asking.is_terminal", lambda: True)
    monkeypatch.setattr(typer, "prompt", lambda question, **_: answers[question]())
    seed_initial_data()
    names: dict[str, Any] = {}
    text = (GUIDES / "people.md").read_text(encoding="utf-8")
    for kind, block in re.findall(r"^```(sh|python)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        if kind == "python":
            exec(compile(block, "people.md", "exec"), names)  # noqa: S102 - our own guide
            continue
        for line in block.splitlines():
            program, *words = shlex.split(line, comments=True)
            ran = CliRunner().invoke(app, words, prog_name=program)
            assert ran.exit_code == 0, (line, ran.output)
            tokens += re.findall(r"shown this once: (\S+\.\S+)", ran.stdout)
    assert_said(blocks_of("people.md"), capsys.readouterr().out)


def test_the_door_of_the_guide_signs_people_in(
    db: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = names_at_hand() | {"password": PASSWORD, "code_shown_by_app": code_of}
    monkeypatch.setattr("spothive.runtime.keyring", lambda: KEYRING)
    make_person(TENANT, "grace")
    for block in blocks_of("signing-in.md"):
        exec(compile(block, "signing-in.md", "exec"), names)  # noqa: S102 - our own guide
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "grace"
    assert said[1].startswith("user name or password is wrong")
    asyncio.run(_knock(names["app"], names["backup_codes"][1]))


async def _knock(app: FastAPI, code: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x.io") as client:
        assert (await client.get("/sessions")).status_code == 401
        given = {"name": "grace", "password": PASSWORD}
        refused = await client.post("/session", json=given)
        assert (refused.status_code, refused.json()["detail"]["code_needed"]) == (401, True)
        assert (await client.post("/session", json=given | {"password": "a guess"})).status_code == 401
        assert (await client.post("/session", json=given | {"code": code})).json() == {"must_change_password": False}
        assert len((await client.get("/sessions")).json()) == 3
        assert (await client.delete("/session")).status_code == 200
        assert (await client.get("/sessions")).status_code == 401


def test_the_new_model_is_refused_as_the_guide_says(empty_db: Database, tmp_path: Path) -> None:
    program = tmp_path / "try_note.py"
    program.write_text("\n".join(blocks_of("new-model.md")), encoding="utf-8")
    environment = {**os.environ, "SPOTHIVE_ADMIN_PASSWORD": "correct horse battery"}
    done = subprocess.run(
        [sys.executable, program],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    (promised,) = blocks_of("new-model.md", "text")
    assert done.stdout == promised
