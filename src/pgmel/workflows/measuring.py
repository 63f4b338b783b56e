"""Measure a model on a split: ranks, figures, slices, and the NIL decision."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64

from pgmel.errors import DataError
from pgmel.evaluation import (
    EvaluationResult,
    NilMetrics,
    PairedComparison,
    Ranks,
    TopEntities,
    candidate_recall,
    compare_paired,
    measure,
    measure_nil,
    measure_slices,
    rank_against_candidates,
    rank_against_kb,
    slice_masks,
)
from pgmel.linking import Decision, DecisionGoals, fit_decision, package_versions
from pgmel.linking.reranking import Reranker
from pgmel.models import Embedder
from pgmel.settings import Settings
from pgmel.workflows.clusters import clusters_of
from pgmel.workflows.deciding import Found, Ranker, dev_scores, judge_nil
from pgmel.workflows.material import Material, Split, mentions_digest
from pgmel.workflows.second_stage import SecondStage

__all__ = [
    "Measurement",
    "Vectors",
    "add_second_stage",
    "compare_stages",
    "describe_data",
    "embed",
    "find_top",
    "fit_nil",
    "make_ranker",
    "measure_split",
    "rank_in_kb",
]


class Vectors(NamedTuple):
    """Vectors of a split's mentions and of the KB under one model, and the second stage, where there is one."""

    mentions: Float32[np.ndarray, "mentions dim"]
    entities: Float32[np.ndarray, "entities dim"]
    second: SecondStage | None = None

    def take(self, chosen: Int64[np.ndarray, "chosen"]) -> "Vectors":
        """Return the same for some of the mentions, given by their places."""
        return self._replace(mentions=self.mentions[chosen], second=self.second.take(chosen) if self.second else None)


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


def add_second_stage(vectors: Vectors, reranker: Reranker | None, material: Material, split: str) -> Vectors:
    """Return the vectors with a second stage behind them; as they are where there is no re-ranker."""
    if reranker is None:
        return vectors
    return vectors._replace(second=SecondStage.bind(reranker, material.splits[split].mentions, material.dataset.entities))


def rank_in_kb(vectors: Vectors, gold: Int64[np.ndarray, "mentions"]) -> Ranks:
    """Rank the gold entity of each mention against the whole KB, by the last stage that there is."""
    if vectors.second is None:
        return rank_against_kb(vectors.mentions, vectors.entities, gold)
    ranks = rank_against_kb(vectors.mentions, vectors.entities, gold, top_k=vectors.second.depth)
    if ranks.top is None:
        return ranks
    return vectors.second.rerank(ranks, vectors.second.propose(ranks.top, vectors.mentions, vectors.entities), gold)


def compare_stages(single: "Measurement", second: "Measurement", material: Material, split: str, settings: Settings) -> PairedComparison:
    """Compare hits at 1 before and after the second stage, mention by mention; whole clusters are resampled and flipped."""
    groups = clusters_of(material.splits[split], single.rows)
    hits = (single.ranks.realistic <= 1, second.ranks.realistic <= 1)
    return compare_paired(*hits, np.random.default_rng(settings.seed), groups, confidence=settings.evaluation.confidence)


def measure_split(
    vectors: Vectors,
    material: Material,
    split_name: str,
    settings: Settings,
    system: str,
    protocol: Literal["kb", "candidates"] | None = None,
    decision: Decision | None = None,
    is_fitted_here: bool = False,
) -> Measurement:
    """Rank every mention whose gold entity is in the KB (and, if lists are asked for, that has one), and measure.

    Mentions of the same sentence are resampled together; slices are those of :func:`pgmel.evaluation.slice_masks`. Where the decision was
    fitted on these very mentions (``is_fitted_here``), NIL is judged by cross-fitting.

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
        if vectors.second is not None:
            ranks = _rerank_lists(vectors.take(chosen), ranks, gold, lists)
        recall = candidate_recall(gold, lists)
    else:
        gold = split.gold_rows[chosen]
        ranks = rank_in_kb(vectors.take(chosen), gold)
    mentions = [split.mentions[row] for row in chosen]
    groups = clusters_of(split, chosen)
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
        nil=_measure_nil(vectors, split, decision, is_fitted_here, settings, rng) if decision is not None and protocol == "kb" else None,
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
        "digests": {name: mentions_digest(part.mentions) for name, part in material.splits.items()},
        "skipped_records": len(dataset.faults),
        "pictures": material.pictures(),
    }
    return about | ({"split": split} if split else {})


def find_top(vectors: Vectors, count: int, kept: Bool[np.ndarray, "entities"] | None = None) -> Found:
    """Return every mention's best entities, by the last stage that there is.

    Args:
        vectors: Of mentions and entities.
        count: How many.
        kept: Which entities are in the KB; by default all.
    """
    entities = vectors.entities if kept is None else vectors.entities[kept]
    searched = max(count, vectors.second.depth) if vectors.second else count
    # Any row serves as gold: only the top list is wanted, and NIL mentions have no gold.
    top = rank_against_kb(vectors.mentions, entities, np.zeros(len(vectors.mentions), np.int64), top_k=searched).top
    if top is None:
        raise DataError("no candidates were asked for")
    if kept is not None:
        top = TopEntities(np.where(top.rows >= 0, np.flatnonzero(kept)[top.rows], -1), top.scores)
    if vectors.second is None:
        return Found(top.scores[:, :count], top.rows[:, :count], None)
    found = vectors.second.reorder(vectors.second.propose(top, vectors.mentions, vectors.entities, kept))
    return Found(found.scores[:, :count], found.rows[:, :count], found.similarities[:, :count])


def make_ranker(vectors: Vectors, split: Split) -> Ranker:
    """Return what ranks the annotated mentions of a split against a part of the KB."""
    annotated = vectors.take(np.flatnonzero(split.rankable | split.is_nil))

    def rank(kept: Bool[np.ndarray, "entities"], count: int) -> Found:
        return find_top(annotated, count, kept)

    return rank


def fit_nil(vectors: Vectors, split: Split, top_k: int, seed: int, goals: DecisionGoals | None = None) -> Decision:
    """Fit probabilities and the NIL threshold on dev."""
    annotated = np.flatnonzero(split.rankable | split.is_nil)
    # One candidate more than linking runs over: a list that loses its gold, to simulate NIL, keeps its length.
    found = find_top(vectors.take(annotated), top_k + 1)
    dev = dev_scores(found, split, annotated)
    return fit_decision(dev, np.random.default_rng(seed), clusters_of(split, annotated), goals, min(top_k, found.scores.shape[1]))


def _measure_nil(
    vectors: Vectors, split: Split, decision: Decision, is_fitted_here: bool, settings: Settings, rng: np.random.Generator
) -> NilMetrics | None:
    if not split.is_nil.any():
        return None
    annotated = np.flatnonzero(split.rankable | split.is_nil)
    found = find_top(vectors.take(annotated), decision.num_candidates + 1)
    linked, num_folds = judge_nil(found, split, decision, is_fitted_here, settings)
    measured = measure_nil(
        split.is_nil[annotated],
        ~linked,
        found.rows[:, 0] == split.gold_rows[annotated],
        settings.evaluation.bootstrap,
        settings.evaluation.confidence,
        rng,
        groups=clusters_of(split, annotated),
        threshold=decision.nil_threshold,
    )
    return replace(measured, num_folds=num_folds)


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


def _rerank_lists(
    vectors: Vectors, ranks: Ranks, gold: Int64[np.ndarray, "mentions"], lists: Sequence[Int64[np.ndarray, "candidates"]]
) -> Ranks:
    """Rank the best of each candidate list, with the gold entity, again."""
    if vectors.second is None:
        return ranks
    depth = vectors.second.depth
    rows = np.full((len(gold), depth), -1, np.int64)
    scores = np.full((len(gold), depth), -np.inf, np.float32)
    everybody = []
    for place, listed in enumerate(lists):
        known = np.unique(np.append(listed[listed >= 0], gold[place]))
        everybody.append(known)
        dense = vectors.entities[known] @ vectors.mentions[place]
        best = np.argsort(-dense, kind="stable")[:depth]
        rows[place, : len(best)], scores[place, : len(best)] = known[best], dense[best]
    second = vectors.second.among(everybody)
    return second.rerank(ranks, second.propose(TopEntities(rows, scores), vectors.mentions, vectors.entities), gold)
