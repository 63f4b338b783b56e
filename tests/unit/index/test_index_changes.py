"""Rows come, change and go in an index, and it answers as one that was built that way."""

from pathlib import Path

import numpy as np
import pytest

from pgmel.errors import IndexFileError
from pgmel.index import EntityIndex

ROWS, DIM = 1500, 16
HOLES = np.array([3, 700, 1499])


def draw(rows: int, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((rows, DIM)).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def changed(kind: str) -> tuple[EntityIndex, np.ndarray]:
    """Change rows 0 and 1498, add 1500 to 1509, leave HOLES; return the index and the vectors that it should hold."""
    rows = np.array([0, 1498, *range(1500, 1510)])
    vectors = draw(len(rows), seed=1)
    whole = np.concatenate([draw(ROWS), np.zeros((10, DIM), np.float32)])
    whole[rows], whole[HOLES] = vectors, 0
    return EntityIndex.build(draw(ROWS), kind, nprobe=999).change(rows, vectors, 1510, HOLES, "ff"), whole


@pytest.mark.parametrize("kind", ["exact", "ivfpq"])
def test_a_changed_index_answers_as_one_built_that_way(kind: str, tmp_path: Path) -> None:
    index, whole = changed(kind)
    built = EntityIndex.build(whole, "exact", holes=HOLES)
    index.save(tmp_path / "index")
    for found in (index, EntityIndex.load(tmp_path / "index", verify=True)):
        assert (found.kind, found.num_rows, found.holes.tolist()) == (kind, 1510, HOLES.tolist())
        for mine, its in zip(found.search(whole[::50], 5), built.search(whole[::50], 5), strict=True):
            np.testing.assert_array_equal(mine[:, 0], its[:, 0])
        if kind == "exact":
            np.testing.assert_array_equal(found.search(whole[::50], 20)[1], built.search(whole[::50], 20)[1])


@pytest.mark.parametrize("kind", ["exact", "ivfpq"])
def test_empty_rows_are_never_found(kind: str) -> None:
    index, whole = changed(kind)
    scores, rows = index.search(np.concatenate([-whole[:2], draw(3)[HOLES % 3]]), 1510)
    assert not np.isin(rows, HOLES).any()
    assert (rows[:, -3:] == -1).all()
    assert (np.sort(rows[:, :-3], axis=1) == np.delete(np.arange(1510), HOLES)).all()
    assert np.isneginf(scores[:, -3:]).all()


@pytest.mark.parametrize("kind", ["exact", "ivfpq"])
def test_the_index_that_was_changed_stays_as_it_was(kind: str) -> None:
    before = EntityIndex.build(draw(ROWS), kind, nprobe=999)
    answer = before.search(draw(20, seed=2), 30)
    after = before.change(np.array([5]), draw(1, seed=3), ROWS - 2, np.array([7]))
    assert (len(before), len(after)) == (ROWS, ROWS - 2)
    for mine, its in zip(before.search(draw(20, seed=2), 30), answer, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_built_index_may_have_empty_rows() -> None:
    vectors = draw(ROWS)
    for kind in ("exact", "ivfpq"):
        rows = EntityIndex.build(vectors, kind, holes=HOLES, nprobe=999).search(vectors[HOLES], 50)[1]
        assert not np.isin(rows, HOLES).any()


def test_an_index_with_empty_rows_is_not_read_by_who_knows_nothing_of_them(tmp_path: Path) -> None:
    changed("exact")[0].save(tmp_path / "index")
    assert '"format_version": 2' in (tmp_path / "index" / "index.json").read_text()
    (tmp_path / "index" / "holes.npy").write_bytes(b"")
    with pytest.raises(IndexFileError, match=r"holes\.npy is not the file that was written"):
        EntityIndex.load(tmp_path / "index")


@pytest.mark.parametrize(
    ("rows", "num_rows", "holes"), [([ROWS + 1], ROWS + 2, []), ([3], ROWS, [3]), ([], ROWS + 1, [])], ids=["gap", "both", "unfilled"]
)
def test_rows_and_holes_that_do_not_go_together_are_refused(rows: list[int], num_rows: int, holes: list[int]) -> None:
    with pytest.raises(ValueError, match="every row must have a vector or be a hole"):
        EntityIndex.build(draw(ROWS)).change(np.array(rows, np.int64), draw(len(rows)), num_rows, np.array(holes, np.int64))


def test_vectors_of_another_length_are_refused() -> None:
    with pytest.raises(IndexFileError, match="length 4"):
        EntityIndex.build(draw(ROWS)).change(np.array([0]), np.ones((1, 4), np.float32), ROWS, np.empty(0, np.int64))
