"""Measure a model on a split: ranks, figures, slices, and the NIL decision."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64

from pgmel.errors import DataError
from pgmel.evaluation import (
    EvaluationResult,
    NilMetrics,
    Ranks,
    candidate_recall,
    measure,
    measure_nil,
    measure_slices,
    rank_against_candidates,
    rank_against_kb,
    slice_masks,
)
from pgmel.linking import Decision, fit_decision, package_versions
from pgmel.models import Embedder
from pgmel.settings import EvaluationSettings, Settings
from pgmel.workflows.material import Material, Split

__all__ = ["Measurement", "Vectors", "describe_data", "embed", "find_top", "fit_nil", "measure_split"]


class Vectors(NamedTuple):
    """Vectors of a split's mentions and of the KB under one model."""

    mentions: Float32[np.ndarray, "mentions dim"]
    entities: Float32[np.ndarray, "entities dim"]


class Measurement(NamedTuple):
    """A result, the ranks behind it, the vectors behind those, which mentions were ranked, and which of them each slice has."""

    result: EvaluationResult
    ranks: Ranks
    vectors: Vectors
    rows: Int64[np.ndarray, "ranked"]
    slices: Mapping[str, Bool[np.ndarray, "ranked"]]


def embed(embedder: Embedder, material: Material, split: str) -> Vectors:
    """Embed a split and the KB."""
    return Vectors(embedder.embed_mentions(material.splits[split].features), embedder.embed_entities(material.entities))


def measure_split(
    vectors: Vectors,
    material: Material,
    split_name: str,
    settings: Settings,
    system: str,
    protocol: Literal["kb", "candidates"] | None = None,
    decision: Decision | None = None,
) -> Measurement:
    """Rank every mention whose gold entity is in the KB (and, if lists are asked for, that has one), and measure.

    Mentions of the same sentence are resampled together; slices are those of :func:`pgmel.evaluation.slice_masks`.

    Raises:
        DataError: If the candidate-list protocol is asked for and mentions have no lists.
    """
    split = material.splits[split_name]
    chosen = np.flatnonzero(split.rankable)
    excluded = split.excluded()
    protocol = protocol or settings.evaluation.protocol
    evaluation = settings.evaluation
    recall = None
    if protocol == "candidates":
        chosen, lists = _candidate_rows(material, split, chosen)
        if num_empty := int(split.rankable.sum()) - len(chosen):
            excluded["no candidate list"] = num_empty
        gold = split.gold_rows[chosen]
        ranks = rank_against_candidates(vectors.mentions[chosen], vectors.entities, gold, lists)
        recall = candidate_recall(gold, lists)
    else:
        gold = split.gold_rows[chosen]
        ranks = rank_against_kb(vectors.mentions[chosen], vectors.entities, gold)
    mentions = [split.mentions[row] for row in chosen]
    groups = [mention.context or mention.id for mention in mentions]
    train = material.dataset.splits.get(settings.data.train_split, ())
    masks = slice_masks(
        mentions,
        material.dataset.entities,
        {mention.entity_id for mention in train if isinstance(mention.entity_id, str)} if train else None,
        split.features.present["image"][chosen] if "image" in split.features.present else np.zeros(len(chosen), bool),
        train,
    )
    rng = np.random.default_rng(settings.seed)
    result = EvaluationResult(
        system=system,
        protocol=protocol,
        overall=measure(ranks, evaluation.bootstrap, evaluation.confidence, rng, groups),
        num_entities=len(material.entities),
        slices=measure_slices(ranks, masks, evaluation.bootstrap, evaluation.confidence, rng, groups),
        excluded=excluded,
        nil=_measure_nil(vectors, split, decision, evaluation, rng) if decision is not None and protocol == "kb" else None,
        data=describe_data(material, split_name),
        settings=settings.model_dump(mode="json"),
        seeds=(settings.seed,),
        versions=package_versions(),
        candidate_recall=recall,
    )
    return Measurement(result, ranks, vectors, chosen, masks)


def describe_data(material: Material, split: str | None = None) -> dict[str, Any]:
    """Return what data were used, for results and cards."""
    dataset = material.dataset
    about: dict[str, Any] = {
        "name": dataset.name,
        "layout": dataset.layout,
        "entities": len(dataset.entities),
        "mentions": {name: len(mentions) for name, mentions in dataset.splits.items()},
        "skipped_records": len(dataset.faults),
        "pictures": material.pictures(),
    }
    return about | ({"split": split} if split else {})


def find_top(vectors: Vectors, count: int) -> tuple[Float32[np.ndarray, "mentions top"], Int64[np.ndarray, "mentions top"]]:
    """Return scores and KB rows of every mention's best entities, best first."""
    # Any row serves as gold: only the top list is wanted, and NIL mentions have no gold.
    top = rank_against_kb(vectors.mentions, vectors.entities, np.zeros(len(vectors.mentions), np.int64), top_k=count).top
    if top is None:
        raise DataError("no candidates were asked for")
    return top.scores, top.rows


def fit_nil(vectors: Vectors, split: Split, top_k: int, seed: int) -> Decision:
    """Fit probabilities and the NIL threshold on dev."""
    annotated = split.rankable | split.is_nil
    scores, rows = find_top(Vectors(vectors.mentions[annotated], vectors.entities), top_k)
    hit = rows == split.gold_rows[annotated, None]
    position = np.where(hit.any(axis=1), hit.argmax(axis=1), -1)
    return fit_decision(scores, position, split.is_nil[annotated], np.random.default_rng(seed))


def _measure_nil(
    vectors: Vectors, split: Split, decision: Decision, settings: EvaluationSettings, rng: np.random.Generator
) -> NilMetrics | None:
    annotated = split.rankable | split.is_nil
    if not split.is_nil.any():
        return None
    scores, rows = find_top(Vectors(vectors.mentions[annotated], vectors.entities), decision.num_candidates)
    best = decision.probabilities(scores)[0][:, 0]
    return measure_nil(
        split.is_nil[annotated],
        ~decision.links(best),
        rows[:, 0] == split.gold_rows[annotated],
        settings.bootstrap,
        settings.confidence,
        rng,
        groups=[split.mentions[row].context or split.mentions[row].id for row in np.flatnonzero(annotated)],
        threshold=decision.threshold,
    )


def _candidate_rows(
    material: Material, split: Split, chosen: Int64[np.ndarray, "chosen"]
) -> tuple[Int64[np.ndarray, "listed"], list[Int64[np.ndarray, "candidates"]]]:
    """Return the mentions that have a candidate list, and the lists; without one, the gold would rank first among itself."""
    known = {entity_id: row for row, entity_id in enumerate(material.entities.ids)}
    lists = {row: [known[entity] for entity in split.mentions[row].candidates if entity in known] for row in chosen}
    listed = [row for row, rows in lists.items() if rows]
    if not listed:
        raise DataError(
            "the mentions have no candidate lists, which evaluation.protocol = candidates needs",
            material.dataset.root,
            fix="Use --protocol kb, or add the published lists (search_top100.json, cands)",
        )
    return np.array(listed, np.int64), [np.array(lists[row], np.int64) for row in listed]
