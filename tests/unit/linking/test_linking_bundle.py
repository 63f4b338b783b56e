"""A bundle is written whole or not at all, says what it is made of, and notices damage."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_bundle import make_decision, toy_entities, write_toy_bundle

from pgmel.errors import BundleError, DataError, IndexFileError
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking import bundle_identity, check_bundle, read_card, write_bundle
from pgmel.linking.encoders import with_absolute_folders
from pgmel.records import Entity

CARD: Mapping[str, Any] = {"data": {}, "settings": {"features": {}}, "scores": {}, "encoders": {}, "decision": None}
MODEL = ("model/model.json", "model/model.safetensors")
NAMES = ("names/names.json", "names/names.safetensors")


class TinyModel:
    dim = 4

    def save(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "weights").write_bytes(b"weights")


def tiny_index(rows: int) -> EntityIndex:
    return EntityIndex.build(np.eye(max(rows, 4), dtype=np.float32)[:rows, :4])


def tiny_entities(count: int = 3) -> list[Entity]:
    return [Entity(f"Q{number}", f"name {number}") for number in range(count)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle", make_decision())


@pytest.fixture
def bundle(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def change_card(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((bundle / "card.json").read_text())
    change(card)
    (bundle / "card.json").write_text(json.dumps(card))


def test_whole_bundle_has_no_faults(bundle: Path) -> None:
    assert check_bundle(bundle) == []


def test_card_says_what_it_is_made_of(original: Path) -> None:
    card = read_card(original)
    assert card["data"] == {"name": "toy"}
    assert card["scores"] == {"h_at_1": 1.0}
    assert card["decision"] == make_decision().to_dict()
    assert card["kb"]["entities"] == 14
    assert card["index"]["rows"] == 14
    assert {"python", "pgmel", "torch", "numpy"} <= set(card["versions"])
    assert set(card["files"]) == {"index/index.json", "index/vectors.npy", "kb/kb.sqlite", *MODEL, *NAMES}


def test_kb_is_stored_with_paths_relative_to_the_root(original: Path) -> None:
    with KnowledgeBase.open(original / "kb" / "kb.sqlite") as kb:
        assert kb.image_root == original.parent
        assert kb.get("Q0") == toy_entities(original.parent / "pictures")[0]


def test_kb_that_exists_is_copied(tmp_path: Path) -> None:
    with KnowledgeBase.create(tmp_path / "kb.sqlite", tiny_entities()) as kb:
        write_bundle(tmp_path / "bundle", kb, TinyModel(), tiny_index(3), CARD)
    with KnowledgeBase.open(tmp_path / "bundle" / "kb" / "kb.sqlite") as copied:
        assert list(copied.iter_entities()) == tiny_entities()


def test_an_old_bundle_is_replaced(tmp_path: Path) -> None:
    for count in (3, 2):
        write_bundle(tmp_path / "bundle", tiny_entities(count), TinyModel(), tiny_index(count), CARD)
    assert read_card(tmp_path / "bundle")["kb"]["entities"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_failure_leaves_the_old_bundle(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", tiny_entities(3), TinyModel(), tiny_index(3), CARD)
    before = bundle_identity(tmp_path / "bundle")
    with pytest.raises(DataError, match="occurs twice"):
        write_bundle(tmp_path / "bundle", tiny_entities(1) * 2, TinyModel(), tiny_index(2), CARD)
    assert bundle_identity(tmp_path / "bundle") == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_somebody_elses_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(BundleError, match="photos is not empty and no bundle; it will not be replaced"):
        write_bundle(tmp_path / "photos", tiny_entities(), TinyModel(), tiny_index(3), CARD)
    with pytest.raises(BundleError, match="is a file"):
        write_bundle(tmp_path / "photos" / "cat.jpg", tiny_entities(), TinyModel(), tiny_index(3), CARD)
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"cat"


def test_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    write_bundle(tmp_path / "bundle", tiny_entities(), TinyModel(), tiny_index(3), CARD)
    assert read_card(tmp_path / "bundle")["kb"]["entities"] == 3


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="4 rows, the knowledge base 3"):
        write_bundle(tmp_path / "bundle", tiny_entities(3), TinyModel(), tiny_index(4), CARD)
    with pytest.raises(IndexFileError, match="length 5, the model makes them of length 4"):
        write_bundle(tmp_path / "bundle", tiny_entities(3), TinyModel(), EntityIndex.build(np.eye(5)[:3]), CARD)
    assert list(tmp_path.iterdir()) == []


def test_card_without_a_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="lacks scores, encoders"):
        write_bundle(tmp_path / "bundle", [], TinyModel(), tiny_index(0), {"data": {}, "settings": {}, "decision": None})


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(tmp_path / "file" / "bundle", [], TinyModel(), tiny_index(0), CARD)


def test_identity_differs_between_bundles_and_not_between_copies(original: Path, bundle: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "other", tiny_entities(), TinyModel(), tiny_index(3), CARD)
    assert bundle_identity(bundle) == bundle_identity(original) != bundle_identity(tmp_path / "other")


def test_encoder_folders_are_named_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model", "minilm"):
        (tmp_path / name).mkdir()
    settings = {"features": {"text_encoder": "model", "image_encoder": "org/model"}, "seed": 3}
    expected = {"features": {"text_encoder": str(tmp_path / "model"), "image_encoder": "org/model"}, "seed": 3}
    assert with_absolute_folders(settings) == expected
    assert with_absolute_folders({"features": {"text_encoder": "minilm"}})["features"] == {"text_encoder": "minilm"}


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (shutil.rmtree, "does not exist; `pgmel train` or `pgmel index` writes one"),
        (lambda bundle: (bundle / "card.json").unlink(), r"not a bundle: it has no card\.json"),
        (lambda bundle: os.truncate(bundle / "card.json", 100), "is damaged: .*not valid JSON"),
        (lambda bundle: (bundle / "card.json").write_text("[]"), "about something else"),
        (lambda bundle: change_card(bundle, lambda card: card.update(format="other")), "about something else"),
        (lambda bundle: change_card(bundle, lambda card: card.update(format_version=9)), "format version 9, this pgmel reads version 1"),
        (lambda bundle: change_card(bundle, lambda card: card.pop("decision")), "lacks decision"),
    ],
)
def test_card_at_fault(bundle: Path, break_it: Callable[[Path], object], message: str) -> None:
    break_it(bundle)
    with pytest.raises(BundleError, match=message):
        read_card(bundle)
    assert len(check_bundle(bundle)) == 1


@pytest.mark.parametrize("name", ["index/index.json", "index/vectors.npy", "kb/kb.sqlite", *MODEL, *NAMES])
@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_check_names_every_damaged_file(bundle: Path, name: str, damage: str) -> None:
    file = bundle / name
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        os.truncate(file, file.stat().st_size - 1)
    else:
        content = bytearray(file.read_bytes())
        content[-20] ^= 4
        file.write_bytes(content)
    (bundle / "model" / "model.json" if name != "model/model.json" else bundle / "index" / "index.json").unlink()
    faults = check_bundle(bundle)
    assert len(faults) == 2
    assert any(str(file) in fault for fault in faults)


def test_check_finds_parts_that_do_not_fit(bundle: Path) -> None:
    KnowledgeBase.create(bundle / "kb" / "kb.sqlite", tiny_entities(14)).close()
    shutil.rmtree(bundle / "index")
    tiny_index(3).save(bundle / "index")

    def forget(card: dict[str, Any]) -> None:
        card["files"] = {}

    change_card(bundle, forget)
    assert [fault for fault in check_bundle(bundle) if "3 rows, the knowledge base 14" in fault]
