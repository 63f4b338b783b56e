"""Conversion to the generic layout."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from dataset_writers import WRITERS, Link, Plain, small, write, write_generic, write_lines, write_melbench_richpedia
from hypothesis import given, settings
from hypothesis import strategies as st

from pgmel.datasets import Dataset, convert_dataset, load_dataset
from pgmel.errors import DataError
from pgmel.records import NIL, Entity, Mention

# Tables of KGMEL and WikiDiverse hold one record per line and strip the fields' ends; quotes at both ends are a CSV writer's there.
_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters='"@'), max_size=12).map(str.strip)
_SURFACE = _TEXT.filter(bool)
_PICTURE = st.sampled_from(["", "a.jpg", "b.jpg"])


@st.composite
def plain_data(draw: st.DrawFn) -> Plain:
    entities = draw(st.lists(st.tuples(_TEXT, _TEXT), min_size=1, max_size=4))
    golds = st.none() | st.integers(0, len(entities) - 1)
    links = st.lists(st.builds(Link, _SURFACE, _TEXT | st.just("a b a"), golds, _PICTURE), max_size=4)
    return Plain(entities, draw(st.dictionaries(st.sampled_from(["train", "dev", "test"]), links, min_size=1)))


def without_pictures(dataset: Dataset) -> tuple[object, ...]:
    """Everything that must survive a conversion; of a picture, whether there is one."""
    entities = [replace(entity, images=()) for entity in dataset.entities]
    num_images = [len(entity.images) for entity in dataset.entities]
    splits = {split: [replace(mention, image=None) for mention in mentions] for split, mentions in dataset.splits.items()}
    with_image = {split: [mention.image is not None for mention in mentions] for split, mentions in dataset.splits.items()}
    return entities, num_images, splits, with_image


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("copy", [False, True])
@given(plain=plain_data())
@settings(max_examples=15, deadline=None)
def test_a_converted_data_set_loads_as_the_original(name: str, copy: bool, plain: Plain) -> None:
    if name.startswith("wikidiverse") and not any(plain.splits.values()):
        return  # an empty list is no list of lists, so nothing tells the layout
    with tempfile.TemporaryDirectory() as folder:
        original = load_dataset(WRITERS[name](Path(folder, "original"), plain), name.split()[0])
        convert_dataset(original, Path(folder, "converted"), copy_pictures=copy, show_progress=False)
        converted = load_dataset(Path(folder, "converted"))
        assert converted.layout == "generic"
        assert without_pictures(converted) == without_pictures(original)


ids = st.text(min_size=1, max_size=5).filter(lambda text: bool(text.strip()) and text not in ("NIL", "nil"))
texts = st.text(max_size=8)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    entity_ids = draw(st.lists(ids, min_size=1, max_size=3, unique=True))
    entities = tuple(
        Entity(
            item, draw(texts), tuple(draw(st.lists(texts, max_size=2))), draw(texts), (), draw(st.dictionaries(texts, texts, max_size=2))
        )
        for item in entity_ids
    )
    mentions = []
    for mention_id in draw(st.lists(ids, max_size=3, unique=True)):
        surface = draw(texts.filter(lambda text: bool(text.strip())))
        before, after = draw(texts), draw(texts)
        inside = draw(st.booleans())
        context = before + surface + after if inside else before.replace(surface, "")
        found = context.find(surface)
        start, end = (len(before), len(before + surface)) if inside else (found, found + len(surface)) if found >= 0 else (None, None)
        gold = draw(st.sampled_from([None, NIL, *entity_ids]))
        mentions.append(Mention(mention_id, surface, context, start, end, None, gold, tuple(draw(st.lists(st.sampled_from(entity_ids))))))
    return Dataset("x", "generic", Path("/nowhere/x"), entities, {"train": tuple(mentions)})


@given(dataset=datasets())
@settings(max_examples=60, deadline=None)
def test_any_records_survive_writing_and_reading(dataset: Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        convert_dataset(dataset, Path(folder, "out"), show_progress=False)
        loaded = load_dataset(Path(folder, "out"))
    assert loaded.entities == dataset.entities
    assert loaded.splits == dataset.splits


def test_pictures_are_named_by_absolute_path_unless_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_generic(tmp_path / "original", small())
    monkeypatch.chdir(tmp_path)
    convert_dataset(load_dataset(Path("original")), tmp_path / "out")
    assert load_dataset(tmp_path / "out").splits["train"][0].image == tmp_path / "original" / "images" / "a.jpg"


def test_copied_pictures_are_relative_shared_and_tell_nothing(tmp_path: Path) -> None:
    write_melbench_richpedia(tmp_path / "original", small())
    for name in ("K0", "K1"):
        write(tmp_path / "original/images" / f"{name}.jpg", f"picture {name}")
    original = load_dataset(tmp_path / "original")
    result = convert_dataset(original, tmp_path / "out", copy_pictures=True)
    (tmp_path / "out").rename(tmp_path / "moved")
    moved = load_dataset(tmp_path / "moved")
    assert (result.entities, result.mentions, result.pictures_copied, result.pictures_missing) == (
        3,
        {"train": 2, "dev": 1, "test": 1},
        2,
        0,
    )
    images = [mention.image for mentions in moved.splits.values() for mention in mentions]
    assert [image.read_text() for image in images if image] == ["picture K0", "picture K1", "picture K0", "picture K0"]
    assert images[0] == images[2]
    assert not any("K0" in str(image.relative_to(tmp_path)) for image in images if image)


def test_missing_pictures_stay_named_and_are_counted(tmp_path: Path) -> None:
    write_generic(tmp_path / "original", small())
    result = convert_dataset(load_dataset(tmp_path / "original"), tmp_path / "out", copy_pictures=True)
    assert (result.pictures_copied, result.pictures_missing) == (0, 2)
    image = load_dataset(tmp_path / "out").splits["train"][0].image
    assert image is not None
    assert not image.exists()


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    dataset = load_dataset(write_generic(tmp_path / "original", small()))
    write(tmp_path / "out" / "thesis.tex", "my work")
    for overwrite in (False, True):
        with pytest.raises(DataError, match="the folder is not empty" if not overwrite else r"holds no kb\.jsonl, so it is not replaced"):
            convert_dataset(dataset, tmp_path / "out", overwrite=overwrite)
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_a_data_set_is_replaced_only_when_asked(tmp_path: Path) -> None:
    dataset = load_dataset(write_generic(tmp_path / "original", small()))
    write_lines(tmp_path / "out" / "kb.jsonl", [])
    write_lines(tmp_path / "out" / "old.jsonl", [])
    with pytest.raises(DataError, match=r"the folder is not empty\. Write to another folder, or replace it with --overwrite"):
        convert_dataset(dataset, tmp_path / "out")
    convert_dataset(dataset, tmp_path / "out", overwrite=True)
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == ["dev.jsonl", "kb.jsonl", "test.jsonl", "train.jsonl"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    convert_dataset(load_dataset(write_generic(tmp_path / "original", small())), tmp_path / "out")
    assert len(load_dataset(tmp_path / "out").entities) == 3


@pytest.mark.parametrize("out", [".", "original"])
def test_a_data_set_is_never_written_over_itself(tmp_path: Path, out: str) -> None:
    dataset = load_dataset(write_generic(tmp_path / "original", small()))
    with pytest.raises(DataError, match="the data set to convert lies in this folder"):
        convert_dataset(dataset, tmp_path / out, overwrite=True)
    assert len(load_dataset(tmp_path / "original").entities) == 3


def test_a_file_in_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    dataset = load_dataset(write_generic(tmp_path / "original", small()))
    write(tmp_path / "out", "text")
    with pytest.raises(DataError, match="this is no folder"):
        convert_dataset(dataset, tmp_path / "out")
    with pytest.raises(DataError, match="the data set cannot be written"):
        convert_dataset(dataset, tmp_path / "out" / "below")
    assert (tmp_path / "out").read_text() == "text"


def test_an_interrupted_conversion_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load_dataset(write_generic(tmp_path / "original", small()))
    write(tmp_path / "original/images/a.jpg", "x")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", fail)
    with pytest.raises(DataError, match="the data set cannot be written \\(No space left on device\\)"):
        convert_dataset(dataset, tmp_path / "out", copy_pictures=True)
    assert [item.name for item in tmp_path.iterdir()] == ["original"]
