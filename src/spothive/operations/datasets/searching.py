"""Searching lab experiments, and the searches that users keep."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric as SqlNumber, and_, exists, literal, or_, select, update
from sqlalchemy.orm import joinedload

from spothive.database import TenantSession
from spothive.database.pages import Page, newest_first
from spothive.errors import Conflict, InvalidInput, NotAllowed, NotFound
from spothive.models import ExperimentTag, LabExperiment, MlModel, ResourceType, SavedSearch, Tag
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.datasets.query import Search, read_search
from spothive.operations.datasets.tags import is_called, known_words, tags_of
from spothive.operations.identity import Action, require
from spothive.schema.types import clock_timestamp, contains_text, number_at

SCORE: Final = "score"
"""Where an experiment's telemetry holds its score."""

_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
}
_NAME_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class FoundExperiment:
    """An experiment that a search found, with its model loaded.

    Attributes:
        experiment: the experiment.
        tags: slugs of its tags.
        score: its score, if it has one.
    """

    experiment: LabExperiment
    tags: list[str]
    score: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        page: one page, the newest first.
        unknown_tags: tags it names that the tenant does not have, as they were typed; with one of them alone nothing is
            found.
    """

    page: Page[FoundExperiment]
    unknown_tags: list[str]


def search_experiments(session: TenantSession, text: str, *, limit: int = 100, before: str | None = None) -> Found:
    """Return the tenant's experiments for which all of a search is true, a page at a time; three statements at most.

    Args:
        session: of the tenant.
        text: such as ``tag:night status:COMPLETED score:>0.8 "second try"``; see :func:`read_search`.
        limit: most experiments, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        InvalidInput: the search cannot be read, or ``limit`` or ``before`` cannot be used.
    """
    search = read_search(text)
    query = select(LabExperiment).options(joinedload(LabExperiment.model)).where(*_conditions(search))
    page = newest_first(session, LabExperiment, query, limit=limit, before=before, by="created_at")
    tags = tags_of(session, [each.id for each in page.rows])
    named = {word for group in search.tags for word in group}
    unknown = sorted(named - known_words(session, named)) if named else []
    found = [FoundExperiment(each, tags[each.id], score_of(each)) for each in page.rows]
    return Found(Page(found, page.next), unknown)


def score_of(experiment: LabExperiment) -> float | None:
    """Return the score that whoever measured the experiment gave it: the number ``score`` of its telemetry."""
    score = experiment.telemetry.get(SCORE)
    return score if isinstance(score, (int, float)) and not isinstance(score, bool) else None


def save_search(session: TenantSession, actor: Actor, *, name: str, text: str) -> SavedSearch:
    """Keep a search for its user, under a name of the user's own.

    Raises:
        Denied: the role does not allow it.
        InvalidInput: the search cannot be read, or the name is blank or too long.
        NotAllowed: the user belongs to another tenant.
        Conflict: the user has a search of this name.
    """
    event, owner = "search.saved", _owner(session, actor, "search.saved", name)
    read_search(text)
    if not 1 <= len(name.strip()) <= _NAME_MAX:
        msg = f"the name of a search has 1 to {_NAME_MAX} characters"
        raise InvalidInput(msg)
    if session.scalar(_mine(owner).where(SavedSearch.name == name.strip())) is not None:
        msg = f"you have a search called {name.strip()!r}: delete it first, or choose another name"
        raise Conflict(msg)
    saved = SavedSearch(user_id=owner, name=name.strip(), query=text)
    session.add(saved)
    session.flush()  # so that one of the same name that is kept at the same moment is refused here
    record(session, actor, event, saved.name, ResourceType.EXPERIMENT, after={"query": text})
    return saved


def list_searches(session: TenantSession, actor: Actor) -> list[SavedSearch]:
    """Return the actor's searches: pinned ones first, then by name; one statement."""
    query = _mine(actor.user_id).order_by(SavedSearch.is_pinned.desc())
    return sorted(session.scalars(query), key=lambda each: (not each.is_pinned, each.name))


def use_search(session: TenantSession, actor: Actor, *, name: str) -> SavedSearch:
    """Return the actor's search of this name, which counts as used once more.

    Like the use of an API key that is noted in the row alone: the audit trail tells of changes.

    Raises:
        NotFound: the actor has none.
    """
    found = _find(session, actor, name)
    used = {"usage_count": SavedSearch.usage_count + 1, "last_used_at": clock_timestamp()}
    counted = update(SavedSearch).where(SavedSearch.id == found.id).values(**used)
    session.execute(counted, execution_options={"synchronize_session": False})
    session.refresh(found)
    return found


def pin_search(session: TenantSession, actor: Actor, *, name: str, pinned: bool) -> SavedSearch:
    """Let the actor's search of this name be shown first, or no longer.

    Raises:
        NotAllowed: as for :func:`save_search`.
        NotFound: the actor has none.
    """
    event = "search.pinned" if pinned else "search.unpinned"
    _owner(session, actor, event, name)
    found = _find(session, actor, name)
    before = {"is_pinned": found.is_pinned}
    found.is_pinned = pinned
    record(session, actor, event, found.name, ResourceType.EXPERIMENT, before=before, after={"is_pinned": pinned})
    return found


def delete_search(session: TenantSession, actor: Actor, *, name: str) -> None:
    """Forget the actor's search of this name.

    Raises:
        NotAllowed: as for :func:`save_search`.
        NotFound: the actor has none.
    """
    event = "search.deleted"
    _owner(session, actor, event, name)
    found = _find(session, actor, name)
    session.delete(found)
    record(session, actor, event, found.name, ResourceType.EXPERIMENT, before={"query": found.query})


def _conditions(search: Search) -> list[ColumnElement[bool]]:
    """Return what is true of every experiment that ``search`` finds."""
    where: list[ColumnElement[bool]] = [_tagged(group) for group in search.tags]
    where += [LabExperiment.status.in_(group) for group in search.statuses]
    where += [_of_model(name) for name in search.models]
    where += [_COMPARE[how](LabExperiment.created_at, moment) for how, moment in search.created]
    score = number_at(LabExperiment.telemetry.expression, SCORE)
    where += [_COMPARE[how](score, literal(number, SqlNumber())) for how, number in search.scores]
    texts = (LabExperiment.name.expression, LabExperiment.notes.expression)
    where += [or_(*(contains_text(column, word) for column in texts)) for word in search.words]
    return where


def _tagged(words: tuple[str, ...]) -> ColumnElement[bool]:
    """Return the condition that an experiment has a tag that is called by one of ``words``."""
    on = exists().where(ExperimentTag.lab_experiment_id == LabExperiment.id, ExperimentTag.tag_id == Tag.id)
    return on.where(is_called(words))


def _of_model(text: str) -> ColumnElement[bool]:
    """Return the condition that an experiment is one with a model: ``name``, or ``name@version``."""
    name, at, version = text.rpartition("@")
    called: ColumnElement[bool] = MlModel.name == text
    if at:
        called = or_(called, and_(MlModel.name == name, MlModel.version == version))
    return LabExperiment.model_id.in_(select(MlModel.id).where(called))


def _mine(user_id: UUID) -> Any:
    return select(SavedSearch).where(SavedSearch.user_id == user_id)


def _find(session: TenantSession, actor: Actor, name: str) -> SavedSearch:
    found: SavedSearch | None = session.scalar(_mine(actor.user_id).where(SavedSearch.name == name.strip()))
    if found is None:
        msg = f"you have no search called {name[:60]!r}: see `spothive search list`"
        raise NotFound(msg)
    return found


def _owner(session: TenantSession, actor: Actor, event: str, name: str) -> UUID:
    """Return the user who keeps a search in this tenant.

    Raises:
        Denied: the role does not allow it.
        NotAllowed: the user belongs to another tenant, or it is spothive itself.
    """
    require(actor, Action.READ, attempt=event, resource=name, resource_type=ResourceType.EXPERIMENT)
    if actor.actor_id is None or session.tenant_id != actor.home_tenant_id:
        msg = f"{actor.username} is no user of this tenant: searches are kept at home, without --tenant"
        raise NotAllowed(msg)
    return actor.user_id
