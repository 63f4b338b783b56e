"""Figures of a model on a split, compared with slow loops."""

from dataclasses import replace

import numpy as np
import pytest
from toy_runs import quick_settings

from pgmel.datasets import Dataset
from pgmel.errors import DataError
from pgmel.evaluation import EvaluationResult
from pgmel.linking import Decision
from pgmel.records import NIL, Mention
from pgmel.testing import ToyWorld, fake_encoders, toy_world
from pgmel.workflows.material import Material, Split, load_material
from pgmel.workflows.measuring import Vectors, describe_data, embed, find_top, fit_nil, measure_split

SETTINGS = quick_settings("seed=4")
DECISION = Decision(temperature=0.05, nil_score=0.5, threshold=0.5, num_candidates=5)


def build(world: ToyWorld, **splits: tuple[Mention, ...]) -> Material:
    from pathlib import Path

    dataset = Dataset("toy", "generic", Path("toy"), world.entities, {**world.splits, **splits}, ())
    return load_material(dataset, fake_encoders(), ["train", "dev"], False)


@pytest.fixture(scope="module")
def world() -> ToyWorld:
    return toy_world()


@pytest.fixture(scope="module")
def material(world: ToyWorld) -> Material:
    return build(world)


@pytest.fixture(scope="module")
def vectors(material: Material) -> Vectors:
    return random_vectors(material)


def random_vectors(material: Material) -> Vectors:
    rng = np.random.default_rng(3)
    gold = material.splits["dev"].gold_rows
    entities = rng.standard_normal((len(material.entities), 6)).astype(np.float32)
    noise = rng.standard_normal((len(gold), 6)).astype(np.float32)
    mentions = np.where(gold[:, None] >= 0, entities[gold], 0) + noise
    return Vectors(*(rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (mentions, entities)))


def slow_rank(vectors: Vectors, mention: int, gold: int, among: list[int]) -> int:
    """Return the gold's place by a plain loop; there are no ties among random vectors."""
    scores = [float(vectors.mentions[mention] @ vectors.entities[row]) for row in among]
    return 1 + sum(score > float(vectors.mentions[mention] @ vectors.entities[gold]) for score in scores)


def test_ranks_against_the_kb_are_those_of_a_slow_loop(material: Material, vectors: Vectors) -> None:
    measured = measure_split(vectors, material, "dev", SETTINGS, "trained", "kb")
    gold = material.splits["dev"].gold_rows
    expected = [slow_rank(vectors, row, gold[row], list(range(30))) for row in range(30) if gold[row] >= 0]
    assert measured.ranks.realistic.tolist() == expected
    assert len(set(expected)) > 3
    assert measured.result.overall.h_at_1.value == pytest.approx(np.mean(np.array(expected) == 1))
    assert measured.result.overall.mrr.value == pytest.approx(np.mean([1 / rank for rank in expected]))
    assert measured.result.overall.mean_rank.value == pytest.approx(np.mean(expected))


def test_nil_and_unknown_golds_are_left_out_and_counted(world: ToyWorld) -> None:
    unknown = tuple(replace(mention, entity_id="Q99" if mention.id == "dev-0" else None) for mention in world.splits["dev"][:2])
    material = build(world, dev=(*world.splits["dev"][2:], *unknown))
    result = measure_split(random_vectors(material), material, "dev", SETTINGS, "trained").result
    assert result.excluded == {"gold is NIL": 5, "gold missing or not in the KB": 2}
    assert result.overall.num_mentions == 23


def with_lists(world: ToyWorld) -> Material:
    ids = [entity.id for entity in world.entities]
    dev = [
        replace(mention, candidates=() if number < 3 else ("unknown",) if number == 3 else (*ids[number % 7 : 20], "unknown"))
        for number, mention in enumerate(world.splits["dev"])
    ]
    return build(world, dev=tuple(dev))


def test_ranks_within_candidate_lists_are_those_of_a_slow_loop(world: ToyWorld) -> None:
    material = with_lists(world)
    vectors = random_vectors(material)
    measured = measure_split(vectors, material, "dev", SETTINGS, "trained", "candidates")
    gold = material.splits["dev"].gold_rows
    chosen = [row for row in range(4, 30) if gold[row] >= 0]
    expected = [slow_rank(vectors, row, gold[row], list(range(row % 7, 20))) for row in chosen]
    assert measured.ranks.realistic.tolist() == expected
    assert measured.result.protocol == "candidates"
    assert measured.result.candidate_recall == pytest.approx(np.mean([row % 7 <= gold[row] < 20 for row in chosen]))


def test_mentions_without_a_list_are_no_hits_but_left_out_and_counted(world: ToyWorld) -> None:
    material = with_lists(world)
    result = measure_split(random_vectors(material), material, "dev", SETTINGS, "trained", "candidates").result
    assert result.excluded == {"gold is NIL": 5, "no candidate list": 4}
    assert result.overall.num_mentions == 21


def test_candidate_protocol_without_any_list_is_refused(material: Material, vectors: Vectors) -> None:
    with pytest.raises(DataError, match="no candidate lists"):
        measure_split(vectors, material, "dev", SETTINGS, "trained", "candidates")


def test_the_protocol_is_that_of_the_settings_unless_named(world: ToyWorld) -> None:
    material = with_lists(world)
    vectors = random_vectors(material)
    asked = quick_settings("evaluation.protocol=candidates")
    assert measure_split(vectors, material, "dev", asked, "trained").result.protocol == "candidates"
    assert measure_split(vectors, material, "dev", asked, "trained", "kb").result.protocol == "kb"
    assert measure_split(vectors, material, "dev", SETTINGS, "trained").result.protocol == "kb"


def test_mentions_of_one_sentence_are_resampled_together(world: ToyWorld) -> None:
    material = build(world, dev=tuple(replace(mention, context="the same sentence") for mention in world.splits["dev"]))
    interval = measure_split(random_vectors(material), material, "dev", SETTINGS, "trained").result.overall.mrr
    assert interval.low == pytest.approx(interval.value)
    assert interval.high == pytest.approx(interval.value)


def test_equal_seeds_give_equal_intervals(material: Material, vectors: Vectors) -> None:
    one, same = (measure_split(vectors, material, "dev", SETTINGS, "trained").result for _ in range(2))
    assert one == same
    other = measure_split(vectors, material, "dev", quick_settings("seed=5"), "trained").result
    assert other.overall.mrr != one.overall.mrr
    assert other.overall.mrr.value == one.overall.mrr.value


def test_gold_entities_are_seen_if_training_has_them(world: ToyWorld) -> None:
    train = tuple(mention for mention in world.splits["train"] if str(mention.entity_id) < "E15")
    material = build(world, train=train)
    seen = {mention.entity_id for mention in train}
    result = measure_split(random_vectors(material), material, "dev", SETTINGS, "trained").result
    gold = [mention.entity_id for mention in world.splits["dev"] if mention.entity_id is not NIL]
    assert result.slices["seen"].num_mentions == sum(entity in seen for entity in gold)
    assert result.slices["unseen"].num_mentions == sum(entity not in seen for entity in gold)


def test_nil_is_measured_with_a_decision_against_the_kb(world: ToyWorld, material: Material, vectors: Vectors) -> None:
    def nil_of(decision: Decision | None, protocol: str = "kb", of: Material = material) -> object:
        return measure_split(vectors, of, "dev", SETTINGS, "trained", protocol, decision).result.nil  # type: ignore[arg-type]

    assert nil_of(None) is None
    assert nil_of(DECISION, "candidates", with_lists(world)) is None
    assert nil_of(DECISION) is not None


def test_nil_figures_count_all_annotated_mentions(material: Material, vectors: Vectors) -> None:
    nil = measure_split(vectors, material, "dev", SETTINGS, "trained", "kb", DECISION).result.nil
    assert nil is not None
    split = material.splits["dev"]
    scores = vectors.mentions @ vectors.entities.T
    top = np.sort(scores, axis=1)[:, ::-1][:, :5]
    weights = np.exp(np.column_stack([top, np.full(30, 0.5)]) / 0.05)
    answered = weights[:, 0] / weights.sum(axis=1) < 0.5
    right = np.where(split.is_nil, answered, ~answered & (scores.argmax(axis=1) == split.gold_rows))
    assert (nil.true_nil, nil.missed_nil) == ((answered & split.is_nil).sum(), (~answered & split.is_nil).sum())
    assert nil.accuracy.value == pytest.approx(right.mean())
    assert nil.num_mentions == 30
    assert nil.threshold is None
    stern = replace(DECISION, nil_threshold=0.3)
    assert measure_split(vectors, material, "dev", SETTINGS, "trained", "kb", stern).result.nil.threshold == 0.3  # type: ignore[union-attr]


def test_no_nil_figures_where_nothing_is_nil(world: ToyWorld) -> None:
    material = build(world, dev=tuple(mention for mention in world.splits["dev"] if mention.entity_id is not NIL))
    assert measure_split(random_vectors(material), material, "dev", SETTINGS, "trained", "kb", DECISION).result.nil is None


def test_top_lists_are_the_best_of_a_full_sort(vectors: Vectors) -> None:
    scores, rows, _ = find_top(vectors, 4)
    table = vectors.mentions @ vectors.entities.T
    assert np.array_equal(rows, np.argsort(-table, axis=1)[:, :4])
    assert np.allclose(scores, np.take_along_axis(table, rows, axis=1), atol=1e-6)


def test_top_lists_are_no_longer_than_the_kb(vectors: Vectors) -> None:
    scores, *_ = find_top(vectors, 100)
    assert np.isfinite(scores).sum() == 30 * 30


def test_the_nil_threshold_learns_from_annotated_mentions_only(world: ToyWorld, material: Material, vectors: Vectors) -> None:
    split = material.splits["dev"]
    fitted = fit_nil(vectors, split, 5, seed=0)
    assert fitted.num_candidates == 5
    rng = np.random.default_rng(0)
    strange = rng.standard_normal((4, 6)).astype(np.float32)
    more = Vectors(np.concatenate([vectors.mentions, strange]), vectors.entities)
    longer = Split(
        split.mentions + (Mention("x", "x"),) * 4,
        split.features,
        np.concatenate([split.gold_rows, np.full(4, -1)]),
        np.concatenate([split.is_nil, np.zeros(4, bool)]),
    )
    assert fit_nil(more, longer, 5, seed=0) == fitted


def test_zero_shot_vectors_come_from_the_features_of_their_split(material: Material) -> None:
    from pgmel.models import Embedder, fit_projection, start_discriminator

    projection = fit_projection([material.entities], {"name": 1.0}, 64, 8, 8, 0.0, 0)
    embedder = Embedder(projection, start_discriminator(projection, dim=64, image_dim=None))
    found = embed(embedder, material, "dev")
    assert np.allclose(found.mentions, embedder.embed_mentions(material.splits["dev"].features))
    assert np.allclose(found.entities, embedder.embed_entities(material.entities))


def test_a_result_says_what_it_was_measured_on(material: Material, vectors: Vectors) -> None:
    result = measure_split(vectors, material, "dev", SETTINGS, "zero-shot").result
    assert (result.system, result.num_entities, result.seeds) == ("zero-shot", 30, (4,))
    assert result.settings == SETTINGS.model_dump(mode="json")
    assert result.data["split"] == "dev"
    assert result.data["mentions"] == {"train": 72, "dev": 30, "test": 30}
    assert "split" not in describe_data(material)
    assert EvaluationResult.from_dict(result.to_dict()) == result
