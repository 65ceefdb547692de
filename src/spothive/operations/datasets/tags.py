"""Tags: the words that lab experiments are found by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.models import ExperimentTag, LabExperiment, ResourceType, Tag
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.decisions import find_experiment
from spothive.operations.identity import Action, require

_LONGEST: Final = 50
_COLOR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})")
_NO_SLUG = re.compile(r"[^a-z0-9]+")
_SPELLING = re.compile(r"[a-z0-9\s_-]+")
_LATIN: Final = str.maketrans(
    {
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ħ": "h",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "ŋ": "n",
        "ŧ": "t",
    }
)
"""Small Latin letters that are no other letter with an accent; capitals and ``ß`` are folded before."""


@dataclass(frozen=True, slots=True)
class ListedTag:
    """A tag, and on how many experiments it is."""

    tag: Tag
    experiments: int


def slug_of(name: str) -> str:
    """Return how a search spells the tag called ``name``: ``night-run`` for ``Night run``; empty if nothing is left.

    Accents go, Latin letters that ASCII lacks become those they are written with instead (``ß`` ``ss``, ``ł`` ``l``),
    and everything else that is no letter or digit of ASCII becomes one hyphen.
    """
    return _NO_SLUG.sub("-", _plain(name)).strip("-")[:_LONGEST].strip("-")


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold().translate(_LATIN))
    return "".join(sign for sign in letters if not unicodedata.combining(sign))


def create_tag(session: TenantSession, actor: Actor, *, name: str, color: str | None = None) -> Tag:
    """Make a tag.

    Args:
        session: of the tenant.
        actor: who makes it.
        name: for people, 1 to 50 characters; its slug, which searches spell, is made of it.
        color: for example ``#ff8800`` or ``#f80``.

    Raises:
        Denied: the role does not allow it.
        InvalidInput: the name has no Latin letter or digit, or is too long, or the colour is none.
        Conflict: a tag is spelled so already.
    """
    event = "tag.created"
    _require(actor, event, name)
    slug, shade = _slug(name), _color(color)
    _refuse_taken(session, slug)
    tag = Tag(name=name.strip(), slug=slug, color=shade, created_by=actor.actor_id)
    session.add(tag)
    session.flush()  # so that what its rules refuse is refused here
    record(session, actor, event, tag.name, ResourceType.EXPERIMENT, after=_facts(tag))
    return tag


def change_tag(
    session: TenantSession, actor: Actor, *, tag: str, name: str | None = None, color: str | None = None
) -> Tag:
    """Give a tag another name, from which its slug follows, or another colour; an empty colour takes it away.

    Searches that spell the former slug find it no more.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such tag.
        InvalidInput: as for :func:`create_tag`, or nothing is to be changed.
        Conflict: another tag is spelled so.
    """
    event = "tag.changed"
    _require(actor, event, tag)
    if name is None and color is None:
        msg = "nothing is to be changed: give another name, or a colour"
        raise InvalidInput(msg)
    found = find_tag(session, tag, lock=True)
    before = _facts(found)
    if name is not None:
        slug = _slug(name)
        if slug != found.slug:
            _refuse_taken(session, slug)
        found.name, found.slug = name.strip(), slug
    if color is not None:
        found.color = _color(color) if color else None
    session.flush()  # so that what its rules refuse is refused here
    record(session, actor, event, found.name, ResourceType.EXPERIMENT, before=before, after=_facts(found))
    return found


def delete_tag(session: TenantSession, actor: Actor, *, tag: str) -> int:
    """Delete a tag; return from how many experiments it went.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such tag.
    """
    event = "tag.deleted"
    _require(actor, event, tag)
    found = find_tag(session, tag, lock=True)
    used = session.scalars(select(func.count()).select_from(ExperimentTag).where(ExperimentTag.tag_id == found.id))
    experiments = used.one()
    session.delete(found)
    before = _facts(found) | {"experiments": experiments}
    record(session, actor, event, found.name, ResourceType.EXPERIMENT, before=before)
    return experiments


def add_tag(session: TenantSession, actor: Actor, *, experiment: str, tag: str) -> ExperimentTag:
    """Put a tag on a lab experiment, given by its id or name.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such experiment or tag.
        InvalidInput: several experiments have this name.
        Conflict: it is on it.
    """
    event = "experiment.tagged"
    _require(actor, event, experiment)
    trial, found = find_experiment(session, experiment).experiment, find_tag(session, tag)
    if _on(session, trial, found) is not None:
        msg = f"the tag {found.slug} is on {trial.name[:80]!r} already"
        raise Conflict(msg)
    put = ExperimentTag(lab_experiment_id=trial.id, tag_id=found.id, added_by=actor.actor_id)
    session.add(put)
    session.flush()  # so that a tag that is put on at the same moment is refused here
    record(session, actor, event, trial.name, ResourceType.EXPERIMENT, after={"tag": found.slug})
    return put


def remove_tag(session: TenantSession, actor: Actor, *, experiment: str, tag: str) -> None:
    """Take a tag off a lab experiment, given by its id or name.

    Raises:
        Denied: the role does not allow it.
        NotFound: the tenant has no such experiment or tag, or it is not on it.
        InvalidInput: several experiments have this name.
    """
    event = "experiment.untagged"
    _require(actor, event, experiment)
    trial, found = find_experiment(session, experiment).experiment, find_tag(session, tag)
    put = _on(session, trial, found)
    if put is None:
        msg = f"the tag {found.slug} is not on {trial.name[:80]!r}"
        raise NotFound(msg)
    session.delete(put)
    record(session, actor, event, trial.name, ResourceType.EXPERIMENT, before={"tag": found.slug})


def list_tags(session: TenantSession) -> list[ListedTag]:
    """Return the tenant's tags by slug, with the number of experiments each is on; one statement."""
    used = select(ExperimentTag.tag_id, func.count().label("experiments")).group_by(ExperimentTag.tag_id).subquery()
    query = select(Tag, func.coalesce(used.c.experiments, 0)).outerjoin(used, used.c.tag_id == Tag.id)
    rows = session.execute(query).all()
    return sorted((ListedTag(*row) for row in rows), key=lambda each: each.tag.slug)


def find_tag(session: TenantSession, tag: str, *, lock: bool = False) -> Tag:
    """Return the tenant's tag, given by its name, or else by its slug; see :func:`is_called`.

    Raises:
        NotFound: there is none.
    """
    query = select(Tag).where(is_called([tag.strip()]))
    rows = session.scalars(query.with_for_update() if lock else query).all()
    found = min(rows, key=lambda each: each.name != tag.strip(), default=None)
    if found is None:
        msg = f"no tag is called {tag[:60]!r}: see `spothive tag list`"
        raise NotFound(msg)
    return found


def tags_of(session: TenantSession, experiments: Collection[UUID]) -> dict[UUID, list[str]]:
    """Return the slugs of the tags on each of some experiments, by its id; one statement."""
    found: dict[UUID, list[str]] = {each: [] for each in experiments}
    query = select(ExperimentTag.lab_experiment_id, Tag.slug).join(ExperimentTag.tag)
    query = query.where(ExperimentTag.lab_experiment_id.in_(list(found)))
    for experiment, slug in session.execute(query):
        found[experiment].append(slug)
    return {experiment: sorted(slugs) for experiment, slugs in found.items()}


def is_called(words: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a tag is called by one of ``words``: by its name, or by its slug.

    Capitals, accents, and what parts its words do not matter to a slug. Any other sign does: ``C#`` is not ``C``.
    """
    slugs = [slug for word in words if (slug := _spelled(word)) is not None]
    return or_(Tag.name.in_(list(words)), Tag.slug.in_(slugs))


def known_words(session: TenantSession, words: Collection[str]) -> set[str]:
    """Return by which of ``words`` a tag is called; one statement."""
    rows = session.execute(select(Tag.name, Tag.slug).where(is_called(words))).all()
    known = {text for row in rows for text in row}
    return {word for word in words if word in known or _spelled(word) in known}


def _spelled(word: str) -> str | None:
    return (slug_of(word) or None) if _SPELLING.fullmatch(_plain(word)) else None


def known_slugs(session: TenantSession, slugs: Sequence[str]) -> set[str]:
    """Return which of ``slugs`` are those of tags; one statement."""
    return set(session.scalars(select(Tag.slug).where(Tag.slug.in_(list(slugs)))))


def _on(session: TenantSession, experiment: LabExperiment, tag: Tag) -> ExperimentTag | None:
    query = select(ExperimentTag).where(ExperimentTag.lab_experiment_id == experiment.id)
    return session.scalar(query.where(ExperimentTag.tag_id == tag.id))


def _refuse_taken(session: TenantSession, slug: str) -> None:
    if known_slugs(session, [slug]):
        msg = f"a tag is spelled {slug} already: see `spothive tag list`"
        raise Conflict(msg)


def _slug(name: str) -> str:
    if len(name.strip()) > _LONGEST:
        msg = f"the name of a tag has at most {_LONGEST} characters"
        raise InvalidInput(msg)
    slug = slug_of(name)
    if not slug:
        msg = f"a tag is called by Latin letters and digits, so that a search can spell it; got {name[:60]!r}"
        raise InvalidInput(msg)
    return slug


def _color(color: str | None) -> str | None:
    if color is None:
        return None
    if not _COLOR.fullmatch(color.lower()):
        msg = f"a colour is written #ff8800 or #f80; got {color[:20]!r}"
        raise InvalidInput(msg)
    return color.lower()


def _facts(tag: Tag) -> dict[str, Any]:
    return {"name": tag.name, "slug": tag.slug, "color": tag.color}


def _require(actor: Actor, event: str, name: str) -> None:
    require(actor, Action.EXPERIMENT, attempt=event, resource=name, resource_type=ResourceType.EXPERIMENT)
