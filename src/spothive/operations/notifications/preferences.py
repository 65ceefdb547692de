"""How users want to hear of what: everybody says so for themselves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select, update

from spothive.database import TenantSession
from spothive.errors import InvalidInput, NotFound
from spothive.models import EmailDigestEntry, EmailFrequency, NoticeEvent, NotificationPreference, ResourceType, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.permissions import Action, require
from spothive.operations.notifications.defaults import Wishes, default_wishes
from spothive.operations.notifications.digest_times import find_zone, next_digest
from spothive.operations.notifications.mail_rows import waits_for_digest
from spothive.schema.types import clock_timestamp

EVENTS: Final = tuple(event for event in NoticeEvent if event is not NoticeEvent.DIGEST_WEEKLY)
"""What somebody can be told of; digests themselves are only filed under ``digest.weekly``."""

_SET: Final = "preference.set"
_ZONE_SET: Final = "user.timezone"


@dataclass(frozen=True, slots=True)
class Preference:
    """How a user hears of an event.

    Attributes:
        event: of what.
        wishes: how.
        is_default: whether the user has not said so.
    """

    event: NoticeEvent
    wishes: Wishes
    is_default: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a preference; None stays as it is."""

    email_enabled: bool | None = None
    in_app_enabled: bool | None = None
    slack_enabled: bool | None = None
    webhook_enabled: bool | None = None
    email_frequency: EmailFrequency | None = None


def list_preferences(session: TenantSession, actor: Actor) -> list[Preference]:
    """Return how the actor hears of each event, in the order in which events are declared. Two statements.

    Raises:
        NotFound: the actor is no user of this tenant.
    """
    own_user(session, actor)
    query = select(NotificationPreference).where(NotificationPreference.user_id == actor.user_id)
    said = {row.event_type: row for row in session.scalars(query)}
    return [
        Preference(event, _wishes(said[event]) if event in said else default_wishes(event), event not in said)
        for event in EVENTS
    ]


def set_preference(session: TenantSession, actor: Actor, *, event: NoticeEvent, change: Change) -> Preference:
    """Say how the actor wants to hear of an event from now on; return what holds then.

    What waits for a digest follows: it goes into the next one of the new kind, or nowhere if mails were switched off.

    Args:
        session: of the actor's tenant.
        actor: for whom.
        event: of what.
        change: what is to be different; the rest stays, or is as by default.

    Raises:
        Denied: the role does not allow it.
        InvalidInput: nothing is to be different, or nobody is told of ``event`` by itself.
        NotFound: the actor is no user of this tenant.
    """
    require(actor, Action.READ, attempt=_SET, resource=event, resource_type=ResourceType.NOTICE)
    given = {name: value for name, value in asdict(change).items() if value is not None}
    _check(event, given)
    user = own_user(session, actor, lock=True)  # two changes at once are made one after the other
    mine = (NotificationPreference.user_id == user.id, NotificationPreference.event_type == event)
    row = session.scalar(select(NotificationPreference).where(*mine), execution_options={"populate_existing": True})
    before = default_wishes(event) if row is None else _wishes(row)
    after = replace(before, **given)
    if row is None:
        session.add(NotificationPreference(user_id=user.id, event_type=event, **asdict(after)))
    else:
        for name, value in given.items():
            setattr(row, name, value)
    if (before.email_enabled, before.email_frequency) != (after.email_enabled, after.email_frequency):
        _follow(session, user, event, after)
    was = {name: value for name, value in asdict(before).items() if name in given}
    record(session, actor, _SET, event, ResourceType.NOTICE, before=was, after=given)
    return Preference(event, after, is_default=False)


def set_timezone(session: TenantSession, actor: Actor, *, timezone: str) -> str:
    """Say in which zone the actor lives, where digests come at nine; return its name.

    What waits for a digest goes into the next one by the new clock.

    Raises:
        Denied: the role does not allow it.
        InvalidInput: no zone is called so.
        NotFound: the actor is no user of this tenant.
    """
    require(actor, Action.READ, attempt=_ZONE_SET, resource=actor.username, resource_type=ResourceType.USER)
    name = find_zone(timezone)
    user = own_user(session, actor, lock=True)
    was, user.timezone = user.timezone, name
    now, said = present(session), wishes_of(session, user, EVENTS)
    for frequency in (EmailFrequency.DIGEST_DAILY, EmailFrequency.DIGEST_WEEKLY):
        events = [event for event, wishes in said.items() if wishes.email_frequency is frequency]
        put_off(session, user, events, next_digest(frequency, name, now))
    before, after = {"timezone": was}, {"timezone": name}
    record(session, actor, _ZONE_SET, user.username, ResourceType.USER, before=before, after=after)
    return name


def own_user(session: TenantSession, actor: Actor, *, lock: bool = False) -> User:
    """Return the actor as a user of the session's tenant, locked against other changes to it if asked for.

    Raises:
        NotFound: the actor belongs to another tenant, or to none.
    """
    query = select(User).where(User.id == actor.user_id)
    if lock:
        query = query.with_for_update(key_share=True)  # rows that point at the user may be written meanwhile
    user = session.scalar(query, execution_options={"populate_existing": True})
    if user is None:
        msg = f"{actor.username} is no user of this tenant: notices and preferences are in one's own (--as, --tenant)"
        raise NotFound(msg)
    return user


def present(session: TenantSession) -> datetime:
    """Return the database's time of day (UTC), by which digests are due and mails are sent."""
    return session.scalars(select(clock_timestamp())).one()


def wishes_of(session: TenantSession, user: User, events: Collection[NoticeEvent]) -> dict[NoticeEvent, Wishes]:
    """Return how a user wants to hear of some events. One statement."""
    mine = (NotificationPreference.user_id == user.id, NotificationPreference.event_type.in_(sorted(events)))
    said = {row.event_type: _wishes(row) for row in session.scalars(select(NotificationPreference).where(*mine))}
    return {event: said.get(event) or default_wishes(event) for event in events}


def put_off(session: TenantSession, user: User, events: Collection[NoticeEvent], until: datetime) -> int:
    """Let what waits of some events go into the digest of another time; return how much. One statement."""
    if not events:
        return 0
    moved: Any = session.execute(
        update(EmailDigestEntry).where(*_waiting(user, events)).values(scheduled_for=until),
        execution_options={"synchronize_session": False},
    )
    return int(moved.rowcount)


def _follow(session: TenantSession, user: User, event: NoticeEvent, wishes: Wishes) -> None:
    """Let what waits for a digest follow new wishes. Who wants mails at once gets what waits as it was meant."""
    if not wishes.email_enabled:
        gone = delete(EmailDigestEntry).where(*_waiting(user, [event]))
        session.execute(gone, execution_options={"synchronize_session": False})
    elif wishes.email_frequency is not EmailFrequency.IMMEDIATE:
        due = next_digest(wishes.email_frequency, user.timezone, present(session))
        put_off(session, user, [event], due)


def _waiting(user: User, events: Collection[NoticeEvent]) -> tuple[Any, ...]:
    return (
        EmailDigestEntry.user_id == user.id,
        EmailDigestEntry.event_type.in_(sorted(events)),
        waits_for_digest(),
    )


def _wishes(row: NotificationPreference) -> Wishes:
    return Wishes(row.email_enabled, row.in_app_enabled, row.slack_enabled, row.webhook_enabled, row.email_frequency)


def _check(event: NoticeEvent, given: dict[str, Any]) -> None:
    if event is NoticeEvent.DIGEST_WEEKLY:
        msg = (
            "digest.weekly is what digests are filed under, nothing one is told of: set how often the other events are "
            "mailed, such as waste.flagged with --frequency digest_weekly"
        )
        raise InvalidInput(msg)
    if not given:
        msg = "say what is to be different: see spothive notify set --help"
        raise InvalidInput(msg)
