"""Measure the decision between linking and NIL where the KB lacks some of the entities."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

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
from pgmel.workflows.clusters import clusters_of
from pgmel.workflows.material import Split

__all__ = ["Found", "Ranker", "RemovedJudgement", "decision_goals", "dev_scores", "judge_nil", "judge_removed"]


class Found(NamedTuple):
    """The best entities of some mentions, best first.

    Attributes:
        scores: By the last stage that there is.
        rows: Their KB rows.
        similarities: Their scores by the single vector, where there is a second stage.
    """

    scores: Float32[np.ndarray, "mentions top"]
    rows: Int64[np.ndarray, "mentions top"]
    similarities: Float32[np.ndarray, "mentions top"] | None

    def first(self, count: int) -> "Found":
        """Return the first so many of each mention."""
        similarities = None if self.similarities is None else self.similarities[:, :count]
        return Found(self.scores[:, :count], self.rows[:, :count], similarities)


Ranker = Callable[[Bool[np.ndarray, "entities"], int], Found]
"""Given which entities are in the KB and a number, returns that many best candidates of the annotated mentions."""


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


def judge_removed(
    rank: Ranker, num_entities: int, split: Split, decision: Decision, is_fitted_here: bool, settings: Settings, share: float
) -> RemovedJudgement:
    """Take gold entities out of the KB, rank again without them, and measure.

    Where the decision was fitted on these very mentions, they are judged by cross-fitting: each part of the clusters by a decision that
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
    gold, groups = split.gold_rows[rows], clusters_of(split, rows)
    removed = draw_removed(gold, share, np.random.default_rng(settings.seed))
    kept = np.ones(num_entities, bool)
    kept[removed] = False
    is_nil = split.is_nil[rows] | np.isin(gold, removed)
    found = rank(kept, decision.num_candidates)
    right = (found.rows[:, 0] == gold) & ~is_nil
    folds, judges, num_folds = _judged_by(decision, len(rows))
    if is_fitted_here:
        whole = rank(np.ones(num_entities, bool), decision.num_candidates + 1)
        folds, judges, num_folds = _fit_parts(whole, split, decision, settings)
    likely, nil, linked = _judge(found, folds, judges)
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


def dev_scores(found: Found, split: Split, rows: Int64[np.ndarray, "annotated"]) -> DevScores:
    """Return what a decision is fitted on, given the best entities of the annotated mentions and their places in the split."""
    hit = found.rows == split.gold_rows[rows, None]
    position = np.where(hit.any(axis=1), hit.argmax(axis=1), -1)
    similarities = None if found.similarities is None else np.asarray(found.similarities, np.float64)
    return DevScores(np.asarray(found.scores, np.float64), position, split.is_nil[rows], similarities)


def judge_nil(
    found: Found, split: Split, decision: Decision, is_fitted_here: bool, settings: Settings
) -> tuple[Bool[np.ndarray, "annotated"], int]:
    """Decide the annotated mentions of a split.

    Args:
        found: Their best entities, one more than the decision runs over.
        split: The split.
        decision: The bundle's.
        is_fitted_here: Whether it was fitted on these mentions; then each part of the clusters is decided as the others teach.
        settings: Of the run.

    Returns:
        Which mentions are linked, and the parts of cross-fitting: 0 where the bundle's own decision decided, 1 where it did so on the
        mentions that it was fitted on, because they are too few.
    """
    folds, judges, num_folds = _judged_by(decision, len(found.rows))
    if is_fitted_here:
        folds, judges, num_folds = _fit_parts(found, split, decision, settings)
    return _judge(found.first(decision.num_candidates), folds, judges)[2], num_folds


def _judged_by(decision: Decision, count: int) -> tuple[Int64[np.ndarray, "annotated"], tuple[Decision, ...], int]:
    return np.zeros(count, np.int64), (decision,), 0


def _fit_parts(
    whole: Found, split: Split, decision: Decision, settings: Settings
) -> tuple[Int64[np.ndarray, "annotated"], tuple[Decision, ...], int]:
    """Return the part of each mention, who judges each part, and how many parts there are."""
    rows = np.flatnonzero(split.rankable | split.is_nil)
    rng = np.random.default_rng(settings.seed)
    goals, count = decision_goals(settings), decision.num_candidates
    folds, fitted = cross_fit(dev_scores(whole, split, rows), rng, clusters_of(split, rows), goals, count)
    return folds, fitted or (decision,), max(len(fitted), 1)


def _judge(
    found: Found, folds: Int64[np.ndarray, "annotated"], judges: tuple[Decision, ...]
) -> tuple[Float64[np.ndarray, "annotated"], Float64[np.ndarray, "annotated"], Bool[np.ndarray, "annotated"]]:
    """Return the probability of the best candidate, that of NIL, and what is linked, each part by its own decision."""
    scores, similarities = found.scores, found.similarities
    likely, nil, linked = np.empty(len(scores)), np.empty(len(scores)), np.empty(len(scores), bool)
    for part, judge in enumerate(judges):
        here = folds == part
        probabilities, nil[here] = judge.probabilities(scores[here], None if similarities is None else similarities[here])
        likely[here] = probabilities[:, 0]
        linked[here] = judge.links(likely[here], nil[here])
    return likely, nil, linked
