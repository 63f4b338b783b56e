"""Measure the decision between linking and NIL where the KB lacks some of the entities."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from pgmel.evaluation import (
    NilCurve,
    RemovedGold,
    RiskCurve,
    draw_removed,
    measure_nil,
    measure_reliability,
    measure_risk_coverage,
    nil_curve,
    risk_curve,
)
from pgmel.linking import Decision, DecisionGoals, DevScores, cross_fit
from pgmel.settings import Settings
from pgmel.workflows.material import Split

__all__ = ["Ranker", "RemovedJudgement", "decision_goals", "judge_removed", "sentences_of"]

Ranker = Callable[[Bool[np.ndarray, "entities"], int], tuple[Float[np.ndarray, "annotated top"], Int64[np.ndarray, "annotated top"]]]
"""Given which entities are in the KB and a number, returns that many best candidates of the annotated mentions: scores, best first, and
KB rows."""


class RemovedJudgement(NamedTuple):
    """What was found with gold entities removed.

    Attributes:
        result: The figures.
        nil_curve: Precision and recall of NIL over the probability that the KB has the entity.
        risk_curve: Risk over coverage.
    """

    result: RemovedGold
    nil_curve: NilCurve
    risk_curve: RiskCurve


def decision_goals(settings: Settings) -> DecisionGoals:
    """Pick what the decision is to achieve out of the settings."""
    linking = settings.linking
    return DecisionGoals(linking.nil_precision, linking.link_precision, linking.nil_share)


def sentences_of(split: Split, rows: Int64[np.ndarray, "some"]) -> list[str]:
    """Return the sentence of some mentions, or the id of one that has none: mentions that share it are resampled and judged together."""
    return [split.mentions[row].context or split.mentions[row].id for row in rows]


def judge_removed(
    rank: Ranker, num_entities: int, split: Split, decision: Decision, is_fitted_here: bool, settings: Settings, share: float
) -> RemovedJudgement:
    """Take gold entities out of the KB, rank again without them, and measure.

    Where the decision was fitted on these very mentions, they are judged by cross-fitting: each part of the sentences by a decision that
    was fitted on the others with the whole KB, just as the bundle's was.

    Args:
        rank: Ranks the annotated mentions of the split.
        num_entities: Entities of the KB.
        split: The mentions.
        decision: The bundle's.
        is_fitted_here: Whether it was fitted on these mentions.
        settings: Of the run: seed, resamples, confidence, and what the decision is to achieve.
        share: Share of the gold entities to remove.

    Raises:
        SettingError: If the share is out of its range.
        DataError: If there are too few gold entities.
    """
    rows = np.flatnonzero(split.rankable | split.is_nil)
    gold, groups = split.gold_rows[rows], sentences_of(split, rows)
    removed = draw_removed(gold, share, np.random.default_rng(settings.seed))
    kept = np.ones(num_entities, bool)
    kept[removed] = False
    is_nil = split.is_nil[rows] | np.isin(gold, removed)
    scores, candidates = rank(kept, decision.num_candidates)
    right = (candidates[:, 0] == gold) & ~is_nil
    folds = np.zeros(len(rows), np.int64)
    judges: tuple[Decision, ...] = (decision,)
    num_folds = 0
    if is_fitted_here:
        fitted_folds, fitted = _fit_parts(rank, num_entities, split, decision, settings)
        num_folds = max(len(fitted), 1)
        if fitted:
            folds, judges = fitted_folds, fitted
    likely, nil, linked = _judge(scores, folds, judges)
    rng, evaluation = np.random.default_rng(settings.seed), settings.evaluation
    measured = (evaluation.bootstrap, evaluation.confidence, rng, groups)
    result = RemovedGold(
        share=share,
        num_removed=len(removed),
        num_entities=int(kept.sum()),
        num_folds=num_folds,
        nil=measure_nil(is_nil, ~linked, right, *measured, threshold=decision.nil_threshold),
        risk=measure_risk_coverage(likely, right, *measured),
        reliability=measure_reliability(
            likely, right, rng, confidence=evaluation.confidence, resamples=evaluation.bootstrap, groups=groups
        ),
    )
    return RemovedJudgement(result, nil_curve(1 - nil, is_nil), risk_curve(likely, right))


def _fit_parts(
    rank: Ranker, num_entities: int, split: Split, decision: Decision, settings: Settings
) -> tuple[Int64[np.ndarray, "annotated"], tuple[Decision, ...]]:
    rows = np.flatnonzero(split.rankable | split.is_nil)
    scores, candidates = rank(np.ones(num_entities, bool), decision.num_candidates + 1)
    hit = candidates == split.gold_rows[rows, None]
    dev = DevScores(np.asarray(scores, np.float64), np.where(hit.any(axis=1), hit.argmax(axis=1), -1), split.is_nil[rows])
    rng = np.random.default_rng(settings.seed)
    return cross_fit(dev, rng, sentences_of(split, rows), decision_goals(settings), decision.num_candidates)


def _judge(
    scores: Float[np.ndarray, "annotated top"], folds: Int64[np.ndarray, "annotated"], judges: tuple[Decision, ...]
) -> tuple[Float64[np.ndarray, "annotated"], Float64[np.ndarray, "annotated"], Bool[np.ndarray, "annotated"]]:
    """Return the probability of the best candidate, that of NIL, and what is linked, each part by its own decision."""
    likely, nil, linked = np.empty(len(scores)), np.empty(len(scores)), np.empty(len(scores), bool)
    for part, judge in enumerate(judges):
        here = folds == part
        probabilities, nil[here] = judge.probabilities(scores[here])
        likely[here] = probabilities[:, 0]
        linked[here] = judge.links(likely[here], nil[here])
    return likely, nil, linked
