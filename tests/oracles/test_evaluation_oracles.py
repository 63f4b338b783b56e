"""Ranks and metrics against slow loops, against ranx, and against what must hold for any data."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pgmel.evaluation import METRICS, Ranks, compare_paired, measure, measure_nil, rank_against_candidates, rank_against_kb, slice_masks
from pgmel.evaluation.metrics import metric_values
from pgmel.records import Entity, Mention

relaxed = settings(deadline=None)  # a busy machine is no fault

TIES = ("optimistic", "realistic", "pessimistic")


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Small vectors of whole numbers: their products are exact, and ties are frequent."""
    dim, num_mentions, num_entities = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 12))
    values = st.integers(-2, 2).map(float)
    mentions = draw(arrays.arrays(np.float32, (num_mentions, dim), elements=values))
    entities = draw(arrays.arrays(np.float32, (num_entities, dim), elements=values))
    gold = draw(arrays.arrays(np.int64, num_mentions, elements=st.integers(0, num_entities - 1)))
    return mentions, entities, gold


def rank_slowly(
    mention: np.ndarray, entities: np.ndarray, gold: int, allowed: set[int], tolerance: float = 1e-6
) -> tuple[float, float, float]:
    scores = [sum(float(a) * float(b) for a, b in zip(mention, entity, strict=True)) for entity in entities]
    higher = sum(1 for row in allowed - {gold} if scores[row] > scores[gold] + 1e-6)
    tied = sum(1 for row in allowed - {gold} if abs(scores[row] - scores[gold]) <= 1e-6)
    return 1 + higher, 1 + higher + tied / 2, 1 + higher + tied


@relaxed
@given(problems(), st.integers(1, 7), st.integers(1, 7))
def test_whole_kb_ranks_equal_a_slow_loop_whatever_the_chunks(problem: tuple, chunk_mentions: int, chunk_entities: int) -> None:
    mentions, entities, gold = problem
    ranks = rank_against_kb(mentions, entities, gold, chunk_mentions=chunk_mentions, chunk_entities=chunk_entities)
    expected = [rank_slowly(mention, entities, row, set(range(len(entities)))) for mention, row in zip(mentions, gold, strict=True)]
    np.testing.assert_array_equal(np.stack([ranks.of(rule) for rule in TIES], axis=1), expected)


@relaxed
@given(problems(), st.data())
def test_candidate_ranks_equal_a_slow_loop(problem: tuple, data: st.DataObject) -> None:
    mentions, entities, gold = problem
    lists = [data.draw(st.lists(st.integers(-1, len(entities) - 1), max_size=8)) for _ in mentions]
    ranks = rank_against_candidates(mentions, entities, gold, lists)
    expected = [rank_slowly(mention, entities, row, set(listed) - {-1}) for mention, row, listed in zip(mentions, gold, lists, strict=True)]
    np.testing.assert_array_equal(np.stack([ranks.of(rule) for rule in TIES], axis=1), expected)


@relaxed
@given(problems())
def test_ranks_are_ordered_and_within_the_kb(problem: tuple) -> None:
    ranks = rank_against_kb(*problem)
    assert np.all(ranks.optimistic >= 1)
    assert np.all(ranks.optimistic <= ranks.realistic)
    assert np.all(ranks.realistic <= ranks.pessimistic)
    assert np.all(ranks.pessimistic <= len(problem[1]))


@relaxed
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_entities_changes_no_rank(problem: tuple, random: object) -> None:
    mentions, entities, gold = problem
    order = list(range(len(entities)))
    random.shuffle(order)
    moved = rank_against_kb(mentions, entities[order], np.argsort(order)[gold])
    np.testing.assert_array_equal(moved.realistic, rank_against_kb(mentions, entities, gold).realistic)


@relaxed
@given(problems())
def test_a_copy_of_the_gold_costs_half_a_realistic_rank_and_a_whole_pessimistic_one(problem: tuple) -> None:
    mentions, entities, gold = problem
    mentions, gold = mentions[:1], gold[:1]
    before, after = (rank_against_kb(mentions, kb, gold) for kb in (entities, np.concatenate([entities, entities[gold]])))
    steps = [float(after.of(rule)[0] - before.of(rule)[0]) for rule in TIES]
    assert steps == [0.0, 0.5, 1.0]


@relaxed
@given(problems(), st.sampled_from([0.5, 2.0, 8.0]))
def test_scaling_a_mention_changes_no_rank(problem: tuple, factor: float) -> None:
    mentions, entities, gold = problem
    scaled = rank_against_kb(mentions * np.float32(factor), entities, gold)
    np.testing.assert_array_equal(scaled.realistic, rank_against_kb(mentions, entities, gold).realistic)


@relaxed
@given(problems(), st.integers(1, 14), st.integers(1, 5))
def test_the_best_entities_are_those_of_a_full_sort(problem: tuple, top_k: int, chunk_entities: int) -> None:
    mentions, entities, gold = problem
    top = rank_against_kb(mentions, entities, gold, top_k=top_k, chunk_entities=chunk_entities).top
    np.testing.assert_array_equal(top.rows, np.argsort(-(mentions @ entities.T), axis=1, kind="stable")[:, :top_k])


@relaxed
@given(st.lists(st.integers(2, 60).map(lambda doubled: doubled / 2), min_size=1, max_size=40))
def test_metrics_equal_a_slow_loop_and_keep_their_order(ranks: list[float]) -> None:
    values = np.array(ranks)
    found = measure(Ranks(values, values, values, np.zeros(len(ranks), np.float32)), 5, 0.9, np.random.default_rng(0))
    for k in (1, 3, 5, 10):
        assert found.interval(f"h_at_{k}").value == pytest.approx(sum(1 for rank in ranks if rank <= k) / len(ranks))
    assert found.mrr.value == pytest.approx(sum(1 / rank for rank in ranks) / len(ranks))
    assert found.mean_rank.value == pytest.approx(sum(ranks) / len(ranks))
    assert found.h_at_1.value <= found.h_at_3.value <= found.h_at_5.value <= found.h_at_10.value
    assert found.h_at_1.value <= found.mrr.value + 1e-12 <= 1 + 1e-9


def test_metrics_equal_those_of_ranx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling takes ranx a minute, this little data a moment
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba warns of its own future
        from ranx import Qrels, Run, evaluate

        rng = np.random.default_rng(0)
        entities, gold = rng.standard_normal((40, 4)).astype(np.float32), rng.integers(0, 40, 60)
        mentions = entities[gold] + rng.standard_normal((60, 4)).astype(np.float32)
        scores = mentions.astype(np.float64) @ entities.T
        qrels = Qrels({f"m{i}": {f"e{row}": 1} for i, row in enumerate(gold)})
        run = Run({f"m{i}": {f"e{row}": float(scores[i, row]) for row in range(40)} for i in range(60)})
        names = {"hit_rate@1": "h_at_1", "hit_rate@3": "h_at_3", "hit_rate@5": "h_at_5", "hit_rate@10": "h_at_10", "mrr": "mrr"}
        theirs = evaluate(qrels, run, list(names))
    ours = measure(rank_against_kb(mentions, entities, gold), 10, 0.95, np.random.default_rng(0))
    assert 0.2 < ours.h_at_1.value < 0.8
    for their_name, our_name in names.items():
        assert ours.interval(our_name).value == pytest.approx(theirs[their_name])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=9))
def test_the_permutation_p_value_is_that_of_all_sign_flips(pairs: list[tuple[int, int]]) -> None:
    differences = [b - a for a, b in pairs if a != b]
    flips = list(itertools.product((-1, 1), repeat=len(differences)))
    extreme = sum(abs(sum(sign * gap for sign, gap in zip(flip, differences, strict=True))) >= abs(sum(differences)) for flip in flips)
    exact = extreme / len(flips)
    found = compare_paired([a for a, _ in pairs], [b for _, b in pairs], np.random.default_rng(0), resamples=4000)
    assert found.p_value == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 4000) + 1 / 4000)


@relaxed
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_nil_figures_equal_a_slow_loop(rows: list[tuple[bool, bool, bool]]) -> None:
    found = measure_nil(*np.array(rows).T, 3, 0.9, np.random.default_rng(0))
    answered, nil = [row for row in rows if row[1]], [row for row in rows if row[0]]
    assert (found.precision is None) == (not answered)
    assert (found.recall is None) == (not nil)
    if answered:
        assert found.precision.value == pytest.approx(sum(gold for gold, _, _ in answered) / len(answered))
    if nil:
        assert found.recall.value == pytest.approx(sum(answer for _, answer, _ in nil) / len(nil))
    right = sum((gold and answer) or (not gold and not answer and linked) for gold, answer, linked in rows)
    assert found.accuracy.value == pytest.approx(right / len(rows))


NAMES = st.sampled_from(["Congo", "congo", "Guinea", "Samoa", "x"])


@relaxed
@given(
    st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=2)), min_size=1, max_size=5),
    st.lists(st.tuples(NAMES, st.integers(0, 4)), min_size=1, max_size=6),
)
def test_slices_equal_a_slow_loop(names: list, uses: list) -> None:
    kb = [Entity(str(row), name, tuple(aliases)) for row, (name, aliases) in enumerate(names)]
    mentions = [Mention(f"m{i}", surface, entity_id=str(row % len(kb))) for i, (surface, row) in enumerate(uses)]
    masks = slice_masks(mentions, kb, {"0"})
    for position, mention in enumerate(mentions):
        surface = mention.surface.lower()
        bearers = {entity.id for entity in kb if surface in (entity.name.lower(), *(alias.lower() for alias in entity.aliases))}
        used_for = {other.entity_id for other in mentions if other.surface.lower() == surface}
        assert masks["ambiguous"][position] == (len(bearers | used_for) >= 2)
        assert masks["exact_title"][position] == (kb[int(mention.entity_id)].name.lower() == surface)
        assert masks["seen"][position] == (mention.entity_id == "0")


def test_every_metric_has_its_column() -> None:
    assert metric_values([1.0, 4.0]).shape == (2, len(METRICS))
