"""Judge the probabilities and look at the gates of a trained model."""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from pgmel.evaluation import NilCurve, Reliability, assign_folds, measure_reliability, nil_curve
from pgmel.linking import Decision, fit_decision
from pgmel.models import Embedder, GateSummary, summarise_gates
from pgmel.settings import Settings
from pgmel.workflows.material import Material, Split

__all__ = ["TopScores", "Trust", "find_gates", "judge_probabilities"]

NUM_FOLDS: Final = 5
LEAST_GROUPS: Final = 10
"""Sentences below which cross-fitting would fit on next to nothing."""


class TopScores(NamedTuple):
    """The best candidates of the annotated mentions of a split: those with a gold entity in the KB, and NIL.

    Attributes:
        rows: Positions of the mentions in the split.
        scores: Scores of each mention's candidates, best first; ``-inf`` where there are fewer.
        position: Place of the gold entity among the candidates from 0, -1 where it is not among them.
        is_nil: Whether the gold is NIL.
    """

    rows: Int64[np.ndarray, "annotated"]
    scores: Float32[np.ndarray, "annotated top"]
    position: Int64[np.ndarray, "annotated"]
    is_nil: Bool[np.ndarray, "annotated"]


class Trust(NamedTuple):
    """How the probabilities fare.

    Attributes:
        reliability: Of the best candidate's probability.
        note: What they were judged on.
        curve: Precision and recall of NIL over the threshold; None where no mention is NIL.
    """

    reliability: Reliability
    note: str
    curve: NilCurve | None


def judge_probabilities(top: TopScores, split: Split, decision: Decision, is_fitted_here: bool, settings: Settings) -> Trust:
    """Measure the reliability of the best candidate's probability.

    Where the calibration was fitted on these very mentions they are judged by cross-fitting: sentences are dealt out to five parts, and
    each part gets its probabilities from a calibration fitted on the other four.

    Args:
        top: The best candidates; at least as many as the decision runs over.
        split: The split that they are of.
        decision: The bundle's.
        is_fitted_here: Whether it was fitted on these mentions.
        settings: Of the run: seed, resamples and confidence.
    """
    scores = top.scores[:, : decision.num_candidates]
    plain = decision.probabilities(scores)[0][:, 0]
    groups = [split.mentions[row].context or split.mentions[row].id for row in top.rows]
    probabilities, note = plain, "The calibration was fitted on other mentions and has not seen these."
    if is_fitted_here and len(set(groups)) >= LEAST_GROUPS:
        probabilities = _cross_fit(top, scores, groups, settings.seed)
        note = (
            f"The calibration was fitted on these mentions, so they are judged by cross-fitting: sentences are dealt out to {NUM_FOLDS} "
            "parts, and each part is judged by a calibration fitted on the others. (Early stopping saw all of them.)"
        )
    elif is_fitted_here:
        note = "The calibration was fitted on these very mentions, too few for cross-fitting, so this is too good to be true."
    if decision.simulated_nil and not top.is_nil.any():
        note += (
            " There is no NIL mention here. To learn when to say none, the calibration was fitted as if a fifth of the mentions had lost "
            "their gold entity; where every mention has one, as here, it must look under-confident."
        )
    rng = np.random.default_rng(settings.seed)
    evaluation = settings.evaluation
    found = measure_reliability(probabilities, top.position == 0, rng, confidence=evaluation.confidence, resamples=evaluation.bootstrap)
    return Trust(found, note, nil_curve(plain, top.is_nil) if top.is_nil.any() else None)


def find_gates(embedder: Embedder, material: Material, split: str) -> dict[str, GateSummary]:
    """Return the gates of a split's mentions and of the KB; empty where the run does not fuse two modalities by the gated unit."""
    sides = {
        "mentions": summarise_gates(embedder, material.splits[split].features, "mention"),
        "entities": summarise_gates(embedder, material.entities, "entity"),
    }
    return {side: summary for side, summary in sides.items() if summary is not None}


def _cross_fit(
    top: TopScores, scores: Float32[np.ndarray, "annotated top"], groups: list[str], seed: int
) -> Float64[np.ndarray, "annotated"]:
    fold = assign_folds(groups, NUM_FOLDS, np.random.default_rng(seed), rare=top.is_nil)
    probabilities = np.empty(len(scores))
    for number in range(int(fold.max()) + 1):
        here, rest = fold == number, fold != number
        fitted = fit_decision(scores[rest], top.position[rest], top.is_nil[rest], np.random.default_rng(seed))
        probabilities[here] = fitted.probabilities(scores[here])[0][:, 0]
    return probabilities
