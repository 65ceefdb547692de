"""The companies and the people in them, and how they signed in. None of them can sign in from now on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from spothive.database.sample.chance import Dice
from spothive.database.sample.world import ACTOR, Company, Period, Person, Row, shared_row
from spothive.database.sample.writing import Writer
from spothive.keyring import Keyring
from spothive.models import (
    BackupCode,
    Invitation,
    ResourceType,
    Role,
    Tenant,
    TokenPurpose,
    User,
    UserToken,
)
from spothive.schema.sealed import seal

NO_PASSWORD: Final = "sample: no password fits"  # noqa: S105 - no password at all, by its very form
"""In place of a password's hash: whatever is typed, it does not fit."""

_COMPANIES = ("Northwind", "Larkspur", "Quarry", "Tidewater", "Alder", "Juniper", "Saltmarsh", "Copperfield")
_TRADES = ("Retail", "Analytics", "Games", "Freight", "Media", "Health", "Energy")
_PEOPLE = (
    ("nora", "Nora Lindqvist", Role.CLIENT),
    ("jamal", "Jamal Osei", Role.CLIENT),
    ("mei", "Mei Tanaka", Role.USER),
    ("ravi", "Ravi Menon", Role.LAB),
    ("olga", "Olga Petrova", Role.USER),
)
_ZONES = ("Europe/Stockholm", "UTC", "Asia/Tokyo", "Asia/Kolkata", "America/New_York")


def slug_of(seed: int, number: int) -> str:
    """Return the slug of a sample's tenant; ``number`` counts from 1."""
    return f"sample-{seed}-{number}"


def found_companies(period: Period, tenants: int) -> list[Company]:
    """Make up the companies and their people; nothing is written."""
    companies = []
    for number in range(1, tenants + 1):
        dice = period.dice("people", number)
        slug = slug_of(period.seed, number)
        name = f"{dice.choice(_COMPANIES)} {dice.choice(_TRADES)} (sample {period.seed}.{number})"
        company = Company(number, dice.id_at(period.founded), slug, name)
        company.people = [
            Person(dice.id_at(period.founded), f"{first}.{slug}", f"{first}@{slug}.example", full_name, role)
            for first, full_name, role in _PEOPLE
        ]
        companies.append(company)
    return companies


def write_people(writer: Writer, keyring: Keyring, period: Period, companies: list[Company]) -> None:
    """Write tenants, users and the papers that make somebody a user."""
    tenants, users, invitations, tokens, codes = [], [], [], [], []
    for company in companies:
        dice = period.dice("papers", company.number)
        settings = {"auto_approve_low": company.number % 2 == 1, "sample": period.seed}
        tenants.append(
            shared_row(dice, period.founded, slug=company.slug, name=company.name, is_active=True, settings=settings)
            | {"id": company.tenant_id}
        )
        writer.made(company.tenant_id, ResourceType.TENANT, company.slug)
        users += _users(writer, keyring, dice, period, company)
        invitations += _invitations(dice, period, company)
        tokens += _tokens(dice, period, company)
        codes += _backup_codes(dice, period, company)
    writer.insert(Tenant, tenants)
    writer.insert(User, users)
    writer.insert(Invitation, invitations)
    writer.insert(UserToken, tokens)
    writer.insert(BackupCode, codes)


def _users(writer: Writer, keyring: Keyring, dice: Dice, period: Period, company: Company) -> list[Row]:
    rows = []
    for person, zone in zip(company.people, _ZONES, strict=True):
        owner = person is company.owner
        row = company.row(dice, period.founded, email=person.email, username=person.username) | {
            "id": person.id,
            "password_hash": NO_PASSWORD,
            "full_name": person.name,
            "role": person.role,
            "is_active": person is not company.people[-1],
            "timezone": zone,
            "last_login": dice.between(period.until - timedelta(hours=20), period.until),
            "failed_logins": 0,
            "totp_secret": _sealed_totp(keyring, company.tenant_id, person, dice) if owner else None,
            "totp_enabled": owner,
        }
        rows.append(row)
        writer.made(company.tenant_id, ResourceType.USER, person.username)
    return rows


def _sealed_totp(keyring: Keyring, tenant_id: UUID, person: Person, dice: Dice) -> str | None:
    row = User(tenant_id=tenant_id, id=person.id)
    seal(keyring, row, "totp_secret", "".join(dice.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=32)))
    return row.totp_secret


def _invitations(dice: Dice, period: Period, company: Company) -> list[Row]:
    """Return one that was accepted, for each further user, and one that is open."""
    rows = []
    for person in company.people[1:]:
        at = period.founded + timedelta(hours=1)
        facts = {"email": person.email, "role": person.role, "accepted_at": dice.between(at, at + timedelta(days=1))}
        rows.append(_invitation(dice, company, at, facts))
    facts = {"email": f"newcomer@{company.slug}.example", "role": Role.USER, "accepted_at": None}
    rows.append(_invitation(dice, company, period.until - timedelta(hours=3), facts))
    return rows


def _invitation(dice: Dice, company: Company, at: datetime, facts: Row) -> Row:
    ends = at + timedelta(days=7)
    return company.row(dice, at, token_hash=dice.hash(), invited_by_name=ACTOR, expires_at=ends) | facts


def _tokens(dice: Dice, period: Period, company: Company) -> list[Row]:
    """Return the check of each address, done, and a forgotten password, not done yet."""
    rows = []
    for person in company.people:
        at = period.founded + timedelta(days=1)
        used = dice.between(at, at + timedelta(hours=20))
        rows.append(_token(dice, company, person, at) | {"purpose": TokenPurpose.EMAIL_CHECK, "used_at": used})
    at = period.until - timedelta(hours=1)
    asked = _token(dice, company, company.people[2], at)
    return [*rows, asked | {"purpose": TokenPurpose.PASSWORD_RESET, "used_at": None}]


def _token(dice: Dice, company: Company, person: Person, at: datetime) -> Row:
    ends = at + timedelta(days=1)
    return company.row(dice, at, user_id=person.id, token_hash=dice.hash(), expires_at=ends)


def _backup_codes(dice: Dice, period: Period, company: Company) -> list[Row]:
    """Return the owner's ten codes, of which one was used."""
    rows = []
    for number in range(10):
        used = dice.between(period.start, period.until) if number == 0 else None
        facts = {"used_at": used, "ip_address": address(dice) if used else None}
        rows.append(company.row(dice, period.founded, user_id=company.owner.id, code_hash=dice.hash()) | facts)
    return rows


def address(dice: Dice) -> str:
    """Return an IPv4 address that is kept for documentation (RFC 5737), so it is nobody's."""
    return f"{dice.choice(('192.0.2', '198.51.100', '203.0.113'))}.{dice.randrange(1, 255)}"
