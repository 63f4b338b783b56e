"""Detection of layouts, and what load_dataset does for all of them."""

import gc
from pathlib import Path

import pytest
from dataset_writers import (
    WRITERS,
    Link,
    Plain,
    small,
    write,
    write_generic,
    write_mimic,
    write_wikidiverse_caption,
    write_wikidiverse_mention,
)

from pgmel.datasets import LAYOUTS, detect_layout, load_dataset
from pgmel.errors import DataError, SettingError
from pgmel.records import NIL


@pytest.mark.parametrize("name", WRITERS)
def test_every_layout_is_detected_and_read(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path, small())
    dataset = load_dataset(tmp_path)
    assert dataset.layout == name.split()[0]
    assert list(dataset.splits) == ["train", "dev", "test"]
    surfaces = [mention.surface for mentions in dataset.splits.values() for mention in mentions]
    assert surfaces == ["Congo", "Tbilisi", "Georgia", "Congo"]
    golds = [mention.entity_id for mentions in dataset.splits.values() for mention in mentions]
    first = dataset.entities[0].id
    assert golds == [first, NIL, dataset.entities[2].id, dataset.entities[1].id]
    assert dataset.entities[0].description == "Country in the west"
    pictures = [mention.image is not None for mentions in dataset.splits.values() for mention in mentions]
    assert pictures == [True, name.startswith("melbench"), True, True]


def test_every_layout_has_a_writer_in_the_tests() -> None:
    assert {name.split()[0] for name in WRITERS} == set(LAYOUTS)


@pytest.mark.parametrize("name", WRITERS)
def test_mention_ids_are_unique_and_do_not_name_the_gold(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path, small())
    mentions = [mention for split in load_dataset(tmp_path).splits.values() for mention in split]
    assert len({mention.id for mention in mentions}) == len(mentions)
    assert not any(str(mention.entity_id) in mention.id for mention in mentions)


@pytest.mark.parametrize("name", WRITERS)
def test_a_withheld_test_split_is_simply_absent(tmp_path: Path, name: str) -> None:
    plain = small()
    del plain.splits["test"]
    WRITERS[name](tmp_path, plain)
    assert list(load_dataset(tmp_path).splits) == ["train", "dev"]


@pytest.mark.parametrize("name", WRITERS)
def test_an_empty_surface_stops_or_is_skipped_in_every_layout(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path, Plain([("Congo", "")], {"train": [Link(" ", "The Congo", 0), Link("Congo", "The Congo", 0)]}))
    with pytest.raises(DataError, match="the mention has no text"):
        load_dataset(tmp_path)
    dataset = load_dataset(tmp_path, on_error="skip")
    assert [fault.rule for fault in dataset.faults] == ["the mention has no text"]
    assert [mention.surface for mention in dataset.splits["train"]] == ["Congo"]


def test_a_folder_of_no_layout_says_what_was_looked_for(tmp_path: Path) -> None:
    write(tmp_path / "notes.txt", "hello")
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: no known layout. See `pgmel data layouts`. These were looked for:\n  - generic: ")
    for layout in LAYOUTS.values():
        assert f"{layout.name}: {layout.looks_for}" in message


def test_a_folder_above_data_sets_is_pointed_to_them(tmp_path: Path) -> None:
    write_mimic(tmp_path / "WikiMEL", small())
    write_generic(tmp_path / "mine", small())
    with pytest.raises(DataError, match="Did you mean one of its folders: WikiMEL, mine"):
        load_dataset(tmp_path)


def test_files_of_several_layouts_are_ambiguous(tmp_path: Path) -> None:
    write_wikidiverse_caption(tmp_path, small())
    write_wikidiverse_mention(tmp_path, small())
    with pytest.raises(
        DataError,
        match=r"the files fit several layouts: wikidiverse-caption, wikidiverse-mention\. "
        r"Say which one with --layout \(data\.layout in settings\)",
    ):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, layout="wikidiverse-mention").splits["train"][0].candidates == ("E0", "E1", "E2")
    assert load_dataset(tmp_path, layout="wikidiverse-caption").splits["train"][0].candidates == ()


def test_a_path_that_does_not_exist_is_a_data_error(tmp_path: Path) -> None:
    for layout in ("auto", "mimic", "kgmel"):
        with pytest.raises(DataError, match="the data set does not exist"):
            load_dataset(tmp_path / "nowhere", layout)


@pytest.mark.parametrize("layout", ["auto", "generic"])
def test_a_path_that_cannot_be_read_is_a_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    write_generic(tmp_path, small())

    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(DataError, match=rf"^{tmp_path}.*: it cannot be read \(Permission denied\)"):
        load_dataset(tmp_path, layout)


def test_a_file_instead_of_a_folder_is_a_data_error(tmp_path: Path) -> None:
    file = write(tmp_path / "kb.jsonl", "")
    with pytest.raises(DataError, match="no known layout"):
        load_dataset(file)
    with pytest.raises(DataError, match="this is a file, and the layout generic is a folder"):
        load_dataset(file, "generic")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_named_layout_whose_files_are_missing_is_a_data_error(tmp_path: Path, layout: str) -> None:
    with pytest.raises(DataError, match=rf"^{tmp_path}.*(there is no|there are no|the file does not exist)"):
        load_dataset(tmp_path, layout)


def test_an_unknown_layout_is_a_setting_error() -> None:
    with pytest.raises(SettingError, match=r"data\.layout must be one of auto, .*got 'mimicc' \(did you mean 'mimic'\?\)"):
        load_dataset(Path(), "mimicc")


def test_an_unknown_way_of_handling_errors_is_a_setting_error() -> None:
    with pytest.raises(SettingError, match=r"data\.on_error must be 'stop' or 'skip', got 'ignore'"):
        load_dataset(Path(), on_error="ignore")  # type: ignore[arg-type]


def test_the_name_is_that_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_generic(tmp_path / "mine", small()))
    dataset = load_dataset(Path())
    assert (dataset.name, dataset.root) == ("mine", Path())


def test_the_garbage_collector_is_back_even_after_an_error(tmp_path: Path) -> None:
    write(write_generic(tmp_path, small()) / "dev.jsonl", "{")
    with pytest.raises(DataError):
        load_dataset(tmp_path)
    assert gc.isenabled()


def test_detection_of_one_layout_only(tmp_path: Path) -> None:
    assert detect_layout(write_generic(tmp_path, small()), LAYOUTS) is LAYOUTS["generic"]
    with pytest.raises(DataError, match="no known layout"):
        detect_layout(tmp_path, {"mimic": LAYOUTS["mimic"]})
