"""How people signed in and what was asked with API keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from spothive.database.sample.chance import Dice
from spothive.database.sample.people import address
from spothive.database.sample.world import Company, Group, Period, Person, Row
from spothive.database.sample.writing import Writer
from spothive.models import (
    PLATFORM_TENANT_ID,
    ApiKey,
    ApiScope,
    ApiUsage,
    DeviceType,
    LoginHistory,
    LoginMethod,
    ResourceType,
    SessionLog,
)

_DAY = timedelta(days=1)
_DEVICES = (
    (DeviceType.DESKTOP, "Firefox", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (DeviceType.DESKTOP, "Chrome", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/138.0"),
    (DeviceType.MOBILE, "Safari", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15"),
)
_STRANGERS = ("root", "administrator", "test", "postgres")
_FAILED = 0.08
_REQUESTS_A_DAY = 3
_USAGE_KEPT_DAYS = 90
_USER_REQUESTS = (("GET", "/v1/instances"), ("GET", "/v1/decisions"), ("GET", "/v1/waste"), ("POST", "/v1/approvals"))
_AGENT_REQUESTS = (("POST", "/v1/agent/heartbeat"), ("POST", "/v1/agent/actions/claim"))


def write_access(writer: Writer, period: Period, companies: list[Company]) -> None:
    """Write log-ins, sessions, API keys and their use. No token and no key is known that would fit a hash."""
    logins: list[Row] = []
    sessions: list[Row] = []
    keys: list[Row] = []
    usage: list[Row] = []
    for company in companies:
        dice = period.dice("access", company.number)
        for person in company.people[:-1]:
            mine = _logins(dice, period, company, person)
            logins += mine
            sessions += _sessions(dice, period, company, mine)
        made = _keys(dice, period, company)
        for key in made:
            writer.made(company.tenant_id, ResourceType.API_KEY, key["name"])
            usage += _usage(dice, period, company, key)
        keys += made
    logins += _strangers(period)
    writer.insert(LoginHistory, sorted(logins, key=lambda row: row["timestamp"]))
    writer.insert(SessionLog, sessions)
    writer.insert(ApiKey, keys)
    writer.insert(ApiUsage, sorted(usage, key=lambda row: row["timestamp"]))


def _logins(dice: Dice, period: Period, company: Company, person: Person) -> list[Row]:
    """Return about one log-in for each working day, some of them mistyped first."""
    rows = []
    for number in range(period.days):
        at = dice.between(period.start + number * _DAY, period.start + (number + 1) * _DAY)
        if dice.likely(_FAILED):
            before = at - timedelta(seconds=dice.randrange(5, 60))
            rows.append(_login(dice, company, person, before, failure="wrong password"))
        rows.append(_login(dice, company, person, at))
    return rows


def _login(dice: Dice, company: Company, person: Person, at: datetime, failure: str | None = None) -> Row:
    second_factor = person is company.owner and failure is None
    return company.entry(
        dice,
        at,
        user_id=person.id,
        login_name=person.username,
        ip_address=address(dice),
        user_agent=dice.choice(_DEVICES)[2],
        login_method=LoginMethod.TOTP if second_factor else LoginMethod.PASSWORD,
        success=failure is None,
        failure_reason=failure,
    )


def _strangers(period: Period) -> list[Row]:
    """Return attempts under names that nobody has; such are kept under ``platform``."""
    dice = period.dice("strangers")
    platform = Company(0, PLATFORM_TENANT_ID, "platform", "platform")
    rows = []
    for _ in range(max(1, period.days // 3)):
        facts = {"user_id": None, "login_name": dice.choice(_STRANGERS), "ip_address": address(dice)}
        facts |= {"user_agent": "curl/8.14.1", "login_method": LoginMethod.PASSWORD}
        at = dice.between(period.start, period.until)
        rows.append(platform.entry(dice, at, **facts, success=False, failure_reason="unknown user"))
    return rows


def _sessions(dice: Dice, period: Period, company: Company, logins: list[Row]) -> list[Row]:
    """Return the sessions of somebody's last three log-ins: left, revoked, and open if it has not run out."""
    rows = []
    for number, login in enumerate([row for row in logins if row["success"]][-3:]):
        at = login["timestamp"]
        device, browser, _ = next(known for known in _DEVICES if known[2] == login["user_agent"])
        left = dice.between(at, min(at + timedelta(hours=6), period.until))
        open_still = number == 2  # noqa: PLR2004 - the last of three
        rows.append(
            company.row(
                dice,
                at,
                user_id=login["user_id"],
                token_hash=dice.hash(),
                ip_address=login["ip_address"],
                user_agent=login["user_agent"],
                device_type=device,
                browser=browser,
                location=None,
                last_active_at=left,
                expires_at=at + _DAY,
                logged_out_at=None if open_still else left,
                revoked_reason="ended by the user from another device" if number == 0 else None,
            )
        )
    return rows


def _keys(dice: Dice, period: Period, company: Company) -> list[Row]:
    """Return a key for a report, one that was revoked, and one for the agent of each cluster that has one."""
    owner = company.owner.id
    keys = [
        _key(dice, period, company, "weekly report", [ApiScope.READ], user_id=owner),
        _key(dice, period, company, "old dashboard", [ApiScope.READ, ApiScope.WRITE], user_id=owner),
    ]
    revoked = dice.between(max(period.start, period.until - _USAGE_KEPT_DAYS // 2 * _DAY), period.until)
    keys[1] |= {"revoked_at": revoked, "revoked_reason": "found in a public repository", "updated_at": revoked}
    return keys + [
        _key(dice, period, company, f"agent of {cluster.name}", [ApiScope.AGENT], cluster=cluster)
        for cluster in company.clusters
        if cluster.agent
    ]


def _key(
    dice: Dice,
    period: Period,
    company: Company,
    name: str,
    scopes: list[ApiScope],
    *,
    user_id: UUID | None = None,
    cluster: Group | None = None,
) -> Row:
    prefix = f"sh_agent_{dice.hex(7)}" if cluster else f"sh_live_{dice.hex(8)}"
    facts: Row = {"cluster_id": cluster.id if cluster else None, "user_id": user_id, "scopes": scopes}
    facts |= {"rate_limit": 5000 if cluster else 1000, "expires_at": None, "revoked_at": None, "revoked_reason": None}
    at = cluster.account.joined + timedelta(hours=2) if cluster else period.founded + timedelta(days=2)
    return company.row(dice, at, name=name, prefix=prefix, key_hash=dice.hash(), last_used_at=None) | facts


def _usage(dice: Dice, period: Period, company: Company, key: Row) -> list[Row]:
    """Return what was asked with ``key`` as far back as it is kept, and note in it when it was used last."""
    requests = _AGENT_REQUESTS if key["cluster_id"] else _USER_REQUESTS
    last = key["revoked_at"] or period.until
    first = max(period.start, period.until - _USAGE_KEPT_DAYS * _DAY)
    rows = []
    for _ in range(_REQUESTS_A_DAY * max(1, (last - first).days)):
        method, endpoint = dice.choice(requests)
        status = dice.choices((200, 403, 429, 500), (95, 2, 2, 1))[0]
        facts = {"endpoint": endpoint, "method": method, "status_code": status}
        at = dice.between(first, last)
        rows.append(
            company.entry(dice, at, api_key_id=key["id"], response_time_ms=dice.randrange(3, 240)) | facts,
        )
    key["last_used_at"] = max(row["timestamp"] for row in rows)
    return rows
