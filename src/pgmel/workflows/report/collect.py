"""Put together what a report shows of a trained model on a split."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from pgmel.evaluation import (
    EvaluationResult,
    LinkExample,
    PairedComparison,
    RankSeries,
    ReportData,
    SliceScores,
    SystemScores,
    compare_paired,
)
from pgmel.linking import Decision, describe_decision
from pgmel.models import Embedder
from pgmel.settings import Settings
from pgmel.training import MetricsFile
from pgmel.workflows.clusters import clusters_of
from pgmel.workflows.deciding import RemovedJudgement, judge_removed
from pgmel.workflows.material import Material, Split
from pgmel.workflows.measuring import Measurement, compare_stages, make_ranker
from pgmel.workflows.report.curves import training_curves
from pgmel.workflows.report.links import SplitLinks, link_split
from pgmel.workflows.report.trust import find_gates, judge_probabilities

__all__ = ["REMOVED_SHARE", "TrainedModel", "collect_report", "compare_hits", "describe_settings", "slice_scores"]

NUM_EXAMPLES: Final = 4

REMOVED_SHARE: Final = 0.2
"""Share of the gold entities that the report removes from the KB, to see what is answered where the KB lacks the entity."""

LEAST_ENTITIES: Final = 2
"""Gold entities without which none can be removed."""


@final
@dataclass(frozen=True)
class TrainedModel:
    """A model before and after training, measured on a split.

    Attributes:
        material: The data.
        split: Name of the split.
        settings: Of the run.
        embedder: The trained model.
        before: Figures of the untrained model; None where it cannot be had any more.
        after: Figures of the trained model on the same mentions.
        decision: Its NIL threshold and calibration; None where the bundle has none.
        is_fitted_here: Whether the decision was fitted on these mentions.
        metrics: What training logged.
        single: Figures of the trained model's single vector, where ``after`` are those of a second stage behind it.
    """

    material: Material
    split: str
    settings: Settings
    embedder: Embedder
    before: Measurement | None
    after: Measurement
    decision: Decision | None
    is_fitted_here: bool
    metrics: MetricsFile
    single: Measurement | None = None


def collect_report(model: TrainedModel, num_errors: int, remove_gold: float = REMOVED_SHARE) -> ReportData:
    """Return what there is to show; whoever calls gives it a title of its own.

    Args:
        model: The measured model.
        num_errors: Most wrong answers to show.
        remove_gold: Share of the gold entities to remove from the KB for the section on NIL; 0 leaves it out.
    """
    after = model.after
    measured = [part for part in (model.before, model.single, after) if part is not None]
    split = model.material.splits[model.split]
    links = link_split(after, split, model.embedder, model.decision, model.settings.linking.nil)
    trust = judge_probabilities(links.top, split, model.decision, model.is_fitted_here, model.settings) if model.decision else None
    removed = _remove(model, split, remove_gold)
    errors, sample = links.sample_errors(model.material, split, num_errors)
    return ReportData(
        title=f"{model.material.dataset.name}, {model.split}",
        data=after.result.data,
        settings=after.result.settings,
        defaults=describe_settings(Settings()),
        versions=after.result.versions,
        systems=tuple(SystemScores(part.result.system, part.result.overall) for part in measured),
        comparison=compare_hits(model),
        slices=slice_scores([part.result for part in measured]),
        ranks=tuple(RankSeries(part.result.system, part.ranks.realistic) for part in measured),
        training=training_curves(
            model.metrics, model.settings, model.before.result if model.before else None, (model.single or model.after).result
        ),
        nil=after.result.nil,
        nil_curve=trust.curve if trust else None,
        decision_note=describe_decision(model.decision, model.settings.data.dev_split) if model.decision else "",
        removed=removed.result if removed else None,
        removed_nil_curve=removed.nil_curve if removed else None,
        removed_risk_curve=removed.risk_curve if removed else None,
        reliability=trust.reliability if trust else None,
        reliability_note=trust.note if trust else "",
        gates=find_gates(model.embedder, model.material, model.split),
        pictures={model.split: split.features.report, "entities": model.material.entities.report},
        picture_root=model.material.dataset.root,
        examples=_draw_examples(links, model, split),
        examples_note="Drawn at random, right or wrong.",
        errors=errors,
        error_sample=sample,
        notes=_notes(model, after.result),
    )


def compare_hits(model: TrainedModel) -> PairedComparison | None:
    """Compare trained and untrained mention by mention: H@1, whole clusters resampled and flipped; None without untrained figures."""
    if model.before is None:
        return None
    groups = clusters_of(model.material.splits[model.split], model.after.rows)
    hits = (model.before.ranks.realistic <= 1, model.after.ranks.realistic <= 1)
    return compare_paired(*hits, np.random.default_rng(model.settings.seed), groups, confidence=model.settings.evaluation.confidence)


def describe_settings(settings: Settings) -> dict[str, object]:
    """Return settings as results hold them."""
    return settings.model_dump(mode="json")


def _remove(model: TrainedModel, split: Split, share: float) -> RemovedJudgement | None:
    """Measure without some of the gold entities, where there is a decision to measure and the mentions have several entities."""
    if model.decision is None or share == 0 or len(np.unique(split.gold_rows[split.rankable])) < LEAST_ENTITIES:
        return None
    rank = make_ranker(model.after.vectors, split)
    num_entities = len(model.material.entities)
    return judge_removed(rank, num_entities, split, model.decision, model.is_fitted_here, model.settings, share)


def slice_scores(results: Sequence[EvaluationResult]) -> tuple[SliceScores, ...]:
    """Return the slices of several systems, each with the figures of all of them."""
    names = dict.fromkeys(name for result in results for name in result.slices)
    return tuple(SliceScores(name, tuple(result.slices.get(name) for result in results)) for name in names)


def _draw_examples(links: SplitLinks, model: TrainedModel, split: Split) -> tuple[LinkExample, ...]:
    count = len(links.is_linked)
    places = np.random.default_rng(model.settings.seed).permutation(count)[:NUM_EXAMPLES]
    return links.examples(places, model.material, split)


def _notes(model: TrainedModel, after: EvaluationResult) -> tuple[str, ...]:
    notes = [f"{count:,} mentions were not ranked: {reason}." for reason, count in after.excluded.items()]
    if model.split == model.settings.data.dev_split:
        notes.append(
            f"Early stopping, calibration and NIL threshold have read the split {model.split}, so figures on it are slightly too good."
        )
    if model.single is not None:
        found = compare_stages(model.single, model.after, model.material, model.split, model.settings)
        notes.append(
            f'"trained" is the single vector, "re-ranked" what the bundle does: the second stage behind it. The stage alone brings '
            f"{found.difference.value:+.3f} H@1 [{found.difference.low:+.3f}, {found.difference.high:+.3f}], p = {found.p_value:.2g}. "
            "Links, errors, probabilities, NIL and the gain over the untrained model are those of the bundle, with the second stage."
        )
    if after.protocol == "candidates":
        notes.append(
            "Ranks and figures are within the candidate lists of the data; links, errors and probabilities are against the whole KB."
        )
    return tuple(notes)
