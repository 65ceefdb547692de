"""The training of the shipped model from beginning to end, and its figures on pools and weeks it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spothive.scoring.features import HORIZON_HOURS
from spothive.scoring.model_file import sha256_of
from training.fitting import PLACE, Fitted, calibrated, fit
from training.history import Floats, History, make_history
from training.measuring import Bin, Measured, calibration, measure, paired
from training.writing import onnx_bytes

HELD_OUT = 0.3
"""Share of the pools that training never sees."""

TABLE = "table: band by recent interruptions"

MIDPOINTS = (0.025, 0.075, 0.125, 0.175, 0.25)
"""What the advisor's band says if it is taken for a probability."""


@dataclass(frozen=True)
class Plan:
    """How much history there is, and which weeks are for what: fitting, calibrating, then testing."""

    pools: int
    fit_weeks: int
    calibrate_weeks: int
    test_weeks: int
    seed: int = 20260301

    @property
    def weeks(self) -> int:
        """All of them."""
        return self.fit_weeks + self.calibrate_weeks + self.test_weeks


FULL = Plan(pools=1500, fit_weeks=8, calibrate_weeks=2, test_weeks=4)


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Attributes:
        plan: what was asked for.
        model: the fitted model.
        file: content of the model file.
        counts: examples, pools and interruptions by part of the history.
        figures: name of a way to score to its figures on the test part.
        bins: calibration of the model on the test part.
        paired: its Brier score less that of the best simple rule.
    """

    plan: Plan
    model: Fitted
    file: bytes
    counts: dict[str, tuple[int, int, int]]
    figures: dict[str, dict[str, Measured]]
    bins: list[Bin]
    paired: Measured

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return sha256_of(self.file)


def parts_of(plan: Plan) -> dict[str, History]:
    """Return the examples by what they are for. Tested is on other pools AND later weeks than were trained on."""
    history = make_history(pools=plan.pools, weeks=plan.weeks, seed=plan.seed)
    known = history.pool >= round(plan.pools * HELD_OUT)
    tested_from = plan.fit_weeks + plan.calibrate_weeks
    return {
        "fitted": history.where(known & (history.week < plan.fit_weeks)),
        "calibrated": history.where(known & (history.week >= plan.fit_weeks) & (history.week < tested_from)),
        "tested": history.where(~known & (history.week >= tested_from)),
    }


def train(plan: Plan) -> Trained:
    """Train by ``plan``: the same plan gives the same bytes."""
    parts = parts_of(plan)
    fitted, tested = parts["fitted"], parts["tested"]
    model = fit(fitted.rows, fitted.hit)
    model = calibrated(model, parts["calibrated"].rows, parts["calibrated"].hit)
    counts = {name: (len(p.hit), len(np.unique(p.pool)), int(p.hit.sum())) for name, p in parts.items()}
    scores = model.scores(tested.rows)
    ways = {"this model": scores} | baselines(fitted, tested)
    figures = {name: measure(each, tested, seed=plan.seed) for name, each in ways.items()}
    baseline = np.median(fitted.rows, axis=0).round(4)
    file = onnx_bytes(model, baseline, _summary(plan, counts))
    better = paired(scores, ways[TABLE], tested, seed=plan.seed)
    return Trained(plan, model, file, counts, figures, calibration(scores, tested.hit), better)


def _summary(plan: Plan, counts: dict[str, tuple[int, int, int]]) -> dict[str, Any]:
    return {
        "data": "generated history; no AWS account was observed",
        "target": f"a termination notice in the pool within {HORIZON_HOURS} hours",
        "seed": plan.seed,
        "pools": plan.pools,
        "weeks": plan.weeks,
        "examples": counts["fitted"][0],
        "kind": "logistic regression with bends and products",
    }


def baselines(fitted: History, tested: History) -> dict[str, Floats]:
    """Return the scores of simple rules on the test part; what they learn, they learn from the fitted part."""
    band = tested.rows[:, PLACE["advisor_band"]].astype(int)
    rate = float(fitted.hit.mean())
    table = np.full((5, 4), rate)
    cells, test_cells = _cells(fitted), _cells(tested)
    for cell in np.ndindex(*table.shape):
        chosen = (cells == cell).all(axis=1)
        # As if twenty more examples had been seen at the mean rate: a cell with few examples says little.
        table[cell] = (fitted.hit[chosen].sum() + 20 * rate) / (chosen.sum() + 20)
    return {
        "base rate": np.full(len(tested.hit), rate),
        "middle of the advisor's band": np.array(MIDPOINTS)[band],
        TABLE: table[test_cells[:, 0], test_cells[:, 1]],
    }


def _cells(history: History) -> Any:
    """Return band and recent interruptions (none, one, two or more in 15 days; any in 24 hours) of each example."""
    lately = history.rows[:, PLACE["interruptions_15d"]].clip(0, 2)
    lately = np.where(history.rows[:, PLACE["interruptions_24h"]] > 0, 3, lately)
    return np.column_stack([history.rows[:, PLACE["advisor_band"]], lately]).astype(int)
