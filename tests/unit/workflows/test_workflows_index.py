"""A trained model over another knowledge base."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_runs import ToyRun, bundle_vectors, write_lines

from pgmel.errors import BundleError, DataError, EncoderError, SettingError
from pgmel.files import read_json, write_json
from pgmel.index import EntityIndex
from pgmel.linking import Linker, check_bundle, read_card
from pgmel.records import Mention
from pgmel.workflows.build_index import build_bundle
from pgmel.workflows.calibrate import calibrate_bundle
from pgmel.workflows.evaluate import evaluate_bundle

NAMES = ("Congo", "Georgia", "Samoa", "Alder", "Luxembourg")


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = [{"id": f"Q{number}", "name": name} for number, name in enumerate(NAMES)]
    rows[0]["images"] = ["gone.png"]
    write_lines(tmp_path / "kb" / "kb.jsonl", rows)
    return tmp_path / "kb"


def build(run: ToyRun, kb: Path, out: Path, **options: Any) -> dict[str, Any]:
    return build_bundle(options.pop("model", run.folder / "bundle"), kb, out, show_progress=False, **options)


def test_the_new_bundle_links_to_the_new_entities(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    build(toy_run, kb, tmp_path / "new")
    assert check_bundle(tmp_path / "new") == []
    with Linker.load(tmp_path / "new") as linker:
        links = linker.link([Mention(name, name, f"In {name}.") for name in NAMES])
    assert [link.candidates[0].name for link in links] == list(NAMES)


def test_numbers_and_pictures_are_reported(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    about = build(toy_run, kb, tmp_path / "new")
    assert about == {"entities": 5, "kind": "exact", "pictures": {"named": 1, "missing": 1, "broken": 0}, "second_stage": False}


def test_the_same_kb_gives_the_same_vectors(toy_run: ToyRun, tmp_path: Path) -> None:
    build(toy_run, toy_run.data, tmp_path / "new")
    assert np.array_equal(bundle_vectors(tmp_path / "new"), bundle_vectors(toy_run.folder / "bundle"))


def test_the_card_says_where_model_and_threshold_come_from(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    build(toy_run, kb, tmp_path / "new")
    old, new = read_card(toy_run.folder / "bundle"), read_card(tmp_path / "new")
    assert (new["data"]["name"], new["data"]["entities"], new["data"]["trained_on"]) == ("kb", 5, old["data"])
    assert new["decision"] == old["decision"]
    assert "not on this knowledge base" in new["decision_note"]
    assert new["scores"] == {}


def test_a_decision_that_was_taken_along_is_not_judged_on_its_own_mentions(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    build(toy_run, kb, tmp_path / "other")
    build(toy_run, toy_run.data, tmp_path / "back", model=tmp_path / "other")
    calibrated = tmp_path / "calibrated"
    shutil.copytree(tmp_path / "back", calibrated)
    calibrate_bundle(calibrated, toy_run.data, "test", show_progress=False)
    build(toy_run, toy_run.data, tmp_path / "again", model=calibrated)

    def folds(bundle: str, split: str) -> int:
        removed = evaluate_bundle(tmp_path / bundle, toy_run.data, split, remove_gold=0.3, show_progress=False).removed_gold
        assert removed is not None
        return removed.num_folds

    assert (folds("back", "dev"), folds("back", "test")) == (5, 0)
    assert (folds("again", "dev"), folds("again", "test")) == (0, 5)


def test_the_kind_of_index_is_the_one_asked_for(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    assert build(toy_run, kb, tmp_path / "new", kind="exact")["kind"] == "exact"
    with pytest.raises(SettingError, match=r"index\.kind must be one of auto, exact, ivfpq"):
        build(toy_run, kb, tmp_path / "other", kind="exakt")


def test_without_a_word_the_kind_is_that_of_the_bundles_settings(
    toy_run: ToyRun, kb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(toy_run.folder / "bundle", tmp_path / "bundle")
    card = read_json(tmp_path / "bundle" / "card.json")
    card["settings"]["index"]["kind"] = "ivfpq"
    write_json(tmp_path / "bundle" / "card.json", card)
    asked: list[str] = []
    build_index = EntityIndex.build

    def spy(vectors: np.ndarray, kind: str, *rest: Any) -> EntityIndex:
        asked.append(kind)
        return build_index(vectors, kind, *rest)

    monkeypatch.setattr(EntityIndex, "build", spy)
    build(toy_run, kb, tmp_path / "new", model=tmp_path / "bundle")
    build(toy_run, kb, tmp_path / "other", model=tmp_path / "bundle", kind="exact")
    assert asked == ["ivfpq", "exact"]


def test_faulty_entities_stop_or_are_skipped(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    with (kb / "kb.jsonl").open("a") as file:
        file.write('{"id": "Q9"}\n')
    with pytest.raises(DataError, match=r"kb\.jsonl, line 6"):
        build(toy_run, kb, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert build(toy_run, kb, tmp_path / "new", on_error="skip")["entities"] == 5


def test_a_kb_without_entities_gives_a_bundle_that_answers_nil(toy_run: ToyRun, tmp_path: Path) -> None:
    write_lines(tmp_path / "none" / "kb.jsonl", [])
    assert build(toy_run, tmp_path / "none", tmp_path / "new")["entities"] == 0
    with Linker.load(tmp_path / "new") as linker:
        [link] = linker.link([Mention("m", "Congo")])
    assert link.is_nil
    assert link.candidates == ()


def test_a_folder_of_something_else_is_not_replaced(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(BundleError, match="is not empty and no bundle"):
        build(toy_run, kb, tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_bundle_may_take_the_place_of_its_own_model(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_run.folder / "bundle", tmp_path / "bundle")
    build(toy_run, kb, tmp_path / "bundle", model=tmp_path / "bundle")
    assert check_bundle(tmp_path / "bundle") == []
    assert read_card(tmp_path / "bundle")["kb"]["entities"] == 5


def test_a_missing_model_is_named(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not exist"):
        build(toy_run, kb, tmp_path / "new", model=tmp_path / "none")


def test_encoders_that_changed_since_training_are_refused(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_run.folder / "bundle", tmp_path / "bundle")
    card = read_json(tmp_path / "bundle" / "card.json")
    card["encoders"]["lexical"]["identity"]["kind"] = "other"
    write_json(tmp_path / "bundle" / "card.json", card)
    with pytest.raises(EncoderError, match="lexical"):
        build(toy_run, kb, tmp_path / "new", model=tmp_path / "bundle")


def test_an_encoder_that_moved_is_named_where_it_is_now_in_the_new_card(toy_run: ToyRun, kb: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(toy_run.folder / "bundle", model)
    card = read_json(model / "card.json")
    card["settings"]["features"]["image_encoder"] = str(tmp_path / "moved away")
    write_json(model / "card.json", card)
    build(toy_run, kb, tmp_path / "new", model=model, image_encoder="descriptor")
    assert read_card(tmp_path / "new")["settings"]["features"]["image_encoder"] == "descriptor"
    with Linker.load(tmp_path / "new") as linker:
        assert linker.link([Mention("m", NAMES[0])])[0].candidates
