"""Search: exact search equals a slow loop, compressed search comes near it, and neither depends on how it is asked."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pgmel.errors import IndexFileError, SettingError
from pgmel.index import KINDS, EntityIndex
from pgmel.index import exact as exact_module


def unit_rows(count: int, dim: int, seed: int = 0, clusters: int | None = None) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((count, dim))
    if clusters:
        vectors = 0.3 * vectors + rng.standard_normal((clusters, dim))[rng.integers(clusters, size=count)]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def slow_search(queries: NDArray[np.float32], stored: NDArray[np.float16], k: int) -> tuple[list[list[float]], list[list[int]]]:
    scores, rows = [], []
    for query in queries:
        scored = []
        for row, vector in enumerate(stored):
            scored.append((-np.float32(sum(float(a) * float(b) for a, b in zip(query, vector, strict=True))), row))
        best = sorted(scored)[:k]
        scores.append([-score for score, _ in best])
        rows.append([row for _, row in best])
    return scores, rows


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_module, "_BLOCK", 16)


@pytest.fixture(scope="module")
def compressed() -> EntityIndex:
    return EntityIndex.build(unit_rows(4000, 20, clusters=200), kind="ivfpq", rng=np.random.default_rng(1))


def test_exact_search_equals_a_slow_loop() -> None:
    vectors, queries = unit_rows(83, 12), unit_rows(9, 12, seed=1)
    index = EntityIndex.build(vectors, kind="exact")
    scores, rows = index.search(queries, 7)
    slow_scores, slow_rows = slow_search(queries, index.vectors, 7)
    assert rows.tolist() == slow_rows
    np.testing.assert_allclose(scores, slow_scores, rtol=1e-7)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70), st.integers(1, 12), st.integers(0, 1000), st.integers(1, 5))
def test_ties_are_broken_by_row(count: int, k: int, seed: int, distinct: int) -> None:
    pool = unit_rows(distinct, 6, seed)
    rng = np.random.default_rng(seed)
    index = EntityIndex.build(pool[rng.integers(distinct, size=count)], kind="exact")
    queries = unit_rows(3, 6, seed + 1)
    scores, rows = index.search(queries, k)
    found = min(k, count)
    assert rows[:, :found].tolist() == slow_search(queries, index.vectors, found)[1]
    assert (rows[:, found:] == -1).all()
    assert (scores[:, found:] == -np.inf).all()


def test_better_rows_that_come_late_push_out_early_ones() -> None:
    query = unit_rows(1, 8)
    vectors = query * np.linspace(-1, 1, 400, dtype=np.float32)[:, None]
    rows = EntityIndex.build(vectors, kind="exact").search(query, 5)[1]
    assert rows.tolist() == [[399, 398, 397, 396, 395]]


def test_rounding_of_the_matrix_product_does_not_decide() -> None:
    # All true scores are equal; what a float32 product makes of them differs in the last digit.
    rng = np.random.default_rng(0)
    base = rng.standard_normal(64).astype(np.float16)
    vectors = np.stack([rng.permutation(base) for _ in range(300)])
    rows = EntityIndex.build(vectors, kind="exact").search(np.full((2, 64), 1 / 3, dtype=np.float32), 10)[1]
    assert rows.tolist() == [list(range(10))] * 2


@pytest.mark.parametrize("kind", ["exact", "ivfpq"])
def test_an_answer_does_not_depend_on_its_batch(kind: str) -> None:
    index = EntityIndex.build(unit_rows(2000, 24), kind=kind)
    queries = unit_rows(300, 24, seed=5)
    scores, rows = index.search(queries, 6)
    for start, size in ((0, 1), (3, 2), (255, 3), (10, 70)):
        part_scores, part_rows = index.search(queries[start : start + size], 6)
        np.testing.assert_array_equal(part_rows, rows[start : start + size])
        np.testing.assert_array_equal(part_scores, scores[start : start + size])


@pytest.mark.parametrize("kind", ["exact", "ivfpq"])
def test_scores_are_exact_products_of_what_is_stored(kind: str) -> None:
    index = EntityIndex.build(unit_rows(1500, 20), kind=kind)
    queries = unit_rows(5, 20, seed=3)
    scores, rows = index.search(queries, 8)
    expected = np.einsum("qd,qkd->qk", queries.astype(np.float64), index.vectors[rows].astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(scores, expected)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_compressed_search_finds_nearly_what_exact_search_finds(compressed: EntityIndex) -> None:
    queries = unit_rows(200, 20, seed=9, clusters=50)
    exact = EntityIndex.build(compressed.vectors, kind="exact")
    expected, found = exact.search(queries, 10)[1], compressed.search(queries, 10)[1]
    assert compressed.kind == "ivfpq"
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(expected, found, strict=True)])
    assert 0.85 < recall <= 1


def test_a_vector_finds_itself_in_the_compressed_index(compressed: EntityIndex) -> None:
    rows = np.arange(0, 4000, 37)
    found = compressed.search(compressed.vectors[rows].astype(np.float32), 1)[1][:, 0]
    assert (found == rows).mean() > 0.98


def test_compressed_search_always_finds_k(compressed: EntityIndex) -> None:
    scores, rows = compressed.search(unit_rows(20, 20, seed=4), 4000)
    assert np.isfinite(scores).all()
    assert all(sorted(found) == list(range(4000)) for found in rows.tolist())


def test_same_seed_builds_the_same_compressed_index() -> None:
    vectors, queries = unit_rows(3000, 16), unit_rows(50, 16, seed=1)
    one, other = (EntityIndex.build(vectors, kind="ivfpq", rng=np.random.default_rng(7)).search(queries, 20) for _ in range(2))
    np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_array_equal(one[0], other[0])


@pytest.mark.parametrize(("limit", "kind"), [(2000, "exact"), (1999, "ivfpq")])
def test_auto_compresses_beyond_the_limit(limit: int, kind: str) -> None:
    assert EntityIndex.build(unit_rows(2000, 16), exact_limit=limit).kind == kind


def test_a_few_rows_are_never_compressed() -> None:
    assert EntityIndex.build(unit_rows(1000, 16), kind="ivfpq").kind == "exact"


def test_length_that_no_code_divides_is_compressed_too() -> None:
    index = EntityIndex.build(unit_rows(1200, 13), kind="ivfpq")
    assert index.dim == 13
    assert index.search(index.vectors[:5].astype(np.float32), 1)[1][:, 0].tolist() == [0, 1, 2, 3, 4]


def test_many_threads_search_at_once(compressed: EntityIndex) -> None:
    queries = unit_rows(40, 20, seed=2)
    expected = compressed.search(queries, 5)[1]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: compressed.search(queries[number : number + 1], 5)[1][0], range(40)))
    np.testing.assert_array_equal(found, expected)


def test_empty_index_and_no_queries() -> None:
    empty = EntityIndex.build(np.zeros((0, 4), dtype=np.float32))
    scores, rows = empty.search(unit_rows(2, 4), 3)
    assert rows.tolist() == [[-1] * 3] * 2
    assert np.isneginf(scores).all()
    assert EntityIndex.build(unit_rows(5, 4)).search(np.zeros((0, 4), dtype=np.float32), 3)[1].shape == (0, 3)


def test_wrong_arguments_are_named() -> None:
    index = EntityIndex.build(unit_rows(5, 4))
    with pytest.raises(SettingError, match=r"index\.kind must be one of .* got 'exakt' .*did you mean 'exact'"):
        EntityIndex.build(unit_rows(5, 4), kind="exakt")
    with pytest.raises(ValueError, match="shape"):
        EntityIndex.build(np.zeros(4))
    for wrong in (np.nan, 1e6):
        with pytest.raises(ValueError, match="finite"):
            EntityIndex.build(np.full((2, 4), wrong))
    with pytest.raises(ValueError, match="k must be at least 1"):
        index.search(unit_rows(1, 4), 0)
    with pytest.raises(ValueError, match="queries must be finite"):
        index.search(np.full((1, 4), np.nan), 1)
    with pytest.raises(IndexFileError, match="length 4, the model makes them of length 5"):
        index.search(unit_rows(1, 5), 1)


def test_kinds_of_the_settings_are_those_of_the_index() -> None:
    from typing import get_args

    from pgmel.settings import IndexSettings

    assert set(get_args(IndexSettings.model_fields["kind"].annotation)) == set(KINDS)


def test_index_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    index = EntityIndex.build(unit_rows(5, 4), fingerprint="aa")
    index.check_fits(5, 4, "aa")
    index.check_fits(5)
    with pytest.raises(IndexFileError, match="5 rows, the knowledge base 6"):
        index.check_fits(6)
    with pytest.raises(IndexFileError, match="length 4, the model makes them of length 8"):
        index.check_fits(5, 8)
    with pytest.raises(IndexFileError, match="another knowledge base of the same size"):
        index.check_fits(5, 4, "bb")


def test_scores_of_named_rows_are_those_of_a_search() -> None:
    vectors, queries = np.random.default_rng(0).standard_normal((50, 8)), np.random.default_rng(1).standard_normal((4, 8))
    index = EntityIndex.build(vectors)
    scores, rows = index.search(queries, 50)
    np.testing.assert_array_equal(index.scores_of(queries, rows), scores)
    some = np.array([[3, -1], [-1, -1], [0, 49], [7, 7]])
    found = index.scores_of(queries, some)
    assert found.dtype == np.float32
    assert np.isneginf(found[some < 0]).all()
    assert found[3, 0] == found[3, 1] == scores[3][rows[3] == 7][0]


def test_scores_of_rows_that_are_not_there_are_refused() -> None:
    index = EntityIndex.build(np.eye(4))
    for rows in ([[4]], [[-2]]):
        with pytest.raises(ValueError, match="rows must be below 4"):
            index.scores_of(np.eye(4)[:1], np.array(rows))
    with pytest.raises(ValueError, match="a list of rows for each query"):
        index.scores_of(np.eye(4), np.array([[1]]))
    with pytest.raises(IndexFileError, match="length 5"):
        index.scores_of(np.ones((1, 5)), np.array([[1]]))
