"""The generic layout: every field, every fault."""

from pathlib import Path

import pytest
from dataset_writers import at, small, write, write_generic, write_lines

from pgmel.datasets import load_dataset
from pgmel.errors import DataError
from pgmel.records import NIL, Entity, Mention

ENTITY = {"id": "Q1", "name": "Congo"}
MENTION = {"id": "m1", "mention": "Congo", "context": "The Congo", "entity_id": "Q1"}


def make(root: Path, entities: list, train: list) -> Path:
    write_lines(root / "kb.jsonl", entities)
    write_lines(root / "train.jsonl", train)
    return root


def test_reads_every_field(tmp_path: Path) -> None:
    entity = ENTITY | {
        "aliases": ["Kongo"],
        "description": "A river",
        "images": ["i/1.png", "/far/2.png"],
        "attributes": {"length": "4,700 km"},
    }
    mention = MENTION | {"start": 4, "end": 9, "image": "i/m.png", "candidates": ["Q1"]}
    dataset = load_dataset(make(tmp_path, [entity], [mention]))
    images = (tmp_path / "i/1.png", Path("/far/2.png"))
    assert dataset.entities == (Entity("Q1", "Congo", ("Kongo",), "A river", images, {"length": "4,700 km"}),)
    assert dataset.splits == {"train": (Mention("m1", "Congo", "The Congo", 4, 9, tmp_path / "i/m.png", "Q1", ("Q1",)),)}
    assert (dataset.layout, dataset.name, dataset.root) == ("generic", tmp_path.name, tmp_path)


def test_finds_the_first_occurrence_where_no_offsets_are_given(tmp_path: Path) -> None:
    rows = [MENTION | {"context": "Congo and Congo"}, MENTION | {"id": "m2", "context": "congo"}]
    first, second = load_dataset(make(tmp_path, [ENTITY], rows)).splits["train"]
    assert (first.start, first.end) == (0, 5)
    assert (second.start, second.end) == (None, None)


def test_given_offsets_win_over_the_first_occurrence(tmp_path: Path) -> None:
    rows = [MENTION | {"context": "Congo and Congo", "start": 10, "end": 15}]
    assert load_dataset(make(tmp_path, [ENTITY], rows)).splits["train"][0].start == 10


@pytest.mark.parametrize("gold", ["NIL", "nil", None])
def test_reads_nil(tmp_path: Path, gold: str | None) -> None:
    assert load_dataset(make(tmp_path, [ENTITY], [MENTION | {"entity_id": gold}])).splits["train"][0].entity_id is NIL


def test_a_mention_without_gold_is_not_nil(tmp_path: Path) -> None:
    row = {key: value for key, value in MENTION.items() if key != "entity_id"}
    assert load_dataset(make(tmp_path, [ENTITY], [row])).splits["train"][0].entity_id is None


def test_ids_may_be_numbers_in_the_file(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, [ENTITY | {"id": 7}], [MENTION | {"id": 1, "entity_id": 7, "candidates": [7]}]))
    assert (dataset.entities[0].id, dataset.splits["train"][0].id) == ("7", "1")
    assert (dataset.splits["train"][0].entity_id, dataset.splits["train"][0].candidates) == ("7", ("7",))


@pytest.mark.parametrize("name", ["dev", "val", "valid"])
def test_val_and_valid_are_dev(tmp_path: Path, name: str) -> None:
    write_lines(make(tmp_path, [ENTITY], []) / f"{name}.jsonl", [MENTION])
    assert [(split, len(mentions)) for split, mentions in load_dataset(tmp_path).splits.items()] == [("train", 0), ("dev", 1)]


def test_two_files_for_one_split_are_an_error(tmp_path: Path) -> None:
    write_lines(make(tmp_path, [ENTITY], []) / "dev.jsonl", [])
    write_lines(tmp_path / "val.jsonl", [])
    with pytest.raises(DataError, match=r"dev\.jsonl and val\.jsonl are both the dev split"):
        load_dataset(tmp_path)


def test_a_knowledge_base_alone_is_noted(tmp_path: Path) -> None:
    write_lines(tmp_path / "kb.jsonl", [ENTITY])
    dataset = load_dataset(tmp_path)
    assert dataset.splits == {}
    assert dataset.notes == ("there are no mentions, only a knowledge base",)


def test_empty_image_texts_are_no_images(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, [ENTITY | {"images": [""]}], [MENTION | {"image": ""}]))
    assert dataset.entities[0].images == ()
    assert dataset.splits["train"][0].image is None


FAULTS_IN_KB = {
    "missing key": ({"id": "Q2"}, 'line 2, key "name"', "a required key is missing"),
    "wrong type": ({"id": "Q2", "name": 3}, 'line 2, key "name": expected str, got int', "a value has the wrong type"),
    "no object": (["Q2"], "line 2, expected object, got array", "a value has the wrong type"),
    "misspelt key": (
        {"id": "Q2", "name": "x", "image": ["a.png"]},
        'line 2, key "image": did you mean "images"?',
        "a key is unknown and looks like a misspelt one",
    ),
    "empty id": ({"id": " ", "name": "x"}, "line 2", "an id is empty"),
    "reserved id": ({"id": "NIL", "name": "x"}, "line 2", "an entity is called NIL, which is kept for 'no entity'"),
    "reserved id in small letters": ({"id": "nil", "name": "x"}, "line 2", "an entity is called NIL, which is kept for 'no entity'"),
    "duplicate id": ({"id": "Q1", "name": "x"}, 'line 2, id "Q1", first at line 1', "an id occurs more than once"),
}


@pytest.mark.parametrize("fault", FAULTS_IN_KB)
def test_a_fault_in_the_knowledge_base_says_where(tmp_path: Path, fault: str) -> None:
    row, place, rule = FAULTS_IN_KB[fault]
    make(tmp_path, [ENTITY, row, {"id": "Q3", "name": "sound"}], [MENTION])
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("kb.jsonl", place, rule)
    assert "--on-error skip" in str(caught.value)
    dataset = load_dataset(tmp_path, on_error="skip")
    assert [at(error) for error in dataset.faults] == [("kb.jsonl", place, rule)]
    assert [entity.id for entity in dataset.entities] == ["Q1", "Q3"]


FAULTS_IN_MENTIONS = {
    "missing key": ({"id": "m2", "mention": "Congo"}, 'line 2, key "context"', "a required key is missing"),
    "wrong type": (MENTION | {"id": "m2", "start": "4"}, 'line 2, key "start": expected int | null, got str', "a value has the wrong type"),
    "misspelt key": (
        {"id": "m2", "mention": "Congo", "context": "", "entity": "Q1"},
        'line 2, key "entity": did you mean "entity_id"?',
        "a key is unknown and looks like a misspelt one",
    ),
    "empty id": (MENTION | {"id": ""}, "line 2", "an id is empty"),
    "duplicate id": (MENTION, 'line 2, id "m1", first at line 1', "an id occurs more than once"),
    "empty surface": (MENTION | {"id": "m2", "mention": " \n"}, "line 2", "the mention has no text"),
    "unknown gold": (MENTION | {"id": "m2", "entity_id": "Q9"}, 'line 2, id "Q9"', "the gold entity is not in the knowledge base"),
    "wrong offsets": (
        MENTION | {"id": "m2", "start": 3, "end": 8},
        "line 2, start 3, end 8",
        "start and end do not enclose the mention in its context",
    ),
    "half of the offsets": (
        MENTION | {"id": "m2", "start": 4},
        "line 2, start 4, end None",
        "start and end do not enclose the mention in its context",
    ),
    "offsets from the end": (
        MENTION | {"id": "m2", "start": -5, "end": 9},
        "line 2, start -5, end 9",
        "start and end do not enclose the mention in its context",
    ),
}


@pytest.mark.parametrize("fault", FAULTS_IN_MENTIONS)
def test_a_fault_in_a_split_says_where(tmp_path: Path, fault: str) -> None:
    row, place, rule = FAULTS_IN_MENTIONS[fault]
    make(tmp_path, [ENTITY], [MENTION, row, MENTION | {"id": "m3"}])
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("train.jsonl", place, rule)
    dataset = load_dataset(tmp_path, on_error="skip")
    assert [at(error) for error in dataset.faults] == [("train.jsonl", place, rule)]
    assert [mention.id for mention in dataset.splits["train"]] == ["m1", "m3"]


@pytest.mark.parametrize("file", ["kb.jsonl", "train.jsonl"])
@pytest.mark.parametrize("line", ['{"id": "Q2", "name"}', "{]", '{"id": "Q', '{"id": "\\ud800"}', "id: Q2"])
def test_a_malformed_line_says_where(tmp_path: Path, file: str, line: str) -> None:
    write_generic(tmp_path, small())
    expected = load_dataset(tmp_path)
    lines = (tmp_path / file).read_text(encoding="utf-8").splitlines()
    write_lines(tmp_path / file, [lines[0], line, *lines[1:]])
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    name, place, rule = at(caught.value)
    assert (name, rule) == (file, "the record is not valid JSON")
    assert place is not None
    assert place.startswith("line 2, ")
    dataset = load_dataset(tmp_path, on_error="skip")
    assert (dataset.entities, dataset.splits, len(dataset.faults)) == (expected.entities, expected.splits, 1)


def test_a_line_that_is_not_utf8_says_where(tmp_path: Path) -> None:
    write_generic(tmp_path, small())
    content = (tmp_path / "dev.jsonl").read_bytes()
    (tmp_path / "dev.jsonl").write_bytes(b'{"id": "\xff"}\n' + content)
    faults = load_dataset(tmp_path, on_error="skip").faults
    assert [at(fault)[0::2] for fault in faults] == [("dev.jsonl", "the record is not valid JSON")]
    assert "line 1, " in str(faults[0])


def test_an_unknown_candidate_is_left_out_alone(tmp_path: Path) -> None:
    make(tmp_path, [ENTITY], [MENTION | {"candidates": ["Q1", "Q8"]}])
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("train.jsonl", 'line 1, id "Q8"', "a candidate is not in the knowledge base")
    dataset = load_dataset(tmp_path, on_error="skip")
    assert dataset.splits["train"][0].candidates == ("Q1",)
    assert len(dataset.faults) == 1


def test_a_mention_id_may_not_occur_in_two_splits(tmp_path: Path) -> None:
    write_lines(make(tmp_path, [ENTITY], [MENTION]) / "dev.jsonl", [MENTION])
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("dev.jsonl", 'line 1, id "m1", first at train.jsonl, line 1', "an id occurs more than once")


def test_keys_of_ones_own_are_allowed(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, [ENTITY | {"wikidata_url": "x"}], [MENTION | {"annotator": "Ada"}]))
    assert len(dataset.splits["train"]) == 1


def test_empty_lines_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    write_generic(tmp_path, small())
    expected = load_dataset(tmp_path)
    text = (tmp_path / "train.jsonl").read_text(encoding="utf-8")
    write(tmp_path / "train.jsonl", "\ufeff" + text.replace("\n", "\n\n"))
    assert load_dataset(tmp_path).splits == expected.splits
