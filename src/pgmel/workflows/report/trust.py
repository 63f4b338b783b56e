"""Judge the probabilities and look at the gates of a trained model."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from pgmel.evaluation import NilCurve, Reliability, measure_reliability, nil_curve
from pgmel.linking import LEAST_GROUPS, NUM_FOLDS, Decision, DevScores, cross_fit
from pgmel.models import Embedder, GateSummary, summarise_gates
from pgmel.settings import Settings
from pgmel.workflows.clusters import clusters_of
from pgmel.workflows.deciding import decision_goals
from pgmel.workflows.material import Material, Split

__all__ = ["TopScores", "Trust", "find_gates", "judge_probabilities"]


class TopScores(NamedTuple):
    """The best candidates of the annotated mentions of a split: those with a gold entity in the KB, and NIL.

    Attributes:
        rows: Positions of the mentions in the split.
        scores: Scores of each mention's candidates, best first; ``-inf`` where there are fewer.
        position: Place of the gold entity among the candidates from 0, -1 where it is not among them.
        is_nil: Whether the gold is NIL.
        similarities: Of the candidates by the single vector, where there is a second stage.
    """

    rows: Int64[np.ndarray, "annotated"]
    scores: Float32[np.ndarray, "annotated top"]
    position: Int64[np.ndarray, "annotated"]
    is_nil: Bool[np.ndarray, "annotated"]
    similarities: Float32[np.ndarray, "annotated top"] | None = None


class Trust(NamedTuple):
    """How the probabilities fare.

    Attributes:
        reliability: Of the best candidate's probability.
        note: What they were judged on.
        curve: Precision and recall of NIL over the probability that the KB has the entity; None where no mention is NIL.
    """

    reliability: Reliability
    note: str
    curve: NilCurve | None


def judge_probabilities(top: TopScores, split: Split, decision: Decision, is_fitted_here: bool, settings: Settings) -> Trust:
    """Measure the reliability of the best candidate's probability.

    Where the calibration was fitted on these very mentions they are judged by cross-fitting: whole clusters are dealt out to five parts,
    and each part gets its probabilities from a calibration fitted on the other four.

    Args:
        top: The best candidates; one more than the decision runs over, where the KB has as many.
        split: The split that they are of.
        decision: The bundle's.
        is_fitted_here: Whether it was fitted on these mentions.
        settings: Of the run: seed, resamples and confidence.
    """
    scores = top.scores[:, : decision.num_candidates]
    likely, nil = decision.probabilities(scores, top.similarities)
    groups = clusters_of(split, top.rows)
    probabilities, note = likely[:, 0], "The calibration was fitted on other mentions and has not seen these."
    if is_fitted_here and len(set(groups)) >= LEAST_GROUPS:
        probabilities = _cross_fit(top, groups, decision.num_candidates, settings)
        note = (
            f"The calibration was fitted on these mentions, so they are judged by cross-fitting: they are dealt out to {NUM_FOLDS} parts, "
            "those that share a sentence or a picture to the same, and each part is judged by a calibration fitted on the others. "
            "(Early stopping saw all of them.)"
        )
    elif is_fitted_here:
        note = "The calibration was fitted on these very mentions, too few for cross-fitting, so this is too good to be true."
    if decision.simulated_nil and not top.is_nil.any():
        note += (
            " There is no NIL mention here. To learn when to say none, the calibration was fitted as if "
            f"{decision.nil_share or 0.2:.0%} of the mentions had no entity in the KB; where every mention has one, as here, it must look "
            "under-confident. The section on removed entities shows it on the data that it was made for."
        )
    rng = np.random.default_rng(settings.seed)
    evaluation = settings.evaluation
    found = measure_reliability(probabilities, top.position == 0, rng, confidence=evaluation.confidence, resamples=evaluation.bootstrap)
    return Trust(found, note, nil_curve(1 - nil, top.is_nil) if top.is_nil.any() else None)


def find_gates(embedder: Embedder, material: Material, split: str) -> dict[str, GateSummary]:
    """Return the gates of a split's mentions and of the KB; empty where the run does not fuse two modalities by the gated unit."""
    sides = {
        "mentions": summarise_gates(embedder, material.splits[split].features, "mention"),
        "entities": summarise_gates(embedder, material.entities, "entity"),
    }
    return {side: summary for side, summary in sides.items() if summary is not None}


def _cross_fit(top: TopScores, groups: list[int], num_candidates: int, settings: Settings) -> Float64[np.ndarray, "annotated"]:
    similarities = None if top.similarities is None else np.asarray(top.similarities, np.float64)
    dev = DevScores(np.asarray(top.scores, np.float64), top.position, top.is_nil, similarities)
    folds, fitted = cross_fit(dev, np.random.default_rng(settings.seed), groups, decision_goals(settings), num_candidates)
    probabilities = np.empty(len(folds))
    for part, decision in enumerate(fitted):
        here = folds == part
        part_of = dev.take(here)
        probabilities[here] = decision.probabilities(part_of.scores[:, :num_candidates], part_of.similarities)[0][:, 0]
    return probabilities
