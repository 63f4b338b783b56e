"""Lists of candidates by vectors and by name become one."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgmel.candidates import CandidateTable, fuse


def listed(rows: list[int], scores: list[float] | None = None) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    made = [1 - place / 1000 for place in range(len(rows))] if scores is None else scores
    return np.array([made], dtype=np.float32), np.array([rows], dtype=np.int64)


def test_without_likeness_the_order_of_the_vectors_stays() -> None:
    found = fuse(listed([5, 3, 9]), listed([7, 8], [0.0, 0.0]), 3)
    assert found.rows.tolist() == [[5, 3, 9]]
    np.testing.assert_allclose(found.dense, [[1, 0.999, 0.998]], rtol=1e-6)


def test_what_is_alike_takes_the_place_of_the_last_by_vectors() -> None:
    found = fuse(listed(list(range(100))), listed([500, 501], [1.0, 0.2]), 100)
    assert 500 in found.rows
    assert 501 not in found.rows
    assert set(found.rows[0]) == {*range(99), 500}


def test_what_both_found_comes_once_with_both_scores() -> None:
    found = fuse(listed([4, 5, 6], [0.5, 0.4, 0.3]), listed([6, 8], [0.9, 0.1]), 5)
    assert sorted(found.rows[0].tolist()) == [-1, 4, 5, 6, 8]
    about = {row: (dense, alike) for row, dense, alike in zip(found.rows[0], found.dense[0], found.lexical[0], strict=True)}
    assert about[6] == pytest.approx((0.3, 0.9))
    assert about[5] == pytest.approx((0.4, 0))
    assert about[8] == pytest.approx((-np.inf, 0.1))
    assert about[-1] == (-np.inf, 0)


def test_both_searches_agreeing_comes_first() -> None:
    assert fuse(listed([1, 2, 3]), listed([3], [1.0]), 1).rows.tolist() == [[3]]


@given(st.permutations(range(30)), st.permutations(range(30)), st.integers(0, 20), st.integers(0, 20), st.data())
@settings(max_examples=40)
def test_what_is_sure_is_there_and_nothing_comes_twice(
    dense: list[int], alike: list[int], sure: int, more: int, data: st.DataObject
) -> None:
    k = max(1, min(20, sure + more))
    named = data.draw(st.integers(0, min(10, k - sure)))
    scores = sorted(data.draw(st.lists(st.floats(0, 1), min_size=10, max_size=10)), reverse=True)
    found = fuse(listed(dense[:20]), listed(alike[:10], scores), k, sure, named)
    rows = found.rows[0].tolist()
    assert len(set(rows)) == len(rows) == k
    assert set(dense[:sure]) | set(alike[:named]) <= set(rows)
    assert set(rows) <= {*dense[:20], *alike[:10]}


def test_empty_places_stay_empty() -> None:
    found = fuse(listed([2, -1]), listed([-1, -1], [0.0, 0.0]), 4)
    assert found.rows.tolist() == [[2, -1, -1, -1]]
    assert found.lexical.tolist() == [[0.0] * 4]


def test_a_table_is_sorted_by_dense_scores_and_rows() -> None:
    table = CandidateTable(np.array([[7, 3, 5]]), np.array([[0.5, 0.5, 0.9]], np.float32), np.array([[0.1, 0.2, 0.3]], np.float32)).sorted()
    assert table.rows.tolist() == [[5, 3, 7]]
    np.testing.assert_allclose(table.lexical, [[0.3, 0.2, 0.1]])
    np.testing.assert_allclose(table.dense, [[0.9, 0.5, 0.5]])


def test_a_table_says_how_large_it_is_and_what_is_there() -> None:
    table = CandidateTable(*(np.array([[3, -1], [4, 5], [6, -1]], dtype=kind) for kind in (np.int64, np.float32, np.float32)))
    assert (len(table), table.width) == (3, 2)
    assert table.present.tolist() == [[True, False], [True, True], [True, False]]
