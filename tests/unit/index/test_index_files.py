"""An index on disk comes back as it was, and every damage is an IndexFileError."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pgmel.errors import IndexFileError
from pgmel.files import hash_file, read_json
from pgmel.index import EntityIndex


def vectors(rows: int) -> np.ndarray:
    found = np.random.default_rng(0).standard_normal((rows, 16)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("indexes")
    for kind in ("exact", "ivfpq"):
        EntityIndex.build(vectors(1500), kind=kind, nprobe=3, refine=5, fingerprint="ff").save(root / kind)
    return {kind: root / kind for kind in ("exact", "ivfpq")}


@pytest.fixture
def copied(saved: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda kind: Path(shutil.copytree(saved[kind], tmp_path / kind))


def change_card(folder: Path, **values: object) -> None:
    file = folder / "index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize("kind", ["exact", "ivfpq"])
def test_loaded_index_answers_as_the_built_one(saved: dict[str, Path], kind: str) -> None:
    built = EntityIndex.build(vectors(1500), kind=kind, nprobe=3, refine=5, fingerprint="ff")
    loaded = EntityIndex.load(saved[kind], verify=True)
    assert loaded.describe() == built.describe() == {"kind": kind, "rows": 1500, "dim": 16, "nprobe": 3, "refine": 5}
    for mine, its in zip(loaded.search(vectors(30), 12), built.search(vectors(30), 12), strict=True):
        np.testing.assert_array_equal(mine, its)
    with pytest.raises(IndexFileError, match="another knowledge base"):
        loaded.check_fits(1500, 16, "00")


def test_fingerprint_can_come_when_it_is_saved(tmp_path: Path) -> None:
    EntityIndex.build(vectors(5)).save(tmp_path / "index", fingerprint="aa")
    with pytest.raises(IndexFileError, match="another knowledge base"):
        EntityIndex.load(tmp_path / "index").check_fits(5, 16, "bb")


def test_vectors_stay_on_disk_in_float16(saved: dict[str, Path]) -> None:
    found = EntityIndex.load(saved["ivfpq"]).vectors
    assert found.dtype == np.float16
    assert isinstance(found, np.memmap)
    assert (saved["ivfpq"] / "vectors.npy").stat().st_size < 1500 * 16 * 2 + 200


def test_empty_index_comes_back(tmp_path: Path) -> None:
    EntityIndex.build(np.zeros((0, 4), dtype=np.float32)).save(tmp_path / "index")
    assert EntityIndex.load(tmp_path / "index").num_rows == 0


def test_saving_replaces_an_old_index(copied: Callable[[str], Path]) -> None:
    folder = copied("ivfpq")
    EntityIndex.build(vectors(3)).save(folder)
    assert EntityIndex.load(folder).num_rows == 3
    assert sorted(file.name for file in folder.iterdir()) == ["index.json", "vectors.npy"]
    assert len(list(folder.parent.iterdir())) == 1


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexFileError, match="cannot be written"):
        EntityIndex.build(vectors(3)).save(tmp_path / "file" / "index")


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="does not exist; build it first"):
        EntityIndex.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("kind", "name"), [("exact", "vectors.npy"), ("exact", "index.json"), ("ivfpq", "vectors.npy"), ("ivfpq", "compressed.faiss")]
)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "folder"])
def test_files_missing_or_cut_short(copied: Callable[[str], Path], kind: str, name: str, damage: str) -> None:
    folder = copied(kind)
    file = folder / name
    if damage == "cut":
        os.truncate(file, file.stat().st_size // 2)
    elif damage == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
        if damage == "folder":
            file.mkdir()
    with pytest.raises(IndexFileError, match=f"index {folder} is damaged: .*{name}.*copy or build it again"):
        EntityIndex.load(folder)


@pytest.mark.parametrize(("kind", "name"), [("exact", "vectors.npy"), ("ivfpq", "vectors.npy"), ("ivfpq", "compressed.faiss")])
def test_one_flipped_bit(copied: Callable[[str], Path], kind: str, name: str) -> None:
    folder = copied(kind)
    content = bytearray((folder / name).read_bytes())
    content[-100] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(IndexFileError, match=f"{name} is not the file that was written"):
        EntityIndex.load(folder, verify=True)


def test_pickled_vectors_are_not_opened(copied: Callable[[str], Path]) -> None:
    folder = copied("ivfpq")
    np.save(folder / "vectors.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(IndexFileError, match=r"vectors\.npy cannot be read"):
        EntityIndex.load(folder)


def test_pickled_holes_are_not_opened(copied: Callable[[str], Path]) -> None:
    folder = copied("exact")
    np.save(folder / "holes.npy", np.array([{}], dtype=object), allow_pickle=True)
    digests = read_json(folder / "index.json")["digests"]
    change_card(folder, format_version=2, digests=digests | {"holes.npy": hash_file(folder / "holes.npy")})
    with pytest.raises(IndexFileError, match=r"holes\.npy cannot be read"):
        EntityIndex.load(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format_version": 3}, "format version 3, this pgmel reads up to 2; build it again"),
        ({"rows": "many"}, "index.json: Expected `int`"),
        ({"rows": 7}, "index.json says"),
        ({"dim": 17}, "index.json says"),
        ({"digests": {}}, "is not the file that was written"),
    ],
)
def test_card_that_tells_something_else(copied: Callable[[str], Path], values: dict[str, object], message: str) -> None:
    folder = copied("exact")
    change_card(folder, **values)
    with pytest.raises(IndexFileError, match=message):
        EntityIndex.load(folder)


@pytest.mark.parametrize("content", ["[]", "null", '{"rows": 3}', "{"])
def test_card_that_is_none(copied: Callable[[str], Path], content: str) -> None:
    folder = copied("exact")
    (folder / "index.json").write_text(content)
    with pytest.raises(IndexFileError):
        EntityIndex.load(folder)
