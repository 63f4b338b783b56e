"""Measuring a bundle on a data set."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from toy_runs import ToyRun, bundle_vectors, quick_settings, read_lines, write_lines

from pgmel.errors import BundleError, DataError, EncoderError, SettingError
from pgmel.evaluation import EvaluationResult
from pgmel.files import read_json, write_json
from pgmel.linking import load_encoders
from pgmel.workflows.evaluate import evaluate_bundle, settings_of
from pgmel.workflows.train import train


def evaluate(run: ToyRun, data: Path | None = None, split: str = "dev", **options: Any) -> EvaluationResult:
    return evaluate_bundle(options.pop("bundle", run.folder / "bundle"), data or run.data, split, show_progress=False, **options)


@pytest.fixture
def bundle(toy_run: ToyRun, tmp_path: Path) -> Path:
    """A copy of the bundle, for tests that damage it."""
    shutil.copytree(toy_run.folder / "bundle", tmp_path / "bundle")
    return tmp_path / "bundle"


def change_card(bundle: Path, **parts: Any) -> None:
    write_json(bundle / "card.json", read_json(bundle / "card.json") | parts)


def test_dev_figures_are_those_that_training_gave(toy_run: ToyRun) -> None:
    assert toy_run.result.trained is not None
    found, expected = evaluate(toy_run), toy_run.result.trained.result
    assert (found.overall, found.slices, found.nil, found.excluded) == (
        expected.overall,
        expected.slices,
        expected.nil,
        expected.excluded,
    )
    assert (found.system, found.protocol, found.num_entities, found.settings) == ("trained", "kb", 30, expected.settings)


def test_a_bundle_reads_the_pictures_of_the_sides_it_was_trained_with(toy_run: ToyRun, tmp_path: Path) -> None:
    settings = quick_settings("features.image_sides=mentions", "training.max_steps=2")
    run = train(settings, tmp_path / "run", toy_run.data, show_progress=False)
    assert run.trained is not None
    assert not run.material.entities.present["image"].any()
    assert run.material.splits["dev"].features.present["image"].any()
    assert evaluate(toy_run, bundle=run.bundle).overall == run.trained.result.overall


def test_other_splits_are_measured_too(toy_run: ToyRun) -> None:
    result = evaluate(toy_run, split="test")
    assert (result.data["split"], result.overall.num_mentions) == ("test", 25)


def test_the_data_sets_own_kb_is_ranked(toy_run: ToyRun, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(toy_run.data, data)
    more = [{"id": f"X{number}", "name": "0" * number + "1"} for number in range(7)]
    write_lines(data / "kb.jsonl", [*more, *read_lines(data / "kb.jsonl")])
    result = evaluate(toy_run, data)
    assert result.num_entities == 37
    assert toy_run.result.trained is not None
    assert result.overall.mrr.value == pytest.approx(toy_run.result.trained.result.overall.mrr.value, abs=0.02)


@pytest.fixture
def listed(toy_run: ToyRun, tmp_path: Path) -> Path:
    """The data with candidate lists of the gold and one other, for all but two mentions."""
    data = tmp_path / "listed"
    shutil.copytree(toy_run.data, data)
    rows = read_lines(data / "dev.jsonl")
    for row in rows[2:]:
        row["candidates"] = ["E00", row["entity_id"]] if row["entity_id"] != "NIL" else ["E00"]
    write_lines(data / "dev.jsonl", rows)
    return data


def test_candidate_lists_are_ranked_when_asked(toy_run: ToyRun, listed: Path) -> None:
    result = evaluate(toy_run, listed, protocol="candidates")
    assert (result.protocol, result.candidate_recall, result.nil) == ("candidates", 1.0, None)
    assert result.overall.h_at_3.value == 1.0
    assert result.excluded == {"gold is NIL": 5, "no candidate list": 2}


def test_the_protocol_is_that_of_the_bundle_unless_named(toy_run: ToyRun, listed: Path, bundle: Path) -> None:
    change_card(bundle, settings=quick_settings("evaluation.protocol=candidates").model_dump(mode="json"))
    assert evaluate(toy_run, listed, bundle=bundle).protocol == "candidates"
    assert evaluate(toy_run, listed, bundle=bundle, protocol="kb").protocol == "kb"


def test_candidate_lists_that_are_not_there_are_missed(toy_run: ToyRun) -> None:
    with pytest.raises(DataError, match="no candidate lists"):
        evaluate(toy_run, protocol="candidates")


def test_a_bundle_without_a_decision_gets_no_nil_figures(toy_run: ToyRun, bundle: Path) -> None:
    change_card(bundle, decision=None)
    result = evaluate(toy_run, bundle=bundle)
    assert result.nil is None
    assert result.overall.num_mentions == 25


def test_a_missing_bundle_is_named(toy_run: ToyRun, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="none does not exist"):
        evaluate(toy_run, bundle=tmp_path / "none")


def test_a_folder_that_is_no_bundle_is_named(toy_run: ToyRun) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        evaluate(toy_run, bundle=toy_run.folder)


def test_a_missing_split_is_told_which_there_are(toy_run: ToyRun) -> None:
    with pytest.raises(DataError, match=r"split 'valid' \(it has: train, dev, test\)"):
        evaluate(toy_run, split="valid")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"settings": [1]}, "holds no settings"),
        ({"settings": {"training": {"margin": -1}}}, r"training\.margin must be greater than 0"),
        ({"decision": {"temperature": "warm"}}, "is damaged"),
    ],
)
def test_a_damaged_card_is_the_bundles_fault(toy_run: ToyRun, bundle: Path, parts: dict[str, Any], message: str) -> None:
    change_card(bundle, **parts)
    with pytest.raises(BundleError, match=message):
        evaluate(toy_run, bundle=bundle)


def test_a_damaged_model_is_the_bundles_fault(toy_run: ToyRun, bundle: Path) -> None:
    (bundle / "model" / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(BundleError, match="is missing or damaged"):
        evaluate(toy_run, bundle=bundle)


def test_encoders_that_changed_since_training_are_refused(toy_run: ToyRun, bundle: Path) -> None:
    encoders = read_json(bundle / "card.json")["encoders"]
    encoders["image"]["identity"]["version"] = "of yesterday"
    change_card(bundle, encoders=encoders)
    with pytest.raises(EncoderError, match=r"not those the bundle .* was made with:\n.*image: described as descriptor"):
        evaluate(toy_run, bundle=bundle)


def test_the_bundles_own_encoders_are_accepted(toy_run: ToyRun) -> None:
    card = read_json(toy_run.folder / "bundle" / "card.json")
    assert settings_of(card, toy_run.folder) == toy_run.settings
    assert load_encoders(card, toy_run.folder).describe() == card["encoders"]


def test_an_encoder_that_moved_can_be_named(toy_run: ToyRun, bundle: Path) -> None:
    settings = read_json(bundle / "card.json")["settings"]
    settings["features"]["image_encoder"] = str(bundle / "moved away")
    change_card(bundle, settings=settings)
    with pytest.raises(EncoderError, match="--image-encoder"):
        evaluate(toy_run, bundle=bundle)
    assert evaluate(toy_run, bundle=bundle, image_encoder="descriptor").overall == evaluate(toy_run).overall


def test_an_unknown_device_is_refused(toy_run: ToyRun) -> None:
    with pytest.raises(SettingError, match="'abacus' cannot be used"):
        evaluate(toy_run, device="abacus")


def test_evaluation_changes_nothing_in_the_bundle(toy_run: ToyRun, bundle: Path) -> None:
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    evaluate(toy_run, bundle=bundle)
    assert {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()} == before
    assert len(bundle_vectors(bundle)) == 30
