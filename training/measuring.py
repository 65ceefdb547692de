"""Measures scores against what happened: how sharp, how honest, and how sure that can be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.history import Floats, History

RESAMPLES, AUC_RESAMPLES = 200, 50
CONFIDENCE = 1.96


@dataclass(frozen=True)
class Measured:
    """A figure with the bounds between which it lies 95 times in 100, when other pools are drawn."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it as the card prints it."""
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


@dataclass(frozen=True)
class Bin:
    """Examples with alike scores: their number, mean score, share of interruptions and its 95 % bounds (Wilson)."""

    low: float
    high: float
    count: int
    mean: float
    share: float
    share_low: float
    share_high: float


def losses(scores: Floats, hit: Any) -> dict[str, Floats]:
    """Return of each example the Brier score and the log loss (nats); scores of 0 and 1 count as 1e-6 away."""
    sure = scores.clip(1e-6, 1 - 1e-6)
    return {"Brier score": (scores - hit) ** 2, "log loss": -np.where(hit, np.log(sure), np.log(1 - sure))}


def auc(scores: Floats, hit: Any) -> float:
    """Return how often an example that was interrupted has the higher score of a pair; ties count half."""
    order = np.argsort(scores, kind="stable")
    _, start, counts = np.unique(scores[order], return_index=True, return_counts=True)
    ranks = np.repeat(start + (counts + 1) / 2, counts)
    hits = np.asarray(hit)[order]
    positives, negatives = hits.sum(), (~hits).sum()
    return float((ranks[hits].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def measure(scores: Floats, test: History, *, seed: int) -> dict[str, Measured]:
    """Return every figure with its bounds: pools are drawn again, since days of one pool resemble one another."""
    place, draws = _draws(test, seed)
    found = {name: _mean(each, place, draws) for name, each in losses(scores, test.hit).items()}
    some = [auc(np.repeat(scores, drawn[place]), np.repeat(test.hit, drawn[place])) for drawn in draws[:AUC_RESAMPLES]]
    found["AUC"] = _bounds(auc(scores, test.hit), some)
    return found


def paired(scores: Floats, others: Floats, test: History, *, seed: int) -> Measured:
    """Return by how much the Brier score of ``scores`` exceeds that of ``others``, on the same draws of pools."""
    place, draws = _draws(test, seed)
    return _mean((scores - test.hit) ** 2 - (others - test.hit) ** 2, place, draws)


def _draws(test: History, seed: int) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Return which pool each example is of, and how often each pool is drawn, again and again."""
    dice = np.random.Generator(np.random.PCG64(seed))
    numbers, place = np.unique(test.pool, return_inverse=True)
    n = len(numbers)
    return place, [np.bincount((dice.random(n) * n).astype(int), minlength=n) for _ in range(RESAMPLES)]


def _mean(each: Floats, place: NDArray[np.int64], draws: list[NDArray[np.int64]]) -> Measured:
    size, by_pool = np.bincount(place), np.bincount(place, weights=each)
    means = [float((by_pool * drawn).sum() / (size * drawn).sum()) for drawn in draws]
    return _bounds(float(each.mean()), means)


def _bounds(value: float, drawn: list[float]) -> Measured:
    spread = CONFIDENCE * float(np.std(drawn))
    return Measured(value, value - spread, value + spread)


def calibration(scores: Floats, hit: Any, *, bins: int = 10) -> list[Bin]:
    """Return groups of equally many examples, from the lowest scores to the highest."""
    order = np.argsort(scores, kind="stable")
    return [_bin(scores[part], np.asarray(hit)[part]) for part in np.array_split(order, bins)]


def _bin(scores: Floats, hit: Any) -> Bin:
    n, share, z = len(scores), float(hit.mean()), CONFIDENCE
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return Bin(float(scores.min()), float(scores.max()), n, float(scores.mean()), share, middle - half, middle + half)


def calibration_error(bins: list[Bin]) -> float:
    """Return by how much mean score and share of interruptions differ, on the mean over all examples."""
    return sum(b.count * abs(b.mean - b.share) for b in bins) / sum(b.count for b in bins)
