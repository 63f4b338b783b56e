"""``pgmel data`` from the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_commands import fail, flatten, run, run_json
from PIL import Image

from pgmel.datasets import LAYOUTS, load_dataset
from pgmel.errors import DataError, SettingError

ENTITIES = [{"id": "Q1", "name": "Congo", "images": ["flag.png"]}, {"id": "Q2", "name": "Congo"}, {"id": "Q3", "name": "Georgia"}]
TRAIN = [
    {"id": "a", "mention": "Congo", "context": "The Congo", "entity_id": "Q1", "image": "flag.png"},
    {"id": "b", "mention": "Congo", "context": "Congo!", "entity_id": "Q2", "image": "gone.png"},
    {"id": "c", "mention": "Tbilisi", "context": "Tbilisi", "entity_id": "NIL"},
]
DEV = [{"id": "d", "mention": "Congo", "context": "The Congo", "entity_id": "Q1"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "mine"
    root.mkdir()
    for name, rows in (("kb", ENTITIES), ("train", TRAIN), ("dev", DEV)):
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / "flag.png")
    return root


def test_describe_prints_one_json_object(folder: Path) -> None:
    found = run_json("describe", folder)
    assert (found["name"], found["layout"], found["path"]) == ("mine", "generic", str(folder))
    assert list(found["splits"]) == ["train", "dev"]
    assert found["splits"]["train"]["mentions"] == 3
    assert (found["splits"]["train"]["nil"], found["splits"]["train"]["ambiguous"]) == (1, 2)
    assert (found["splits"]["dev"]["seen_mentions"], found["splits"]["dev"]["titles"]) == (1, 1)
    assert found["entities"]["entities"] == 3
    assert found["entities"]["sharing_name"] == 2
    assert (found["surfaces"], found["ambiguous_surfaces"]) == (1, 1)
    assert found["overlaps"] == [{"first": "train", "second": "dev", "shared_contexts": 1, "shared_pictures": 0, "shared_rows": 0}]
    assert found["pictures"]["mentions"] == {"named": 2, "usable": 1, "faults": {"missing": 1}, "examples": []}
    assert found["pictures"]["entities"]["usable"] == 1
    assert found["pictures"]["twins"] == {"train": 1, "dev": 0}
    assert found["faults"] == {"count": 0, "by_rule": {}, "first": []}


def test_describe_leaves_pictures_closed_when_asked(folder: Path) -> None:
    assert run_json("describe", folder, "--no-pictures")["pictures"] is None


def test_describe_prints_tables_for_people(folder: Path) -> None:
    (folder / "flag.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    output = run("describe", folder).stdout
    assert "mine: generic layout, 3 entities" in output
    for row in ("mentions 3 1", "NIL 1 (33.3%) 0 (0.0%)", "with a usable picture 0 (0.0%) 0 (0.0%)", "dev, with train 1 0 0"):
        assert row in flatten(output), row
    assert "mentions' 2 0 1 1" in flatten(output)
    assert "flag.png: " in output
    assert "1 of 1 mention texts name several gold entities" in output


def test_describe_compares_other_splits_with_train_and_not_train_with_itself(folder: Path) -> None:
    output = flatten(run("describe", folder, "--no-pictures").stdout)
    assert "of them gold in train too - 1 (100.0%)" in output
    assert "mentions of such entities - 1 (100.0%)" in output


def test_describe_compares_nothing_with_a_train_split_that_is_not_there(folder: Path) -> None:
    (folder / "train.jsonl").unlink()
    assert "of them gold in train too - mentions of such entities - text" in flatten(run("describe", folder, "--no-pictures").stdout)


def test_describe_stops_at_a_fault(folder: Path) -> None:
    add(folder / "train.jsonl", TRAIN[0])
    error = fail("describe", folder)
    assert isinstance(error, DataError)
    assert error.exit_code == 3
    assert str(error).startswith(f'{folder / "train.jsonl"}, line 4, id "a", first at line 1: an id occurs more than once')


def test_describe_counts_and_lists_faults_that_were_skipped(folder: Path) -> None:
    for number in range(12):
        add(folder / "dev.jsonl", TRAIN[0] | {"id": f"x{number}", "entity_id": "Q9"})
    add(folder / "kb.jsonl", "{")
    found = run_json("describe", folder, "--on-error", "skip")["faults"]
    rule = "the gold entity is not in the knowledge base"
    assert (found["count"], found["by_rule"]) == (13, {rule: 12, "the record is not valid JSON": 1})
    assert len(found["first"]) == 10
    assert found["first"][1] == f'{folder / "dev.jsonl"}, line 2, id "Q9": {rule}'
    output = run("describe", folder, "--on-error", "skip").stdout
    assert f"{rule} 12 the record is not valid JSON 1" in flatten(output)  # the most frequent first
    assert f'{folder / "dev.jsonl"}, line 2, id "Q9": {rule}' in output
    assert "and 3 more" in output


def test_describe_notes_what_deviates(folder: Path) -> None:
    (folder / "train.jsonl").unlink()
    (folder / "dev.jsonl").unlink()
    assert "Note: there are no mentions, only a knowledge base" in run("describe", folder).stdout


def test_describe_takes_a_named_layout(folder: Path) -> None:
    assert isinstance(fail("describe", folder, "--layout", "mimicc"), SettingError)
    assert "kb_entity.json: the file does not exist" in str(fail("describe", folder, "--layout", "mimic"))
    assert run_json("describe", folder, "--layout", "generic")["layout"] == "generic"


def test_an_unknown_way_of_handling_errors_is_a_usage_error(folder: Path) -> None:
    result = run("describe", folder, "--on-error", "ignore")
    assert result.exit_code == 2
    assert "'ignore'" in result.output


def test_convert_writes_a_data_set_that_loads(folder: Path, tmp_path: Path) -> None:
    output = run("convert", folder, tmp_path / "out").stdout
    assert f"Wrote 3 entities and 3 train, 1 dev mentions to {tmp_path / 'out'}" in output
    assert load_dataset(tmp_path / "out").splits == load_dataset(folder).splits


def test_convert_copies_pictures(folder: Path, tmp_path: Path) -> None:
    found = run_json("convert", folder, tmp_path / "out", "--copy-pictures")
    assert found == {
        "folder": str(tmp_path / "out"),
        "entities": 3,
        "mentions": {"train": 3, "dev": 1},
        "pictures_copied": 1,
        "pictures_missing": 1,
        "faults": {"count": 0, "by_rule": {}, "first": []},
    }
    image = load_dataset(tmp_path / "out").splits["train"][0].image
    assert image is not None
    assert image.read_bytes() == (folder / "flag.png").read_bytes()
    output = run("convert", folder, tmp_path / "again", "--copy-pictures").stdout
    assert "Copied 1 pictures; 1 were missing" in output


def test_convert_replaces_only_when_asked(folder: Path, tmp_path: Path) -> None:
    run("convert", folder, tmp_path / "out")
    assert "the folder is not empty" in str(fail("convert", folder, tmp_path / "out"))
    assert run("convert", folder, tmp_path / "out", "--overwrite").exit_code == 0


def test_convert_writes_nothing_when_a_record_is_faulty(folder: Path, tmp_path: Path) -> None:
    add(folder / "dev.jsonl", {"id": "x"})
    assert "line 2" in str(fail("convert", folder, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    output = run("convert", folder, tmp_path / "out", "--on-error", "skip").stdout
    assert "a required key is missing 1" in flatten(output)
    assert len(load_dataset(tmp_path / "out").splits["dev"]) == 1


def test_layouts_lists_every_layout() -> None:
    assert [item["name"] for item in run_json("layouts")] == list(LAYOUTS)
    output = run("layouts").stdout
    for name in LAYOUTS:
        assert name in output


@pytest.mark.parametrize("command", ["describe", "convert", "layouts"])
def test_help_has_an_example(command: str) -> None:
    assert f"Example: pgmel data {command}" in run(command, "--help").stdout


def add(file: Path, row: dict[str, Any] | str) -> None:
    with file.open("a", encoding="utf-8") as stream:
        stream.write((row if isinstance(row, str) else json.dumps(row)) + "\n")
