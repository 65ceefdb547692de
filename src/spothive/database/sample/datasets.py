"""Datasets, the jobs that made them, and the words and searches that experiments are found by."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from spothive.database.sample.chance import Dice
from spothive.database.sample.world import Company, Period, Row, step
from spothive.database.sample.writing import Life, Writer
from spothive.models import (
    Dataset,
    DatasetGeneration,
    DatasetImport,
    DatasetJobStatus,
    DatasetKind,
    ExperimentTag,
    ResourceType,
    SavedSearch,
    Tag,
)

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_TAGS = {"baseline": "#4488cc", "candidate": "#ff8800", "night": None}
_SEARCHES = {"good candidates": "tag:candidate status:COMPLETED score:>0.8", "running now": "status:RUNNING"}
_COLUMNS = {
    DatasetKind.DECISIONS: ["day", "pool", "decision", "score"],
    DatasetKind.MARKET: ["pool", "price", "observed_at"],
}
_DONE, _FAILED, _RUNNING = DatasetJobStatus.COMPLETED, DatasetJobStatus.FAILED, DatasetJobStatus.RUNNING
_PENDING, _CANCELLED = DatasetJobStatus.PENDING, DatasetJobStatus.CANCELLED


def write_datasets(
    writer: Writer, period: Period, companies: list[Company], experiments: dict[UUID, list[UUID]]
) -> None:
    """Write datasets with their jobs, tags on ``experiments`` (ids by tenant) and saved searches."""
    datasets: list[Row] = []
    generations: list[Life] = []
    imports: list[Life] = []
    tags: list[Row] = []
    tagged: list[Row] = []
    searches: list[Row] = []
    for company in companies:
        dice = period.dice("datasets", company.number)
        made = {kind: _dataset(dice, period, company, kind) for kind in _COLUMNS}
        datasets += made.values()
        for endings, jobs, kind in (
            ((_DONE, _FAILED, _RUNNING), generations, DatasetKind.DECISIONS),
            ((_DONE, _CANCELLED, _PENDING), imports, DatasetKind.MARKET),
        ):
            jobs += [_job(dice, period, company, made[kind], ending) for ending in endings]
            writer.made(company.tenant_id, ResourceType.DATASET, made[kind]["name"])
        words = [_tag(dice, period, company, name, color) for name, color in _TAGS.items()]
        tags += words
        tagged += _tagged(dice, period, company, words, experiments[company.tenant_id])
        searches += [_search(dice, period, company, name, query) for name, query in _SEARCHES.items()]
    writer.insert(Dataset, datasets)
    writer.insert_lives(DatasetGeneration, generations)
    writer.insert_lives(DatasetImport, imports)
    writer.insert(Tag, tags)
    writer.insert(ExperimentTag, tagged)
    writer.insert(SavedSearch, searches)


def _dataset(dice: Dice, period: Period, company: Company, kind: DatasetKind) -> Row:
    at = period.until - 3 * _DAY
    name = f"{kind.value} of spring"
    facts = {"description": "made up for a sample: there is no such file", "row_count": dice.randrange(10**4, 10**6)}
    facts |= {"file_path": f"sample/{company.slug}/{kind.value}.csv", "file_hash": dice.hash()}
    facts |= {"columns": _COLUMNS[kind], "created_by": company.people[3].id}
    return company.row(dice, at, name=name, kind=kind, **facts)


def _job(dice: Dice, period: Period, company: Company, dataset: Row, ending: DatasetJobStatus) -> Life:
    """Return a job that made ``dataset``, or one that did not come so far."""
    at = _asked(period, dataset, ending)
    config = {"from": period.start.date().isoformat(), "to": period.until.date().isoformat()}
    life = Life(company.row(dice, at, name=dataset["name"], config=config, dataset_id=None))
    if ending == _CANCELLED:
        life.then(step(at + _MINUTE, status=ending, completed_at=at + _MINUTE))
    if ending in {_CANCELLED, _PENDING}:
        return life
    started = at + _MINUTE
    lease = {"lease_token": dice.id_at(started), "leased_until": started + 30 * _MINUTE}
    rows = dataset["row_count"]
    life.then(step(started, status=_RUNNING, started_at=started, progress=40, rows=rows * 4 // 10, **lease))
    over: Row = {"completed_at": started + 5 * _MINUTE, "lease_token": None, "leased_until": None}
    if ending == _DONE:
        result = {"dataset_id": dataset["id"], "output_path": dataset["file_path"], "progress": 100, "rows": rows}
        life.then(step(over["completed_at"], status=ending, **over, **result))
    if ending == _FAILED:
        life.then(step(over["completed_at"], status=ending, **over, error_message="the disk is full: make room"))
    return life


def _asked(period: Period, dataset: Row, ending: DatasetJobStatus) -> datetime:
    """Return when a job was asked for: what is under way a few minutes ago, the others before the dataset was there."""
    if ending in {_RUNNING, _PENDING}:
        return period.until - 4 * _MINUTE
    made: datetime = dataset["created_at"]
    return made - 6 * _MINUTE


def _tag(dice: Dice, period: Period, company: Company, name: str, color: str | None) -> Row:
    facts = {"name": name, "slug": name, "color": color, "created_by": company.people[3].id}
    return company.row(dice, period.founded + _DAY, **facts)


def _tagged(dice: Dice, period: Period, company: Company, tags: list[Row], experiments: list[UUID]) -> list[Row]:
    """Put a tag on each experiment."""
    facts = {"added_by": company.people[3].id}
    return [
        company.row(dice, period.until, lab_experiment_id=experiment, tag_id=tags[number % len(tags)]["id"], **facts)
        for number, experiment in enumerate(experiments)
    ]


def _search(dice: Dice, period: Period, company: Company, name: str, query: str) -> Row:
    facts = {"is_pinned": name == "running now", "usage_count": dice.randrange(1, 30), "last_used_at": period.until}
    return company.row(dice, period.founded + 2 * _DAY, user_id=company.people[3].id, name=name, query=query, **facts)
