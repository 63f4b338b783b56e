"""The decision of a bundle fitted anew, and the command for it."""

import shutil
from pathlib import Path

import pytest
from toy_runs import ToyRun, read_lines, run_cli, write_lines

from pgmel.errors import BundleError, DataError, SettingError
from pgmel.files import read_json, write_json
from pgmel.linking import Decision, Linker, check_bundle, read_card
from pgmel.records import NIL
from pgmel.workflows.calibrate import PrecisionChanges, calibrate_bundle
from pgmel.workflows.evaluate import evaluate_bundle


@pytest.fixture
def bundle(toy_run: ToyRun, tmp_path: Path) -> Path:
    shutil.copytree(toy_run.folder / "bundle", tmp_path / "bundle")
    return tmp_path / "bundle"


def test_without_changes_the_decision_is_that_of_training(toy_run: ToyRun, bundle: Path) -> None:
    assert calibrate_bundle(bundle, toy_run.data, show_progress=False) == toy_run.result.decision
    assert check_bundle(bundle) == []


def test_another_precision_goes_into_card_settings_and_links(toy_run: ToyRun, bundle: Path) -> None:
    before = read_json(bundle / "card.json")
    changes = PrecisionChanges(nil_precision=0.2, link_precision=0.7, nil_share=0.1)
    decision = calibrate_bundle(bundle, toy_run.data, changes=changes, show_progress=False)
    after = read_json(bundle / "card.json")
    assert Decision.from_dict(after["decision"]) == decision
    assert decision.nil_threshold is not None
    assert decision.threshold > 0
    linking = after["settings"]["linking"]
    assert (linking["nil_precision"], linking["link_precision"], linking["nil_share"]) == (0.2, 0.7, 0.1)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"decision", "settings", "calibrated"}
    with Linker.load(bundle) as linker:
        links = linker.link(toy_run.result.material.splits["dev"].mentions)
    assert any(link.entity_id is NIL for link in links)


def test_a_link_precision_of_0_is_asked_for_no_more(toy_run: ToyRun, bundle: Path) -> None:
    calibrate_bundle(bundle, toy_run.data, changes=PrecisionChanges(link_precision=0.7), show_progress=False)
    decision = calibrate_bundle(bundle, toy_run.data, changes=PrecisionChanges(link_precision=0), show_progress=False)
    assert decision.threshold == 0
    assert read_json(bundle / "card.json")["settings"]["linking"]["link_precision"] is None


def test_a_bundle_without_probabilities_gets_some(toy_run: ToyRun, bundle: Path) -> None:
    write_json(bundle / "card.json", read_json(bundle / "card.json") | {"decision": None})
    assert calibrate_bundle(bundle, toy_run.data, show_progress=False) == toy_run.result.decision


def test_mentions_that_it_was_calibrated_on_are_judged_by_cross_fitting(toy_run: ToyRun, bundle: Path) -> None:
    def folds(split: str) -> int:
        removed = evaluate_bundle(bundle, toy_run.data, split, remove_gold=0.3, show_progress=False).removed_gold
        assert removed is not None
        return removed.num_folds

    assert (folds("dev"), folds("test")) == (5, 0)
    calibrate_bundle(bundle, toy_run.data, "test", show_progress=False)
    assert (folds("dev"), folds("test")) == (0, 5)


def test_the_training_split_is_refused(toy_run: ToyRun, bundle: Path) -> None:
    with pytest.raises(SettingError, match="cannot be fitted on 'train'"):
        calibrate_bundle(bundle, toy_run.data, "train", show_progress=False)


@pytest.mark.parametrize("changes", [PrecisionChanges(nil_precision=1.2), PrecisionChanges(nil_share=0)])
def test_a_precision_out_of_range_changes_nothing(toy_run: ToyRun, bundle: Path, changes: PrecisionChanges) -> None:
    before = read_json(bundle / "card.json")
    with pytest.raises(SettingError, match=r"linking\.nil_(precision|share)"):
        calibrate_bundle(bundle, toy_run.data, changes=changes, show_progress=False)
    assert read_json(bundle / "card.json") == before


def test_a_split_that_is_not_there(toy_run: ToyRun, bundle: Path) -> None:
    with pytest.raises(DataError, match="no mentions in split 'valid'"):
        calibrate_bundle(bundle, toy_run.data, "valid", show_progress=False)


def test_the_command_says_what_was_reached(toy_run: ToyRun, bundle: Path) -> None:
    outcome = run_cli("calibrate", "--bundle", bundle, "--data", toy_run.data, "--nil-precision", 0.2)
    assert outcome.code == 0, outcome.err
    first, second, *others = outcome.out.splitlines()
    assert first == f"calibrated on dev, {read_card(bundle)['decision']['num_mentions']} mentions: {bundle}"
    assert second.startswith("NIL is answered where its probability is at least 0.")
    assert "asked for 0.2" in outcome.out
    assert len(others) >= 3
    assert all(line.startswith("  ") and len(line) < 100 for line in others)
    shown = run_cli("calibrate", "--bundle", bundle, "--data", toy_run.data, "--json").json()
    assert shown == read_json(bundle / "card.json")["decision"]


def test_as_many_other_mentions_are_not_taken_for_those_that_it_was_fitted_on(toy_run: ToyRun, bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_run.data, tmp_path / "other")
    lines = read_lines(tmp_path / "other" / "dev.jsonl")
    lines[0]["context"] += " Again."
    write_lines(tmp_path / "other" / "dev.jsonl", lines)

    def folds(data: Path) -> int:
        removed = evaluate_bundle(bundle, data, "dev", remove_gold=0.3, show_progress=False).removed_gold
        assert removed is not None
        return removed.num_folds

    assert (folds(toy_run.data), folds(tmp_path / "other")) == (5, 0)
    card = read_json(bundle / "card.json")
    del card["data"]["digests"]  # as older versions wrote it
    write_json(bundle / "card.json", card)
    assert folds(tmp_path / "other") == 5


def test_a_bundle_that_cannot_be_written_is_told_before_anything_is_encoded(
    toy_run: ToyRun, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != bundle)  # tests may run as somebody who may write anywhere
    monkeypatch.setattr("pgmel.workflows.calibrate.load_material", None)
    with pytest.raises(BundleError, match=f"cannot be changed: nothing may be written in {bundle}"):
        calibrate_bundle(bundle, toy_run.data, show_progress=False)
