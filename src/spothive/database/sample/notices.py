"""Who was told of what: preferences, notices, mails and webhooks that were sent, given up or still wait.

Every address ends in ``.example``, a name that is nobody's: what still waits cannot reach anyone.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final

from spothive.database.sample.chance import Dice
from spothive.database.sample.interruptions import Notice as Announced
from spothive.database.sample.world import Company, Period, Person, Row, step
from spothive.database.sample.writing import Life, Writer
from spothive.keyring import Keyring
from spothive.models import (
    DeliveryStatus,
    EmailDigestEntry,
    EmailFrequency,
    EmailLog,
    EmailProvider,
    Notice,
    NoticeEvent,
    NotificationPreference,
    ResourceType,
    SpotEventType,
    Telling,
    WebhookConfiguration,
    WebhookError,
    WebhookLog,
    WebhookProvider,
)
from spothive.models.risk import POISON_HOURS
from spothive.schema.sealed import seal

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_LADDER = (timedelta(seconds=5), 5 * _MINUTE, 30 * _MINUTE)
"""Pauses after the first attempts of a webhook."""
_AT_ONCE = (NoticeEvent.SPOT_INTERRUPTION, NoticeEvent.ACCOUNT_FAILED, NoticeEvent.APPROVAL_REQUESTED)
_DIGESTED = (NoticeEvent.WASTE_FLAGGED, NoticeEvent.SCAN_PARTIAL)
_MOST_TOLD: Final = 12
"""Announcements that the people of a company were told of; older deliveries are not kept."""
_GIVEN_UP = 3


def write_notices(
    writer: Writer, keyring: Keyring, period: Period, companies: list[Company], announced: list[Announced]
) -> None:
    """Write preferences, notices and deliveries; those about interruptions follow from ``announced``."""
    preferences: list[Row] = []
    notices: list[Row] = []
    mails: list[Life] = []
    digest: list[Row] = []
    hooks: list[Row] = []
    deliveries: list[Life] = []
    tellings: list[Row] = []
    for company in companies:
        dice = period.dice("notices", company.number)
        preferences += _preferences(dice, period, company)
        told = _told(company, announced)
        notices += [_notice(dice, company, announcement) for announcement in told]
        mails += [_mail(dice, period, company, number, one) for number, one in enumerate(told)]
        digest += _digest(dice, period, company)
        tellings += _tellings(dice, company, told)
        mine = [_hook(keyring, dice, period, company, provider) for provider in WebhookProvider]
        for hook in mine:
            writer.made(company.tenant_id, ResourceType.NOTICE, hook["name"])
            deliveries += [_delivery(dice, period, hook, _outcome(number), one) for number, one in enumerate(told)]
        hooks += mine
    writer.insert(NotificationPreference, preferences)
    writer.insert(Notice, notices)
    writer.insert_lives(EmailLog, mails)
    writer.insert(EmailDigestEntry, digest)
    writer.insert(WebhookConfiguration, hooks)
    writer.insert_lives(WebhookLog, deliveries)
    writer.insert(Telling, tellings)


def _preferences(dice: Dice, period: Period, company: Company) -> list[Row]:
    rows = []
    for person in company.people:
        for event in (*_AT_ONCE, *_DIGESTED):
            daily = event in _DIGESTED
            facts = {
                "email_enabled": True,
                "in_app_enabled": True,
                "slack_enabled": person is company.owner,
                "webhook_enabled": person is company.owner,
                "email_frequency": EmailFrequency.DIGEST_DAILY if daily else EmailFrequency.IMMEDIATE,
            }
            at = period.founded + 2 * _DAY
            rows.append(company.row(dice, at, user_id=person.id, event_type=event, **facts))
    return rows


def _told(company: Company, announced: list[Announced]) -> list[Announced]:
    """Return the company's latest announcements, the newest first."""
    mine = [one for one in announced if one.company is company]
    return sorted(mine, key=lambda one: one.at, reverse=True)[:_MOST_TOLD]


def _tellings(dice: Dice, company: Company, told: list[Announced]) -> list[Row]:
    """Return which blocked pools the company knows of: those in which it was interrupted itself."""
    ends = {one.machine.pool: one.at for one in reversed(told) if one.kind == SpotEventType.TERMINATION_NOTICE}
    return [
        company.row(
            dice,
            at,
            event_type=NoticeEvent.SPOT_POOL_BLOCKED,
            subject=pool,
            told_until=at + timedelta(hours=POISON_HOURS),
        )
        for pool, at in ends.items()
    ]


def _title(one: Announced) -> str:
    lost = one.kind == SpotEventType.TERMINATION_NOTICE
    return f"{one.machine.instance_id} {'was interrupted' if lost else 'may be interrupted'}"


def _notice(dice: Dice, company: Company, one: Announced) -> Row:
    facts = {"event_type": NoticeEvent.SPOT_INTERRUPTION, "title": _title(one), "link": f"/instances/{one.machine.id}"}
    facts |= {"body": f"AWS announced it for {one.machine.type} in {one.machine.zone}."}
    read = one.at + timedelta(hours=1) if dice.likely(0.7) else None
    return company.row(dice, one.at, user_id=company.owner.id, read_at=read, **facts)


def _outcome(number: int) -> DeliveryStatus:
    """Return how a company's deliveries ended: the first waits, the second was given up, the others were sent."""
    return (DeliveryStatus.PENDING, DeliveryStatus.FAILED)[number] if number < 2 else DeliveryStatus.SENT  # noqa: PLR2004


def _mail(dice: Dice, period: Period, company: Company, number: int, one: Announced) -> Life:
    ending = _outcome(number)
    at = _due(period, ending, one)
    person: Person = company.owner
    born = company.row(
        dice,
        at,
        user_id=person.id,
        recipient_email=person.email,
        event_type=NoticeEvent.SPOT_INTERRUPTION,
        subject=_title(one),
        template_name="spot_interruption",
        event_data={"instance": one.machine.instance_id, "pool": one.machine.pool},
        provider=EmailProvider.CONSOLE,
        message_id=f"<{dice.hex(24)}@{company.slug}.example>",
        attempts=0,
        next_attempt_at=at,
    )
    return Life(born, _attempts(at, ending, "the mail server did not answer"))


def _due(period: Period, ending: DeliveryStatus, one: Announced) -> datetime:
    """Return when a delivery was asked for: what still waits a minute ago, whenever AWS said it."""
    return period.until - _MINUTE if ending == DeliveryStatus.PENDING else one.at


def _attempts(at: datetime, ending: DeliveryStatus, error: object) -> list[Row]:
    """Return the attempts at one delivery; what is given up was tried a few times."""
    if ending == DeliveryStatus.PENDING:
        return []
    if ending == DeliveryStatus.SENT:
        sent = at + timedelta(seconds=2)
        return [step(sent, status=ending, attempts=1, next_attempt_at=None, sent_at=sent)]
    changes = []
    for number, pause in enumerate(_LADDER[: _GIVEN_UP - 1], start=1):
        changes.append(step(at, attempts=number, next_attempt_at=at + pause, last_error=error))
        at += pause
    return [*changes, step(at, status=ending, attempts=_GIVEN_UP, next_attempt_at=None, last_error=error)]


def _digest(dice: Dice, period: Period, company: Company) -> list[Row]:
    """Return what went into yesterday's digest and what waits for the next one, at nine o'clock."""
    rows = []
    nine = datetime.combine(period.until.date(), time(9), period.until.tzinfo)
    due = nine if nine > period.until else nine + _DAY
    for event in _DIGESTED:
        for scheduled, included in ((due - _DAY, True), (due, False)):
            at = scheduled - timedelta(hours=10) if included else period.until - timedelta(minutes=30)
            facts = {"event_type": event, "event_data": {"account": "staging"}, "scheduled_for": scheduled}
            row = company.row(dice, at, user_id=company.people[2].id, included_in_digest=included, **facts)
            rows.append(row | {"updated_at": scheduled if included else at})
    return rows


def _hook(keyring: Keyring, dice: Dice, period: Period, company: Company, provider: WebhookProvider) -> Row:
    slack = provider == WebhookProvider.SLACK
    host = "hooks.slack.example" if slack else f"events.{company.slug}.example"
    facts: Row = {
        "provider_type": provider,
        "url_host": host,
        "name": "channel #spot" if slack else "incident tool",
        "enabled_events": [event.value for event in _AT_ONCE],
        "settings": {"channel": "#spot"} if slack else {},
        "is_active": True,
        "last_used_at": period.until - timedelta(hours=1),
        "last_error": None,
        "consecutive_failures": 0,
    }
    row = company.row(dice, period.founded + 3 * _DAY, user_id=company.owner.id, **facts)
    sealed = WebhookConfiguration(tenant_id=company.tenant_id, id=row["id"])
    seal(keyring, sealed, "webhook_url", f"https://{host}/services/{dice.hex(24)}")
    rotated_until = None if slack else period.until + timedelta(hours=20)  # it got a new secret four hours ago
    if not slack:
        seal(keyring, sealed, "signing_secret", f"whsec_{dice.hex(48)}")
        seal(keyring, sealed, "previous_secret", f"whsec_{dice.hex(48)}")
    secrets = {name: getattr(sealed, name) for name in ("webhook_url", "signing_secret", "previous_secret")}
    return row | secrets | {"previous_until": rotated_until}


def _delivery(dice: Dice, period: Period, hook: Row, ending: DeliveryStatus, one: Announced) -> Life:
    at = _due(period, ending, one)
    born = one.company.row(
        dice,
        at,
        webhook_config_id=hook["id"],
        message_id=f"msg_{dice.hex(24)}",
        event_type=NoticeEvent.SPOT_INTERRUPTION,
        payload={"type": NoticeEvent.SPOT_INTERRUPTION.value, "data": {"pool": one.machine.pool}},
        attempts=0,
        next_attempt_at=at,
    )
    life = Life(born, _attempts(at, ending, WebhookError.HTTP))
    for change in life.steps:
        good = change.get("status") == DeliveryStatus.SENT
        change |= {"http_status_code": 200 if good else 503, "response_body": "ok" if good else "try again later"}
    return life
