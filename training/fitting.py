"""Fits the model: a logistic regression over the features, their bends and their products.

Its optimum is one point that Newton's method finds from anywhere, so the coefficients, rounded, do not depend on the
machine that found them. The same formula is written as ONNX by ``writing.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spothive.scoring.features import FEATURES
from training.history import Floats

NAMES = tuple(feature.name for feature in FEATURES)
PLACE = {name: place for place, name in enumerate(NAMES)}
DIGITS = 5

BENDS = (
    ("advisor_band", 2.0),
    ("price_ratio", 0.5),
    ("price_change_1d", 0.0),
    ("price_change_7d", 0.0),
    ("price_change_7d", 0.15),
    ("price_volatility_7d", 0.05),
    ("interruptions_15d", 1.0),
    ("interruptions_15d", 4.0),
    ("interruptions_24h", 1.0),
    ("hours_since_interruption", 12.0),
    ("hours_since_interruption", 48.0),
    ("hours_since_interruption", 120.0),
    ("rebalances_24h", 1.0),
)
"""Where the effect of a feature may change its slope."""

PRODUCTS = (
    ("advisor_band", "price_change_7d"),
    ("advisor_band", "interruptions_15d"),
    ("price_change_7d", "interruptions_15d"),
    ("price_change_1d", "price_change_7d"),
    ("rebalances_24h", "interruptions_24h"),
    ("rebalances_24h", "price_change_7d"),
    ("hours_since_interruption", "interruptions_15d"),
)
"""Which features matter more together."""


@dataclass(frozen=True)
class Fitted:
    """A fitted model, all figures rounded to what the file holds.

    Attributes:
        centre: subtracted from each feature,
        scale: by which it is then divided.
        weights: of the features, then of the bends, then of the products.
        bias: added to their sum, whose logistic function is the score.
        bends: how many bends there are.
        products: how many products.
    """

    centre: Floats
    scale: Floats
    weights: Floats
    bias: float
    bends: int = len(BENDS)
    products: int = len(PRODUCTS)

    def scores(self, rows: Floats) -> Floats:
        """Return the probability for each row, as the file computes it."""
        return _logistic(_columns(rows, self.centre, self.scale) @ self.weights + self.bias)


def fit(rows: Floats, hit: Any, *, penalty: float = 5.0) -> Fitted:
    """Return the model that explains ``hit`` best; ``penalty`` keeps weights small that the examples do not ask for."""
    centre, scale = rows.mean(axis=0).round(DIGITS), rows.std(axis=0).round(DIGITS)
    columns = np.column_stack([np.ones(len(rows)), _columns(rows, centre, scale)])
    weights = _newton(columns, np.asarray(hit, float), penalty)
    return Fitted(centre, scale, weights[1:].round(DIGITS), float(weights[0].round(DIGITS)))


def calibrated(model: Fitted, rows: Floats, hit: Any) -> Fitted:
    """Return ``model`` with its log odds stretched and shifted so that they fit later weeks than it was fitted to."""
    logit = _columns(rows, model.centre, model.scale) @ model.weights + model.bias
    shift, stretch = _newton(np.column_stack([np.ones(len(rows)), logit]), np.asarray(hit, float), 0.0)
    bias = float(np.round(shift + stretch * model.bias, DIGITS))
    return Fitted(model.centre, model.scale, (stretch * model.weights).round(DIGITS), bias)


def _columns(rows: Floats, centre: Floats, scale: Floats) -> Floats:
    normed = (rows - centre) / scale
    bends = [np.maximum(normed[:, PLACE[n]] - (at - centre[PLACE[n]]) / scale[PLACE[n]], 0) for n, at in BENDS]
    products = [normed[:, PLACE[first]] * normed[:, PLACE[second]] for first, second in PRODUCTS]
    return np.column_stack([normed, *bends, *products])


def _newton(columns: Floats, hit: Floats, penalty: float) -> Floats:
    weights = np.zeros(columns.shape[1])
    ridge = np.diag([0.0] + [penalty] * (len(weights) - 1))
    for _ in range(50):
        score = _logistic(columns @ weights)
        slope = columns.T @ (score - hit) + ridge @ weights
        curve = (columns * (score * (1 - score))[:, None]).T @ columns + ridge
        step = np.linalg.solve(curve, slope)
        weights = weights - step
        if np.abs(step).max() < 1e-10:  # noqa: PLR2004 - far below the last digit that is kept
            return weights
    msg = "the fit did not settle in 50 steps"
    raise ArithmeticError(msg)


def _logistic(logit: Floats) -> Floats:
    result: Floats = 1 / (1 + np.exp(-logit))
    return result
