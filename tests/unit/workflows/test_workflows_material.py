"""Reading and encoding: what every job starts from."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_runs import quick_settings, write_lines

from pgmel.datasets import load_dataset
from pgmel.errors import DataError, SettingError
from pgmel.records import NIL, Mention
from pgmel.settings import FeatureSettings
from pgmel.testing import fake_encoders
from pgmel.workflows.material import load_material, make_encoders, read_data

KB = [{"id": f"Q{number}", "name": name} for number, name in enumerate(["Congo", "Georgia", "Samoa"])]
MENTIONS = [
    {"id": "a", "mention": "Congo", "context": "The Congo.", "entity_id": "Q0", "image": "gone.png"},
    {"id": "b", "mention": "Xqzwk", "context": "Some Xqzwk.", "entity_id": "NIL"},
    {"id": "c", "mention": "Samoa", "context": "In Samoa.", "entity_id": "Q2", "image": "broken.png"},
    {"id": "d", "mention": "Georgia", "context": "In Georgia."},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_lines(tmp_path / "kb.jsonl", KB)
    write_lines(tmp_path / "train.jsonl", MENTIONS)
    write_lines(tmp_path / "dev.jsonl", [row | {"id": f"dev-{row['id']}"} for row in MENTIONS[:2]])
    write_lines(tmp_path / "test.jsonl", [MENTIONS[1] | {"id": "test-b"}])
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return tmp_path


def test_gold_rows_lead_to_the_kb_and_minus_one_stands_for_nil_and_unknown(folder: Path) -> None:
    split = load_material(load_dataset(folder), fake_encoders(), ["train"], False).splits["train"]
    assert split.gold_rows.tolist() == [0, -1, 2, -1]
    assert split.is_nil.tolist() == [False, True, False, False]
    assert split.rankable.tolist() == [True, False, True, False]


def test_mentions_that_cannot_be_ranked_are_counted_by_reason(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pgmel.workflows"):
        material = load_material(load_dataset(folder), fake_encoders(), ["train", "dev"], False)
    assert material.splits["train"].excluded() == {"gold is NIL": 1, "gold missing or not in the KB": 1}
    assert material.splits["dev"].excluded() == {"gold is NIL": 1}
    assert "train: 1 of 4 mentions are not ranked or trained on: gold missing or not in the KB" in caplog.messages
    assert "dev: 1 of 2 mentions are not ranked or trained on: gold is NIL" in caplog.messages


def test_a_gold_outside_the_kb_is_unknown_and_not_nil(folder: Path) -> None:
    dataset = load_dataset(folder)
    stranger = Mention("e", "Fiji", entity_id="Q99")
    split = load_material(replace(dataset, splits={"train": (*dataset.splits["train"], stranger)}), fake_encoders(), ["train"], False)
    assert split.splits["train"].excluded() == {"gold is NIL": 1, "gold missing or not in the KB": 2}


def test_features_follow_the_mentions_row_by_row(folder: Path) -> None:
    split = load_material(load_dataset(folder), fake_encoders(), ["train"], False).splits["train"]
    assert split.features.ids == tuple(mention.id for mention in split.mentions) == ("a", "b", "c", "d")


def test_only_the_splits_that_are_asked_for_are_encoded(folder: Path) -> None:
    material = load_material(load_dataset(folder), fake_encoders(), ["dev"], False)
    assert list(material.splits) == ["dev"]


def test_a_missing_split_is_told_which_there_are(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no mentions in split 'valid' \(it has: train, dev, test\)"):
        load_material(load_dataset(folder), fake_encoders(), ["train", "valid"], False)


def test_a_missing_split_is_noticed_before_anything_is_encoded(folder: Path) -> None:
    encoders = fake_encoders()
    with pytest.raises(DataError):
        load_material(load_dataset(folder), encoders, ["valid"], False)
    assert encoders._text is not None
    assert encoders._text.encoder.texts == []  # type: ignore[attr-defined]


def test_a_split_of_nil_only_cannot_be_used(folder: Path) -> None:
    with pytest.raises(DataError, match="no mention of split 'test' has a gold entity that is in the KB"):
        load_material(load_dataset(folder), fake_encoders(), ["test"], False)


def test_missing_and_broken_pictures_are_counted_and_warned_of(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    material = load_material(load_dataset(folder), fake_encoders(), ["train", "dev"], False)
    assert material.pictures() == {
        "entities": {"named": 0, "missing": 0, "broken": 0},
        "train": {"named": 2, "missing": 1, "broken": 1},
        "dev": {"named": 1, "missing": 1, "broken": 0},
    }
    assert "train: 2 pictures named, 1 missing, 1 unusable" in caplog.messages


def test_pictures_that_nobody_will_look_at_are_warned_of(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_material(load_dataset(folder), fake_encoders(image=False), ["train", "dev"], False)
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "the data name pictures for 3 mentions and entities, but features.image_encoder is none" in warning


def test_data_on_the_command_line_go_before_those_of_the_settings(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    write_lines(other / "kb.jsonl", KB[:1])
    settings = quick_settings(f"data.path={folder}")
    assert len(read_data(settings, None).entities) == 3
    assert len(read_data(settings, other).entities) == 1


def test_without_data_it_is_said_how_to_name_them() -> None:
    with pytest.raises(SettingError, match=r"pass --data FOLDER or set data\.path"):
        read_data(quick_settings(), None)


def test_layout_and_treatment_of_faults_are_those_of_the_settings(folder: Path) -> None:
    write_lines(folder / "dev.jsonl", [MENTIONS[0] | {"id": "y"}, {"id": "z"}])
    with pytest.raises(DataError, match=r"dev\.jsonl, line 2"):
        read_data(quick_settings(), folder)
    assert len(read_data(quick_settings("data.on_error=skip"), folder).faults) == 1
    with pytest.raises(SettingError, match=r"data\.layout"):
        read_data(quick_settings("data.layout=generc"), folder)


def test_skipped_records_are_named_and_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_lines(folder / "dev.jsonl", [MENTIONS[0] | {"id": "y"}, *({"id": f"z{number}"} for number in range(5))])
    read_data(quick_settings("data.on_error=skip"), folder)
    assert "dev.jsonl, line 2" in caplog.messages[0]
    assert caplog.messages[0].startswith("skipped: ")
    assert len(caplog.messages) == 4
    assert caplog.messages[-1].startswith("5 faults were skipped in all")


def test_notes_on_the_data_are_passed_on(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for split in ("train", "dev", "test"):
        (folder / f"{split}.jsonl").unlink()
    with caplog.at_level(logging.INFO, "pgmel.workflows"):
        read_data(quick_settings(), folder)
    assert caplog.messages == ["there are no mentions, only a knowledge base"]


def test_encoders_are_made_as_the_settings_say(tmp_path: Path) -> None:
    encoders = make_encoders(
        FeatureSettings(text_encoder="none", image_encoder="descriptor", lexical_dim=64, cache_dir=tmp_path / "mine"), "cpu"
    )
    about = encoders.describe()
    assert (about["text"], about["image"]["name"], about["lexical"]["dim"]) == (None, "descriptor", 64)
    features = encoders.encode_mentions([Mention("m", "Congo", entity_id=NIL)], show_progress=False)
    assert features.channels["lexical"].shape == (1, 64)
    assert np.array_equal(features.present["lexical"], [True])
