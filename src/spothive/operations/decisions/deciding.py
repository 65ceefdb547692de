"""Deciding about instances: whether each is better off in another spot pool."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import Conflict, ModelRefused, RuleBroken, SpothiveError
from spothive.models import Decision, MlModel, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.decisions.assessing import Asked, Assessment, ModelKey, Place, assess, place_of
from spothive.operations.decisions.candidates import Alike, candidates_for, named_candidates, zones_of
from spothive.operations.decisions.decision_rows import Decided, store_decisions
from spothive.operations.decisions.instances import MADE, Chosen, Subject, called, choose, read_subjects
from spothive.operations.decisions.judging import Thresholds
from spothive.operations.decisions.lab import IN_THE_LAB
from spothive.operations.decisions.pool_facts import KnownPool, Pool, read_pool, read_pools, read_region
from spothive.operations.decisions.registry import active_model, file_of, remember_refused, serve_model
from spothive.operations.decisions.told import tell_of_failed
from spothive.operations.sessions import Sessions
from spothive.scoring.probing import require_runtime
from spothive.scoring.serving import LoadedModel, ModelFile, ModelServer
from spothive.settings import get_settings

CHUNK: Final = 500
"""Instances of one region that are read, judged and written together."""

_TRIES: Final = 3
"""Attempts to write a chunk where others write the same instances."""

Progress: TypeAlias = Callable[[int, int], None]
"""Takes how many instances are done, and of how many."""


@dataclass(slots=True)
class DecisionsMade:
    """What came of a call.

    Attributes:
        decided: one for each instance that something was decided about, FAILED ones among them.
        left_out: why instances were not decided about, to how many.
        gone: instances that went away while they were decided about.
    """

    decided: list[Decided] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    gone: int = 0

    def counts(self) -> dict[str, int]:
        """Return how many decisions came out in which way."""
        found = Counter(each.decision for each in self.decided)
        return {decision.value: found[decision] for decision in Decision}


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of a chunk, in one transaction: all that is needed to decide outside of any."""

    subjects: list[Subject]
    files: dict[ModelKey, ModelFile | str]
    pools: dict[Pool, KnownPool]
    candidates: Callable[[Subject], Sequence[KnownPool]]


def make_decisions(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    server: ModelServer,
    instances: Collection[str] | None = None,
    candidates: Collection[str] | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> DecisionsMade:
    """Decide about instances and write it down with all it was taken from (a procedure).

    The active model judges instances of PROD accounts, the assigned one those of LAB accounts. Where there is none, or
    its file is refused, the decision is FAILED and says so; a model that this process serves already serves on. People
    are told once a call of those that are FAILED.

    Args:
        sessions: opens transactions.
        actor: who decides.
        tenant_id: whose instances they are.
        server: keeps models loaded; one a process.
        instances: EC2 ids; all running ones that ``actor`` may decide about and a model can judge when None.
        candidates: names of the pools to compare with; those that could do the work when None or empty.
        now: the moment facts are taken from (UTC); the present, for each chunk, when None.
        progress: is told how far it is.

    Raises:
        Denied: the role does not allow it.
        NotFound: an instance is none of the tenant's.
        Conflict: an instance that was named does not run, is a replica, or has no model; or it is written to without
            end by others.
        InvalidInput: nothing was named, or a pool is no pool or in another region than an instance.
        ConfigurationError: onnxruntime is not installed.
    """
    named = [read_pool(name) for name in candidates or ()]
    with sessions(tenant=tenant_id) as session:
        chosen = choose(session, actor, instances, named)
    require_runtime()
    work = _Work(sessions, actor, tenant_id, server, called(instances), named, now)
    work.made.left_out = dict(chosen.left_out)
    chunks, done = list(_chunks(chosen)), 0
    try:
        for number, (region, instance_ids) in enumerate(chunks, 1):
            work.decide(region, instance_ids, last=number == len(chunks))
            done += len(instance_ids)
            if progress is not None:
                progress(done, chosen.count)
    except BaseException:
        work.remember_early_end()
        raise
    work.made.decided.sort(key=lambda each: each.instance_id)
    return work.made


def _chunks(chosen: Chosen) -> Iterator[tuple[str, list[str]]]:
    for region, instance_ids in sorted(chosen.by_region.items()):
        for start in range(0, len(instance_ids), CHUNK):
            yield region, instance_ids[start : start + CHUNK]


@dataclass(slots=True)
class _Work:
    """One call of :func:`make_decisions`."""

    sessions: Sessions
    actor: Actor
    tenant_id: UUID
    server: ModelServer
    resource: str
    named: list[Pool]
    now: datetime | None
    made: DecisionsMade = field(default_factory=DecisionsMade)
    models: dict[tuple[bool, ModelFile], Asked | str] = field(default_factory=dict)
    """What is asked for each model, by whether it was wanted for production."""
    told: bool = False
    """Whether the audit trail knows of this call."""

    def decide(self, region: str, instance_ids: Sequence[str], *, last: bool) -> None:
        """Decide about some instances of a region; the last of these calls writes the audit row."""
        started, now = time.perf_counter(), self.now or utc_now()
        with self.sessions(tenant=self.tenant_id) as session:
            known = _read(session, self.actor, region, instance_ids, self.named, now=now)
        models = {key: self._model(key, file) for key, file in known.files.items()}
        thresholds = _thresholds()
        found = assess(known.subjects, known.pools, known.candidates, models, thresholds)
        share = (time.perf_counter() - started) * 1000 / max(1, len(known.subjects))
        self._write(known.subjects, found, now, round(share), last=last)
        self.made.gone += len(instance_ids) - len(known.subjects)

    def _model(self, key: ModelKey, file: ModelFile | str) -> Asked | str:
        """Return the model to ask, or why there is none. Each is loaded once a call, or refused and audited once."""
        if isinstance(file, str):
            return file
        known = (key is None, file)
        if known not in self.models:
            try:
                self.models[known] = Asked(self._served(file) if key is None else self._in_lab(file))
            except ModelRefused as refusal:
                self.models[known] = str(refusal)
        return self.models[known]

    def _served(self, file: ModelFile) -> LoadedModel:
        """Return the active model; the one before if its file is refused and that one is still loaded."""
        try:
            return serve_model(self.sessions, self.actor, server=self.server, model=file)
        except ModelRefused:
            if self.server.present is None:
                raise
            return self.server.present

    def _in_lab(self, file: ModelFile) -> LoadedModel:
        try:
            return self.server.beside(file)
        except ModelRefused as refusal:
            remember_refused(self.sessions, self.actor, file, refusal)
            raise

    def _write(
        self, subjects: Sequence[Subject], found: Mapping[Place, Assessment], now: datetime, share: int, *, last: bool
    ) -> None:
        pairs = [(subject, found[place_of(subject)]) for subject in subjects]
        decided: list[Decided] = []
        tries = _TRIES
        while True:
            try:
                with self.sessions(tenant=self.tenant_id) as session:
                    decided = store_decisions(session, pairs, now=now, duration_ms=share)
                    if last:
                        self._tell(session, [*self.made.decided, *decided])
                break
            except RuleBroken:
                raise
            except Conflict:  # a deadlock with somebody who writes the same instances
                tries -= 1
                if not tries:
                    raise
        self.told = last
        self.made.decided += decided
        self.made.gone += len(pairs) - len(decided)

    def _tell(self, session: TenantSession, decided: list[Decided], **more: Any) -> None:
        after = DecisionsMade(decided).counts() | {"left_out": sum(self.made.left_out.values())} | more
        after |= {"shadow": sum(each.is_shadow_run for each in decided)}
        if self.named:
            after["candidates"] = [pool.name for pool in self.named]
        record(session, self.actor, MADE, self.resource, ResourceType.INSTANCE, after=after)
        tell_of_failed(session, decided)

    def remember_early_end(self) -> None:
        """Say in the audit trail how far a call came that does not go on, if it decided anything."""
        if self.made.decided and not self.told:
            with suppress(SpothiveError), self.sessions(tenant=self.tenant_id) as session:
                self._tell(session, self.made.decided, ended_early=True)


def _thresholds() -> Thresholds:
    settings = get_settings()
    return Thresholds(settings.decision_least_saving, settings.decision_most_risk)


# --- reading ----------------------------------------------------------------------------------------------------------


def _read(
    session: TenantSession,
    actor: Actor,
    region: str,
    instance_ids: Sequence[str],
    named: Sequence[Pool],
    *,
    now: datetime,
) -> _Known:
    """Return all that is needed to decide about instances of a region; nine statements, however many there are."""
    subjects = read_subjects(session, actor, instance_ids)
    facts = read_region(session, region)
    alike = Alike(facts)
    types = {subject.here.instance_type for subject in subjects}
    zones = {subject.here.zone for subject in subjects}
    if named:
        everywhere = zones | {pool.zone for pool in named}
        everything = types | {pool.instance_type for pool in named}
    else:
        everywhere = zones_of(region, zones)
        everything = set().union(*(alike.to(each) for each in types))
    pools = read_pools(session, facts, everywhere, everything, now)
    files = _files(session, {subject.lab_model for subject in subjects})

    def candidates(subject: Subject) -> list[KnownPool]:
        here = subject.here
        if named:
            return named_candidates(here, named, pools, spot=subject.spot)
        return candidates_for(here, alike.to(here.instance_type), everywhere, pools, spot=subject.spot)

    return _Known(subjects, files, pools, candidates)


def _files(session: TenantSession, keys: Collection[ModelKey]) -> dict[ModelKey, ModelFile | str]:
    """Return which file each model is that judges, or why there is none."""
    found: dict[ModelKey, ModelFile | str] = {}
    if None in keys:
        active = active_model(session)
        found[None] = file_of(active) if active else "no model is active: staff activate one, see `spothive model list`"
    assigned = [key for key in keys if key is not None]
    if assigned:
        for model in session.scalars(select(MlModel).where(MlModel.id.in_(assigned))):
            usable = model.status in IN_THE_LAB
            other = f"model {model.name} {model.version} is {model.status}: assign another one to the instance"
            found[model.id] = file_of(model) if usable else other
    return found
