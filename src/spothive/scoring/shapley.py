"""Why a score is what it is: exact Shapley values, from one score for each subset of the features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Scores = Callable[[NDArray[float64]], NDArray[float64]]


@dataclass(frozen=True, slots=True)
class Attribution:
    """A score in parts: ``base`` + the sum of ``parts`` = ``score``, within 1e-6.

    Attributes:
        base: score of the baseline.
        parts: what each feature adds, in the order of the row.
        score: score of the row.
    """

    base: float
    parts: tuple[float, ...]
    score: float


def attribute(scores: Scores, row: Sequence[float], baseline: Sequence[float]) -> Attribution:
    """Return what each feature of ``row`` adds to its score, compared with ``baseline``.

    Asks ``scores`` once, for 2^n rows: each mixture of the two. A feature's part is the mean, over all orders in which
    features can go from the baseline to the row, of what the score gains when this one goes.

    Args:
        scores: takes a matrix of rows and returns their scores.
        row: n values, 12 at most.
        baseline: n values.
    """
    import numpy as np

    n = len(row)
    subsets = np.arange(1 << n)
    taken = (subsets[:, None] >> np.arange(n)) & 1
    value = np.asarray(scores(np.where(taken == 1, np.asarray(row, float), np.asarray(baseline, float))), np.float64)
    weight = np.array([factorial(k) * factorial(n - k - 1) / factorial(n) for k in range(n)])
    size = taken.sum(axis=1)
    parts = []
    for feature in range(n):
        without = subsets[taken[:, feature] == 0]
        parts.append(float(weight[size[without]] @ (value[without | 1 << feature] - value[without])))
    return Attribution(float(value[0]), tuple(parts), float(value[-1]))
