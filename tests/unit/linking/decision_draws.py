"""Mentions drawn for the tests of the decision."""

import numpy as np
from numpy.typing import NDArray

from pgmel.linking.calibration import DevScores

__all__ = ["draw_clear", "draw_dev", "slow_evidence"]


def draw_dev(temperature: float, nil_score: float, count: int = 4000, candidates: int = 8, seed: int = 0) -> DevScores:
    """Draw scores, and then golds from the very softmax that is to be found again."""
    rng = np.random.default_rng(seed)
    scores = -np.sort(-rng.normal(0.5, 0.15, (count, candidates)), axis=1)
    logits = np.concatenate([scores, np.full((count, 1), nil_score)], axis=1) / temperature
    gold = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    is_nil = gold == candidates
    return DevScores(scores, np.where(is_nil, -1, gold), is_nil)


def draw_clear(count: int, seed: int = 0) -> DevScores:
    """Draw mentions of which a quarter are NIL, told by their scores with some overlap, and golds that are not always first."""
    rng = np.random.default_rng(seed)
    is_nil = rng.random(count) < 0.25
    best = np.where(is_nil, rng.normal(0.5, 0.1, count), rng.normal(0.75, 0.1, count))
    scores = np.concatenate([best[:, None], best[:, None] - np.abs(rng.normal(0.1, 0.05, (count, 5)))], axis=1)
    gold = np.where(rng.random(count) < 0.9, 0, 1)
    order = np.argsort(-scores, axis=1)
    position = np.where(is_nil, -1, (order == gold[:, None]).argmax(axis=1))
    return DevScores(np.take_along_axis(scores, order, axis=1), position, is_nil)


def slow_evidence(row: NDArray[np.float64], temperature: float) -> tuple[float, float]:
    """Return level and lead of a list of scores."""
    weights = [float(np.exp((score - row[0]) / temperature)) for score in row]
    others = sum(weights[1:])
    return float(row[0]) + temperature * float(np.log(sum(weights))), min(-float(np.log(others)), 10.0) if others > 0 else 10.0
