"""Explanations sum to the score, and are those of the definition."""

from __future__ import annotations

from itertools import permutations
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from spothive.scoring import BASELINE_FILE
from spothive.scoring.features import FEATURES
from spothive.scoring.model_file import read_contract, sha256_of
from spothive.scoring.serving import LoadedModel, ModelFile
from spothive.scoring.shapley import attribute
from tests.factories.models import file_of, network


def loaded(data: bytes) -> LoadedModel:
    return LoadedModel(ModelFile(uuid4(), "m", "1", "m.onnx", sha256_of(data)), read_contract(data), data)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(0.01, 30))
@settings(max_examples=40, deadline=None)
def test_explanations_sum_to_the_score(count: int, seed: int, steepness: float) -> None:
    dice = np.random.default_rng(seed)
    model = loaded(file_of(network([dice.normal(size=(count, 8)) * steepness, dice.normal(size=(8, 1)) * 3])))
    row, baseline = dice.normal(size=(2, count)).tolist()
    explained = model.explain(row, baseline)
    assert abs(explained.base + sum(explained.parts) - explained.score) <= 1e-6
    (alone,), (start,) = model.score([row]), model.score([baseline])
    assert abs(explained.base + sum(explained.parts) - alone) <= 1e-6
    assert abs(explained.base - start) <= 1e-6


def test_explanations_of_the_shipped_model_sum_to_its_score_over_all_features() -> None:
    model = loaded(BASELINE_FILE.read_bytes())
    assert len(model.contract.features) == 12
    dice = np.random.default_rng(1)
    rows = [[dice.uniform(f.low, f.high) for f in FEATURES] for _ in range(20)]
    for row, score in zip(rows, model.score(rows), strict=True):
        explained = model.explain(row)
        assert abs(explained.base + sum(explained.parts) - score) <= 1e-6
    assert model.score([]) == []


def test_attributions_are_the_mean_gain_over_all_orders() -> None:
    def scores(rows: Any) -> Any:
        return rows[:, 0] * rows[:, 1] + np.sin(rows[:, 2]) * rows[:, 0] - rows[:, 3] ** 2

    row, baseline = [2.0, -1.0, 0.7, 3.0], [0.5, 1.0, 0.0, 1.0]
    gains = np.zeros(4)
    orders = list(permutations(range(4)))
    for order in orders:
        mixed = np.array([baseline])
        for feature in order:
            before = scores(mixed)[0]
            mixed[0, feature] = row[feature]
            gains[feature] += scores(mixed)[0] - before
    explained = attribute(scores, row, baseline)
    assert explained.parts == pytest.approx(gains / len(orders), abs=1e-12)


def test_a_feature_that_stays_gets_nothing() -> None:
    explained = attribute(lambda rows: rows.prod(axis=1), [2.0, 5.0, 3.0], [1.0, 5.0, 1.0])
    assert explained.parts[1] == 0
    assert (explained.base, explained.score) == (5, 30)
