"""The model that ships, its card, and the training that gives both."""

from __future__ import annotations

import re
from uuid import uuid4

import numpy as np
import pytest

from spothive.scoring import BASELINE_FILE
from spothive.scoring.model_file import read_contract, sha256_of
from spothive.scoring.serving import LoadedModel, ModelFile
from training.__main__ import CARD
from training.measuring import auc, losses
from training.run import FULL, Plan, parts_of, train

QUICK = Plan(pools=120, fit_weeks=2, calibrate_weeks=1, test_weeks=1, seed=7)


def shipped() -> LoadedModel:
    data = BASELINE_FILE.read_bytes()
    return LoadedModel(ModelFile(uuid4(), "shipped", "1", "f", sha256_of(data)), read_contract(data), data)


def test_card_and_file_belong_together() -> None:
    card = CARD.read_text(encoding="utf-8")
    assert f"| SHA-256 | `{sha256_of(BASELINE_FILE.read_bytes())}` |" in card, "run `make model` and read the diff"


def test_the_card_tells_what_the_file_scores_on_what_it_never_saw() -> None:
    row = re.search(r"\| this model \| ([\d.]+) .* \| ([\d.]+) .* \| ([\d.]+) ", CARD.read_text(encoding="utf-8"))
    assert row
    tested = parts_of(FULL)["tested"]
    scores = np.array(shipped().score(tested.rows.tolist()))
    found = {name: float(each.mean()) for name, each in losses(scores, tested.hit).items()}
    measured = (found["Brier score"], found["log loss"], auc(scores, tested.hit))
    assert measured == pytest.approx([float(figure) for figure in row.groups()], abs=2e-4)


def test_training_again_gives_the_same_bytes_and_what_the_file_computes_is_what_was_fitted() -> None:
    first, again = train(QUICK), train(QUICK)
    assert first.file == again.file
    assert first.figures == again.figures
    rows = parts_of(QUICK)["tested"].rows
    model = LoadedModel(ModelFile(uuid4(), "quick", "1", "f", first.sha256), read_contract(first.file), first.file)
    assert model.score(rows.tolist()) == pytest.approx(first.model.scores(rows), abs=1e-6)


def test_tested_pools_and_weeks_were_never_trained_on() -> None:
    parts = parts_of(QUICK)
    learnt = [parts["fitted"], parts["calibrated"]]
    for part in learnt:
        assert not set(part.pool) & set(parts["tested"].pool)
        assert part.week.max() < parts["tested"].week.min()
    assert parts["fitted"].week.max() < parts["calibrated"].week.min()


def test_more_trouble_means_a_higher_score() -> None:
    names = shipped().contract.features
    calm = dict(zip(names, shipped().contract.baseline, strict=True))
    worse = [
        calm | {"advisor_band": 4},
        calm | {"interruptions_15d": 3, "hours_since_interruption": 6, "interruptions_24h": 1},
        calm | {"rebalances_24h": 2},
        calm | {"price_change_7d": 0.2, "price_change_1d": 0.05},
    ]
    usual, *scores = shipped().score([[facts[name] for name in names] for facts in (calm, *worse)])
    assert all(score > usual for score in scores), (usual, scores)
