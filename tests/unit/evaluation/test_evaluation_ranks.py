"""Ranks: ties, protocols, chunks, memory, and what is refused."""

import tracemalloc

import numpy as np
import pytest

from pgmel.errors import DataError, SettingError
from pgmel.evaluation import Ranks, candidate_recall, rank_against_candidates, rank_against_kb


def unit(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# One mention along the first axis: an entity's score is its first coordinate.
MENTION = np.array([[1.0, 0.0]], np.float32)


def entities(*scores: float) -> np.ndarray:
    return np.array([[score, 0.0] for score in scores], np.float32)


def test_gold_that_no_entity_beats_has_rank_one() -> None:
    ranks = rank_against_kb(MENTION, entities(0.1, 0.9, 0.5), [1])
    assert (ranks.optimistic[0], ranks.realistic[0], ranks.pessimistic[0]) == (1, 1, 1)


def test_entities_scored_higher_push_the_gold_down() -> None:
    ranks = rank_against_kb(MENTION, entities(0.1, 0.9, 0.5, 0.7), [2])
    assert ranks.realistic[0] == 3


def test_ties_split_the_three_ranks() -> None:
    ranks = rank_against_kb(MENTION, entities(0.5, 0.9, 0.5, 0.5, 0.1), [2])
    assert (ranks.optimistic[0], ranks.realistic[0], ranks.pessimistic[0]) == (2, 3, 4)


def test_a_system_that_scores_everything_alike_gets_the_middle_rank() -> None:
    ranks = rank_against_kb(np.zeros((2, 3), np.float32), np.ones((9, 3), np.float32), [0, 8])
    np.testing.assert_array_equal(ranks.realistic, [5, 5])


def test_ties_end_at_the_tolerance() -> None:
    scores = entities(0.5, 0.5 + 5e-7, 0.5 - 5e-7, 0.5 + 1e-5, 0.5 - 1e-5)
    near = rank_against_kb(MENTION, scores, [0])
    assert (near.optimistic[0], near.pessimistic[0]) == (2, 4)
    wide = rank_against_kb(MENTION, scores, [0], tie_tolerance=1e-4)
    assert (wide.optimistic[0], wide.pessimistic[0]) == (1, 5)
    strict = rank_against_kb(MENTION, scores, [0], tie_tolerance=0)
    assert (strict.optimistic[0], strict.pessimistic[0]) == (3, 3)


@pytest.mark.parametrize("dim", [128, 512])
def test_duplicates_of_the_gold_tie_with_it_wherever_they_stand(dim: int) -> None:
    rng = np.random.default_rng(0)
    mentions, kb = unit(rng, 301, dim), unit(rng, 1003, dim)
    twins = np.array([0, 1, 77, 500, 1001, 1002])
    kb[twins] = mentions[0]  # the noise is largest where the score is 1
    ranks = rank_against_kb(mentions[:1], kb, [77], chunk_entities=700)
    assert (ranks.optimistic[0], ranks.pessimistic[0]) == (1, 6)
    everyone = rank_against_kb(mentions, np.repeat(kb[:1], 1003, axis=0), np.arange(301), chunk_entities=700)
    np.testing.assert_array_equal(everyone.optimistic, 1)
    np.testing.assert_array_equal(everyone.pessimistic, 1003)


def test_the_gold_ties_with_itself_even_without_tolerance() -> None:
    rng = np.random.default_rng(8)
    ranks = rank_against_kb(unit(rng, 200, 512), unit(rng, 300, 512), rng.integers(0, 300, 200), tie_tolerance=0)
    assert np.all(ranks.pessimistic >= ranks.optimistic)


def test_gold_scores_are_the_exact_dot_products() -> None:
    rng = np.random.default_rng(1)
    kb, gold = unit(rng, 60, 4096), rng.integers(0, 60, 50)
    mentions = kb[gold]
    exact = (mentions.astype(np.float64) * kb[gold]).sum(axis=1)
    np.testing.assert_allclose(rank_against_kb(mentions, kb, gold).gold_scores, exact, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("chunk_mentions", "chunk_entities"), [(1, 1), (3, 4), (1000, 7), (5, 1000)])
def test_chunks_change_nothing(chunk_mentions: int, chunk_entities: int) -> None:
    rng = np.random.default_rng(2)
    mentions, kb, gold = unit(rng, 23, 8), unit(rng, 50, 8), rng.integers(0, 50, 23)
    kb[10:14] = kb[3]
    whole = rank_against_kb(mentions, kb, gold, top_k=6)
    parts = rank_against_kb(mentions, kb, gold, top_k=6, chunk_mentions=chunk_mentions, chunk_entities=chunk_entities)
    for name in ("optimistic", "realistic", "pessimistic"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    np.testing.assert_allclose(parts.top.scores, whole.top.scores, atol=1e-6)


@pytest.mark.parametrize("chunk_entities", [1, 3, 7, 64])
def test_top_k_is_the_head_of_a_full_sort_and_equal_scores_keep_the_order_of_rows(chunk_entities: int) -> None:
    rng = np.random.default_rng(3)
    # Whole numbers, so that products are exact and equal scores are frequent.
    mentions, kb = rng.integers(-2, 3, (12, 4)).astype(np.float32), rng.integers(-2, 3, (60, 4)).astype(np.float32)
    top = rank_against_kb(mentions, kb, np.zeros(12, int), top_k=9, chunk_entities=chunk_entities, chunk_mentions=5).top
    scores = mentions @ kb.T
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :9]
    np.testing.assert_array_equal(top.rows, expected)
    np.testing.assert_array_equal(top.scores, np.take_along_axis(scores, expected, axis=1))


def test_top_k_larger_than_the_kb_gives_the_whole_kb() -> None:
    top = rank_against_kb(MENTION, entities(0.1, 0.9, 0.5), [0], top_k=10, chunk_entities=2).top
    np.testing.assert_array_equal(top.rows, [[1, 2, 0]])


def test_without_top_k_there_is_no_top() -> None:
    assert rank_against_kb(MENTION, entities(0.1, 0.9), [0]).top is None


def test_half_precision_and_read_only_memory_maps_are_ranked(tmp_path) -> None:
    rng = np.random.default_rng(4)
    mentions, kb, gold = unit(rng, 9, 16).astype(np.float16), unit(rng, 30, 16).astype(np.float16), rng.integers(0, 30, 9)
    np.save(tmp_path / "kb.npy", kb)
    mapped = rank_against_kb(mentions, np.load(tmp_path / "kb.npy", mmap_mode="r"), gold, chunk_entities=8)
    plain = rank_against_kb(mentions.astype(np.float32), kb.astype(np.float32), gold)
    np.testing.assert_array_equal(mapped.realistic, plain.realistic)


def test_memory_does_not_grow_with_the_matrix_of_scores() -> None:
    rng = np.random.default_rng(5)
    mentions, kb = unit(rng, 400, 8), unit(rng, 200_000, 8)  # the full matrix would take 320 MB
    tracemalloc.start()
    rank_against_kb(mentions, kb, np.arange(400), top_k=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


def test_taking_some_mentions_keeps_everything_of_them() -> None:
    rng = np.random.default_rng(6)
    ranks = rank_against_kb(unit(rng, 5, 4), unit(rng, 9, 4), np.arange(5), top_k=2)
    for chosen in (np.array([3, 1]), np.array([False, True, False, True, False])):
        taken = ranks.take(chosen)
        np.testing.assert_array_equal(taken.realistic, ranks.realistic[chosen])
        np.testing.assert_array_equal(taken.top.rows, ranks.top.rows[chosen])
        assert len(taken) == 2


def test_an_unknown_rule_for_ties_names_the_nearest() -> None:
    ranks = Ranks(*(np.ones(1) for _ in range(3)), np.ones(1, np.float32))
    with pytest.raises(SettingError, match="'realistc' \\(did you mean 'realistic'"):
        ranks.of("realistc")


@pytest.mark.parametrize("gold", [[-1, 0, 1], [0, 3, 1]])
def test_gold_outside_the_kb_is_refused(gold: list[int]) -> None:
    with pytest.raises(DataError, match=r"1 gold rows are not in the KB of 3 entities, first (-1|3).* NIL"):
        rank_against_kb(np.ones((3, 2), np.float32), np.ones((3, 2), np.float32), gold)


@pytest.mark.parametrize("gold", [[0], [0.0, 1.0], [[0], [1]]])
def test_gold_rows_of_another_shape_or_kind_are_refused(gold: list) -> None:
    with pytest.raises(DataError, match="one whole number for each of the 2 mentions"):
        rank_against_kb(np.ones((2, 2), np.float32), np.ones((3, 2), np.float32), gold)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["mention", "entity"])
def test_vectors_that_are_not_finite_are_refused_not_ranked_first(side: str, bad: float) -> None:
    mentions, kb = np.ones((3, 2), np.float32), np.ones((4, 2), np.float32)
    (mentions if side == "mention" else kb)[2, 1] = bad
    with pytest.raises(DataError, match=f"{side} vectors hold NaN or infinity, first in row 2"):
        rank_against_kb(mentions, kb, [0, 1, 3], chunk_entities=2, chunk_mentions=2)


def test_vectors_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(1, 2\) and entity vectors \(3, 5\)"):
        rank_against_kb(MENTION, np.ones((3, 5), np.float32), [0])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"tie_tolerance": -1.0}, "tie_tolerance"),
        ({"tie_tolerance": float("nan")}, "tie_tolerance"),
        ({"top_k": -1}, "top_k"),
        ({"chunk_entities": 0}, "chunk"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        rank_against_kb(MENTION, entities(0.1, 0.2), [0], **setting)


def test_no_mentions_give_no_ranks() -> None:
    assert len(rank_against_kb(np.ones((0, 2), np.float32), entities(0.1), np.empty(0, int))) == 0


def test_candidates_outside_the_list_do_not_count() -> None:
    ranks = rank_against_candidates(MENTION, entities(0.5, 0.9, 0.8, 0.1), [0], [[0, 2, 3]])
    assert ranks.realistic[0] == 2


def test_gold_outside_its_list_is_scored_too_and_recall_says_so() -> None:
    kb, lists = entities(0.5, 0.9, 0.8, 0.1), [np.array([1, 3]), np.array([0])]
    ranks = rank_against_candidates(np.repeat(MENTION, 2, axis=0), kb, [0, 0], lists)
    np.testing.assert_array_equal(ranks.realistic, [2, 1])
    assert candidate_recall([0, 0], lists) == 0.5


def test_candidates_listed_twice_and_unknown_ones_do_not_count() -> None:
    ranks = rank_against_candidates(MENTION, entities(0.5, 0.9, 0.5, 0.1), [0], [[1, 1, 2, 2, -1, 0, 0]])
    assert (ranks.optimistic[0], ranks.realistic[0], ranks.pessimistic[0]) == (2, 2.5, 3)


def test_candidates_tie_within_the_tolerance() -> None:
    kb = entities(0.5, 0.5 + 5e-7, 0.5 - 5e-7, 0.5 + 1e-5)
    ranks = rank_against_candidates(MENTION, kb, [0], [[1, 2, 3]])
    assert (ranks.optimistic[0], ranks.pessimistic[0]) == (2, 4)


def test_an_empty_candidate_list_leaves_the_gold_alone() -> None:
    ranks = rank_against_candidates(MENTION, entities(0.5, 0.9), [0], [[]])
    assert (ranks.optimistic[0], ranks.pessimistic[0]) == (1, 1)


def test_candidate_lists_of_everything_equal_the_whole_kb() -> None:
    rng = np.random.default_rng(7)
    mentions, kb, gold = unit(rng, 13, 6), unit(rng, 20, 6), rng.integers(0, 20, 13)
    kb[5] = kb[6]
    whole, listed = rank_against_kb(mentions, kb, gold), rank_against_candidates(mentions, kb, gold, [np.arange(20)] * 13)
    np.testing.assert_array_equal(whole.optimistic, listed.optimistic)
    np.testing.assert_array_equal(whole.pessimistic, listed.pessimistic)


@pytest.mark.parametrize("row", [-2, 2])
def test_candidates_outside_the_kb_are_refused(row: int) -> None:
    with pytest.raises(DataError, match=f"mention 0: candidate row {row} is not in the KB of 2"):
        rank_against_candidates(MENTION, entities(0.5, 0.9), [0], [[1, row]])


def test_a_missing_candidate_list_is_refused() -> None:
    with pytest.raises(DataError, match="1 mentions but 2 candidate lists"):
        rank_against_candidates(MENTION, entities(0.5), [0], [[], []])
    with pytest.raises(DataError, match="1 mentions and 2 candidate lists"):
        candidate_recall([0], [[], []])


def test_a_candidate_whose_vector_is_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="entity vectors hold NaN or infinity, first in row 1"):
        rank_against_candidates(MENTION, entities(0.5, np.nan), [0], [[1]])
