"""Clean splits: written by an audit, read with the data set that they belong to."""

import json
from pathlib import Path
from typing import Any

import pytest
from audit_data import clean, write_clean
from dataset_writers import WRITERS, Link, write, write_kgmel

from pgmel.datasets import Dataset, audit_dataset, convert_dataset, describe_dataset, describe_pictures, load_dataset
from pgmel.datasets.audit import write_audit, write_clean_splits
from pgmel.errors import DataError

SENTENCE = "Market day on the great square of Kinshasa, seen from above."
LEAKING = Link("square", "The president of Brazzaville opens a new bridge over the water.", 3, "x.jpg")


def write_leaking(root: Path, layout: str = "generic") -> Path:
    """Dev has three mentions, and a fourth whose sentence is one of train."""
    plain = clean()
    plain.splits["dev"].insert(1, LEAKING)
    return write_clean(root, layout, plain)


def audit(root: Path, out: Path | None = None, *splits: str) -> Dataset:
    dataset = load_dataset(root)
    found = audit_dataset(dataset, splits=splits, show_progress=False)
    if out is None:
        write_clean_splits(found, dataset)
    else:
        write_audit(found, dataset, out)
    return dataset


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("layout", WRITERS)
def test_the_clean_split_is_read_with_its_data_set(layout: str, tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data", layout)
    before = files_of(root)
    original = audit(root, tmp_path / "out")
    assert files_of(root) == before
    dataset = load_dataset(tmp_path / "out")
    assert (dataset.name, dataset.layout, dataset.root) == ("WikiDiverse" if layout == "kgmel" else "data", original.layout, root)
    assert list(dataset.splits) == ["train", "dev", "test", "dev-clean", "test-clean"]
    assert dataset.published_splits == original.splits
    assert dataset.entities == original.entities
    assert dataset.derived == {"dev-clean": "dev", "test-clean": "test"}
    assert dataset.splits["dev-clean"] == tuple(mention for mention in original.splits["dev"] if mention.surface != "square")
    assert "dev-clean holds 3 of the 4 mentions of dev (clean-splits.json)" in dataset.notes


@pytest.mark.parametrize("layout", WRITERS)
def test_a_clean_split_may_lie_beside_the_published_one(layout: str, tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data", layout)
    before = files_of(root)
    audit(root)
    after = files_of(root)
    assert after.keys() - before.keys() == {"clean-splits.json"}
    assert len(load_dataset(root).splits["dev-clean"]) == 3
    root.rename(tmp_path / "moved")
    assert len(load_dataset(tmp_path / "moved").splits["dev-clean"]) == 3


def test_a_clean_split_is_clean(tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    audit(root, tmp_path / "out")
    (part,) = audit_dataset(load_dataset(tmp_path / "out"), splits=["dev-clean"], show_progress=False).splits
    assert len(part.clean) == len(part.mentions) == 3


def test_derived_splits_are_audited_on_demand_only(tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    audit(root)
    assert [part.split for part in audit_dataset(load_dataset(root), pictures=False, show_progress=False).splits] == ["dev", "test"]


def test_every_mention_has_a_verdict_with_its_reasons(tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data", "kgmel")
    audit(root, tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "dev.verdicts.jsonl").read_text().splitlines()]
    assert lines[0] == {"id": "dev-3-0", "record": "3", "clean": True, "leaks": {}, "others": {}}
    assert lines[1] == {
        "id": "dev-4-0",
        "record": "4",
        "clean": False,
        "leaks": {"same_sentence": "train-0-0"},
        "others": {"seen_gold": "Q3"},
    }
    assert [line["clean"] for line in lines] == [True, False, True, True]


def test_the_report_counts_what_the_verdicts_say(tmp_path: Path) -> None:
    audit(write_leaking(tmp_path / "data"), tmp_path / "out")
    found = json.loads((tmp_path / "out" / "audit.json").read_text())["splits"]["dev"]
    assert (found["train"], found["mentions"], found["clean"], found["clean_share"]) == ("train", 4, 3, 0.75)
    sentence = found["findings"]["same_sentence"]
    assert (sentence["mentions"], sentence["share"], sentence["items"], sentence["alone"]) == (1, 0.25, 1, 1)
    assert sentence["examples"] == [{"id": "dev1", "other": "train0", "what": LEAKING.context}]
    assert found["findings"]["near_picture"]["title"] == "nearly a picture of train"
    assert "alone" not in found["findings"]["title"]


def test_a_later_audit_renews_its_splits_and_keeps_the_others(tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    audit(root, tmp_path / "out", "dev")
    audit(root, tmp_path / "out", "test")
    assert load_dataset(tmp_path / "out").derived == {"dev-clean": "dev", "test-clean": "test"}


def test_an_audit_of_clean_splits_belongs_to_the_published_data(tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    audit(root)
    audit(root, tmp_path / "out", "test")
    audit(tmp_path / "out", tmp_path / "again", "dev")
    assert load_dataset(tmp_path / "again").derived == {"dev-clean": "dev", "test-clean": "test"}
    assert json.loads((tmp_path / "again" / "clean-splits.json").read_text())["data"] == str(root)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("old", ["square of Kinshasa", '"Q1"', '"mention": "Kinshasa"', '"dev0"'], ids=["text", "gold", "surface", "id"])
def test_a_split_of_other_mentions_is_left_out_and_noted(old: str, tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    audit(root)
    new = {'"Q1"': '"Q2"', '"dev0"': '"dev9"', '"mention": "Kinshasa"': '"mention": "Market"'}.get(old, "square  of Kinshasa")
    change(root / "dev.jsonl", old, new)
    dataset = load_dataset(root)
    assert dataset.derived == {"test-clean": "test"}
    assert "dev-clean is left out: dev is not what it was when clean-splits.json was written; run pgmel data audit again" in dataset.notes


def test_a_split_that_was_withheld_since_is_left_out(tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    audit(root)
    (root / "test.jsonl").unlink()
    assert list(load_dataset(root).splits) == ["train", "dev", "dev-clean"]


def test_data_that_moved_away_are_named(tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    audit(root, tmp_path / "out")
    root.rename(tmp_path / "moved")
    with pytest.raises(DataError, match=rf'clean-splits.json: the data set that these splits belong to is not at {root}.*Correct "data"'):
        load_dataset(tmp_path / "out")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "another"}, "a value has the wrong type"),
        ({"splits": {"dev": {"of": "test", "fingerprint": "", "ids": []}}}, "the split 'dev' is one of the data set's own"),
        ({"splits": {"dev-clean": {"of": "dev"}}}, "a required key is missing"),
    ],
)
def test_a_damaged_file_is_a_data_error(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    audit(root)
    file = root / "clean-splits.json"
    write(file, {**json.loads(file.read_text()), **values})
    with pytest.raises(DataError, match=rf"{file}.*{message}"):
        load_dataset(root)


def test_the_layout_is_the_one_that_was_audited(tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data", "mimic")
    audit(root, tmp_path / "out")
    write(root / "kb.jsonl", "")  # now detection alone would find two layouts
    assert load_dataset(tmp_path / "out").layout == "mimic"
    assert load_dataset(tmp_path / "out", "generic").layout == "generic"


@pytest.mark.parametrize("name", ["out", "out/clean-splits.json"])
def test_the_file_may_be_named_itself(name: str, tmp_path: Path) -> None:
    audit(write_leaking(tmp_path / "data"), tmp_path / "out")
    assert len(load_dataset(tmp_path / name).splits["dev-clean"]) == 3


def test_one_of_several_data_sets_in_a_folder_has_its_own_file(tmp_path: Path) -> None:
    write_kgmel(tmp_path, clean())
    (tmp_path / "Other.json").write_text((tmp_path / "WikiDiverse.json").read_text())
    mapping = json.loads((tmp_path / "ids_split_mappings.json").read_text())
    write(tmp_path / "ids_split_mappings.json", {**mapping, "Other": mapping["WikiDiverse"]})
    audit(tmp_path / "Other.json")
    assert (tmp_path / "Other.clean-splits.json").is_file()
    assert load_dataset(tmp_path / "Other.json").derived == {"dev-clean": "dev", "test-clean": "test"}
    assert load_dataset(tmp_path / "WikiDiverse.json").derived == {}


@pytest.mark.parametrize("place", [".", "audit", "deep/er"])
def test_nothing_is_written_into_the_data_set_unasked(place: str, tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    before = files_of(root)
    with pytest.raises(DataError, match=r"lies in the data set.*--beside"):
        audit(root, root / place)
    assert files_of(root) == before


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    write(tmp_path / "out" / "notes.txt", "mine")
    with pytest.raises(DataError, match="the folder is not empty, and holds no earlier audit"):
        audit(root, tmp_path / "out")
    with pytest.raises(DataError, match="this is no folder"):
        audit(root, tmp_path / "out" / "notes.txt")
    with pytest.raises(DataError, match=r"cannot be written: .*notes\.txt is a file"):
        audit(root, tmp_path / "out" / "notes.txt" / "deeper")
    assert files_of(tmp_path / "out").keys() == {"notes.txt"}


def test_an_audit_of_another_data_set_is_refused(tmp_path: Path) -> None:
    audit(write_leaking(tmp_path / "data"), tmp_path / "out")
    before = files_of(tmp_path / "out")
    with pytest.raises(DataError, match=rf"this file holds splits of another data set, {tmp_path / 'data'}"):
        audit(write_leaking(tmp_path / "other"), tmp_path / "out")
    assert files_of(tmp_path / "out") == before


def test_derived_splits_are_not_described_twice(tmp_path: Path) -> None:
    root = write_leaking(tmp_path / "data")
    before = describe_dataset(load_dataset(root))
    audit(root)
    dataset = load_dataset(root)
    after = describe_dataset(dataset)
    assert (after.splits, after.overlaps) == (before.splits, before.overlaps)
    assert list(describe_pictures(dataset, show_progress=False).usable) == ["train", "dev", "test"]


@pytest.mark.parametrize("copy_pictures", [True, False])
def test_conversion_keeps_clean_splits(copy_pictures: bool, tmp_path: Path) -> None:
    audit(write_leaking(tmp_path / "data", "mimic"), tmp_path / "out")
    dataset = load_dataset(tmp_path / "out")
    conversion = convert_dataset(dataset, tmp_path / "converted", copy_pictures=copy_pictures, show_progress=False)
    assert conversion.mentions == {"train": 3, "dev": 4, "test": 2}
    converted = load_dataset(tmp_path / "converted")
    assert converted.derived == dataset.derived
    assert [mention.id for mention in converted.splits["dev-clean"]] == [mention.id for mention in dataset.splits["dev-clean"]]
    assert not (tmp_path / "converted" / "dev-clean.jsonl").exists()
