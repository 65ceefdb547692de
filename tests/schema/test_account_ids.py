"""What an account may be called before and after AWS has proved it, the same on both databases."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest

from tests.conftest import Database
from tests.factories.samples import Row, rule_of, sample, sql_insert, sql_update
from tests.factories.sealing import make_keyring

FORM = "ck_accounts_account_id_form"
GOOD = ["000000000002", "999999999999", "pending-0", "pending-0123456789abcdef" + "0" * 40]
BAD = [
    "1",
    "11111111111",
    "1111111111111",
    "11111111111x",
    " 11111111111",
    "11111111111 ",
    "11111111111\n",
    "1111-111-111",
    "\uff11" * 12,
    "\u0661" * 12,
    "pending-",
    "pending",
    "pending-xyz",
    "pending-ABC",
    "PENDING-abc",
    "Pending-0",
    " pending-0",
    "pending-0 ",
    "pending-a-b",
]


@pytest.fixture
def parents(sample_rows: dict[str, Row]) -> Row:
    return {table: row["id"] for table, row in sample_rows.items()}


def answers(db: Database, statements: dict[str, str]) -> dict[str, str | None]:
    """Return which rule refuses each statement; None if none does."""
    found: dict[str, str | None] = {}
    with db.raw(owner=True) as connection:
        for name, statement in statements.items():
            connection.execute("BEGIN")
            try:
                connection.execute(statement)
                found[name] = None
            except (sqlite3.Error, psycopg.Error) as error:
                found[name] = rule_of(error)
            connection.execute("ROLLBACK")
    return found


def test_an_id_is_twelve_digits_or_a_placeholder(db: Database, parents: Row) -> None:
    rows = {name: sample("accounts", parents, 2, account_id=name) for name in GOOD + BAD}
    found = answers(db, {name: sql_insert(db.engine, "accounts", row) for name, row in rows.items()})
    assert found == dict.fromkeys(GOOD) | dict.fromkeys(BAD, FORM)


def test_what_proves_nothing_claims_nothing(db: Database, parents: Row) -> None:
    imported = {"connection_method": "import"}
    rows = {
        "ck_accounts_import_unproven": sample("accounts", parents, 2, **imported),
        "ck_accounts_prod_proven": sample("accounts", parents, 2, environment_type="PROD"),
        "": sample("accounts", parents, 2, **imported, account_id="pending-a"),
    }
    found = answers(db, {rule: sql_insert(db.engine, "accounts", row) for rule, row in rows.items()})
    assert found == {rule: rule or None for rule in rows}


TOKENS = [make_keyring().seal(secret, b"any context") for secret in ("key id", "key")]


def test_a_connected_account_has_its_proof(db: Database, parents: Row) -> None:
    keys = {"connection_method": "access_keys"}
    one, other = TOKENS
    changes: dict[str, tuple[Row, str | None]] = {
        "role": ({}, None),
        "no role": ({"role_arn": None}, "ck_accounts_role_proof"),
        "no external id": ({"external_id": None}, "ck_accounts_role_proof"),
        "placeholder": ({"account_id": "pending-0"}, FORM),
        "no keys": (keys, "ck_accounts_key_proof"),
        "one key": (keys | {"aws_access_key_id": one}, "ck_accounts_key_proof"),
        "both keys": (keys | {"aws_access_key_id": one, "aws_secret_access_key": other}, None),
        "imported": ({"connection_method": "import"}, "ck_accounts_import_unproven"),
    }
    mine = parents["accounts"]
    found = answers(
        db,
        {
            name: sql_update(db.engine, "accounts", mine, status="connected", **values)
            for name, (values, _) in changes.items()
        },
    )
    assert found == {name: rule for name, (_, rule) in changes.items()}
